"""Scaling of levels back to coefficients, one group a cycle."""

from amaranth import Array, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip
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
        for i in range(16):
            product = Signal(signed(31), name=f"product_{i}", reset_less=True)
            rounded = Signal(signed(31), name=f"rounded_{i}")
            m.d.sync += product.eq(levels[i] * scale)
            with m.Switch(log2_size):
                for log2 in (2, 3, 4, 5):
                    with m.Case(log2):
                        m.d.comb += rounded.eq((product + (1 << (log2 - 2))) >> (log2 - 1))
            m.d.sync += self.o_block[i].eq(clip(rounded, -32768, 32767))
        return m
