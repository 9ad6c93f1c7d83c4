"""Small products and sums from adders, where a multiplier block would be wasted."""

from amaranth import Mux, Value


def sum_tree(terms) -> Value:
    """Balanced tree of adders; no bit is lost."""
    terms = list(terms)
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2])] + (terms[-1:] if len(terms) % 2 else [])
    return terms[0]


def product(value, factor) -> Value:
    """`value` times the unsigned `factor` of a few bits."""
    return sum_tree(Mux(factor[bit], value << bit, 0) for bit in range(len(factor)))


def multiple(value, factor: int) -> Value:
    """`value` times a positive constant, by its binary digits (with a subtraction for 7)."""
    if factor & (factor + 1) == 0 and factor > 3:
        return (value << factor.bit_length()) - value
    return sum_tree(value << bit for bit in range(factor.bit_length()) if factor >> bit & 1)
