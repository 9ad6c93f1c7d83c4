"""The embedded clip: photographs that scikit-image brings, panned and zoomed, CIF, 8 frames."""

from collections.abc import Iterator
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from heron.video import Colour, Frame, Source

WIDTH, HEIGHT = 352, 288


class Shot(NamedTuple):
    """A move over one photograph: height of the window and its top left corner, at the first and the last frame."""

    image: str
    frames: int
    first: tuple[float, float, float]
    last: tuple[float, float, float]


SHOTS = (
    Shot("astronaut.png", 4, (330.0, 60.0, 0.0), (300.0, 76.0, 9.0)),
    Shot("coffee.png", 4, (360.0, 30.0, 10.0), (390.0, 48.5, 4.0)),
)


def to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.709 limited range 4:2:0 planes of an 8-bit RGB picture of even size; chroma is the mean of 2x2."""
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    cb, cr = (blue - luma) / 1.8556, (red - luma) / 1.5748

    def halved(plane):
        return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean(axis=(1, 3))

    def rounded(plane, scale, offset):
        return np.floor(plane * scale / 255 + offset + 0.5).astype(np.uint8)

    return rounded(luma, 219, 16), rounded(halved(cb), 224, 128), rounded(halved(cr), 224, 128)


def photograph(name: str) -> Image.Image:
    """An RGB photograph of those inside the scikit-image package."""
    with resources.as_file(resources.files("skimage.data") / name) as path, Image.open(path) as image:
        return image.convert("RGB")


class DemoSource(Source):
    """The embedded clip as a source."""

    def __init__(self):
        length = sum(shot.frames for shot in SHOTS)
        colour = Colour(full_range=0, primaries=1, transfer=13, matrix=1)
        rate = Fraction(8)
        super().__init__(Path("demo"), WIDTH, HEIGHT, rate, 1 / rate, length, colour, [])

    def read(self) -> Iterator[Frame]:
        pts = 0
        for shot in SHOTS:
            image = photograph(shot.image)
            for step in np.linspace(0, 1, shot.frames):
                window, left, top = np.array(shot.first) * (1 - step) + np.array(shot.last) * step
                box = (left, top, left + window * WIDTH / HEIGHT, top + window)
                resized = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box)
                yield Frame(*to_yuv(np.asarray(resized)), pts)
                pts += 1
