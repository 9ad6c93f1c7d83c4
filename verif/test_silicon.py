"""The silicon estimate on a made-up library of seven cells: areas, delay, memories, netlist; its page, its refusals."""

import gzip

import pytest
import typer
from amaranth import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from typer.testing import CliRunner

from sim.toolchain import BUILD
from synth import silicon
from synth.asap7 import Library, Mapped, kind_of, map_cells
from synth.blocks import CORE, find
from verif.gate_level import asap7
from verif.gate_level.lockstep import check

TABLE = 'index_1 ("0, 100"); index_2 ("0, 100"); values ("{0}, {0}", "{0}, {0}");'
GATES = {"INV": ("!A", "A"), "BUFx2": ("A", "A"), "NAND2x1": ("!(A * B)", "AB"), "XOR2": ("A ^ B", "AB")}
ROOM = {"INV": 1, "BUFx2": 2, "NAND2x1": 2, "XOR2": 5}


def timing(pins: str) -> str:
    """10 ps from each of the pins, whatever the load."""
    kinds = ("cell_rise", "rise_transition", "cell_fall", "fall_transition")
    tables = "".join(f"{kind} (flat) {{ {TABLE.format(10)} }}\n" for kind in kinds)
    sense = "timing_sense : non_unate;"
    return "".join(f"timing () {{ related_pin : {pin}; {sense}\n{tables} }}\n" for pin in pins)


def liberty() -> str:
    """A library with the names that the flow asks for."""
    cells = []
    for name, (function, pins) in GATES.items():
        inputs = "".join(f"pin ({pin}) {{ direction : input; capacitance : 1; }}\n" for pin in pins)
        output = f'pin (Y) {{ direction : output; function : "{function}"; max_capacitance : 99;\n{timing(pins)} }}\n'
        cells.append((name, ROOM[name], inputs + output))
    for name, pin, value in (("TIEHIx1", "H", 1), ("TIELOx1", "L", 0)):
        cells.append((name, 1, f'pin ({pin}) {{ direction : output; function : "{value}"; }}\n'))
    register = """ff (IQ, IQN) { clocked_on : "CLK"; next_state : "!D"; }
        pin (CLK) { direction : input; clock : true; capacitance : 1; }
        pin (D) { direction : input; capacitance : 1; }
        pin (QN) { direction : output; function : "IQ"; }
        """
    cells.append(("DFFHQNx1", 8, register))
    text = "".join(f"  cell ({name}_ASAP7_75t_R) {{\n    area : {area};\n{body}  }}\n" for name, area, body in cells)
    template = (
        "lu_table_template (flat) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;\n"
    )
    head = 'time_unit : "1ps"; capacitive_load_unit (1, ff); delay_model : table_lookup;\n'
    return f'library (toy) {{\n{head}{template}index_1 ("0, 100"); index_2 ("0, 100"); }}\n{text}}}\n'


class Block(wiring.Component):
    """A product, a sum, and one memory of each kind."""

    a: In(4)
    b: In(4)
    product: Out(8)
    total: Out(8)
    words: Out(12)

    def elaborate(self, platform):
        m = Module()
        stores = [memory.Memory(shape=4, depth=16, init=init) for init in ([], [], [k * 7 & 15 for k in range(16)])]
        for k, store in enumerate(stores):
            m.submodules[f"store_{k}"] = store
            read = store.read_port(domain="comb" if k == 1 else "sync")
            m.d.comb += [read.addr.eq(self.a), self.words.word_select(k, 4).eq(read.data)]
            if k < 2:
                write = store.write_port()
                m.d.comb += [write.addr.eq(self.b), write.data.eq(self.a), write.en.eq(self.b[0])]
        m.d.sync += [self.product.eq(self.a * self.b), self.total.eq(self.total + self.product)]
        return m


@pytest.fixture
def library(tmp_path) -> Library:
    (tmp_path / "toy.lib.gz").write_bytes(gzip.compress(liberty().encode()))
    return Library(tmp_path)


def test_mapping(library):
    folder = BUILD / "silicon" / "toy"
    mapped = map_cells(Block(), folder, library)
    assert library.areas["XOR2_ASAP7_75t_R"] == 5 and len(library.areas) == 7
    assert (mapped.ram, mapped.file, mapped.rom) == (64, 64, 64)
    assert 16 <= mapped.registers < 64 and mapped.gates == round(mapped.area / 2)
    # At least a carry chain, and each gate takes 10 ps.
    assert 50 < mapped.delay < 1000 and mapped.delay % 10 == 0
    netlist = asap7.verilog(Block(), "gates", folder, library)
    assert "*" not in netlist.replace("/*", "").replace("*/", "").replace("(* ", "").replace(" *)", "")
    check(Block(), netlist, "silicon_toy", BUILD / "bench" / "silicon_toy")


def test_memories_by_kind():
    ports = {"WR_PORTS": "1", "RD_CLK_ENABLE": "11"}
    assert kind_of(ports) == "ram"
    assert kind_of(ports | {"RD_CLK_ENABLE": "01"}) == "file"
    assert kind_of(ports | {"WR_PORTS": "0"}) == "rom"


SMALL = Mapped(area=8.75, gates=100, registers=4, delay=500, ram=64, file=0, rom=8)
LARGE = Mapped(area=87.5, gates=1000, registers=40, delay=940, ram=0, file=32, rom=0)


def test_the_core_is_the_sum_of_its_stages_until_it_is_mapped():
    stages = [each.name for each in silicon.BLOCKS if not each.depth and each.name != CORE and "chip." not in each.name]
    measured = {name: SMALL for name in stages} | {"analysis": LARGE}
    core = silicon.summed([measured[name] for name in silicon.parts(find(CORE), measured) or ()])
    assert core.gates == 100 * (len(stages) - 1) + 1000 and core.delay == 940
    text = silicon.page(measured, "yosys")
    assert f"{core.gates:,} gates" in text and "1,000 MHz" in text and "no glue" in text
    # 3840 x 2160 samples 30 times a second at 1.69 cycles each.
    assert "| 4K30 | 248.8 M | 421 | 1 |" in text
    # A stage is the sum of its parts in the same way; without one of them there is no core.
    del measured["entropy"]
    assert silicon.parts(find(CORE), measured) is None and "## The core" not in silicon.page(measured, "yosys")
    measured |= {"entropy.syntax": SMALL, "entropy.residual": SMALL, "entropy.arithmetic_coder": SMALL}
    assert set(silicon.parts(find("entropy"), measured) or ()) == measured.keys() - set(stages)
    # More cores where one is too slow: 4K60 needs 841 MHz.
    slow = Mapped(**LARGE.to_json() | {"delay": 1940})
    assert [each[3:] for each in silicon.rates(slow)][2] == ["2", "2 k"]
    assert "mapped as one" in silicon.page({CORE: SMALL}, "yosys")


def test_without_a_library_it_says_how_to_get_one(tmp_path):
    command = typer.Typer()
    command.command()(silicon.main)
    for arguments in ([], ["--pdk", str(tmp_path)]):
        result = CliRunner().invoke(command, arguments, env={"HERON_PDK": None})
        assert result.exit_code == 2 and result.stdout == ""
        assert "github.com/siliconcompiler/lambdapdk" in result.stderr and result.stderr.count("\n") == 1
