"""Luma modes of the neighbours, and the most probable modes that follow from them (H.265 8.4.2)."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.angles import DC, PLANAR, VERTICAL
from hdl.params import Params
from hdl.payloads import CodingUnit


def most_probable_modes(left, above) -> list:
    """candModeList of 8.4.2 from candIntraPredModeA and B, three values of 6 bits."""
    third = Mux((left != DC) & (above != DC), DC, VERTICAL)
    differ = [left, above, Mux((left != PLANAR) & (above != PLANAR), PLANAR, third)]
    angular = [left, 2 + (left + 29)[:5], 2 + (left - 1)[:5]]
    equal = [Mux(left < 2, fixed, near) for fixed, near in zip((PLANAR, DC, VERTICAL), angular)]
    return [Mux(left != above, d, e) for d, e in zip(differ, equal)]


class ModeEdges(wiring.Component):
    """IntraPredModeY along the left and the upper edge of what is coded next.

    cu: the unit at hand, steady. Strobes, in this order:
    start: the unit is the first of its coding-tree block, whose edges are set up;
    store: the unit is done, its modes become edges.
    left, above: candIntraPredModeA of the parts 0 and 2, candIntraPredModeB of the parts 0 and 1 when the unit has
    four; DC where not available or, above, in another row of coding-tree blocks. Registers only.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "cu": In(CodingUnit),
                "start": In(1),
                "store": In(1),
                "left": Out(data.ArrayLayout(6, 2)),
                "above": Out(data.ArrayLayout(6, 2)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cu = self.cu
        log2_units = self.p.ctb_log2_size - 3  # of 8 samples in a coding-tree block
        units = 1 << log2_units
        modes = {
            edge: [Signal(6, name=f"{edge}_mode{k}", init=DC) for k in range(2 * units)] for edge in ("left", "above")
        }
        inside = {"left": cu.y[:log2_units], "above": cu.x[:log2_units]}
        with m.If(self.start):
            m.d.sync += [mode.eq(DC) for mode in modes["above"]]
            with m.If(cu.x == 0):
                m.d.sync += [mode.eq(DC) for mode in modes["left"]]
        last_modes = {"left": (cu.luma_mode[1], cu.luma_mode[3]), "above": (cu.luma_mode[2], cu.luma_mode[3])}
        span = (cu.log2_size - 3)[:2]
        for edge, port in (("left", self.left), ("above", self.above)):
            for k in range(units):
                covered = ((inside[edge] ^ k) >> span) == 0
                with m.If(self.store & covered):
                    m.d.sync += [modes[edge][2 * k + half].eq(last_modes[edge][half]) for half in range(2)]
            for half in range(2):
                place = Cat(Const(half, 1), inside[edge])
                m.d.comb += port[half].eq(Cat(modes[edge]).word_select(place, 6))
        return m
