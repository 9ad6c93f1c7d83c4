"""Suite `clips`: whole clips through the Verilated core, against the reference codec, a seed for each clip and QP."""

import os
from dataclasses import dataclass
from pathlib import Path

from heron.bench.clips import bench_sources
from heron.levels import choose_level
from heron.video import Source
from sim.build import digest
from verif.reference.config import PictureConfig
from verif.regress.core import build
from verif.regress.suites import Suite
from verif.rtl import check_picture

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


def run(seed: int, waves: Path | None) -> dict:
    """All pictures of a run; returns how many there were and the core's cycles for each luma sample.

    Waves are those of the last picture that ran: that is the wrong one, where there is one.
    """
    case = runs()[seed]
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
            cycles += check_picture(config, frame.planes, waves=waves)["cycles"]
        except (AssertionError, RuntimeError) as error:
            error.add_note(f"{case}, picture {index}")
            raise
        pictures += 1
    assert pictures, f"{case}: the clip has no picture"
    per_sample = cycles / (pictures * source.width * source.height)
    return {"clip": str(case), "pictures": pictures, "cycles_per_luma_sample": round(per_sample, 4)}


def inputs() -> str:
    """The clips by name and length."""
    sources = _sources().items()
    return digest(*(f"{name} {source.path.stat().st_size if source.path.exists() else 0}" for name, source in sources))


SUITE = Suite(run=run, timeout=7200, prepare=build, count=lambda: len(runs()), inputs=inputs)
