"""Tables of residual coding: scans, last-position groups and sig_coeff_flag contexts, as logic."""

from amaranth import Cat, Mux

from hdl.common.rom import rom


def _up_right_diagonal(size: int) -> list[tuple[int, int]]:
    """(x, y) in the order of 6.5.3."""
    order = [(diagonal - y, y) for diagonal in range(2 * size - 1) for y in reversed(range(diagonal + 1))]
    return [(x, y) for x, y in order if x < size and y < size]


def _scan(index: int, size: int) -> list[tuple[int, int]]:
    """ScanOrder of a square by scanIdx (6.5.3 to 6.5.5)."""
    if index == 0:
        return _up_right_diagonal(size)
    return [(a, b) if index == 2 else (b, a) for a in range(size) for b in range(size)]


# (x, y) of scan position n in a sub-block, indexed scanIdx * 16 + n
_POSITIONS = [position for index in range(3) for position in _scan(index, 4)]

# last_sig_coeff prefix of a coordinate, bits of its suffix (9.3.3)
_PREFIX = [0, 1, 2, 3, 4, 4, 5, 5, *[6] * 4, *[7] * 4, *[8] * 8, *[9] * 8]
_SUFFIX_BITS = [0, 0, 0, 0, *[1] * 4, *[2] * 8, *[3] * 16]

_CTX_4X4 = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 0]  # ctxIdxMap (9.3.4.2.5); the last is never coded


def _pattern(x: int, y: int, csbf: int) -> int:
    """sigCtx of 9.3.4.2.5 inside a sub-block, before the offsets; csbf: 1 right coded, 2 below coded."""
    if csbf == 3:
        return 2
    if csbf == 0:
        return 2 if x + y == 0 else 1 if x + y < 3 else 0
    along = y if csbf == 1 else x
    return 2 if along == 0 else 1 if along == 1 else 0


def scan_position(scan, n):
    """(x, y) of scan position `n` in a sub-block."""
    index = Cat(n[:4], scan)
    return rom([x for x, _ in _POSITIONS], index, 2), rom([y for _, y in _POSITIONS], index, 2)


def sub_block_position(block, index):
    """(xS, yS) of sub-block `index` of a transform block."""
    diagonal8, diagonal4 = _scan(0, 8), _scan(0, 4)
    # In a 2x2 the diagonal and the vertical order are the same.
    rows_first = block.scan == 1
    small = Cat(Mux(rows_first, index[0], index[1]), 0, 0), Cat(Mux(rows_first, index[1], index[0]), 0, 0)
    return tuple(
        Mux(
            block.log2_size == 5,
            rom([p[k] for p in diagonal8], index, 3),
            Mux(block.log2_size == 4, rom([p[k] for p in diagonal4], index[:4], 3), small[k]),
        )
        for k in range(2)
    )


def last_prefix(coordinate):
    """(prefix, suffix bits) of a last significant coordinate, 0..31."""
    return rom(_PREFIX, coordinate, 4), rom(_SUFFIX_BITS, coordinate, 2)


def sig_pattern(scan, n, csbf):
    """sigCtx inside a sub-block of a block larger than 4x4, before the offsets."""
    values = [_pattern(x, y, c) for c in range(4) for x, y in [*_POSITIONS, *[(3, 3)] * 16]]
    return rom(values, Cat(n[:4], scan, csbf), 2)


def sig_pattern_4x4(scan, n):
    """sigCtx of scan position `n` in a 4x4 block."""
    return rom([_CTX_4X4[4 * y + x] for x, y in _POSITIONS], Cat(n[:4], scan), 4)
