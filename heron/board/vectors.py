"""What `heron board selftest` sends through a board, and the CRC-32 of what has to come back."""

from dataclasses import dataclass

import numpy as np

from heron.clip import photograph, to_yuv
from heron.engines import Planes
from verif.reference.config import PictureConfig


@dataclass(frozen=True)
class Vector:
    """A cut from a photograph; `crc`: of its stream, by CtbLog2SizeY, as the reference codec codes it."""

    image: str
    left: int
    top: int
    width: int
    height: int
    qp: int
    crc: dict[int, int]

    @property
    def name(self) -> str:
        return f"{self.image.removesuffix('.png')} {self.width}x{self.height}, QP {self.qp}"

    def planes(self) -> Planes:
        """The source, sample for sample from the photograph."""
        box = self.left, self.top, self.left + self.width, self.top + self.height
        return to_yuv(np.asarray(photograph(self.image).crop(box)))

    def config(self, ctb_log2_size: int) -> PictureConfig:
        """The picture's parameters; the hash carries the reconstruction into the CRC."""
        return PictureConfig(
            width=self.width, height=self.height, qp=self.qp, ctb_log2_size=ctb_log2_size, write_hash=1
        )


VECTORS = (
    Vector("astronaut.png", 180, 60, 64, 48, 12, {4: 0x18C4CD2E, 5: 0xC8FA20D8}),
    Vector("coffee.png", 200, 120, 98, 70, 27, {4: 0xF884A4E6, 5: 0xBC2FAD37}),
    Vector("astronaut.png", 60, 300, 50, 34, 40, {4: 0xDF8F9B49, 5: 0xB1EBC2AE}),
)
