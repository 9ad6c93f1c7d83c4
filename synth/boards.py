"""The FPGA boards: which platform and preset each is built for, its clock, and the top of its design."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth_boards.ulx3s import ULX3S_45F_Platform, ULX3S_85F_Platform

from hdl.params import DEFAULT_PRESET


@dataclass(frozen=True)
class Pll:
    """Dividers of an EHXPLLL whose feedback comes from its output: output = input * feedback / reference.

    The oscillator runs at output * post, which must be within 400..800 MHz (Lattice FPGA-DS-02012, 3.19).
    """

    reference: int
    feedback: int
    post: int

    def output(self, input_hz: float) -> float:
        return input_hz * self.feedback / self.reference


def pll(input_hz: float, output_hz: float) -> Pll:
    """Dividers for exactly `output_hz`; ValueError where there are none."""
    for reference in range(1, 8):
        feedback = output_hz * reference / input_hz
        posts = [post for post in range(1, 129) if 400e6 <= output_hz * post <= 800e6]
        if feedback == round(feedback) and 1 <= feedback <= 128 and posts:
            return Pll(reference, round(feedback), min(posts, key=lambda post: abs(output_hz * post - 600e6)))
    raise ValueError(f"no PLL dividers make {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz")


@dataclass(frozen=True, kw_only=True)
class FpgaBoard:
    """A board with an ECP5; `clock_hz` is the clock of the design on it."""

    name: str
    platform: Callable
    device: str  # of nextpnr
    clock_hz: float
    preset: str = DEFAULT_PRESET


class Top(Elaboratable):
    """`design` behind the pads of a ULX3S: `i_rx`, `o_tx`, `o_led`, `i_button`; its clock from the PLL.

    It is held in reset until the PLL has locked.
    """

    def __init__(self, design: Elaboratable, clock_hz: float):
        self.design, self.clock_hz = design, clock_hz

    def elaborate(self, platform):
        m = Module()
        m.submodules.design = design = self.design  # pyright: ignore[reportArgumentType]
        input_hz = platform.default_clk_frequency
        dividers = pll(input_hz, self.clock_hz)
        m.submodules.clock = clock = io.Buffer(io.Direction.Input, platform.request(platform.default_clk, dir="-"))
        m.domains.sync = ClockDomain("sync")
        locked = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self.clock_hz / 1e6:g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_CLKI_DIV=dividers.reference,
            p_CLKFB_DIV=dividers.feedback,
            p_CLKOP_DIV=dividers.post,
            p_CLKOP_CPHASE=dividers.post - 1,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=clock.i,
            i_CLKFB=ClockSignal(),
            i_RST=Const(0),
            i_STDBY=Const(0),
            o_CLKOP=ClockSignal(),
            o_LOCK=locked,
        )
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")

        uart = platform.request("uart", dir={"rx": "-", "tx": "-", "rts": "-", "dtr": "-"})
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, uart.tx)
        m.d.comb += [design.i_rx.eq(rx.i), tx.o.eq(design.o_tx)]
        for k in range(len(design.o_led)):
            m.submodules[f"led_{k}"] = led = io.Buffer(io.Direction.Output, platform.request("led", k, dir="-"))
            m.d.comb += led.o.eq(design.o_led[k])
        for k in range(len(design.i_button)):
            m.submodules[f"button_{k}"] = button = io.Buffer(
                io.Direction.Input, platform.request("button_fire", k, dir="-")
            )
            m.d.comb += design.i_button[k].eq(button.i)
        return m


BOARDS = {
    board.name: board
    for board in (
        FpgaBoard(name="ulx3s_85f", platform=ULX3S_85F_Platform, device="85k", clock_hz=37.5e6),
        FpgaBoard(name="ulx3s_45f", platform=ULX3S_45F_Platform, device="45k", clock_hz=50e6),
    )
}


def find(name: str) -> FpgaBoard:
    """The board called `name`; ValueError with the names there are."""
    if name not in BOARDS:
        raise ValueError(f"no board '{name}'; there are {', '.join(BOARDS)}")
    return BOARDS[name]


def plan(platform, design: Elaboratable, clock_hz: float) -> dict[str, str]:
    """What the tools take: `top.il`, RTLIL with the source lines, and `top.lpf`, the constraints."""
    files = platform.prepare(Top(design, clock_hz), "top").files
    return {name: files[name] for name in ("top.il", "top.lpf")}
