"""Rounding and clipping, the only places where a value is narrowed."""

from amaranth import Mux, Shape, Value


def clip(value, low: int, high: int) -> Value:
    """Clip3(low, high, value) of H.265 (5-8), in the narrowest shape that holds low..high."""
    if low > high:
        raise ValueError(f"clip to {low}..{high}: the range is empty")
    value, shape = Value.cast(value), Shape.cast(range(low, high + 1))
    clipped = Mux(value < low, low, Mux(value > high, high, value))[: shape.width]
    return clipped.as_signed() if shape.signed else clipped


def round_shift(value, shift: int) -> Value:
    """(value + (1 << (shift - 1))) >> shift, with an arithmetic shift; `value` itself when shift is 0."""
    value = Value.cast(value)
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift
