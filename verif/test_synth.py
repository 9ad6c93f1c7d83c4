"""The area report: synthesis of a tiny block, the counting of cells, and the check against a baseline."""

import json
import re
import subprocess
from collections import Counter

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from sim import toolchain
from synth import xilinx
from synth.blocks import BLOCKS, Block, find
from synth.chains import close
from synth.copies import copy
from synth.ecp5 import Area, count, count_cells, synthesize
from synth.fold import PINS, SLOTS, fold, spread
from synth.netlist import readers
from synth.report import check, page
from synth.through import pass_through


class Tiny(wiring.Component):
    """A multiplier with a register behind it, and a table that fills an EBR."""

    a: In(8)
    b: In(8)
    o: Out(16)
    word: Out(16)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=16, depth=1024, init=[k * k & 0xFFFF for k in range(1024)])
        read = words.read_port()
        m.d.comb += [read.addr.eq(self.o), self.word.eq(read.data)]
        m.d.sync += self.o.eq(self.a * self.b)
        return m


def test_tiny_block(tmp_path, monkeypatch):
    area = synthesize(Tiny(), tmp_path)
    assert (area.ff, area.ebr, area.dsp) == (16, 1, 1)
    # The second time Yosys is not needed.
    monkeypatch.setattr("synth.ecp5.run_yosys", None)
    assert synthesize(Tiny(), tmp_path) == area


class Adders(wiring.Component):
    """Every way in which a gate can stand in front of an adder."""

    a: In(8)
    b: In(8)
    c: In(8)
    s: In(2)
    o: Out(data.ArrayLayout(9, 8))
    flags: Out(4)

    def elaborate(self, platform):
        m = Module()
        a, b, c, s = self.a, self.b, self.c, self.s[0]
        either = Mux(s, b, c)
        sums = [a + either, a + (b & c), a - (b ^ c), a - either, either - a, (a ^ b) + (a & c), either + b]
        m.d.comb += [out.eq(value) for out, value in zip(self.o, [*sums, Mux(s, a + b, a - b)])]
        m.d.comb += self.flags.eq(Cat(a < either, (a | b) < c, a + either + self.s[1] > b, (a & b) == c))
        return m


@pytest.fixture(scope="module")
def adders(tmp_path_factory):
    """Reads the netlist of Adders as Yosys left it."""
    folder = tmp_path_factory.mktemp("adders")
    synthesize(Adders(), folder)
    return lambda: json.loads((folder / "mapped.json").read_text())


def test_fold(adders, tmp_path):
    """Fewer LUTs, and Yosys proves that the netlist computes the same."""
    before, after = adders(), fold(adders())
    assert count_cells(after)["LUT4"] < 0.6 * count_cells(before)["LUT4"]
    assert count_cells(after)["CCU2C"] == count_cells(before)["CCU2C"]
    assert prove_equal(before, after, tmp_path), "they are equal"
    # The proof can fail.
    lut = next(cell for cell in after["modules"]["top"]["cells"].values() if cell["type"] == "CCU2C")
    lut["parameters"]["INIT1"] = "0" * 16
    assert not prove_equal(before, after, tmp_path), "one was broken"


def test_close(adders, tmp_path):
    """No chain starts with a constant or ends in a carry, and the netlist computes the same."""
    before, after = adders(), close(fold(adders()))
    carries = [cell for cell in after["modules"]["top"]["cells"].values() if cell["type"] == "CCU2C"]
    outs = {cell["connections"]["COUT"][0] for cell in carries}
    ins = {cell["connections"]["CIN"][0] for cell in carries}
    assert "x" in ins and ins == outs
    assert count_cells(close(fold(adders())))["LUT4"] == count_cells(fold(adders()))["LUT4"]
    assert prove_equal(before, after, tmp_path)
    first = next(cell for cell in carries if cell["connections"]["CIN"] == ["x"])
    first["parameters"]["INIT0"] = f"{int(first['parameters']['INIT0'], 2) ^ 0xF:016b}"
    assert not prove_equal(before, after, tmp_path), "a carry in was broken"


def test_spread(adders, tmp_path):
    """The inputs of carry cells use all pins, and the netlist computes the same."""
    before, after = close(fold(adders())), spread(close(fold(adders())))
    used = Counter(
        pin[0]
        for cell in after["modules"]["top"]["cells"].values()
        if cell["type"] == "CCU2C"
        for pin, (net,) in cell["connections"].items()
        if pin[1:] in SLOTS and pin[0] in PINS and isinstance(net, int)
    )
    assert count_cells(after) == count_cells(before) and max(used.values()) < 1.1 * min(used[pin] for pin in PINS)
    assert prove_equal(before, after, tmp_path)
    cells = (cell for cell in after["modules"]["top"]["cells"].values() if cell["type"] == "CCU2C")
    carry = next(cell for cell in cells if isinstance(cell["connections"]["C1"][0], int))
    carry["connections"]["C1"] = ["1"]
    assert not prove_equal(before, after, tmp_path), "an input was broken"


class Delays(wiring.Component):
    """Two groups of registers behind registers, and one behind a gate."""

    i: In(8)
    enable: In(1)
    o: Out(17)

    def elaborate(self, platform):
        m = Module()
        first, second = Signal(8), Signal(8)
        m.d.sync += [first.eq(self.i), second.eq(first), self.o[16].eq(first[0] & second[1])]
        with m.If(self.enable):
            m.d.sync += self.o[:8].eq(second)
        m.d.comb += self.o[8:16].eq(second)
        return m


def test_pass_through(tmp_path):
    """Every second register behind a register or a port has a LUT of its own, which only hands on what it gets."""
    synthesize(Delays(), tmp_path)
    before, after = (json.loads((tmp_path / "mapped.json").read_text()) for _ in range(2))
    pass_through(after)
    assert count_cells(after)["LUT4"] == count_cells(before)["LUT4"] + 12
    old, new = (netlist["modules"]["top"]["cells"] for netlist in (before, after))
    for name in set(new) - set(old):
        buffer, register = new[name], new[name.removesuffix("$through")]
        assert register["connections"]["DI"] == buffer["connections"]["Z"]
        assert buffer["connections"]["A"] == old[name.removesuffix("$through")]["connections"]["DI"]
        assert [int(buffer["parameters"]["INIT"], 2) >> a & 1 for a in range(2)] == [0, 1]


def prove_equal(before: dict, after: dict, folder) -> bool:
    """Whether both netlists compute the same outputs for all inputs."""
    for name, netlist in (("gold", before), ("gate", after)):
        # An open output is no net in Yosys, and x in nextpnr.
        text = re.sub(r'("S[01]"|"COUT"): \["x"\]', r"\1: []", json.dumps(netlist["modules"]["top"]))
        (folder / f"{name}.json").write_text(f'{{"modules": {{"{name}": {text}}}}}')
    script = """read_verilog -overwrite +/lattice/cells_sim_ecp5.v; read_json gold.json; read_json gate.json
        miter -equiv -make_assert gold gate miter; hierarchy -top miter; proc; flatten; sat -verify -prove-asserts"""
    run = subprocess.run([str(toolchain.yosys()), "-q", "-p", "; ".join(script.splitlines())], cwd=folder)
    return run.returncode == 0


class Coefficients(wiring.Component):
    """Three products with entries of one table, which is read besides."""

    address: In(4)
    a: In(data.ArrayLayout(9, 3))
    products: Out(data.ArrayLayout(18, 3))
    entry: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.entry.eq(rom([k * 40_503 >> 5 & 0xFF for k in range(16)], self.address, 8))
        m.d.sync += [self.products[k].eq(self.a[k] * Cat(self.entry, 1)) for k in range(3)]
        return m


def test_copies(tmp_path):
    """One more LUT for each multiplier and bit, of the same function of the same inputs."""
    synthesize(Coefficients(), tmp_path)
    mapped = (tmp_path / "mapped.json").read_text()
    before, after = json.loads(mapped)["modules"]["top"], copy(json.loads(mapped))["modules"]["top"]
    tables = [cell for cell in before["cells"].values() if cell["type"] == "LUT4"]
    assert len(tables) == 8
    old, new = readers(before), readers(after)

    def multipliers(found):
        return {name for name, _ in found if name in after["cells"] and after["cells"][name]["type"] == "MULT18X18D"}

    for lut in tables:
        (net,) = lut["connections"]["Z"]
        assert len(multipliers(old[net])) == 3 and not multipliers(new[net])
        assert old[net] - new[net] == {(reader, pin) for reader, pin in old[net] if reader in multipliers(old[net])}
        for reader, pin in old[net] - new[net]:
            (own,) = after["cells"][reader]["connections"][pin]
            (driver,) = (each for each in after["cells"].values() if each["connections"].get("Z") == [own])
            assert driver["parameters"] == lut["parameters"]
            assert driver["connections"] | {"Z": [net]} == lut["connections"]
            assert {each for each, _ in new[own]} == {reader}
    assert len(after["cells"]) == len(before["cells"]) + 3 * 8


def test_count():
    cells = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "PFUMX": 4, "TRELLIS_FF": 7, "DP16KD": 1, "PDPW16KD": 2}
    assert count(cells) == Area(lut4=10 + 2 * 3 + 6 * 2, ff=7, ebr=3, dsp=0)
    with pytest.raises(ValueError, match=r"\$mem_v2"):
        count({"LUT4": 1, "$mem_v2": 1})


def test_xilinx(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("synth.xilinx.BUILD", tmp_path)
    xilinx.main("entropy.byte_output", "ctu32")
    said = capsys.readouterr().out
    assert said.startswith("entropy.byte_output, preset ctu32: ") and ", 61 FF, " in said, said
    assert xilinx.count({"LUT6": 2, "LUT2": 1, "FDRE": 3, "BUFG": 1})["LUT"] == 3


BEFORE = Area(lut4=1000, ff=500, ebr=0, dsp=10)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Area(lut4=1050, ff=400, ebr=0, dsp=10), None),
        (Area(lut4=1051, ff=500, ebr=0, dsp=10), "big grew from 1,000 to 1,051 LUT4 (+5.1%, allowed 5%)"),
        (Area(lut4=1000, ff=500, ebr=1, dsp=10), "big grew from 0 to 1 EBR (from none, allowed 5%)"),
    ],
)
def test_check(now, words):
    complaints = check({"big": now, "small": BEFORE}, {"big": BEFORE, "small": BEFORE})
    assert complaints == ([words] if words else [])


def test_check_names_unknown_block():
    assert check({"new": BEFORE}, {}) == ["new is not in the baseline; accept it with --update"]


def test_page_compares_core():
    core = Area(lut4=60_000, ff=1, ebr=209, dsp=0)
    text = page({Block("core", "", 0): core, Block("part", ""): BEFORE}, "yosys", "ctu32")
    assert "| EBR | 209 | 208 | ECP5-85F | 100% | **no** |" in text
    assert "| LUT4 | 60,000 | 50,000 | aim | 120% | **no** |" in text
    assert "| &emsp;`part` | 1,000 | 500 | 0 | 10 |" in text
    assert "Not measured: `core`, `fetch`, " in text


def test_registry():
    """Names are unique and say where the class is."""
    names = [block.name for block in BLOCKS]
    assert len(set(names)) == len(names)
    for block in BLOCKS:
        assert block.target.startswith(f"hdl.{block.name.split('.')[0]}"), block.name
        assert find(block.name) is block
    with pytest.raises(ValueError, match="no block 'x'; there are core, fetch"):
        find("x")
