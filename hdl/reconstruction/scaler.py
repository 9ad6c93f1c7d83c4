"""Scaling of levels back to coefficients, half a group a cycle."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.reconstruction.quantizer import LANES, LEVELS, SUBBLOCK, GroupKind
from hdl.reconstruction.scans import POSITIONS

LEVEL_SCALE = (40, 45, 51, 57, 64, 72)


class Scaler(wiring.Component):
    """Scaled transform coefficients d of H.265 8.6.4.2 with flat scaling (m = 16).

    `i_start` takes size, scan and QP of `i_kind`. In the cycle after, `i_levels` is the upper half of the scan, then
    the lower half. `o_block` (raster order in the sub-block) is valid `latency` cycles after the lower half, for one
    cycle. A group every second cycle.
    Arithmetic: (level * levelScale << QP / 6) rounded by log2 N - 1 bits is (level * levelScale << QP / 6 + 5 - log2 N)
    rounded by 4; exact, clipped to 16 bits. Levels are those that Quantizer makes of 16 bit coefficients: then 22 bits
    hold the shifted product.
    """

    latency = 2

    i_start: In(1)
    i_kind: In(GroupKind)
    i_levels: In(LEVELS)
    o_block: Out(SUBBLOCK)

    def elaborate(self, platform):
        m = Module()
        kind = self.i_kind
        shift, factor, last = Signal(4), Signal(signed(18), reset_less=True), Signal(reset_less=True)
        scan_idx, later_scan_idx = Signal(2, reset_less=True), Signal(2, reset_less=True)
        m.d.comb += shift.eq(kind.qp_per + 5 - kind.log2_size)
        # The greatest shift, 11, does not fit; the levels have at most four bits then, and one shift is theirs.
        with m.If(self.i_start):
            m.d.sync += [
                factor.eq(rom(LEVEL_SCALE, kind.qp_rem, 7) << Cat(shift[0] & (shift != 11), shift[1:])),
                last.eq(shift == 11),
                scan_idx.eq(kind.scan_idx),
            ]
        halves = [self.i_start]  # the upper half comes, the lower half comes and the upper is scaled, ...
        for stage in range(3):
            halves.append(Signal(name=f"half_{stage}"))
            m.d.sync += halves[-1].eq(halves[-2])
        m.d.sync += later_scan_idx.eq(scan_idx)
        clipped = []
        for k, level in enumerate(self.i_levels):
            doubled = Cat(Mux(last, level[:5] << 1, level[:5])[:5], level[5:]).as_signed()
            product = Signal(signed(22), name=f"product_{k}", reset_less=True)
            total, value = Signal(signed(18), name=f"total_{k}"), Signal(16, name=f"clipped_{k}")
            with m.If(halves[1] | halves[2]):
                m.d.sync += product.eq(doubled * factor)
            m.d.comb += total.eq(product[4:].as_signed() + product[3])
            fits = (total[15:] == 0) | (total[15:] == 0b111)
            m.d.comb += value.eq(Mux(fits, total[:16], Mux(total[17], 0x8000, 0x7FFF)))
            clipped.append(value)
        with m.If(halves[2] | halves[3]), m.Switch(Cat(halves[2], later_scan_idx)):
            for index, positions in enumerate(POSITIONS):
                for half in range(2):
                    with m.Case(half | index << 1):
                        for k in range(LANES):
                            m.d.sync += self.o_block[positions[LANES * half + k]].eq(clipped[k])
        return m
