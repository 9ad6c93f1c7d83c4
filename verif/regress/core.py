"""Suite `core`: a random case under random stalls through the Verilated core, against the reference codec."""

from pathlib import Path

from hdl.params import CORE_CTB_LOG2_SIZES
from verif.cases import random_case
from verif.reference.encoder import encode_picture
from verif.regress.suites import Suite
from verif.rtl import check_case, core_of
from verif.uvm import code_coverage
from verif.uvm.coverage import Coverage


def run(seed: int, waves: Path | None) -> dict:
    """The case of a seed; returns the core's statistics, and the coverage of what was coded."""
    case = random_case(seed, CORE_CTB_LOG2_SIZES)
    statistics = check_case(case, waves)
    coverage = Coverage(code_coverage.GOALS)
    result = encode_picture(case.config, *case.planes, trace=True, qp_map=case.qp_map)
    code_coverage.sample(coverage, case.config, result)
    return {**statistics, "coverage": coverage.to_json()}


def build() -> None:
    """One core for each CTB size, all of which live on from case to case, and the reference codec's machine code."""
    for size in CORE_CTB_LOG2_SIZES:
        core_of(size)
    case = random_case(0, largest=16)
    encode_picture(case.config, *case.planes, qp_map=case.qp_map)


SUITE = Suite(run=run, timeout=300, prepare=build)
