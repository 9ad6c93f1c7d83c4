"""The way to a bitstream: a small design through the whole flow on the real platform, and the reports of it."""

import json
import time
from dataclasses import replace

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from rich.console import Console

from sim.toolchain import ToolError
from synth.bitstream import PATIENCE, Build, NoRoutes, Placed, build, is_stuck, placed
from synth.boards import BOARDS, find, pll
from synth.ecp5 import Area
from synth.timing import distinct, places, read_sdf, slowest

BOARD = find("ulx3s_85f")


class Blinker(wiring.Component):
    """What a board has: a line, LEDs and buttons."""

    i_rx: In(1)
    o_tx: Out(1)
    o_led: Out(8)
    i_button: In(2)
    i_git_hash: In(32)

    def elaborate(self, platform):
        m = Module()
        count = Signal(26)
        m.d.sync += [self.o_tx.eq(self.i_rx), count.eq(count + 1 + self.i_button)]
        m.d.comb += self.o_led.eq(count[-8:] ^ self.i_git_hash[-8:])
        return m


def test_small_design(tmp_path):
    job = Build(BOARD, Blinker(), tmp_path)
    report = build(job, (1,), Console(quiet=True))
    bitstream = (tmp_path / "ulx3s_85f.bit").read_bytes()
    assert b"Part: LFE5U-85F-6CABGA381" in bitstream[:200]
    assert bitstream.count(b"\xff\xff\xbd\xb3") == 1  # the preamble
    assert report["ff"] == 26 + 1 + 2  # the count, the line, the reset
    assert (report["ebr"], report["dsp"], report["seed"]) == (0, 0, 1)
    assert report["fmax_mhz"] == {"1": report["fmax_median_mhz"]}
    assert report["utilization"]["EHXPLLL"]["used"] == 1
    # The slowest path, from the delays of every cell and wire, is the one that nextpnr found.
    with job.file("sdf", 1).open() as sdf:
        paths = slowest(*read_sdf(sdf))
    assert 1e6 / paths[0].delay == pytest.approx(report["fmax_median_mhz"], abs=0.01)
    assert 0 < paths[0].wires < paths[0].delay
    place = places(json.loads((tmp_path / "top.json").read_text()))
    named = [place.get(path.end, "") for path in distinct(paths, place, 3)]
    assert any("verif/test_bitstream.py:" in name and name.startswith("design ") for name in named), named
    # The second time Yosys is not needed.
    (tmp_path / "mapped.json").unlink()
    assert job.synthesize().ff == report["ff"]
    assert not (tmp_path / "mapped.json").exists()


class Remembering(Blinker):
    """Reads a block RAM while it is written."""

    def __init__(self, attrs):
        super().__init__()
        self.attrs = attrs

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=2048, init=[], attrs=self.attrs)
        read, write, address = memory.read_port(), memory.write_port(), Signal(11)
        m.d.sync += address.eq(address + 1 + self.i_button)
        m.d.comb += [write.en.eq(self.i_rx), write.addr.eq(address), write.data.eq(self.i_git_hash)]
        m.d.comb += [read.addr.eq(address ^ self.i_git_hash), self.o_led.eq(read.data)]
        return m


def test_old_values_are_kept_only_where_they_matter(tmp_path):
    areas = [Build(BOARD, Remembering(attrs), tmp_path).synthesize() for attrs in ({}, {"no_rw_check": 1})]
    assert [area.ebr for area in areas] == [1, 1]
    assert areas[0].ff > areas[1].ff == 11 + 2  # the address, the reset
    assert areas[0].lut4 - areas[1].lut4 > 8  # the multiplexer of the old value, and when


def test_commit_changes_only_constants(tmp_path):
    netlists = []
    for commit in (0x12345678, 0xFEDCBA98):
        job = Build(BOARD, Blinker(), tmp_path, commit)
        job.synthesize()
        netlists.append(json.loads((tmp_path / "top.json").read_text())["modules"]["top"])
    words = []
    for netlist in netlists:
        bits = [cell["parameters"].pop("INIT") for name, cell in netlist["cells"].items() if name.startswith("commit_")]
        assert len(bits) == 32 and set(bits) <= {"0" * 16, "1" * 16}
        words.append(sum(int(bit[0]) << k for k, bit in enumerate(bits)))
    assert words == [0x12345678, 0xFEDCBA98]
    assert netlists[0] == netlists[1]


def test_failing_tool(tmp_path):
    """One line with the path of the log, and no result."""
    job = Build(BOARD, Blinker(), tmp_path)
    job.synthesize()
    constraints = tmp_path / "top.lpf"
    constraints.write_text(constraints.read_text().replace('SITE "B2"', 'SITE "Z99"'))
    with pytest.raises(ToolError, match=r"^nextpnr failed: .*Z99.*seed7\.place\.log\)$"):
        job.place(7)
    assert not job.file("config", 7).exists()
    job.file("config", 7).write_text("no configuration")
    with pytest.raises(ToolError, match=r"ecppack failed, see .*ecppack\.log$"):
        job.pack(7)
    assert not list(tmp_path.glob("*.bit"))


class Slow(Build):
    """Placements without tools, faster with each seed."""

    def __init__(self, clock_hz, folder):
        self.board, self.folder = replace(BOARD, clock_hz=clock_hz), folder

    def synthesize(self):
        return Area(1, 1, 1, 1)

    def place(self, seed, follow=None):
        return Placed(seed, 40.0 + seed, {})

    def pack(self, seed):
        path = self.folder / "slow.bit"
        path.write_bytes(b"")
        return path


def test_clock_that_is_not_reached(tmp_path):
    quiet = Console(quiet=True)
    with pytest.raises(ToolError, match=r"^the best of 3 seeds reaches 43\.0 MHz, not 43 MHz and 2%"):
        build(Slow(43e6, tmp_path), (1, 2, 3), quiet)
    assert not list(tmp_path.iterdir())
    report = build(Slow(42e6, tmp_path), (3, 1, 2), quiet)
    assert (report["seed"], report["fmax_median_mhz"]) == (3, 42.0)


class Failing(Slow):
    """Seed `bad` fails; the others go on until they are stopped."""

    bad = 0

    def place(self, seed, follow):
        if seed == self.bad:
            raise ToolError("nextpnr failed: no")
        while True:
            follow("placing")
            time.sleep(0.01)


class Crowded(Slow):
    """Seeds in `stuck` find no routes."""

    stuck = ()

    def place(self, seed, follow):
        if seed in self.stuck:
            raise NoRoutes("nextpnr finds no routes")
        return super().place(seed)


def test_seeds_without_routes(tmp_path):
    """Others do; the median is of those."""
    job = Crowded(40e6, tmp_path)
    job.stuck = 1, 3
    report = build(job, (1, 2, 3), Console(quiet=True))
    assert (report["seed"], report["fmax_mhz"], report["fmax_median_mhz"]) == (2, {"2": 42.0}, 42.0)
    job.stuck = 1, 2, 3
    with pytest.raises(ToolError, match=r"^nextpnr finds no routes with any of 3 seeds, see iter= in .*seed1\.log$"):
        build(job, (1, 2, 3), Console(quiet=True))


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_failing_seed_stops_the_others(tmp_path, monkeypatch, bad):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    job = Failing(42e6, tmp_path)
    job.bad = bad
    with pytest.raises(ToolError, match=r"^nextpnr failed: no$"):
        build(job, (1, 2, 3), Console(quiet=True))


def test_a_router_that_is_stuck():
    def log(overused):
        placer = "Info: iter=1 steplen=0.669109 a=29.8 penalty=[0.00]\n"
        rounds = enumerate(overused, 1)
        return placer + "".join(
            f"Info:     iter={k} wires=9000 overused={n} overuse={n} archfail=NA\n" for k, n in rounds
        )

    assert not is_stuck(log([]))
    assert not is_stuck(log(range(900, 0, -1)))
    assert not is_stuck(log([500, 400, *[450] * (PATIENCE - 1)]))
    assert is_stuck(log([500, 400, *[450] * PATIENCE]))
    assert not is_stuck(log([500, 400, *[450] * (PATIENCE - 1), 399]))


def test_report_of_nextpnr():
    report = {
        "fmax": {
            "fast": {"achieved": 60.004, "constraint": 50.0},
            "pin": {"achieved": 10.0, "constraint": 25.0},
            "slow": {"achieved": 55.126, "constraint": 50.0},
        },
        "utilization": {"DCCA": {"available": 56, "used": 1}, "GSR": {"available": 1, "used": 0}},
    }
    assert placed(5, report, 50e6) == Placed(5, 55.13, {"DCCA": {"available": 56, "used": 1}})
    with pytest.raises(ToolError, match="no clock of 70 MHz"):
        placed(5, report, 70e6)


def test_vivado_project():
    """Scripts for a board that the tools here cannot build."""
    files = BOARDS["rfsoc4x2"].files(Blinker(), 0x12345678)
    assert sorted(files) == ["top.tcl", "top.v", "top.xdc"]
    assert "create_project -force -name top -part xczu48dr-ffvg1517-2-e" in files["top.tcl"]
    assert 'set_property LOC AF16 [get_ports "uart_0__rx__io"]' in files["top.xdc"]
    assert "create_clock -name clk_0__p -period 10.0" in files["top.xdc"]
    assert ".CLKOUT0_DIVIDE_F(12.0)" in files["top.v"]


def test_pll():
    for clock_hz in (BOARD.clock_hz, 50e6, 56.25e6, 70e6):
        dividers = pll(25e6, clock_hz)
        assert dividers.output(25e6) == clock_hz
        assert 400e6 <= clock_hz * dividers.post <= 800e6
        assert 25e6 * dividers.multiple == clock_hz * dividers.post
    with pytest.raises(ValueError, match=r"no PLL dividers make 51\.3 MHz of 25 MHz"):
        pll(25e6, 51.3e6)
    with pytest.raises(ValueError, match="no PLL dividers"):  # the phase detector takes no less than 10 MHz
        pll(5e6, 50e6)
    with pytest.raises(ValueError, match="no board 'x'; there are ulx3s_85f"):
        find("x")
