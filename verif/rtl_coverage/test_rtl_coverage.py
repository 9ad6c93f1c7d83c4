"""From a Component to its report: what was hit, what was not, and what is no point at all."""

import subprocess
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sim import build, coverage
from sim.coverage import LINE, TOGGLE
from sim.verilog import export
from verif.rtl_coverage import netlist
from verif.rtl_coverage.report import page, rows, summarise

MAIN = """
#include "Vtop.h"
#include "verilated.h"
#include "verilated_cov.h"
int main(int, char** argv) {
    VerilatedContext context;
    Vtop top(&context);
    for (int k = 0; k < 64; ++k) {
        top.i = k % 8;
        top.clk = 0, top.eval(), top.clk = 1, top.eval();
    }
    context.coveragep()->write(argv[1]);
}
"""


class Pair(data.Struct):
    low: 2
    high: 2


class Example(wiring.Component):
    """Counts, but for an `i` that never comes; the upper half of what it gives is always 1."""

    i: In(4)
    o: Out(Pair)

    def elaborate(self, platform):
        m = Module()
        count = Signal(2)
        with m.If(self.i == 9):
            m.d.sync += count.eq(0)
        with m.Else():
            m.d.sync += count.eq(count + 1)
        m.d.comb += [self.o.low.eq(count), self.o.high.eq(1)]
        return m


@pytest.fixture(scope="module")
def built() -> tuple[Path, Path]:
    """The Verilog, and the file of coverage of a run."""
    source = build.BUILD / "coverage" / "example.cpp"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(MAIN)
    program = build.verilate(
        export(Example(), "example"),
        flags=["--exe", "--no-timing", "-o", "example", *coverage.FLAGS],
        sources=[source],
        make=["OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"],
        target="example",
    )
    counts = program.with_name("example.dat")
    subprocess.run([program, counts], check=True)
    return program.with_name("example.v"), counts


def test_report(built):
    verilog, counts = built
    text = verilog.read_text()
    nets = netlist.nets(verilog, "example")
    blocks = {"example": "example"}
    once = summarise(coverage.read([counts]), nets, blocks, text)
    assert dict(once.holes[LINE]) == {"example.count": 2}, "the arms of an i of 9, and of reset"
    # clk, rst (never up), i, count: up and down; o is count and a constant, o.low and o.high are its bits
    assert once.total.all[TOGGLE] == 2 * (1 + 1 + 4 + 2)
    assert dict(once.holes[TOGGLE]) == {"example.rst": 2, "example.i": 2}
    assert once.left_out["constant"] == 2 * (2 + 2 + 1), "and the bit that Yosys puts into each module"
    assert once.left_out["alias"] == 2 * (2 + 2)
    assert once.total.all[LINE] == 4, "two arms of i, two of the reset"
    assert [name for name, _ in rows(once)] == ["example", "all"]
    assert "| 2 | `example.i` |" in page(once, "A run.", "A version.")


def test_files_add_up(built):
    _, counts = built
    once, twice = coverage.read([counts]), coverage.read([counts, counts])
    assert once.keys() == twice.keys() and any(once.values())
    assert all(twice[point] == 2 * count for point, count in once.items())


def test_blocks_are_files_of_hdl():
    from hdl.pack.pack import Pack
    from hdl.params import Params

    found = netlist.blocks(Pack(Params()), "pack")
    assert found["pack"] == "pack.pack"
    assert {block for block in found.values()} >= {"pack.header_writer", "pack.emulation_prevention"}
    assert all(not block.startswith("common.") for block in found.values())
