"""Scaler against the reference, on the largest levels that the quantiser can make and below, at every QP and size."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.reconstruction.quantizer import LEVELS, GroupKind
from hdl.reconstruction.scaler import Scaler
from hdl.reconstruction.transform4x4 import SUBBLOCK
from sim.runner import run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import quantizer
from verif.reference.tables import QUANT_SCALE


def golden(levels, log2, qp, scan_idx):
    """The first sub-block of a block with these levels in its group 0."""
    groups, out = np.zeros((64, 16), np.int32), np.zeros((32, 32), np.int32)
    groups[0] = levels
    quantizer.scale_levels(groups, 0, log2, qp, scan_idx, out)
    return out[:4, :4].ravel().tolist()


@cocotb.test()
async def scaling(dut):
    kinds, halves, blocks, edge = Packer(GroupKind), Packer(LEVELS), Packer(SUBBLOCK), RisingEdge(dut.clk)
    await start(dut, upset=0)
    groups = []
    for qp in range(52):
        for log2 in (2, 3, 4, 5):
            most = (32768 * int(QUANT_SCALE[qp % 6]) >> (21 + qp // 6 - log2)) + 2
            for trial in range(6):
                largest = most if trial < 3 else min(most, 1 << random.randrange(12))
                levels = [random.choice((-largest, largest, random.randint(-largest, largest))) for _ in range(16)]
                scan_idx = random.randrange(3)
                kind = {
                    "log2_size": log2,
                    "scan_idx": scan_idx,
                    "qp_per": qp // 6,
                    "qp_rem": qp % 6,
                    "first": 0,
                    "index": 0,
                }
                groups.append((kind, levels, golden(levels, log2, qp, scan_idx)))
    # A group starts with the lower half of the one before.
    compared = 0
    for cycle in range(2 * len(groups) + 1 + Scaler.latency):
        number, lower = divmod(cycle - 1, 2)
        starts = bool(lower) and number + 1 < len(groups)
        dut.i_start.value = starts
        dut.i_kind.value = kinds.pack(groups[number + 1][0]) if starts else random.getrandbits(kinds.width)
        if 0 <= number < len(groups):
            dut.i_levels.value = halves.pack(groups[number][1][0 if lower else 8 :][:8])
        await edge
        done, ended = divmod(cycle - 1 - Scaler.latency, 2)
        if done >= 0 and ended:
            kind, levels, expected = groups[done]
            assert blocks.unpack(dut.o_block.value.to_unsigned()) == expected, f"{kind} {levels}"
            compared += 1
    assert compared == len(groups)


def test_scaler():
    run_bench(Scaler(), __name__, "scaler", tests=1)
