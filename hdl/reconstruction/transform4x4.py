"""The 4x4 transforms, a whole block at a time, from adders: DST-VII of luma and DCT of chroma."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip

SUBBLOCK = data.ArrayLayout(signed(16), 16)


def by_29(x):
    return (x << 5) - (x + (x << 1))


def by_55(x):
    return (x << 6) - (x + (x << 3))


def by_74(x):
    return (x << 6) + ((x << 3) + (x << 1))


def by_83(x):
    return ((x << 6) + (x << 4)) + (x + (x << 1))


def by_36(x):
    return (x << 5) + (x << 2)


def forward(x, is_dst) -> list:
    """Four coefficients, unscaled, of four samples."""
    low, mid, step = x[0] + x[3], x[1] + x[3], x[0] - x[1]
    third = by_74(x[2])
    dst = [
        by_29(low) + by_55(mid) + third,
        by_74(x[0] + x[1] - x[3]),
        by_29(step) + by_55(low) - third,
        by_55(step) - by_29(mid) + third,
    ]
    even, odd = [low, x[1] + x[2]], [x[0] - x[3], x[1] - x[2]]
    dct = [
        (even[0] + even[1]) << 6,
        by_83(odd[0]) + by_36(odd[1]),
        (even[0] - even[1]) << 6,
        by_36(odd[0]) - by_83(odd[1]),
    ]
    return [Mux(is_dst, s, c) for s, c in zip(dst, dct)]


def inverse(x, is_dst) -> list:
    """Four samples, unscaled, of four coefficients."""
    low, mid, step = x[0] + x[2], x[2] + x[3], x[0] - x[3]
    third = by_74(x[1])
    dst = [
        by_29(low) + by_55(mid) + third,
        by_55(step) - by_29(mid) + third,
        by_74(x[0] - x[2] + x[3]),
        by_55(low) + by_29(step) - third,
    ]
    even, odd = [low << 6, (x[0] - x[2]) << 6], [by_83(x[1]) + by_36(x[3]), by_36(x[1]) - by_83(x[3])]
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
        for v in range(4):
            across = [4 * v + i for i in range(4)]
            down = [v + 4 * i for i in range(4)]
            taken, given = (down, across) if self.is_inverse else (across, down)
            entering = [Signal(signed(16), name=f"entering_{v}_{i}") for i in range(4)]
            m.d.comb += [entering[i].eq(Mux(self.i_valid, self.i_block[taken[i]], middle[given[i]])) for i in range(4)]
            sums = [Signal(signed(26), name=f"sum_{v}_{i}") for i in range(4)]
            m.d.comb += [total.eq(value) for total, value in zip(sums, four_point(entering, is_dst))]
            for i in range(4):
                rounded = [Signal(signed(26), name=f"rounded_{v}_{i}_{which}") for which in ("first", "second")]
                m.d.comb += [r.eq((sums[i] + (1 << s >> 1)) >> s) for r, s in zip(rounded, shifts)]
                m.d.sync += middle[taken[i]].eq(clip(rounded[0], -32768, 32767))
                with m.If(started):
                    m.d.sync += self.o_block[given[i]].eq(clip(rounded[1], -32768, 32767))
        return m
