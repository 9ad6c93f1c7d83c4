"""Scaling of levels back to coefficients, one group a cycle."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.reconstruction.quantizer import SUBBLOCK, GroupKind
from hdl.reconstruction.scans import permuted

# levelScale by QP modulo 6 in two additions: x times 2^a, plus or minus x times 2^b (or 0); to that its multiple by
# 2^c, or x, or nothing. 40 = 32 + 8, 45 = 5 * 9, 51 = 3 * 17, 57 = 64 - 8 + 1, 64, 72 = 64 + 8.
FIRST = ((5, 3), (2, 0), (1, 0), (6, 3), (6, None), (6, 3))
SECOND = (None, 3, 4, "x", None, None)
SUBTRACTED = 3


class Scaler(wiring.Component):
    """Scaled transform coefficients d of H.265 8.6.4.2 with flat scaling (m = 16).

    `i_levels` (scan order) with `i_kind`, of which size, scan and QP are looked at; `o_block` (raster order in the
    sub-block) is valid `latency` cycles later. One group a cycle.
    Arithmetic: (level * levelScale << QP / 6) rounded by log2 N - 1 bits is (level * levelScale << QP / 6 + 5 - log2 N)
    rounded by 4; exact, clipped to 16 bits. Levels are those that Quantizer makes of 16 bit coefficients: then 22 bits
    hold the shifted product.
    """

    latency = 2

    i_kind: In(GroupKind)
    i_levels: In(SUBBLOCK)
    o_block: Out(SUBBLOCK)

    def elaborate(self, platform):
        m = Module()
        levels = permuted(m, SUBBLOCK, self.i_levels, self.i_kind.scan_idx, "raster", back=True)
        shift = Signal(4, reset_less=True)
        m.d.sync += shift.eq(self.i_kind.qp_per + 5 - self.i_kind.log2_size)
        for i in range(16):
            product = Signal(signed(22), name=f"product_{i}", reset_less=True)
            m.d.sync += product.eq(self._product(m, levels[i], f"{i}"))
            shifted, total = Signal(signed(22), name=f"shifted_{i}"), Signal(signed(22), name=f"total_{i}")
            m.d.comb += [shifted.eq(product << shift), total.eq(shifted + 8)]
            fits = (total[19:] == 0) | (total[19:] == 0b111)
            m.d.sync += self.o_block[i].eq(Mux(fits, total[4:20], Mux(total[21], 0x8000, 0x7FFF)))
        return m

    def _product(self, m, x, name):
        """Level times levelScale."""
        rem = self.i_kind.qp_rem
        much, less = Signal(signed(22), name=f"much_{name}"), Signal(signed(22), name=f"less_{name}")
        rest = Signal(signed(22), name=f"rest_{name}")
        first = Signal(signed(22), name=f"first_{name}")
        subtract = rem == SUBTRACTED
        # A subtraction is the addition of the complement and a carry, which comes from a place below the point.
        with m.Switch(rem):
            for value, (high, low) in enumerate(FIRST):
                with m.Case(value):
                    m.d.comb += much.eq(x << high)
                    if low is not None:
                        m.d.comb += less.eq(~(x << low) if value == SUBTRACTED else x << low)
        sum_with_carry = Cat(subtract, much).as_signed() + Cat(subtract, less).as_signed()
        m.d.comb += first.eq(sum_with_carry >> 1)
        with m.Switch(rem):
            for value, multiple in enumerate(SECOND):
                with m.Case(value):
                    if multiple == "x":
                        m.d.comb += rest.eq(x)
                    elif multiple is not None:
                        m.d.comb += rest.eq(first << multiple)
        return first + rest
