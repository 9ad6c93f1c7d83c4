"""The chip with its memory as a simulation that the environment runs on, and runs of it."""

import os
import xml.etree.ElementTree
from pathlib import Path
from unittest import mock

from hdl.chip.chip import Chip
from hdl.params import PRESETS, Params
from sim.axi_memory import WithMemory
from sim.harness import cached_library
from sim.runner import build_bench, simulate
from sim.verilog import export
from verif.uvm.chip_coverage import COMMANDS, STAGE_INPUTS, STATUS

TOP = "chip_uvm"
CHIPS = {"ctu32": PRESETS["ctu32"], "ctu16 with 64 bits": Params(ctb_log2_size=4, axi_data_width=64)}
DEFAULT_CHIP = "ctu32"
INSIDE = [(f"{TOP}.inner.control", name) for name in (*COMMANDS[:2], *STATUS)]
INSIDE += [(f"{TOP}.inner.core.{part}", name) for ends in STAGE_INPUTS.values() for part, name in ends]
"""What monitors see besides the pins: module and signal."""


def simulation(chip: str = DEFAULT_CHIP, *, waves: bool = False) -> Path:
    """A chip of CHIPS beside a memory, built where it is not yet."""
    params = CHIPS[chip]

    def make() -> Path:
        return build_bench(export(WithMemory(Chip(params)), TOP), memory=True, public=INSIDE)

    with mock.patch.dict(os.environ, HERON_WAVES=str(int(waves))):
        return cached_library(f"{TOP}_waves" if waves else TOP, params, make)


def run(
    binary: Path,
    tests: str,
    seed: int,
    folder: Path,
    *,
    chip: str = DEFAULT_CHIP,
    waves: bool = False,
    coverage: Path | None = None,
    timeout: float = 600,
) -> list[str]:
    """The tests of verif.uvm.tests whose names match `tests`, each from the seed, on what `simulation` gave.

    AssertionError unless all pass, and it begins with what the first failure says. folder: log, results, waves.
    coverage: a file to which the hits are added.
    """
    environment = {"COCOTB_TEST_FILTER": tests, "HERON_COVERAGE": str(coverage or "")}
    with mock.patch.dict(os.environ, HERON_WAVES=str(int(waves))):
        try:
            return simulate(
                *(binary, "verif.uvm.tests", TOP, folder, seed),
                tests=1,
                params={"chip": CHIPS[chip].to_json()},
                env=environment,
                timeout=timeout,
            )
        except AssertionError as error:
            raise AssertionError(f"{_first_failure(folder / 'results.xml')}{error}") from None


def _first_failure(results: Path) -> str:
    """What the first failure in a cocotb results file says, as lines; '' without one."""
    if results.exists():
        for failure in xml.etree.ElementTree.parse(results).iter("failure"):
            return f"{failure.get('message')}\n"
    return ""
