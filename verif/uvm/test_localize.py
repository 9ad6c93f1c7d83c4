"""Pictures damaged in a known way: what `explain` says must name the damage."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from verif.cases import Case, random_case
from verif.reference import headers
from verif.reference.cabac import TERMINATE, encode_bins
from verif.reference.encoder import PictureTrace, encode_picture
from verif.reference.quantizer import RULE
from verif.reference.reconstruction import CHOICES
from verif.uvm.localize import explain, first_block, place_of_bin, split_nals, to_rbsp

START = b"\0\0\0\1"


def case(seed: int) -> Case:
    return random_case(seed, (5, 4), 64)


def encoded(c: Case, **options) -> Any:
    """The reference codec's result, with its trace."""
    return encode_picture(c.config, *c.planes, trace=True, qp_map=c.qp_map, **options)


def told(c: Case, data: bytes, recon) -> str:
    return explain(c.config, c.planes, data, recon, c.qp_map)


def with_bins(c: Case, bins: np.ndarray) -> bytes:
    """The stream of the case with other bins in its slice."""
    data = encode_bins(bins, c.config.qp)
    stream = headers.parameter_sets(c.config)
    stream += headers.nal_unit(headers.NAL_IDR_W_RADL, headers.slice_header(c.config) + data)
    if c.config.write_hash:
        stream += headers.nal_unit(headers.NAL_SUFFIX_SEI, headers.picture_hash_sei(encoded(c).recon))
    return stream


@pytest.mark.parametrize("seed", range(8))
def test_a_right_picture_is_right(seed):
    c = case(seed)
    result = encoded(c)
    assert told(c, result.data, result.recon) == "" and with_bins(c, result.trace.bins) == result.data


@pytest.mark.parametrize("seed", range(16))
def test_names_the_bin(seed):
    """Any one bin turned over: found, with its context; and the samples are right, so it is entropy's."""
    c = case(seed)
    result = encoded(c)
    trace: PictureTrace = result.trace
    rng = np.random.default_rng(seed)
    for index in rng.choice(np.flatnonzero(trace.bins[:, 0] != TERMINATE), 6):
        bins = trace.bins.copy()
        bins[index, 2] ^= 1
        text = told(c, with_bins(c, bins), result.recon)
        place = place_of_bin(c.config, trace, index)
        assert f"slice: bin {index} of {len(bins)} is {bins[index, 2]}, should be" in text, text
        assert f"{place.element}, {'bypass' if bins[index, 0] else f'context {bins[index, 1]},'}" in text, text
        assert f"coding unit {place.cu}," in text and "look at: " in text and "entropy" in text.splitlines()[0]


@pytest.mark.parametrize("seed", range(8))
def test_every_bin_has_a_place(seed):
    """Places of all bins: coding units in order, residual bins in blocks that are coded."""
    c = case(seed + 200)
    trace = encoded(c).trace
    count = len(trace.bins)
    places = [place_of_bin(c.config, trace, index) for index in range(0, count, max(1, count // 60))]
    units = [place.cu for place in places]
    assert units == sorted(units) and units[0] == 0 and max(units) < len(trace.cus)
    assert all(place.element and place.text for place in places)


@pytest.mark.parametrize("seed", range(8))
def test_names_the_sample_and_its_block(seed):
    c = case(seed)
    result = encoded(c)
    rng = np.random.default_rng(seed)
    recon = [plane.copy() for plane in result.recon]
    block = int(rng.integers(len(result.trace.tbs)))
    c_idx, x, y, log2 = result.trace.tbs[block, :4].tolist()
    column, row = x + int(rng.integers(1 << log2)), y + int(rng.integers(1 << log2))
    recon[c_idx][row, column] ^= 1
    recon[c_idx][-1, -1] ^= 255  # later, or the same block
    assert first_block(result.trace, result.recon, recon) == block
    text = told(c, result.data, recon)
    assert f"{('Y', 'Cb', 'Cr')[c_idx]} at " in text and f"transform block {block}," in text
    assert text.startswith("look at: what follows the levels")


@pytest.mark.parametrize(
    "options, stages",
    [
        ({"rule": np.array([60, 60, *RULE[2:]], np.int32)}, "reconstruction: prediction, transform or quantizer"),
        ({"choices": np.minimum(CHOICES, 1)}, "analysis: the candidates; or reconstruction: the choice"),
    ],
)
def test_another_decision_is_told_from_a_broken_stream(options, stages):
    """An encoder that quantises or chooses modes otherwise: a valid stream, and the stage that chose is named."""
    from verif.reference.encoder import encode_decided, pad_to_coded

    c = case(7 + 8)
    right = encoded(c)
    other = encode_decided(c.config, pad_to_coded(c.config, *c.planes), right.trace.decided, True, **options)
    text = told(c, other.data, other.recon)
    assert stages in text.splitlines()[0] and "they fit together" in text, text
    text = told(c, other.data, [plane ^ 1 for plane in other.recon])
    assert "do not fit together" in text


@pytest.mark.parametrize(
    "change, element",
    [
        ({"full_range": 1}, "w.u(1, cfg.full_range)"),
        ({"level_idc": 30}, "w.u(8, cfg.level_idc)"),
        ({"matrix_coeffs": 9}, "w.u(8, cfg.matrix_coeffs)"),
    ],
)
def test_names_the_element_of_a_parameter_set(change, element):
    c = case(3)
    c = replace(c, config=replace(c.config, full_range=0))
    wrong = replace(c, config=replace(c.config, **change))
    text = told(c, encoded(wrong).data, encoded(c).recon)
    assert element in text and text.startswith("look at: pack"), text


def test_names_the_slice_header_and_the_hash():
    c = next(each for each in map(case, range(100)) if each.config.write_hash and each.qp_map is None)
    result = encoded(c)
    other = encoded(replace(c, config=replace(c.config, qp=c.config.qp ^ 1)))
    assert "w.se(cfg.qp - 26)  # slice_qp_delta" in told(c, other.data, result.recon)
    damaged = bytearray(result.data)
    damaged[-3] ^= 4
    text = told(c, bytes(damaged), result.recon)
    assert "picture hash SEI, bit " in text and "w.u(32, picture_checksum(plane))" in text


def test_names_emulation_prevention():
    """A stream without one of its bytes of 3."""
    for c in map(case, range(100)):
        result = encoded(c)
        nals = split_nals(result.data)
        if to_rbsp(nals[3]) != nals[3]:
            break
    nals[3] = to_rbsp(nals[3])
    text = told(c, b"".join(START + nal for nal in nals), result.recon)
    assert "slice: emulation prevention at byte" in text and text.startswith("look at: pack")


def test_names_what_is_missing_or_too_much():
    c = case(5)
    result = encoded(c)
    nals = split_nals(result.data)
    names = ["VPS", "SPS", "PPS", "slice", "picture hash SEI"]
    joined = b"".join(START + nal for nal in nals[:-1])
    assert f"NAL unit {len(nals) - 1}, {names[len(nals) - 1]}, is missing" in told(c, joined, result.recon)
    assert "1 NAL units too many" in told(c, result.data + START + nals[0], result.recon)
    assert "begins like PPS, should be SPS" in told(c, b"".join(START + nals[k] for k in (0, 2, 1)), result.recon)
    cut = encode_bins(result.trace.bins, c.config.qp)[:-2]
    short = START.join([b"", *nals[:3], headers.nal_unit(19, headers.slice_header(c.config) + cut)[4:]])
    assert "slice" in told(c, short, result.recon)
