"""Suite `chip` of the regression: a random story of the environment for each seed."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

from sim.toolchain import BUILD
from verif.regress.suites import WAVES_TIME, Suite
from verif.uvm import build

FOLDER = BUILD / "uvm"
TIMEOUT = 600


@cache
def binary(chip: str = build.DEFAULT_CHIP, waves: bool = False) -> Path:
    """The simulation, found once in each process."""
    return build.simulation(chip, waves=waves)


def prepare() -> None:
    for chip in build.CHIPS:
        binary(chip)


def chip_of(seed: int) -> str:
    """Every fourth seed runs on the smaller chip."""
    return list(build.CHIPS)[seed % 4 == 3]


def run(seed: int, waves: Path | None) -> dict:
    """The story of a seed; its log stays under build/uvm when it fails. Returns the coverage."""
    folder = waves or FOLDER / f"seed{seed}_{os.getpid()}"
    coverage = folder / "coverage.json"
    coverage.unlink(missing_ok=True)
    build.run(
        *(binary(chip_of(seed), waves is not None), "RandomStory", seed, folder),
        chip=chip_of(seed),
        waves=waves is not None,
        coverage=coverage,
        timeout=TIMEOUT * (WAVES_TIME if waves else 1),
    )
    hits = json.loads(coverage.read_text())
    if waves is None:
        shutil.rmtree(folder)
    return {"coverage": hits}


SUITE = Suite(run=run, timeout=TIMEOUT + 60, prepare=prepare)
