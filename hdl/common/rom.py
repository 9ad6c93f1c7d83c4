"""Small constant tables as logic."""

from amaranth import Cat, Const


def rom(values, index, width: int):
    """`values[index]` as `width` bits of combinational logic: one truth table a bit. Beyond the table: 0."""
    values = list(values)
    columns = (sum(((v >> bit) & 1) << i for i, v in enumerate(values)) for bit in range(width))
    return Cat(Const(column, len(values)).bit_select(index, 1) for column in columns)
