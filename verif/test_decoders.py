"""Streams of the reference codec, judged by decoders that nobody here wrote."""

import numpy as np
import pytest

from verif import decoders
from verif.bench.decisions import random_decisions
from verif.cases import random_case
from verif.content import CONTENT
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_picture
from verif.reference.reconstruction import CU_CBF_CR, CU_CBF_LUMA, CU_LAST_CTU

DECODERS = decoders.available()
SEEDS = range(48)  # every content with every CTB size, with a QP map and without


def visible(config: PictureConfig, recon):
    """The reconstruction inside the conformance window."""
    y, u, v = (plane[: config.height >> shift, : config.width >> shift] for plane, shift in zip(recon, (0, 1, 1)))
    return y, u, v


def judge(decoder: str, config: PictureConfig, planes, qp_map=None) -> bytes:
    result = encode_picture(config, *planes, qp_map=qp_map)
    decoders.check(DECODERS[decoder], result.data, [visible(config, result.recon)])
    return result.data


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_pictures(decoder, seed):
    case = random_case(seed)
    print(case)
    judge(decoder, case.config, case.planes, case.qp_map)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_decisions(decoder, seed):
    """Every size, mode and split, wherever they make no sense: all the syntax there is."""
    case = random_case(seed)
    print(case)
    rng = np.random.default_rng(seed)

    def decide(config, *_):
        return random_decisions(config, rng, qp_map=case.qp_map)

    result = encode_picture(case.config, *case.planes, decide=decide, qp_map=case.qp_map)
    decoders.check(DECODERS[decoder], result.data, [visible(case.config, result.recon)])


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("ctb_log2_size", (4, 5, 6))
@pytest.mark.parametrize("qp", (0, 51))
def test_extreme_quantisers(decoder, ctb_log2_size, qp):
    config = PictureConfig(width=72, height=56, qp=qp, ctb_log2_size=ctb_log2_size, write_hash=1)
    rng = np.random.default_rng(qp)
    for make in CONTENT.values():
        judge(decoder, config, make(72, 56, rng))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("ctb_log2_size", (4, 5, 6))
def test_every_qp_delta(decoder, ctb_log2_size):
    """Each delta there is, and in the middle CTUs without a coded block, which keep the predictor."""
    rng, size = np.random.default_rng(ctb_log2_size), 1 << ctb_log2_size
    config = PictureConfig(width=16 * size - 6, height=26 * size, ctb_log2_size=ctb_log2_size, cu_qp_delta_enabled=1)
    planes = CONTENT["texture"](config.width, config.height, rng)
    for plane, n in zip(planes, (size, size // 2, size // 2)):
        plane[8 * n : 18 * n, 4 * n : 12 * n] = 128
    qp_map = np.array([(a, b) for a in range(52) for b in rng.permutation(52)[:4]], np.uint8).reshape(config.ctus)
    trace = encode_picture(config, *planes, trace=True, qp_map=qp_map).trace
    assert trace is not None
    coded = [
        ctu[:, CU_CBF_LUMA : CU_CBF_CR + 1].any()
        for ctu in np.split(trace.cus, np.flatnonzero(trace.cus[:, CU_LAST_CTU]) + 1)[:-1]
    ]
    qps = np.concatenate(([config.qp], qp_map.ravel()[coded])).astype(int)
    assert set((np.diff(qps) + 26) % 52 - 26) == set(range(-26, 26)) and not all(coded)
    judge(decoder, config, planes, qp_map)


@pytest.mark.parametrize("decoder", DECODERS)
def test_emulation_prevention_is_exercised(decoder):
    """Among long slices some hold 00 00 0x: they decode too."""
    config = PictureConfig(width=256, height=256, qp=0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        planes = CONTENT["extremes"](256, 256, rng)
        slice_nal = encode_picture(config, *planes).data.rpartition(b"\x00\x00\x01")[2]
        if b"\x00\x00\x03" in slice_nal:
            judge(decoder, config, planes)
            return
    raise AssertionError("no slice of 60 needed emulation prevention")


@pytest.mark.parametrize("decoder", DECODERS)
def test_several_pictures_in_one_stream(decoder):
    """Parameter sets once, then one IDR picture after the other."""
    rng = np.random.default_rng(3)
    data, recons = b"", []
    for index, make in enumerate(CONTENT.values()):
        config = PictureConfig(width=98, height=66, qp=30, write_parameter_sets=int(index == 0), write_hash=1)
        result = encode_picture(config, *make(98, 66, rng))
        data += result.data
        recons.append(visible(config, result.recon))
    decoders.check(DECODERS[decoder], data, recons)


@pytest.mark.parametrize("decoder", DECODERS)
def test_damage_is_noticed(decoder):
    """The judge is awake: a slice with one wrong bit does not pass."""
    config = PictureConfig(width=64, height=64, qp=27)
    result = encode_picture(config, *CONTENT["texture"](64, 64, np.random.default_rng(1)))
    damaged = bytearray(result.data)
    damaged[-len(damaged) // 4] ^= 0x10
    with pytest.raises(Exception):  # noqa: B017  each decoder has its own
        decoders.check(DECODERS[decoder], bytes(damaged), [visible(config, result.recon)])
