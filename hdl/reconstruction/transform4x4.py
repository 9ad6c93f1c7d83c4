"""The 4x4 transforms, half a block at a time, from adders: DST-VII of luma and DCT of chroma."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip

RESIDUAL = data.ArrayLayout(signed(9), 16)
SUBBLOCK = data.ArrayLayout(signed(16), 16)
SUM = signed(24)


def by_9_74(x) -> tuple:
    nine = x + (x << 3)
    return nine, (nine << 3) + (x << 1)


def forward(x, is_dst, half, sums) -> list:
    """Statements: `sums` become four coefficients, unscaled, of four samples, each with `half` added.

    Of DST-VII in c = x0 + x3 and g = x1 + x3: 29c + 55g = 32s - 3(s + g) with s = c + 2g, 84c - 29g = 28z - g with
    z = 3c - g, and the last output is the difference of these two. Without the subtrahends both are 64(c + g) and
    64(c - g), the even half of the DCT, once s and z are twice that; the odd half takes the multiples of 9 and 74.
    """
    ends, outer = x[0] + x[3], x[0] - x[3]
    inner = x[1] + Mux(is_dst, x[3], x[2])
    k, n = Mux(is_dst, 0, x[1]) - x[2], outer + Mux(is_dst, x[1], 0)
    k_9, k_74 = by_9_74(k)
    n_9, n_74 = by_9_74(n)
    third = k_74 + Mux(is_dst, k_74 << 1, k_9)
    s = (inner << 1) + Mux(is_dst, ends, ends << 1)
    s_3 = (s + inner) + ((s + inner) << 1)
    difference = ends - inner
    z = difference + Mux(is_dst, ends << 1, difference)
    return [
        sums[0].eq(((s << 5) + half) - Mux(is_dst, s_3 + k_74, 0)),
        sums[1].eq(n_74 + (Mux(is_dst, 0, n_9 + (k_9 << 2)) + half)),
        sums[2].eq(((z << 5) + half) - Mux(is_dst, ((z << 2) + inner) - k_74, 0)),
        sums[3].eq(Mux(is_dst, sums[2] - sums[0], n_9 << 2) + (half - third)),
    ]


def inverse(x, is_dst, half, sums) -> list:
    """Statements: `sums` become four samples, unscaled, of four coefficients, each with `half` added.

    DST-VII as in `forward`, with c = x0 + x2 and g = x2 + x3; the odd half of the DCT is in place of the subtrahends.
    """
    ends, mids, n = x[0] + x[2], x[2] + x[3], (x[0] - x[2]) + Mux(is_dst, x[3], 0)
    nine, by_74 = by_9_74(x[1])
    odd = x[1] + (x[3] << 2)
    odd_9 = odd + (odd << 3)  # the rest of 83 x1 + 36 x3
    last_9 = x[3] + (x[3] << 3)
    other = ((last_9 << 3) + (last_9 + (x[3] << 1))) - (nine << 2)  # 83 x3 - 36 x1
    s = ends + (mids << 1)
    total = s + mids
    z = (ends << 1) + Mux(is_dst, x[0] - x[3], 0)
    return [
        sums[0].eq(((Mux(is_dst, s, z) << 5) + half) + (by_74 + Mux(is_dst, total - (total << 2), odd_9))),
        sums[1].eq(Mux(is_dst, sums[3] - sums[0], n << 6) + (half - Mux(is_dst, by_74 - (by_74 << 2), other))),
        sums[2].eq(((n << 6) + half) + Mux(is_dst, (n << 3) + (n << 1), other)),
        sums[3].eq(((z << 5) + half) - (by_74 + Mux(is_dst, (z << 2) + mids, odd_9))),
    ]


class Transform4x4(wiring.Component):
    """Two-dimensional 4x4 transform, forward (rows first) or inverse (columns first), of H.265 8.6.4.2.

    `i_block` (raster order) is taken with `i_valid`, at most every fourth cycle; `o_block` is valid `latency` cycles
    later and stays for two more. One pair of 4-point transforms does half of each pass a cycle.
    Arithmetic: residual of 9 bits or coefficients of 16; shifts with rounding of 1 and 8 bits (forward), 7 and 12
    (inverse); clipped to 16 bits.
    """

    latency = 4

    def __init__(self, *, is_inverse: bool):
        self.is_inverse = is_inverse
        super().__init__(
            {
                "i_valid": In(1),
                "is_dst": In(1),
                "i_block": In(SUBBLOCK if is_inverse else RESIDUAL),
                "o_block": Out(SUBBLOCK),
            }
        )

    def elaborate(self, platform):
        m = Module()
        four_point, shifts = (inverse, (7, 12)) if self.is_inverse else (forward, (1, 8))
        # Phase 0 and 1: first pass, vectors 0, 1 and 2, 3. Phase 2 and 3: second pass.
        phase, kept_dst = Signal(2), Signal(reset_less=True)
        running = self.i_valid | (phase != 0)
        with m.If(running):
            m.d.sync += phase.eq(phase + 1)
        with m.If(self.i_valid):
            m.d.sync += kept_dst.eq(self.is_dst)
        is_dst, second, late = Mux(phase == 0, self.is_dst, kept_dst), phase[1], phase[0]
        half = Signal(12)
        m.d.comb += half.eq(Mux(second, 1 << shifts[1] >> 1, 1 << shifts[0] >> 1))
        rows = [[4 * v + i for i in range(4)] for v in range(4)]
        columns = [[v + 4 * i for i in range(4)] for v in range(4)]
        taken, given = (columns, rows) if self.is_inverse else (rows, columns)
        kept = {e: Signal(self.i_block[e].shape(), name=f"kept_{e}", reset_less=True) for e in taken[2] + taken[3]}
        with m.If(self.i_valid):
            m.d.sync += [kept[e].eq(self.i_block[e]) for e in kept]
        middle = Signal(SUBBLOCK, reset_less=True)
        for unit in range(2):
            entering = [Signal(signed(16), name=f"entering_{unit}_{i}") for i in range(4)]
            sums = [Signal(SUM, name=f"sum_{unit}_{i}") for i in range(4)]
            m.d.comb += four_point(entering, is_dst, half, sums)
            for i in range(4):
                early, later = (vectors[unit][i] for vectors in (taken, taken[2:]))
                first_pass = Mux(late, kept[later], self.i_block[early])
                second_pass = Mux(late, middle[given[unit + 2][i]], middle[given[unit][i]])
                m.d.comb += entering[i].eq(Mux(second, second_pass, first_pass))
                # Only the first pass of the inverse can leave 16 bits.
                first = clip(sums[i] >> shifts[0], -32768, 32767) if self.is_inverse else sums[i] >> shifts[0]
                with m.If(running & ~second):
                    m.d.sync += [middle[later].eq(first), middle[early].eq(middle[later])]
                with m.If(phase == 2):
                    m.d.sync += self.o_block[given[unit][i]].eq(sums[i] >> shifts[1])
                with m.If(phase == 3):
                    m.d.sync += self.o_block[given[unit + 2][i]].eq(sums[i] >> shifts[1])
        return m
