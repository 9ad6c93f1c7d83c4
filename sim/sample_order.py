"""Planes to the groups of eight samples that cross `i_source` and `o_recon`, and back.

The order is that of `hdl.payloads.Samples`: coding-tree blocks in raster order; in each the rows of Y, of Cb, of
Cr; in each row from the left; only rows and groups that hold a sample of the plane.
"""

from collections.abc import Iterator, Sequence

import numpy as np

GROUP = 8


def _blocks(width: int, height: int, ctb_size: int) -> Iterator[tuple[int, slice, slice]]:
    """(component, rows, columns) of each block, columns up to a whole group."""
    for y in range(0, height, ctb_size):
        for x in range(0, width, ctb_size):
            for component in range(3):
                shift = 1 if component else 0
                size = ctb_size >> shift
                rows = slice(y >> shift, min((y >> shift) + size, height >> shift))
                right = min((x >> shift) + size, -(-(width >> shift) // GROUP) * GROUP)
                yield component, rows, slice(x >> shift, right)


def _whole_groups(plane: np.ndarray, fill: int | None) -> np.ndarray:
    margins = ((0, 0), (0, -plane.shape[1] % GROUP))
    if fill is None:
        return np.pad(plane, margins, mode="edge")
    return np.pad(plane, margins, constant_values=fill)


def to_groups(planes: Sequence[np.ndarray], ctb_size: int, fill: int | None = 0) -> np.ndarray:
    """uint8[n, 8] of planes Y, Cb, Cr (4:2:0, even size).

    Places of a group past the plane hold `fill`, or when that is None the row's last sample.
    """
    padded = [_whole_groups(np.asarray(plane, np.uint8), fill) for plane in planes]
    height, width = planes[0].shape
    parts = [
        padded[component][rows, columns].reshape(-1, GROUP)
        for component, rows, columns in _blocks(width, height, ctb_size)
    ]
    return np.concatenate(parts)


def group_count(width: int, height: int, ctb_size: int) -> int:
    """How many groups a picture of this size has."""
    luma, chroma = -(-width // GROUP) * height, -(-(width // 2) // GROUP) * (height // 2)
    return luma + 2 * chroma


def from_groups(groups: np.ndarray, width: int, height: int, ctb_size: int) -> tuple[np.ndarray, ...]:
    """Planes Y, Cb, Cr of width x height from groups uint8[n, 8]; ValueError when n is another number."""
    expected = group_count(width, height, ctb_size)
    if len(groups) != expected:
        raise ValueError(f"{len(groups)} groups of samples; {width}x{height} has {expected}")
    sizes = [(height, width)] + [(height // 2, width // 2)] * 2
    planes = [np.empty((rows, -(-columns // GROUP) * GROUP), np.uint8) for rows, columns in sizes]
    position = 0
    for component, rows, columns in _blocks(width, height, ctb_size):
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        count = shape[0] * shape[1] // GROUP
        planes[component][rows, columns] = groups[position : position + count].reshape(shape)
        position += count
    return tuple(plane[:, :columns] for plane, (_, columns) in zip(planes, sizes))
