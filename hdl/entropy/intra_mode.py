"""Intra prediction modes in the syntax: most probable modes, chroma mode, scan (H.265 8.4.2, 8.4.3, 7.4.9.11)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.angles import DC, HORIZONTAL, PLANAR, VERTICAL
from hdl.intra.modes import most_probable_modes


class ModeCoder(wiring.Component):
    """How one luma mode is coded, given the modes of its neighbours (8.4.2); latency 1, one per cycle.

    left, above: candIntraPredModeA and B. prev: prev_intra_luma_pred_flag. value: mpm_idx, or
    rem_intra_luma_pred_mode.
    """

    mode: In(6)
    left: In(6)
    above: In(6)
    prev: Out(1)
    value: Out(5)

    def elaborate(self, platform):
        m = Module()
        cand, mode = [Signal(6, name=f"candidate{k}") for k in range(3)], Signal(6)
        m.d.sync += mode.eq(self.mode)
        m.d.sync += [c.eq(value) for c, value in zip(cand, most_probable_modes(self.left, self.above))]
        equal = [mode == c for c in cand]
        below = [mode > c for c in cand]
        m.d.comb += self.prev.eq(equal[0] | equal[1] | equal[2])
        with m.If(self.prev):
            m.d.comb += self.value.eq(Mux(equal[0], 0, Mux(equal[1], 1, 2)))
        with m.Else():
            m.d.comb += self.value.eq(mode - (below[0] + below[1] + below[2]))
        return m


def chroma_pred_mode(intra_chroma_pred_mode, luma_mode):
    """IntraPredModeC (table 8-2)."""
    named = Mux(
        intra_chroma_pred_mode[1],
        Mux(intra_chroma_pred_mode[0], DC, HORIZONTAL),
        Mux(intra_chroma_pred_mode[0], VERTICAL, PLANAR),
    )
    return Mux(intra_chroma_pred_mode == 4, luma_mode, Mux(named == luma_mode, 34, named))


def scan_index(mode):
    """scanIdx of a 4x4, or a luma 8x8, predicted with `mode`."""
    return Mux((mode >= 6) & (mode <= 14), 2, (mode >= 22) & (mode <= 30))
