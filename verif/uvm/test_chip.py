"""The environment on the chip: some seeds of the random story, and each kind of sequence by itself.

`heron regress --suite chip --seeds N` runs as many seeds as one likes.
"""

import json

import pytest

from sim.toolchain import BUILD
from verif.uvm import build
from verif.uvm.sequences import RandomStory
from verif.uvm.suite import binary, run

SEEDS = range(4, 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_story(seed):
    hits = run(seed, None)["coverage"]
    assert hits["end: OK"] and all(hits[f"stall: {stage}"] for stage in ("fetch", "analysis"))


def test_every_kind_of_sequence(tmp_path):
    """One run for all of them: what each does is in the coverage."""
    coverage = tmp_path / "coverage.json"
    passed = build.run(binary(), "Test.*", 1, BUILD / "bench" / build.TOP, coverage=coverage)
    assert sorted(passed) == sorted(f"Test{kind.__name__}" for kind in RandomStory.KINDS)
    hits = json.loads(coverage.read_text())
    codes = "OK", "BITSTREAM_FULL", "ABORTED", "BUS_ERROR", "WATCHDOG", "BAD_QP_MAP"
    assert [code for code in codes if not hits[f"end: {code}"]] == []


def test_a_failure_says_what_is_wrong(tmp_path):
    """A memory that nobody may write: the message begins with the broken rule."""
    with pytest.raises(AssertionError, match=r"^the chip broke a rule of the bus: write outside the windows"):
        build.run(binary(), "NoRoom", 1, tmp_path)
