"""What the blocks of analysis tell each other about a coding-tree unit and its source samples."""

from amaranth import Cat, Signal, unsigned
from amaranth.lib import data

UNIT = data.ArrayLayout(unsigned(8), 4)  # four adjacent samples, of a row or of a column
ROW = data.ArrayLayout(unsigned(8), 8)
BLOCK = data.ArrayLayout(unsigned(8), 16)  # a 4x4 block in raster order

SLOTS = 4  # coding-tree units that a source store holds


class Ctu(data.Struct):
    """A coding-tree unit whose source samples are in the store."""

    x: 10  # of its top left luma sample in the picture, in units of 8
    y: 10
    columns: 4  # units of 8 from its left edge to the right edge of the coded picture, at most 15
    rows: 4
    first_column: 1
    first_row: 1
    last_in_picture: 1
    qp: 6
    slot: 2


class SourceWrite(data.Struct):
    """Four adjacent samples on their way into the source stores."""

    valid: 1
    slot: 2
    above: 1  # of the row above the unit, else of row y
    corner: 1  # with above: only its last sample counts, the one left of the row above
    x4: 4  # place in the row, in units of 4
    y: 5
    samples: UNIT


class Place(data.Struct):
    """A block inside a coding-tree unit that is in a store, in units of 4 samples."""

    slot: 2
    x4: 3
    y4: 3


def z_order(x, y):
    """Position in z-order of the unit at column x, row y."""
    return Cat(Cat(a, b) for a, b in zip(x, y))


def delayed(m, value, cycles: int, name: str, reset_less=True):
    """`value` some cycles later."""
    for stage in range(1, cycles + 1):
        following = Signal.like(value, name=f"{name}_{stage}", reset_less=reset_less)
        m.d.sync += following.eq(value)
        value = following
    return value
