"""The 4x4 transforms, a whole block at a time, from adders: DST-VII of luma and DCT of chroma."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip

SUBBLOCK = data.ArrayLayout(signed(16), 16)


def by_29_55_84(x) -> tuple:
    """Products with the entries of DST-VII; 29 + 55 = 84."""
    low, high = (x << 5) - (x + (x << 1)), (x << 6) - (x + (x << 3))
    return low, high, low + high


def by_74(x):
    return (x << 6) + ((x << 3) + (x << 1))


def by_83(x):
    return ((x << 6) + (x << 4)) + (x + (x << 1))


def by_36(x):
    return (x << 5) + (x << 2)


def forward(x, is_dst, half) -> list:
    """Four coefficients, unscaled, of four samples, and `half` added to each."""
    ends, mids = x[0] + x[3], x[1] + x[3]
    ends_29, ends_55, ends_84 = by_29_55_84(ends)
    mids_29, mids_55, mids_84 = by_29_55_84(mids)
    plus, minus = by_74(x[2]) + half, half - by_74(x[2])
    dst = [
        (ends_29 + mids_55) + plus,
        by_74((ends - x[3]) + (x[1] - x[3])) + half,
        (ends_84 - mids_29) + minus,
        (ends_55 - mids_84) + plus,
    ]
    inner, odd = x[1] + x[2], [x[0] - x[3], x[1] - x[2]]
    dct = [
        ((ends + inner) << 6) + half,
        by_83(odd[0]) + (by_36(odd[1]) + half),
        ((ends - inner) << 6) + half,
        by_36(odd[0]) - (by_83(odd[1]) - half),
    ]
    return [Mux(is_dst, s, c) for s, c in zip(dst, dct)]


def inverse(x, is_dst, half) -> list:
    """Four samples, unscaled, of four coefficients, and `half` added to each."""
    ends, mids = x[0] + x[2], x[2] + x[3]
    ends_29, ends_55, ends_84 = by_29_55_84(ends)
    mids_29, mids_55, mids_84 = by_29_55_84(mids)
    plus, minus = by_74(x[1]) + half, half - by_74(x[1])
    dst = [
        (ends_29 + mids_55) + plus,
        (ends_55 - mids_84) + plus,
        by_74((x[0] - x[2]) + x[3]) + half,
        (ends_84 - mids_29) + minus,
    ]
    even = [(ends << 6) + half, ((x[0] - x[2]) << 6) + half]
    odd = [by_83(x[1]) + by_36(x[3]), by_36(x[1]) - by_83(x[3])]
    dct = [even[0] + odd[0], even[1] + odd[1], even[1] - odd[1], even[0] - odd[0]]
    return [Mux(is_dst, s, c) for s, c in zip(dst, dct)]


class Transform4x4(wiring.Component):
    """Two-dimensional 4x4 transform, forward (rows first) or inverse (columns first), of H.265 8.6.4.2.

    `i_block` (raster order) is taken with `i_valid`, at most every second cycle; `o_block` is valid `latency` cycles
    later and stays until the next. One bank of four 4-point transforms serves both passes.
    Arithmetic: shifts with rounding of 1 and 8 bits (forward), 7 and 12 (inverse); clipped to 16 bits.
    """

    latency = 2

    i_valid: In(1)
    is_dst: In(1)
    i_block: In(SUBBLOCK)
    o_block: Out(SUBBLOCK)

    def __init__(self, *, is_inverse: bool):
        self.is_inverse = is_inverse
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        kept_dst = Signal(reset_less=True)
        middle = Signal(SUBBLOCK, reset_less=True)
        started = Signal()
        m.d.sync += [kept_dst.eq(self.is_dst), started.eq(self.i_valid)]
        is_dst = Mux(self.i_valid, self.is_dst, kept_dst)
        four_point, shifts = (inverse, (7, 12)) if self.is_inverse else (forward, (1, 8))
        half = Signal(12)
        m.d.comb += half.eq(Mux(self.i_valid, 1 << shifts[0] >> 1, 1 << shifts[1] >> 1))
        for v in range(4):
            across = [4 * v + i for i in range(4)]
            down = [v + 4 * i for i in range(4)]
            taken, given = (down, across) if self.is_inverse else (across, down)
            entering = [Signal(signed(16), name=f"entering_{v}_{i}") for i in range(4)]
            m.d.comb += [entering[i].eq(Mux(self.i_valid, self.i_block[taken[i]], middle[given[i]])) for i in range(4)]
            sums = [Signal(signed(24), name=f"sum_{v}_{i}") for i in range(4)]
            m.d.comb += [total.eq(value) for total, value in zip(sums, four_point(entering, is_dst, half))]
            for i in range(4):
                # Only the first pass of the inverse can leave 16 bits.
                first = clip(sums[i] >> shifts[0], -32768, 32767) if self.is_inverse else sums[i] >> shifts[0]
                m.d.sync += middle[taken[i]].eq(first)
                with m.If(started):
                    m.d.sync += self.o_block[given[i]].eq(sums[i] >> shifts[1])
        return m
