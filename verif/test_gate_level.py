"""The netlist's cells against Yosys' models and against memories and products; and that a broken netlist is caught."""

import copy
import itertools
import json
import random
import re
import subprocess

import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from sim import toolchain
from sim.toolchain import BUILD, ToolError
from verif.gate_level import ecp5
from verif.gate_level.lockstep import check


class Cells(wiring.Component):
    """Makes synthesis use every cell that the core uses: products, memories with and without byte enables, sums."""

    a: In(signed(18))
    b: In(18)
    address: In(9)
    other: In(9)
    write: In(4)
    enable: In(1)
    products: Out(data.ArrayLayout(36, 2))
    words: Out(data.StructLayout({"wide": 36, "narrow": 9, "rom": 18, "small": 8}))
    total: Out(20)

    def elaborate(self, platform):
        m = Module()
        table = [k * 40_503 & 0x3FFFF for k in range(512)]
        wide = memory.Memory(shape=36, depth=512, init=[word << 17 for word in table])
        narrow = memory.Memory(shape=9, depth=2048, init=[])
        rom = memory.Memory(shape=18, depth=512, init=table)
        small = memory.Memory(shape=8, depth=16, init=[])
        m.submodules += [wide, narrow, rom, small]
        data36 = (self.a.as_unsigned() << 18) ^ self.b
        for store, granularity, out, value in (
            (wide, 9, self.words.wide, data36),
            (narrow, None, self.words.narrow, self.b),
            (small, None, self.words.small, self.a),
        ):
            write = store.write_port(granularity=granularity)
            read = store.read_port(domain="comb" if store is small else "sync")
            m.d.comb += [
                write.addr.eq(self.address),
                write.data.eq(value),
                write.en.eq(self.write),
                read.addr.eq(self.other),
                out.eq(read.data),
            ]
            if store is not small:
                m.d.comb += read.en.eq(self.enable)
        read = rom.read_port()
        m.d.comb += [read.addr.eq(self.other), self.words.rom.eq(read.data)]
        # One product's register can be the multiplier's own; the other's is reset.
        product = Signal(36, reset_less=True)
        m.d.sync += [product.eq(self.a * self.b.as_signed()), self.products[1].eq(self.b * self.b)]
        m.d.comb += self.products[0].eq(product)
        total = Signal(20, init=5)
        with m.If(self.enable):
            m.d.sync += total.eq(total + self.a - (self.b & self.address))
        m.d.comb += self.total.eq(total)
        return m


@pytest.fixture(scope="module")
def netlist() -> dict:
    return ecp5.netlist(Cells(), BUILD / "gate_level" / "cells")


def test_cells(netlist):
    kinds = {cell["type"] for cell in netlist["cells"].values()}
    assert kinds >= {"LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4", "DP16KD", "MULT18X18D"}
    multipliers = [cell["parameters"] for cell in netlist["cells"].values() if cell["type"] == "MULT18X18D"]
    assert sorted(each.get("REG_OUTPUT_CLK", "") for each in multipliers) == ["", "CLK0"]
    check(Cells(), ecp5.verilog(netlist, "gates"), "gate_level_cells", BUILD / "bench" / "gate_level_cells")


@pytest.mark.parametrize(("kind", "parameter"), [("LUT4", "INIT"), ("DP16KD", "INITVAL_00")])
def test_a_changed_bit_is_caught(netlist, kind, parameter):
    """The bit that inputs of 0 choose."""
    changed = copy.deepcopy(netlist)
    cell = next(cell for cell in changed["cells"].values() if cell["type"] == kind)
    bits = cell["parameters"][parameter]
    cell["parameters"][parameter] = bits[:-1] + {"0": "1", "1": "0"}[bits[-1]]
    with pytest.raises(AssertionError, match="outputs differ"):
        check(Cells(), ecp5.verilog(changed, "gates"), "broken_cells", BUILD / "bench" / "broken_cells")


def some_cells() -> dict:
    """A netlist of the cells that are written out, each with its own inputs: random tables, all kinds of registers."""
    rng, count, module = random.Random(1), itertools.count(2), {"cells": {}, "netnames": {}}
    inputs, outputs = [], []

    def add(kind: str, parameters: dict, pins_in: list[str], pins_out: list[str], **given) -> None:
        nets = {pin: next(count) for pin in (*pins_in, *pins_out)}
        inputs.extend(nets[pin] for pin in pins_in)
        outputs.extend(nets[pin] for pin in pins_out)
        directions = dict.fromkeys([*pins_in, *given], "input") | dict.fromkeys(pins_out, "output")
        connections = {pin: [net] for pin, net in (nets | given).items()}
        cell = {"type": kind, "parameters": parameters, "port_directions": directions, "connections": connections}
        module["cells"][f"c{len(module['cells'])}"] = cell | {"attributes": {}, "hide_name": 0}

    table = lambda: f"{rng.getrandbits(16):016b}"  # noqa: E731
    for _ in range(20):
        add("LUT4", {"INIT": table()}, list("ABCD"), ["Z"])
        pins = [f"{pin}{half}" for half in "01" for pin in "ABCD"]
        inject = {"INJECT1_0": "NO", "INJECT1_1": "NO"}
        add("CCU2C", {"INIT0": table(), "INIT1": table()} | inject, [*pins, "CIN"], ["S0", "S1", "COUT"])
    clock = next(count)
    for enable, value in itertools.product(("1 ", "CE", "INV"), ("SET", "RESET")):
        parameters = {"GSR": "DISABLED", "CEMUX": enable, "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": value}
        pins = ["DI", "LSR"] if enable == "1 " else ["DI", "LSR", "CE"]
        add("TRELLIS_FF", parameters | {"SRMODE": "LSR_OVER_CE"}, pins, ["Q"], CLK=clock)
    ports = {"clk": ("input", [clock]), "i": ("input", inputs), "o": ("output", outputs)}
    return module | {"ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()}}


def proved(folder) -> bool:
    """Whether gold.json, of Yosys' cells, and gate.v do the same for ever."""
    script = """read_verilog -overwrite +/lattice/cells_sim_ecp5.v; read_json gold.json; read_verilog gate.v
        miter -equiv -make_assert gold gate miter; hierarchy -top miter; proc; flatten; opt_clean
        sat -verify -tempinduct -prove-asserts -seq 1"""
    run = subprocess.run([str(toolchain.yosys()), "-q", "-p", "; ".join(script.splitlines())], cwd=folder)
    return run.returncode == 0


def test_written_out_cells(tmp_path):
    """Yosys proves that they are its own, and that one of them is not when a bit of its table is another."""
    cells = some_cells()
    (tmp_path / "gold.json").write_text(json.dumps({"modules": {"gold": cells}}))
    text = ecp5.verilog(cells, "gate")
    (tmp_path / "gate.v").write_text(text)
    assert proved(tmp_path)
    table = re.findall("16'b([01]+)", text)[0]
    (tmp_path / "gate.v").write_text(text.replace(table, table[:-1] + str(1 - int(table[-1])), 1))
    assert not proved(tmp_path)


def test_what_has_no_model_is_refused():
    with pytest.raises(ToolError, match="no model of the cell EHXPLLL"):
        ecp5.verilog({"cells": {"pll": {"type": "EHXPLLL", "parameters": {}, "connections": {}}}, "ports": {}}, "top")
