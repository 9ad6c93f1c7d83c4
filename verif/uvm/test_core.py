"""The core alone, between the agents of its streams."""

import pytest

from hdl.core import Core
from hdl.params import PRESETS
from sim.harness import cached_library
from sim.runner import build_bench, simulate
from sim.toolchain import BUILD
from sim.verilog import export

TOP = "core_uvm"
PARAMS = PRESETS["ctu16"]


def run(tests: str, seed: int) -> list[str]:
    binary = cached_library(TOP, PARAMS, lambda: build_bench(export(Core(PARAMS), TOP)))
    return simulate(
        *(binary, "verif.uvm.core_env", TOP, BUILD / "bench" / f"{TOP}_{tests}_{seed}", seed),
        tests=1,
        params=PARAMS.to_json(),
        env={"COCOTB_TEST_FILTER": tests},
    )


@pytest.mark.parametrize("seed", range(3))
def test_pictures_back_to_back(seed):
    assert run("BackToBack", seed) == ["BackToBack"]


def test_a_failure_says_what_is_wrong():
    with pytest.raises(AssertionError, match=r"wrong (bytes|samples): picture 1 "):
        run("Swapped", 1)
