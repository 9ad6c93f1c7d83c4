"""Residual against the reference's residual_coding: all sizes, scans and densities, extreme levels, stalls."""

import random

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from hdl.entropy.payloads import BinKind, Bins, SyntaxStep
from hdl.entropy.residual import Residual
from hdl.payloads import CoefficientGroup
from sim.runner import run_bench
from verif.bench.entropy.bins import flatten
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.reference.syntax import residual_coding

NO_BINS = {"kind": BinKind.REGULAR.value, "count": 1, "ctx": [0, 0], "value": 0}
NO_BLOCK = {"log2_size": 2, "chroma": 0, "scan": 0}


def random_block(rng, log2_size=None, chroma=None, scan=None, density=None, size=None):
    """(step, groups, bins) of one transform block."""
    log2_size = log2_size or rng.choice([2, 2, 3, 3, 4, 5])
    chroma = rng.getrandbits(1) if chroma is None else chroma
    if chroma:
        log2_size = min(log2_size, 4)
    if scan is None:
        scan = rng.randrange(3)
    if log2_size > (2 if chroma else 3):
        scan = 0
    density = density if density is not None else rng.choice([0.02, 0.1, 0.3, 0.7, 1])
    size = size or rng.choice([1, 2, 3, 8, 40, 300, 32767])
    number = 1 << (2 * log2_size - 4)

    def level():
        if rng.random() >= density:
            return 0
        if size == 32767 and rng.random() < 0.2:
            return rng.choice([-32768, 32767, -32767, 127, 128, -127, -128, -129])
        return rng.randint(-size, size)

    last = rng.randrange(number)
    groups = [[level() for _ in range(16)] for _ in range(last + 1)]
    if not any(groups[last]):
        groups[last][rng.randrange(16)] = rng.choice([-1, 1, size])
    rows = np.array([[*groups[i], i, i == last] for i in range(last, -1, -1)], np.int16)
    bins = np.zeros((40 * 16 * number + 64, 3), np.int32)
    count, used = residual_coding(bins, 0, rows, 0, log2_size, chroma, scan)
    assert used == len(rows)
    step = {
        "residual": 1,
        "block": {"log2_size": log2_size, "chroma": chroma, "scan": scan},
        "bins": NO_BINS,
    }
    payloads = [{"level": row[:16], "index": row[16], "first": row[17]} for row in rows.tolist()]
    return step, payloads, [tuple(row) for row in bins[:count].tolist()]


def ready_made(rng):
    payload = {"kind": BinKind.REGULAR.value, "count": 2, "ctx": [rng.randrange(128), 5], "value": 0xC000}
    return {"residual": 0, "block": NO_BLOCK, "bins": payload}, flatten(payload)


async def check(sink, wanted):
    """Receive payloads until all wanted bins have come; they must agree."""
    got = []
    while len(got) < len(wanted):
        (payload,) = await sink.receive(1)
        bins = flatten(payload)
        assert bins == wanted[len(got) : len(got) + len(bins)], f"bin {len(got)} of {len(wanted)}"
        got += bins


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def codes_blocks(dut, idle, backpressure):
    rng = random.Random(random.getrandbits(32))
    await start(dut, upset=0)
    steps = StreamSource(dut, "i", SyntaxStep, idle)
    groups = StreamSource(dut, "i_cg", CoefficientGroup, idle)
    sink = StreamSink(dut, "o", Bins, backpressure)
    for _ in range(60):
        if rng.random() < 0.3:
            step, wanted = ready_made(rng)
        else:
            step, payloads, wanted = random_block(rng)
            groups.send(payloads)
        steps.send([step])
        await check(sink, wanted)
    await sink.nothing_more()


@cocotb.test()
async def every_size_and_scan(dut):
    rng = random.Random(random.getrandbits(32))
    await start(dut, upset=0)
    steps = StreamSource(dut, "i", SyntaxStep)
    groups = StreamSource(dut, "i_cg", CoefficientGroup)
    sink = StreamSink(dut, "o", Bins)
    wanted = []
    for chroma, log2_size in [(0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (1, 3), (1, 4)]:
        for scan in range(3 if log2_size == 2 or (log2_size, chroma) == (3, 0) else 1):
            for density, size in [(0.05, 1), (0.4, 3), (1, 20), (1, 32767)]:
                step, payloads, bins = random_block(rng, log2_size, chroma, scan, density, size)
                steps.send([step])
                groups.send(payloads)
                wanted += bins
    await check(sink, wanted)
    await sink.nothing_more()


@cocotb.test()
async def passes_bins(dut):
    """Ready-made bins of all kinds and counts."""
    await start(dut, upset=0)
    steps = StreamSource(dut, "i", SyntaxStep)
    sink = StreamSink(dut, "o", Bins)
    wanted = []
    for kind, most in [(BinKind.REGULAR, 2), (BinKind.BYPASS, 16), (BinKind.TERMINATE, 1)]:
        for count in range(1, most + 1):
            for bits in (0, (1 << count) - 1, random.getrandbits(count)):
                ctx = [random.getrandbits(7), random.getrandbits(7)]
                wanted.append({"kind": kind.value, "count": count, "ctx": ctx, "value": bits << 16 - count})
    steps.send({"residual": 0, "block": NO_BLOCK, "bins": bins} for bins in wanted)
    assert await sink.receive(len(wanted)) == wanted
    await sink.nothing_more()


@cocotb.test()
async def dense_group_in_33_cycles(dut):
    """Sixteen levels of 3 or more in every group of a 32x32."""
    rng = random.Random(1)
    await start(dut, upset=0)
    steps = StreamSource(dut, "i", SyntaxStep)
    groups = StreamSource(dut, "i_cg", CoefficientGroup)
    sink = StreamSink(dut, "o", Bins)
    rows = np.array([[*[rng.choice([-9, 9])] * 16, i, i == 63] for i in range(63, -1, -1)], np.int16)
    bins = np.zeros((20000, 3), np.int32)
    count, _ = residual_coding(bins, 0, rows, 0, 5, 0, 0)
    block = {"log2_size": 5, "chroma": 0, "scan": 0}
    steps.send([{"residual": 1, "block": block, "bins": NO_BINS}])
    groups.send({"level": row[:16], "index": row[16], "first": row[17]} for row in rows.tolist())
    begin = get_sim_time("step")
    await check(sink, [tuple(row) for row in bins[:count].tolist()])
    cycles = (get_sim_time("step") - begin) / (CLOCK_NS * 1000)
    assert cycles <= 64 * 33 + 30


def test_residual():
    run_bench(Residual(), __name__, "residual", tests=12)
