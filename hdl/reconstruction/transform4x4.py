"""The 4x4 transforms, from adders: DST-VII of luma and DCT of chroma."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

RESIDUAL = data.ArrayLayout(signed(9), 16)
SUBBLOCK = data.ArrayLayout(signed(16), 16)
SUM = signed(24)


# Each in two steps with registers between them, neither more than four adders long.
#
# Of DST-VII, whose row is 29, 55, 74, 84 = 29 + 55, three outputs are 29a + 55b of sums and differences, plus or minus
# 74 times one input. 29a + 55b = 32(a + 2b) - (3a + 9b). The even half of the DCT takes the first term: 64 of an input.


def by_3(x):
    return x + (x << 1)


def by_9(x):
    return x + (x << 3)


def by_74(x, nine):
    return (nine << 3) + (x << 1)


def forward_terms(x, is_dst) -> list:
    """The first adders of four coefficients of four samples: what `forward_sums` takes."""
    ends, inner = x[0] + x[3], x[1] + Mux(is_dst, x[3], x[2])
    k, n = Mux(is_dst, 0, x[1]) - x[2], (x[0] - x[3]) + Mux(is_dst, x[1], 0)
    return [ends, inner, x[0] - x[1], k, n]


def forward_sums(terms, is_dst, half, sums) -> list:
    """Statements: `sums` become four coefficients, unscaled, of four samples, each with `half` added.

    DCT, in k = x1 - x2 and n = x0 - x3: 83n + 36k = 74n + 9n + 36k, and 36n - 83k; the even half is 64(ends + inner)
    and 64(ends - inner), where ~inner = -inner - 1. DST: k = -x2.
    """
    ends, inner, difference, k, n = terms
    k_9, n_9 = by_9(k), by_9(n)
    k_74, n_74 = by_74(k, k_9), by_74(n, n_9)
    s = (inner << 1) + Mux(is_dst, ends, ends << 1)
    z = (ends << 1) + Mux(is_dst, difference, ~(inner << 1))
    w = (difference << 1) - inner
    less_k = half - k_74
    return [
        sums[0].eq(((s << 5) - Mux(is_dst, by_3(ends) + by_9(inner), 0)) + Mux(is_dst, less_k, half)),
        sums[1].eq(n_74 + ((half + Mux(is_dst, 0, k_9 << 2)) + Mux(is_dst, 0, n_9))),
        sums[2].eq(((z << 5) - Mux(is_dst, by_3(difference) + by_9(ends), 0)) + (half + Mux(is_dst, k_74, 1 << 5))),
        sums[3].eq(Mux(is_dst, (w << 5) - (by_9(difference) - by_3(inner)), (n_9 << 2) - k_9) + less_k),
    ]


def inverse_terms(x, is_dst) -> list:
    """The first adders of four samples of four coefficients: what `inverse_sums` takes."""
    n = (x[0] - x[2]) + Mux(is_dst, x[3], 0)
    odd = x[1] + (x[3] << 2)
    return [x[0] + x[2], x[2] + x[3], x[0] - x[3], n, odd, by_9(x[1]), by_9(x[3]), x[1], x[3]]


def inverse_sums(terms, is_dst, half, sums) -> list:
    """Statements: `sums` become four samples, unscaled, of four coefficients, each with `half` added.

    The odd half of the DCT, 83 x1 + 36 x3 and 36 x1 - 83 x3, is in place of the second term, where ~x = -x - 1.
    """
    ends, mids, outer, n, odd, x_9, last_9, x, last = terms
    x_74, n_74 = by_74(x, x_9), by_74(n, by_9(n))
    odd_9 = by_9(odd)  # 83 x1 + 36 x3 without 74 x1
    other = ((last_9 << 3) - (x_9 << 2)) + (last_9 + (last << 1))  # 83 x3 - 36 x1
    s = ends + Mux(is_dst, mids << 1, ends)
    z = (ends << 1) + Mux(is_dst, outer, 0)
    w = (outer << 1) - mids
    return [
        sums[0].eq(((s << 5) + Mux(is_dst, ~(by_3(ends) + by_9(mids)), odd_9)) + (x_74 + (half + is_dst))),
        sums[1].eq(
            ((Mux(is_dst, w, n << 1) << 5) + (half + Mux(is_dst, x_74, 0)))
            - Mux(is_dst, by_9(outer) - by_3(mids), other)
        ),
        sums[2].eq(Mux(is_dst, n_74, n << 6) + (half + Mux(is_dst, 0, other))),
        sums[3].eq(((z << 5) - Mux(is_dst, by_3(outer) + by_9(ends), odd_9)) + (half - x_74)),
    ]


class Transform4x4(wiring.Component):
    """Two-dimensional 4x4 transform, forward (rows first) or inverse (columns first), of H.265 8.6.4.2.

    `i_block` (raster order) is taken with `i_valid`, at most every fourth cycle; `o_block` is valid `latency` cycles
    later and stays for three more. Four 4-point transforms do each pass in two cycles.
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
        first_adders, other_adders, shifts = forward_terms, forward_sums, (1, 8)
        if self.is_inverse:
            first_adders, other_adders, shifts = inverse_terms, inverse_sums, (7, 12)
        # In phase 0 and 2 the first adders of a pass, in 1 and 3 the others.
        phase, kept_dst, half = Signal(2), Signal(reset_less=True), Signal(12)
        second = phase[1]
        with m.If(self.i_valid | (phase != 0)):
            m.d.sync += phase.eq(phase + 1)
        with m.If(self.i_valid):
            m.d.sync += kept_dst.eq(self.is_dst)
        m.d.comb += half.eq(Mux(second, 1 << shifts[1] >> 1, 1 << shifts[0] >> 1))
        rows = [[4 * v + i for i in range(4)] for v in range(4)]
        columns = [[v + 4 * i for i in range(4)] for v in range(4)]
        taken, given = (columns, rows) if self.is_inverse else (rows, columns)
        # Only the first pass of the inverse can leave 16 bits, by one bit: `beyond` says so, and it is clipped where it
        # is looked at.
        middle = Signal(SUBBLOCK, reset_less=True)
        beyond = Signal(16, reset_less=True)

        def clipped(e):
            if not self.is_inverse:
                return middle[e]
            sign = middle[e][15]
            return Cat((Mux(beyond[e], ~sign, bit) for bit in middle[e][:15]), sign).as_signed()

        for v in range(4):
            entering = [Signal(signed(16), name=f"entering_{v}_{i}") for i in range(4)]
            for i in range(4):
                m.d.comb += entering[i].eq(Mux(second, clipped(given[v][i]), self.i_block[taken[v][i]]))
            terms = []
            for k, term in enumerate(first_adders(entering, Mux(second, kept_dst, self.is_dst))):
                terms.append(Signal(term.shape(), name=f"term_{v}_{k}", reset_less=True))
                with m.If(~phase[0]):
                    m.d.sync += terms[k].eq(term)
            sums = [Signal(SUM, name=f"sum_{v}_{i}") for i in range(4)]
            m.d.comb += other_adders(terms, kept_dst, half, sums)
            for i in range(4):
                first, e = sums[i][shifts[0] :], taken[v][i]
                with m.If(phase == 1):
                    m.d.sync += [middle[e].eq(Cat(first[:15], first[16])), beyond[e].eq(first[15] ^ first[16])]
                with m.If(phase == 3):
                    m.d.sync += self.o_block[given[v][i]].eq(sums[i] >> shifts[1])
        return m
