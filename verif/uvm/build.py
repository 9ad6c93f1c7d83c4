"""The chip with its memory as a simulation that the environment runs on, and runs of it."""

from pathlib import Path

from hdl.chip.chip import Chip
from hdl.params import DEFAULT_PRESET, PRESETS
from sim.harness import cached_library
from sim.runner import build_bench, run_built

TOP = "chip_uvm"
STAGE_INPUTS = {
    "fetch": "i_source",
    "analysis": "i_source",
    "reconstruction": "i_cu",
    "entropy": "i_cg",
    "pack": "i_slice_data",
}
"""The stream of each stage that is looked at."""
CONTROL = ("abort", "soft_reset", "control_state")
INSIDE = [(f"{TOP}.inner.control", name) for name in CONTROL]
INSIDE += [
    (f"{TOP}.inner.core.{stage}", f"{name}__{end}")
    for stage, name in STAGE_INPUTS.items()
    for end in ("valid", "ready")
]
"""What monitors see besides the pins: module and signal."""


def simulation(preset: str = DEFAULT_PRESET, *, waves: bool = False, coverage: bool = False) -> Path:
    """The chip of a preset beside a memory, built where it is not yet."""
    params = PRESETS[preset]

    def make() -> Path:
        return build_bench(Chip(params), TOP, memory=True, waves=waves, public=INSIDE, coverage=coverage)

    return cached_library(f"{TOP}{'_waves' * waves}{'_coverage' * coverage}", params, make)


def run(
    binary: Path, tests: str, seed: int, folder: Path, *, preset: str = DEFAULT_PRESET, waves: bool = False, **params
) -> list[str]:
    """The tests of verif.uvm.tests whose names match `tests`, each from the seed; AssertionError unless all pass."""
    return run_built(
        binary,
        "verif.uvm.tests",
        TOP,
        tests=1,
        seed=seed,
        folder=folder,
        params={"preset": preset, **params},
        env={"COCOTB_TEST_FILTER": tests},
        waves=waves,
    )
