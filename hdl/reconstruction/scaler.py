"""Scaling of levels back to coefficients, one group a cycle."""

from amaranth import Array, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.reconstruction.quantizer import SUBBLOCK, GroupKind
from hdl.reconstruction.scans import permuted

LEVEL_SCALE = (40, 45, 51, 57, 64, 72)


class Scaler(wiring.Component):
    """Scaled transform coefficients d of H.265 8.6.4.2 with flat scaling (m = 16).

    `i_levels` (scan order) with `i_kind`, of which size, scan and QP are looked at; `o_block` (raster order in the
    sub-block) is valid `latency` cycles later. One group a cycle. Arithmetic: exact products, rounded, clipped to
    16 bits.
    """

    latency = 2

    i_kind: In(GroupKind)
    i_levels: In(SUBBLOCK)
    o_block: Out(SUBBLOCK)

    def elaborate(self, platform):
        m = Module()
        levels = permuted(m, SUBBLOCK, self.i_levels, self.i_kind.scan_idx, "raster", back=True)
        scale = Signal(15)
        m.d.comb += scale.eq(Array(Const(s, 7) for s in LEVEL_SCALE)[self.i_kind.qp_rem] << self.i_kind.qp_per)
        log2_size = Signal(3, reset_less=True)
        m.d.sync += log2_size.eq(self.i_kind.log2_size)
        half = Signal(4)
        with m.Switch(log2_size):
            for log2 in (2, 3, 4, 5):
                with m.Case(log2):
                    m.d.comb += half.eq(1 << (log2 - 2))
        for i in range(16):
            product = Signal(signed(31), name=f"product_{i}", reset_less=True)
            total = Signal(signed(31), name=f"total_{i}")
            m.d.sync += product.eq(levels[i] * scale)
            m.d.comb += total.eq(product + half)
            # In range when all bits from the sign of the result up are the same.
            shifted, fits, sign = Signal(16, name=f"shifted_{i}"), Signal(name=f"fits_{i}"), total[30]
            with m.Switch(log2_size):
                for log2 in (2, 3, 4, 5):
                    with m.Case(log2):
                        above = total[log2 + 14 : 30]
                        m.d.comb += [shifted.eq(total >> (log2 - 1)), fits.eq(Mux(sign, above.all(), ~above.any()))]
            m.d.sync += self.o_block[i].eq(Mux(fits, shifted, Mux(sign, 0x8000, 0x7FFF)))
        return m
