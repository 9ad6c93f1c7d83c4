"""QP maps from files: one QP for each coding-tree unit."""

from pathlib import Path

import numpy as np

from heron.errors import HeronError


def read_qp_map(path: Path) -> np.ndarray:
    """uint8[rows, columns] of a .npy file of integers, or of a text with one row of numbers a CTU row.

    HeronError when it is neither, or holds what is no QP. Whether it fits a picture, the encoder says.
    """
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            rows = [row.split() for row in path.read_text().replace(",", " ").splitlines()]
            rows = [[int(number) for number in row] for row in rows if row]
            for number, row in enumerate(rows, 1):
                if len(row) != len(rows[0]):
                    raise ValueError(f"row {number} has {len(row)} numbers, the first {len(rows[0])}")
            values = np.array(rows)
    except (ValueError, EOFError) as error:
        raise HeronError(f"{path}: is not a QP map ({error})") from error
    if values.ndim != 2 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise HeronError(f"{path}: is not a QP map: {values.dtype}{list(values.shape)}, not rows of integers")
    if values.min() < 0 or values.max() > 51:
        raise HeronError(f"{path}: holds QPs from {values.min()} to {values.max()}; they must be from 0 to 51")
    return values.astype(np.uint8)
