"""Small products and sums from adders, where a multiplier block would be wasted.

Chains have one gated or chosen operand at each adder: a carry cell holds that gate for nothing."""

from amaranth import Cat, Mux, Value


def sum_tree(terms) -> Value:
    """Balanced tree of adders; no bit is lost."""
    terms = list(terms)
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2])] + (terms[-1:] if len(terms) % 2 else [])
    return terms[0]


def carried(a, b, carry) -> Value:
    """a + b + carry of unsigned values, in one chain."""
    return (Cat(carry, a) + Cat(carry, b)) >> 1


def product(value, factor, start=0) -> Value:
    """`start` plus `value` times the unsigned `factor` of a few bits."""
    total = start
    for bit in range(len(factor)):
        total = total + Mux(factor[bit], value << bit, 0)
    return total


def weighted(near, far, fraction) -> Value:
    """((32 - fraction) * near + fraction * far + 16) >> 5 of unsigned values; the sum over the bits of the fraction
    of 2^bit times far where it is 1, else near, and near once more."""
    total = near
    for bit in range(4):
        total = Cat(total[:bit], total[bit:] + Mux(fraction[bit], far, near))
    return carried(total[4:], Mux(fraction[4], far, near), 1) >> 1


def multiple(value, factor: int) -> Value:
    """`value` times a positive constant, by its binary digits (with a subtraction for 7)."""
    if factor & (factor + 1) == 0 and factor > 3:
        return (value << factor.bit_length()) - value
    return sum_tree(value << bit for bit in range(factor.bit_length()) if factor >> bit & 1)
