"""`heron compare`: PSNR and SSIM per plane between two clips."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from heron.errors import HeronError
from heron.metrics import PsnrSum, ssim
from heron.progress import progress
from heron.video import open_source


@dataclass
class Comparison:
    """psnr: from the mean squared error over all frames; ssim: mean of the frames'; equal: plane by plane."""

    frames: int
    psnr: list[float]
    ssim: list[float]
    equal: list[bool]
    notes: list[str] = field(default_factory=list)


def compare_files(a: Path, b: Path, size: tuple[int, int] | None = None, frames: int | None = None) -> Comparison:
    """Compares frame by frame as far as both clips go; `size` is of raw .yuv files."""
    sources = [open_source(path, size if path.suffix.lower() == ".yuv" else None) for path in (a, b)]
    first, second = sources
    if (first.width, first.height) != (second.width, second.height):
        raise HeronError(f"{a} is {first.width}x{first.height}, {b} is {second.width}x{second.height}")
    notes = [f"{source.path}: {note}" for source in sources for note in source.notes]
    total, similarity, count = PsnrSum(), np.zeros(3), 0
    readers = [source.frames(0, frames) for source in sources]
    for pair in progress(itertools.zip_longest(*readers), "compare", first.count(0, frames)):
        if None in pair:
            longer = sources[pair[0] is None]
            notes.append(f"{longer.path}: has more than the {count} frames compared")
            break
        planes = [frame.planes for frame in pair]
        total.add(*planes)
        similarity += [ssim(x, y) if min(x.shape) >= 11 else np.nan for x, y in zip(*planes)]
        count += 1
    equal = [error == 0 for error in total.squared_error]
    return Comparison(count, total.values(), list(similarity / count), equal, notes)
