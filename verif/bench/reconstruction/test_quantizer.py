"""Quantizer against the reference's rule: every QP, size and scan, from noise to the largest coefficients."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.reconstruction.level_cost import MAGNITUDES
from hdl.reconstruction.quantizer import LEVELS, GroupKind, Quantizer
from hdl.reconstruction.transform4x4 import SUBBLOCK
from sim.runner import run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import quantizer
from verif.reference.tables import SCAN_SUB


def coefficients(rng, log2, qp):
    """A block like those of real residuals: magnitudes around the quantiser's thresholds, falling with frequency.

    And others: the extremes; levels of 1 that cost about what they are worth, so that all cuts are nearly alike; a few
    larger levels between zeros that are nearly 1, so that a parity is fixed by one of these; multiples of the
    quantiser's step, where the fix makes a level smaller.
    """
    n = 1 << log2
    step = 2 ** ((qp - 4) / 6) * 2 ** (7 - log2)
    kind = rng.random()
    if kind < 0.1:
        return np.array(rng.choices((-32768, 32767, 0), k=n * n)).reshape(n, n)
    if kind < 0.5:
        some = np.random.default_rng(rng.getrandbits(32))
        ones = np.where(some.random((n, n)) < rng.choice((0.4, 0.8, 1)), some.uniform(165, 185, (n, n)), 0)
        ones[::4, ::4] = rng.choice((0, 175, 600))  # with a larger level the group cannot go as a whole
        few = np.where(some.random((n, n)) < 0.15, some.uniform(300, 900, (n, n)), some.uniform(0, 150, (n, n)))
        exact = 256 * some.choice((0, 0, 0, 1, 2, 3, 4), (n, n)) + 0.5
        units = (ones if kind < 0.25 else few if kind < 0.35 else exact) * some.choice((-1, 1), (n, n))  # of step / 256
        return np.clip(np.rint(units * step / 256), -32768, 32767).astype(np.int64)
    spread = rng.choice((0.3, 0.6, 1, 3, 20))
    fall = np.add.outer(np.arange(n), np.arange(n)) / n * rng.choice((0, 1, 3, 6))
    noise = np.random.default_rng(rng.getrandbits(32)).laplace(0, spread, (n, n)) * np.exp(-fall) * step
    return np.clip(np.rint(noise), -32768, 32767).astype(np.int64)


def halves(levels):
    """What goes out beside eight levels."""
    return [levels, [min(abs(level), 15) for level in levels]]


@cocotb.test()
async def quantization(dut):
    rng, edge = random, RisingEdge(dut.clk)
    kind_packer, block_packer = Packer(GroupKind), Packer(SUBBLOCK)
    lane_packer, magnitude_packer = Packer(LEVELS), Packer(MAGNITUDES)
    dut.i_valid.value = 0
    await start(dut, upset=0)
    waiting = []

    async def check():
        lanes, magnitudes, before = [], [], []
        while True:
            await edge
            before = [lanes, magnitudes]
            lanes = lane_packer.unpack(dut.o_lanes.value.to_unsigned())
            magnitudes = magnitude_packer.unpack(dut.o_magnitudes.value.to_unsigned())
            if dut.o_valid.value:
                upper = waiting[0][0][0][8:]
                assert [lanes, magnitudes] == halves(waiting[0][0][0][:8]), f"lower half of {waiting[0]}"
                assert before == halves(upper), f"upper half of {waiting[0]}"
                levels = block_packer.unpack(dut.o_levels.value.to_unsigned())
                got = (levels, int(dut.o_coded.value), int(dut.o_first.value))
                expected, why = waiting.pop(0)
                assert got == expected, f"{why}\n{got}\n{expected}"

    cocotb.start_soon(check())
    for trial in range(1500):
        log2 = rng.choice((2, 2, 2, 3, 3, 4, 5))
        qp = trial % 52
        scan_idx = rng.randrange(3) if log2 < 4 else 0
        block = coefficients(rng, log2, qp)
        padded, levels = np.zeros((32, 32), np.int32), np.zeros((64, 16), np.int32)
        padded[: 1 << log2, : 1 << log2] = block
        last = quantizer.quantize(padded, log2, qp, scan_idx, levels, quantizer.RULE)
        groups = 1 << (2 * log2 - 4)
        for g in range(groups - 1, -1, -1):
            sub = SCAN_SUB[scan_idx, log2, g]
            x, y = (sub & 7) * 4, (sub >> 3) * 4
            kind = {"log2_size": log2, "scan_idx": scan_idx, "qp_per": qp // 6, "qp_rem": qp % 6}
            kind |= {"first": int(g == groups - 1), "index": g}
            dut.i_kind.value = kind_packer.pack(kind)
            dut.i_block.value = block_packer.pack(padded[y : y + 4, x : x + 4].ravel().tolist())
            dut.i_valid.value = 1
            expected = (levels[g].tolist(), int(g <= last), int(g == last))
            waiting.append((expected, f"{kind} {padded[y : y + 4, x : x + 4].ravel().tolist()}"))
            await edge
            dut.i_valid.value, dut.i_kind.value = 0, rng.getrandbits(kind_packer.width)
            await edge
        for _ in range(rng.choice((0, 0, 0, 1, 3))):
            await edge
    for _ in range(Quantizer.latency + 2):
        await edge
    assert not waiting


def test_quantizer():
    run_bench(Quantizer(), __name__, "quantizer", tests=1)
