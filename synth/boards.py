"""The FPGA boards: which platform and preset each is built for, its clock, and the top of its design."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from amaranth import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.build import Attrs
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth_boards.resources import UARTResource
from amaranth_boards.rfsoc4x2 import RFSoC4x2Platform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from hdl.params import DEFAULT_PRESET
from sim.toolchain import yosys


@dataclass(frozen=True)
class Pll:
    """Dividers of an EHXPLLL: output = input * multiple / post.

    Its feedback is an output of its own that is as fast as the input, and so is what the phase detector sees: at least
    10 MHz, below which it may never lock. The oscillator runs at input * multiple, 400..800 MHz (Lattice FPGA-DS-02012,
    3.19).
    """

    multiple: int
    post: int

    def output(self, input_hz: float) -> float:
        return input_hz * self.multiple / self.post


def pll(input_hz: float, output_hz: float) -> Pll:
    """Dividers for exactly `output_hz`; ValueError where there are none."""
    multiples = [each for each in range(1, 129) if input_hz >= 10e6 and 400e6 <= input_hz * each <= 800e6]
    for multiple in sorted(multiples, key=lambda each: abs(input_hz * each - 600e6)):
        post = input_hz * multiple / output_hz
        if post == round(post) and 1 <= post <= 128:
            return Pll(multiple, round(post))
    raise ValueError(f"no PLL dividers make {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz")


class Top(Elaboratable):
    """`design` with its ports `i_rx`, `o_tx`, `o_led` and `i_button` at the pads of a board, and a clock from its PLL.

    It is held in reset until the PLL has locked. `i_git_hash` is `commit`.
    """

    def __init__(self, design: Elaboratable, clock_hz: float, commit: int):
        self.design, self.clock_hz, self.commit = design, clock_hz, commit

    def elaborate(self, platform):
        m = Module()
        m.submodules.design = design = self.design  # pyright: ignore[reportArgumentType]
        m.submodules.clock = clock = io.Buffer(io.Direction.Input, platform.request(platform.default_clk, dir="-"))
        m.domains.sync = ClockDomain("sync")
        locked = Signal()
        self.pll(m, clock.i, locked, platform.default_clk_frequency)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")

        m.d.comb += design.i_git_hash.eq(self.git_hash(m))
        rx, tx, leds, buttons = self.pins(platform)
        m.submodules.rx = line = io.Buffer(io.Direction.Input, rx)
        m.d.comb += design.i_rx.eq(line.i)
        m.submodules.tx = line = io.Buffer(io.Direction.Output, tx)
        m.d.comb += line.o.eq(design.o_tx)
        for k, pad in enumerate(leds):
            m.submodules[f"led_{k}"] = led = io.Buffer(io.Direction.Output, pad)
            m.d.comb += led.o.eq(design.o_led[k])
        for k, pad in enumerate(buttons):
            m.submodules[f"button_{k}"] = button = io.Buffer(io.Direction.Input, pad)
            m.d.comb += design.i_button[k].eq(button.i)
        return m

    def git_hash(self, m):
        """The commit, 32 bits."""
        return Const(self.commit, 32)

    def pll(self, m, clock, locked, input_hz: float) -> None:
        """Drives `locked` and the clock of domain sync."""
        raise NotImplementedError

    def pins(self, platform) -> tuple:
        """Ports of rx, tx, and lists of those of LEDs and buttons."""
        raise NotImplementedError


class Ulx3s(Top):
    """ULX3S: the line is that of the USB connector, the buttons are FIRE1 and FIRE2.

    The commit comes from a cell that only `synth/bitstream.py` replaces by constants, so that all commits that change
    nothing else have the same netlist but for these, and nextpnr the same places and wires.
    """

    def git_hash(self, m):
        word = Signal(32)
        m.submodules.commit = Instance("COMMIT", o_WORD=word)
        return word

    def pll(self, m, clock, locked, input_hz):
        dividers, feedback = pll(input_hz, self.clock_hz), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOS=f"{self.clock_hz / 1e6:g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_CLKI_DIV=1,
            p_CLKFB_DIV=1,
            p_CLKOP_DIV=dividers.multiple,
            p_CLKOP_CPHASE=dividers.multiple - 1,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOS_DIV=dividers.post,
            p_CLKOS_CPHASE=dividers.post - 1,
            p_CLKOS_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=clock,
            i_CLKFB=feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            o_CLKOP=feedback,
            o_CLKOS=ClockSignal(),
            o_LOCK=locked,
        )

    def pins(self, platform):
        uart = platform.request("uart", dir={"rx": "-", "tx": "-", "rts": "-", "dtr": "-"})
        leds = [platform.request("led", k, dir="-") for k in range(8)]
        return uart.rx, uart.tx, leds, [platform.request("button_fire", k, dir="-") for k in range(2)]


class Rfsoc4x2(Top):
    """RealDigital RFSoC 4x2: the line is on the first two pins of PMOD 0, for an adapter of 1.8 V; four LEDs."""

    OSCILLATOR_HZ = 1200e6  # MMCME4: 800..1600 MHz, multiplied and divided by eighths

    def pll(self, m, clock, locked, input_hz):
        output, feedback = Signal(), Signal()
        m.submodules.mmcm = Instance(
            "MMCME4_BASE",
            p_CLKIN1_PERIOD=1e9 / input_hz,
            p_CLKFBOUT_MULT_F=self.OSCILLATOR_HZ / input_hz,
            p_CLKOUT0_DIVIDE_F=self.OSCILLATOR_HZ / self.clock_hz,
            p_DIVCLK_DIVIDE=1,
            i_CLKIN1=clock,
            i_CLKFBIN=feedback,
            i_RST=Const(0),
            i_PWRDWN=Const(0),
            o_CLKFBOUT=feedback,
            o_CLKOUT0=output,
            o_LOCKED=locked,
        )
        m.submodules.buffer = Instance("BUFG", i_I=output, o_O=ClockSignal())

    def pins(self, platform):
        attrs = Attrs(IOSTANDARD="LVCMOS18")
        platform.add_resources([UARTResource(0, rx="1", tx="2", conn=("pmod", 0), attrs=attrs)])
        uart = platform.request("uart", dir={"rx": "-", "tx": "-"})
        leds = [platform.request("led", k, dir="-") for k in range(4)]
        return uart.rx, uart.tx, leds, [platform.request("button", k, dir="-") for k in range(2)]


def free_collisions(rtlil: str) -> str:
    """RTLIL in which a read from a memory with `no_rw_check` gives anything where it meets a write.

    Yosys heeds that attribute only where it finds the read ports itself, in Verilog; in RTLIL each port says for
    itself. Otherwise it builds registers and multiplexers beside the block RAM, for the old value.
    """
    lines, free, flagged, of_free = [], set(), False, False
    for line in rtlil.splitlines():
        match line.split():
            case ["module", _]:
                free = set()
            case ["attribute", r"\no_rw_check", _]:
                flagged = True
            case ["memory", *_, name]:
                free |= {name} if flagged else set()
                flagged = False
            case ["parameter", r"\MEMID", name]:
                of_free = json.loads(name) in free
            case ["parameter", r"\COLLISION_X_MASK", mask] if of_free:
                width = int(mask.split("'")[0])
                line = line.replace(mask, f"{width}'{'1' * width}")
        lines.append(line)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class FpgaBoard:
    """A board: its platform, the top of a design on it, the clock of that, and the preset of the core."""

    name: str
    platform: Callable
    top: type[Top]
    clock_hz: float
    preset: str = DEFAULT_PRESET

    @property
    def is_ecp5(self) -> bool:
        """Built by free tools; else by Vivado."""
        return self.top is Ulx3s

    def files(self, design: Elaboratable, commit: int) -> dict[str, str]:
        """What the tools take. ECP5: `top.il`, RTLIL with the source lines, and `top.lpf`. Vivado: v, tcl and xdc."""
        platform = self.platform()
        os.environ["YOSYS"] = str(yosys())
        files = platform.prepare(self.top(design, self.clock_hz, commit), "top").files
        taken = {name: files[name] for name in files if name.split(".", 1)[1] in ("il", "lpf", "v", "tcl", "xdc")}
        return {name: free_collisions(text) if name == "top.il" else text for name, text in taken.items()}


BOARDS = {
    board.name: board
    for board in (
        FpgaBoard(name="ulx3s_85f", platform=ULX3S_85F_Platform, top=Ulx3s, clock_hz=37.5e6, preset="ctu16"),
        FpgaBoard(name="ulx3s_85f_ctu32", platform=ULX3S_85F_Platform, top=Ulx3s, clock_hz=37.5e6, preset="ctu32"),
        FpgaBoard(name="rfsoc4x2", platform=RFSoC4x2Platform, top=Rfsoc4x2, clock_hz=100e6),
    )
}


def find(name: str) -> FpgaBoard:
    """The board called `name`; ValueError with the names there are."""
    if name not in BOARDS:
        raise ValueError(f"no board '{name}'; there are {', '.join(BOARDS)}")
    return BOARDS[name]
