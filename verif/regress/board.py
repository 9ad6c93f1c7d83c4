"""Suite `board`: a random picture through the simulated board over a line with random faults, against the reference
codec."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from hdl.params import PRESETS
from heron.board.client import BoardClient
from heron.board.ports import BOARDS, SimPort
from heron.errors import HeronError
from heron.metrics import sse
from sim.board import Faults, library
from verif.cases import random_case
from verif.reference.encoder import encode_picture
from verif.regress.suites import Suite

BOARD = "ulx3s_85f"
LARGEST = 96
WORST = 2e-4
"""Chance of a fault: of a bit, a byte lost, a byte too many."""


@cache
def port() -> SimPort:
    """One board for all runs of a process."""
    return SimPort(f"sim:{BOARD}")


def run(seed: int, waves: Path | None) -> dict:
    """The case of a seed, without its QP map; returns the board's statistics and what the line did.

    The faults come from the seed, but what they meet depends on how fast the host is: a replay is a similar run.
    """
    if waves is not None:
        raise HeronError("the board leaves no waves")
    params = PRESETS[BOARDS[BOARD]]
    case = random_case(seed, (params.ctb_log2_size,), LARGEST)
    config = replace(case.config, cu_qp_delta_enabled=0)
    rng = np.random.default_rng([seed, 0xB0A2D])
    port().board.faults(Faults(*(WORST * rng.random(3) * rng.integers(0, 2, 3)), seed=seed))
    client = BoardClient(port())
    client.require_known()
    client.open()
    data, _, statistics = client.encode_picture(config, case.planes)
    expected = encode_picture(config, *case.planes)
    assert data == expected.data, f"the bytes differ\n{case}"
    visible = [plane[: source.shape[0], : source.shape[1]] for plane, source in zip(expected.recon, case.planes)]
    assert statistics["sse"] == list(map(sse, case.planes, visible)), f"the squared errors differ\n{case}"
    return {**statistics, "repeated": client.link.counters.repeated}


def build() -> None:
    """The board, and the reference codec's machine code."""
    library(PRESETS[BOARDS[BOARD]])
    case = random_case(0, largest=16)
    encode_picture(case.config, *case.planes, qp_map=case.qp_map)


SUITE = Suite(run=run, timeout=600, prepare=build)
