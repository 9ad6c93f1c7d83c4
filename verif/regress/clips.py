"""Suites `clips` and `chip-clips`: whole clips through the Verilated core and chip, against the reference codec.

A seed is a clip at a QP, and for the chip the format of its planes.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heron.bench.clips import bench_sources
from heron.bench.clips import digest as content
from heron.levels import choose_level
from heron.video import Source
from sim.build import digest
from verif.content import Planes
from verif.reference.config import PictureConfig
from verif.regress.core import build
from verif.regress.suites import Suite
from verif.rtl import check_chip_picture, check_picture, chip_of

QPS = (22, 27, 32, 37)
CIF = 352 * 288
LARGE = 1920 * 1080


@dataclass(frozen=True)
class Run:
    """A clip at a QP; `frames` None: all of them."""

    name: str
    source: Source
    qp: int
    frames: int | None

    def __str__(self) -> str:
        return f"{self.name} QP {self.qp}"


def _sources() -> dict[str, Source]:
    folder = os.environ.get("HERON_CLIPS")
    return bench_sources(Path(folder) if folder else None)


def runs() -> list[Run]:
    """Every picture of the clips up to CIF at four QPs, and the first picture of one clip of 1080 rows.

    The clips are those of HERON_CLIPS, or else the embedded one.
    """
    sources = _sources()
    small = {name: source for name, source in sources.items() if source.width * source.height <= CIF}
    large = {name: source for name, source in sources.items() if source.width * source.height >= LARGE}
    result = [Run(name, source, qp, None) for name, source in small.items() for qp in QPS]
    return result + [Run(name, source, 32, 1) for name, source in list(large.items())[:1]]


def _code(case: Run, check: Callable[[PictureConfig, Planes, int], dict]) -> dict:
    """All pictures of a run; returns how many there were and the cycles for each luma sample."""
    source = case.source
    level_idc, high_tier = choose_level(source.width, source.height, source.rate)
    cycles = pictures = 0
    for index, frame in enumerate(source.frames(0, case.frames)):
        config = PictureConfig(
            width=source.width,
            height=source.height,
            qp=case.qp,
            level_idc=level_idc,
            high_tier=high_tier,
            write_parameter_sets=int(index == 0),
        )
        try:
            cycles += check(config, frame.planes, index)["cycles"]
        except (AssertionError, RuntimeError) as error:
            error.add_note(f"{case}, picture {index}")
            raise
        pictures += 1
    assert pictures, f"{case}: the clip has no picture"
    per_sample = cycles / (pictures * source.width * source.height)
    return {"clip": str(case), "pictures": pictures, "cycles_per_luma_sample": round(per_sample, 4)}


def run(seed: int, waves: Path | None) -> dict:
    """Through the core. Waves are those of the last picture that ran: that is the wrong one, where there is one."""
    return _code(runs()[seed], lambda config, planes, _: check_picture(config, planes, waves=waves))


def _small() -> list[Run]:
    return [case for case in runs() if case.frames is None]


def run_chip(seed: int, waves: Path | None) -> dict:
    """Through the chip, in I420 and NV12 by turns, with a memory of random latency. It leaves no waves."""
    case, nv12 = _small()[seed // 2], bool(seed % 2)
    engine = chip_of(PictureConfig(width=16, height=16).ctb_log2_size, nv12)

    def check(config: PictureConfig, planes: Planes, index: int) -> dict:
        engine.memory.timing((1, 100), pace=0.8, seed=1000 * seed + index + 1)
        return check_chip_picture(engine, config, planes)

    return _code(case, check) | {"format": "NV12" if nv12 else "I420"}


def build_chip() -> None:
    """The chips."""
    for nv12 in (False, True):
        chip_of(PictureConfig(width=16, height=16).ctb_log2_size, nv12)


def inputs() -> str:
    """The clips by name and content."""
    return digest(*(f"{name} {content(source)}" for name, source in _sources().items()))


SUITE = Suite(run=run, timeout=7200, prepare=build, count=lambda: len(runs()), inputs=inputs)
CHIP_SUITE = Suite(run=run_chip, timeout=7200, prepare=build_chip, count=lambda: 2 * len(_small()), inputs=inputs)
