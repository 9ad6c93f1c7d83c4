"""The whole core in simulation against the reference codec, picture by picture."""

import contextlib
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from hdl.params import PRESETS, Params
from heron.chip_engine import ChipEngine
from sim.harness import Core
from verif.cases import Case
from verif.content import Planes
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_picture
from verif.uvm.localize import explain


def params_of(ctb_log2_size: int) -> Params:
    """The first preset with this CTB size."""
    return next(params for params in PRESETS.values() if params.ctb_log2_size == ctb_log2_size)


@cache
def core_of(ctb_log2_size: int) -> Core:
    """One running core for each CTB size, so that pictures follow each other in it as in the chip."""
    return Core(params_of(ctb_log2_size))


@cache
def chip_of(ctb_log2_size: int, nv12: bool) -> ChipEngine:
    """One running chip for each CTB size and format of the planes."""
    return ChipEngine(params_of(ctb_log2_size), nv12=nv12)


def run_core(
    config: PictureConfig,
    planes: Planes,
    stall_seed: int | None = None,
    waves: Path | None = None,
    qp_map: np.ndarray | None = None,
):
    """What the core makes of a picture: bytes, reconstruction, statistics. waves: of a new core, into this folder."""
    picture = asdict(config)
    size = picture.pop("ctb_log2_size")
    if waves is None:
        return core_of(size).encode_picture(picture, planes, qp_map, stall_seed=stall_seed)
    with contextlib.closing(Core(params_of(size), waves=waves)) as core:
        return core.encode_picture(picture, planes, qp_map, stall_seed=stall_seed)


def squared_errors(planes: Planes, recon: Planes) -> dict[str, int]:
    """The core's statistics of the error: inside the source's size."""
    errors = (a.astype(np.int64) - b[: a.shape[0], : a.shape[1]] for a, b in zip(planes, recon))
    return {f"sse_{name}": int((error**2).sum()) for name, error in zip(("y", "cb", "cr"), errors)}


def check_picture(
    config: PictureConfig,
    planes: Planes,
    stall_seed: int | None = None,
    name: str = "picture",
    waves: Path | None = None,
    qp_map: np.ndarray | None = None,
) -> dict:
    """Asserts that the core's bytes, reconstruction, bins and errors are the reference's; returns the statistics."""
    answer = run_core(config, planes, stall_seed, waves, qp_map)
    return check_answer(config, planes, qp_map, answer, name)


def check_chip_picture(engine: ChipEngine, config: PictureConfig, planes: Planes, qp_map=None) -> dict:
    """Asserts the same of the chip; returns its statistics."""
    return check_answer(config, planes, qp_map, engine.encode_picture(config, planes, qp_map=qp_map), "picture")


def check_answer(config: PictureConfig, planes: Planes, qp_map, answer, name: str) -> dict:
    """Asserts that bytes, reconstruction, bins and errors are the reference's; returns the statistics."""
    expected = encode_picture(config, *planes, qp_map=qp_map)
    data, recon, stats = answer
    if data != expected.data or not all(map(np.array_equal, recon, expected.recon)):
        raise AssertionError(f"{name}: {explain(config, planes, data, recon, qp_map)}")
    counts = {"bins": expected.bins, **squared_errors(planes, expected.recon)}
    for count, value in counts.items():
        if stats[count] != value:
            raise AssertionError(f"{name}: {count} is {stats[count]}, {value} expected")
    return stats


def check_case(case: Case, waves: Path | None = None) -> dict:
    """A random case under random stalls; returns the statistics, a failure's note tells the case."""
    try:
        return check_picture(case.config, case.planes, case.stall_seed, waves=waves, qp_map=case.qp_map)
    except (AssertionError, RuntimeError) as error:
        error.add_note(str(case))
        raise
