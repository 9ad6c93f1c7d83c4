"""Coverage counts what is there: totals that are known otherwise, and bins that are not known are an error."""

import json
from collections import Counter
from unittest import mock

import numpy as np
import pytest

from verif.cases import random_case
from verif.reference import syntax
from verif.reference.cabac import REGULAR
from verif.reference.encoder import encode_picture
from verif.reference.reconstruction import CU_SPLIT
from verif.uvm import code_coverage, plan
from verif.uvm.coverage import Coverage, Goal


def sampled(seed: int):
    case = random_case(seed, (5,), 64)
    result = encode_picture(case.config, *case.planes, trace=True, qp_map=case.qp_map)
    coverage = Coverage(code_coverage.GOALS)
    code_coverage.sample(coverage, case.config, result, seed % 16)
    return case, result, coverage


def remaining_values(case, trace) -> Counter:
    """(Rice parameter, number of ones in the prefix) of every coeff_abs_level_remaining, from the syntax itself."""
    seen = Counter()

    def remaining(bins, n, value, rice):
        end = syntax_remaining(bins, n, value, rice)
        ones = int(np.flatnonzero(bins[n:end, 2] == 0)[0])
        seen[rice, ones] += 1
        return end

    syntax_remaining, config = syntax.remaining, case.config
    plain = {"residual_coding": syntax.residual_coding.py_func, "_transform_tree": syntax._transform_tree.py_func}
    with mock.patch.multiple(syntax, remaining=remaining, **plain):
        syntax.slice_data.py_func(
            *(trace.cus, len(trace.cus), trace.cgs, config.coded_width, config.coded_height, config.ctb_log2_size),
            *(config.qp, config.cu_qp_delta_enabled, np.zeros_like(trace.bins)),
        )
    return seen


@pytest.mark.parametrize("seed", range(8))
def test_totals(seed):
    case, result, coverage = sampled(seed)
    trace, hits = result.trace, coverage.hits
    assert trace is not None
    blocks, coded = len(trace.tbs), int(trace.tbs[:, 5].sum())
    assert sum(hits["context"].values()) == int((trace.bins[:, 0] == REGULAR).sum())
    assert sum(hits["transform"].values()) == blocks and sum(hits["last"].values()) == 2 * coded
    assert sum(hits["luma_mode"].values()) == int((trace.tbs[:, 0] == 0).sum())
    assert sum(hits["chroma_mode"].values()) == len(trace.cus)
    assert sum(n for name, n in hits["tree"].items() if "whole" in name) == int((trace.cus[:, CU_SPLIT] == 0).sum())
    assert sum(hits["sign_hiding"].values()) == int((trace.cgs[:, :16] != 0).any(axis=1).sum())
    assert sum(hits["qp"].values()) == case.config.ctus[0] * case.config.ctus[1]
    escapes = Counter()
    for (rice, ones), times in remaining_values(case, trace).items():
        escapes[f"rice {rice} prefix {min(ones, code_coverage.LONGEST - rice)}"] += times
    assert escapes == Counter({name: n for name, n in hits["escape"].items() if n})


def test_json_adds_up():
    (_, _, one), (_, _, two) = sampled(1), sampled(2)
    total = Coverage(code_coverage.GOALS)
    total.merge(one.to_json())
    total.merge(two.to_json() | {"of another plan: bin": 3})
    assert total.hits == {
        goal: {bin: n + two.hits[goal][bin] for bin, n in bins.items()} for goal, bins in one.hits.items()
    }
    hit, bins = total.covered()
    assert hit == sum(map(bool, total.to_json().values())) and bins == len(total.to_json()) == sum(
        len(goal.bins) for goal in code_coverage.GOALS
    )
    assert sum(len(total.missing(goal)) for goal in total.goals) == bins - hit


def test_what_is_no_bin_is_an_error():
    coverage = Coverage([Goal("g", "of two bins", ("a", "b"))])
    with pytest.raises(KeyError):
        coverage.hit("g", "c")
    with pytest.raises(ValueError, match="goal g"):
        Goal("g", "twice", ("a", "a"))
    with pytest.raises(ValueError, match="goal g"):
        Goal("g", "no bin", ("a",), {"b": "why"})


def test_the_plan_has_every_goal(tmp_path, monkeypatch):
    """The page lists the goals as they are now, and the command fills in numbers."""
    page = plan.PAGE.read_text()
    assert plan.BEGIN in page and plan.END in page
    for goal in plan.GOALS:
        assert f"| `{goal.name}` | {goal.title} | {len(goal.bins)} |" in page, "run python -m verif.uvm.plan"
    coverage = Coverage(plan.GOALS)
    coverage.hit("qp", "51", 3)
    measured = tmp_path / "coverage.json"
    measured.write_text(json.dumps({"seeds": {"chip": 7}, "bins": coverage.to_json()}))
    copy = tmp_path / "plan.md"
    copy.write_text(page)
    monkeypatch.setattr(plan, "PAGE", copy)
    plan.main(measured)
    assert (
        "7 seeds of `chip`: 1 of" in copy.read_text()
        and "| `qp` | QpY of a coding-tree unit | 52 | 1 | 2 |" in copy.read_text()
    )
    assert copy.read_text().startswith(page[:200]) and code_coverage.ANALYSIS in copy.read_text()
