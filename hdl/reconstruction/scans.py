"""Coefficient scans of H.265 6.5.3 to 6.5.5: diagonal 0, horizontal 1, vertical 2 (scanIdx)."""

from amaranth import Signal


def scan(scan_idx: int, size: int) -> list[tuple[int, int]]:
    """(x, y) of each position of a size x size block."""
    if scan_idx == 1:
        return [(x, y) for y in range(size) for x in range(size)]
    if scan_idx == 2:
        return [(x, y) for x in range(size) for y in range(size)]
    return [(d - y, y) for d in range(2 * size - 1) for y in range(size - 1, -1, -1) if 0 <= d - y < size]


# Raster index in a 4x4 sub-block of each scan position.
POSITIONS = [[4 * y + x for x, y in scan(scan_idx, 4)] for scan_idx in range(3)]


def permuted(m, shape, elements, scan_idx, name: str, *, back: bool = False):
    """The 16 elements of a sub-block from raster into scan order, or `back`, as a Signal of `shape`."""
    out = Signal(shape, name=name)
    with m.Switch(scan_idx):
        for index, positions in enumerate(POSITIONS):
            with m.Case(index):
                for n, raster in enumerate(positions):
                    m.d.comb += out[raster].eq(elements[n]) if back else out[n].eq(elements[raster])
    return out
