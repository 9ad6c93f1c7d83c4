"""Constants of the costs of analysis, by formula. Units: see CoefficientCost and RoughCost."""

from math import log2, sqrt

# Rough cost: 4 SATD + LAMBDA_ROUGH[qp] for each mode bit.
LAMBDA_ROUGH = tuple(round(4 * 3.4 * sqrt(0.57 * 2 ** ((qp - 12) / 3))) for qp in range(52))

# J is squared error over Qstep squared, times 256; a bit costs BIT at every QP.
BIT = 23
SPLIT_TRANSFORM_BITS, NXN_BITS, SPLIT_16_BITS, SPLIT_32_BITS = 10, 12, 18, 30

QUANT_SCALE = (26214, 23302, 20560, 18396, 16384, 14564)

# Of a coefficient of a sixteenths of Qstep with a level: NONZERO for a < 64; above that LARGE + OCTAVE for each octave
# above 16 + MANTISSA by the two bits after the leading one. POSITION of x + y comes on top.


def _nonzero(a: int) -> int:
    level = max((a + 6) >> 4, 1)
    return (a - 16 * level) ** 2 + 46 + round(35 * log2(level))


NONZERO = tuple(_nonzero(a) for a in range(64))
LARGE, OCTAVE, MANTISSA = 67, 35, (0, 11, 20, 28)
POSITION = tuple(round(11.5 * log2(1 + s)) for s in range(63))
# Of a block with levels: BLOCK by log2 size, and LAST of the largest x + y of a level.
BLOCK = {2: 46, 3: 30, 4: 80, 5: 80}
LAST = tuple(round(46 * log2(1 + s)) for s in range(63))


def table(m, index, values, target) -> None:
    """Combinational lookup of constants."""
    with m.Switch(index):
        for key, value in enumerate(values):
            with m.Case(key):
                m.d.comb += target.eq(value)
