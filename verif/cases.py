"""Random small encodes, each wholly determined by its seed, so that a failure is replayed by a number."""

from dataclasses import dataclass, replace

import numpy as np

from verif.content import CONTENT, Planes
from verif.reference.config import PictureConfig


@dataclass(frozen=True)
class Case:
    """One picture to encode: parameters, content, QP map and its kind, and the seed of the stalls for the RTL."""

    seed: int
    config: PictureConfig
    content: str
    planes: Planes
    stall_seed: int
    qp_map_kind: str
    qp_map: np.ndarray | None

    def __str__(self) -> str:
        size = f"{self.config.width}x{self.config.height}"
        qp = f"QP {self.config.qp}" + (f" and a {self.qp_map_kind} map" if self.qp_map_kind else "")
        return f"seed {self.seed}: {size} {self.content} {qp} CTB {1 << self.config.ctb_log2_size}"


def flat(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """One QP: the first delta is the only one that is not 0."""
    return np.full(shape, rng.integers(0, 52), np.uint8)


def random(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Any QP anywhere: deltas of every size."""
    return rng.integers(0, 52, shape, np.uint8)


def extreme(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The ends of the range, and what is half of it apart: deltas wrap (8-283), the largest are -26 and 25."""
    return rng.choice(np.array([0, 25, 26, 51], np.uint8), shape)


def gradient(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A ramp: small deltas, and a large one at each row's start."""
    y, x = np.indices(shape)
    ramp = rng.integers(0, 52) + rng.uniform(-3, 3) * x + rng.uniform(-3, 3) * y
    return np.clip(ramp, 0, 51).astype(np.uint8)


def every_delta(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Each of the 52 deltas from one CTU to the next, where there are 52 CTUs."""
    return (np.cumsum(rng.permutation(np.arange(shape[0] * shape[1]) % 52)) % 52).astype(np.uint8).reshape(shape)


QP_MAPS = {make.__name__: make for make in (flat, random, extreme, gradient, every_delta)}


def random_case(seed: int, ctb_log2_sizes=(4, 5, 6), largest: int = 200) -> Case:
    """The case of a seed: any even size from 16 to `largest` both ways, any QP, any content, any CTB size given.

    Ends of the ranges come more often than their share; the contents and CTB sizes take turns with the seed. Every
    other case, of each content and CTB size alike, has a QP map.
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
    stall_seed = int(rng.integers(1, 2**31))
    kind, qp_map = "", None
    if (seed + seed // (len(CONTENT) * len(ctb_log2_sizes))) % 2:
        config = replace(config, cu_qp_delta_enabled=1)
        kind = str(rng.choice(list(QP_MAPS)))
        qp_map = QP_MAPS[kind](config.ctus, rng)
    return Case(seed, config, content, planes, stall_seed, kind, qp_map)
