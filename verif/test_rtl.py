"""The core against the reference codec: a fixed part of what `make regress` runs."""

import numpy as np
import pytest

import heron
from verif import decoders
from verif.cases import random_case
from verif.content import CONTENT
from verif.reference.config import PictureConfig
from verif.rtl import check_case, check_picture, run_core

LARGEST = 96  # samples a side, to keep the test short


@pytest.mark.parametrize("seed", range(1000, 1024))
def test_random_pictures_under_stalls(seed):
    check_case(random_case(seed, (5, 4), LARGEST))


@pytest.mark.parametrize("content", ["noise", "extremes"])
def test_the_largest_coefficients(content):
    planes = CONTENT[content](72, 40, np.random.default_rng(4))
    check_picture(PictureConfig(width=72, height=40, qp=0), planes)


def test_stalls_and_repetition_change_no_byte():
    config = PictureConfig(width=80, height=48, qp=24, write_hash=1)
    planes = CONTENT["texture"](80, 48, np.random.default_rng(8))
    runs = [run_core(config, planes, stall_seed) for stall_seed in (None, None, 1, 2)]
    assert len({data for data, _, _ in runs}) == 1
    assert all(np.array_equal(a, b) for _, recon, _ in runs for a, b in zip(recon, runs[0][1]))


def test_several_pictures_decode_to_the_reconstruction():
    rng = np.random.default_rng(9)
    pictures = [make(66, 50, rng) for make in CONTENT.values()]
    result = heron.encode(pictures, qp=29, engine="rtl", write_hash=True)
    for judge in decoders.available().values():
        decoders.check(judge, result.data, result.recon)
    assert result.data == heron.encode(pictures, qp=29, engine="model", write_hash=True).data
    report = result.report
    assert report["cycles"] > 0 and report["bins"] > 0 and report["stall_cycles"]
