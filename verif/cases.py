"""Random small encodes, each wholly determined by its seed, so that a failure is replayed by a number."""

from dataclasses import dataclass

import numpy as np

from verif.content import CONTENT, Planes
from verif.reference.config import PictureConfig


@dataclass(frozen=True)
class Case:
    """One picture to encode: parameters, content, and the seed of the stalls for the RTL."""

    seed: int
    config: PictureConfig
    content: str
    planes: Planes
    stall_seed: int

    def __str__(self) -> str:
        size = f"{self.config.width}x{self.config.height}"
        return f"seed {self.seed}: {size} {self.content} QP {self.config.qp} CTB {1 << self.config.ctb_log2_size}"


def random_case(seed: int, ctb_log2_sizes=(4, 5, 6), largest: int = 200) -> Case:
    """The case of a seed: any even size from 16 to `largest` both ways, any QP, any content, any CTB size given.

    Ends of the ranges come more often than their share; the contents and CTB sizes take turns with the seed.
    """
    rng = np.random.default_rng([seed, 0x4845564])

    def side():
        return int(rng.choice([16, 18, largest])) if rng.random() < 0.2 else 2 * int(rng.integers(8, largest // 2 + 1))

    width, height = side(), side()
    qp = int(rng.choice([0, 1, 51])) if rng.random() < 0.2 else int(rng.integers(0, 52))
    content = list(CONTENT)[seed % len(CONTENT)]
    config = PictureConfig(
        width=width,
        height=height,
        qp=qp,
        ctb_log2_size=ctb_log2_sizes[seed // len(CONTENT) % len(ctb_log2_sizes)],
        write_hash=int(rng.integers(0, 2)),
        full_range=int(rng.integers(0, 2)),
    )
    planes = CONTENT[content](width, height, rng)
    return Case(seed, config, content, planes, int(rng.integers(1, 2**31)))
