"""CoefficientCost against the reference codec: every size and QP, noise, few levels, extremes, parts in any order."""

import random
from collections import deque

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.analysis.coefficient_cost import CoefficientCost
from hdl.analysis.residual_store import FOLDED
from sim.runner import run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import analysis

BLOCKS = {2: 520, 3: 208, 4: 104, 5: 52}  # how many of each log2 size
LARGEST = (1 << 15) - 1


def coefficients(rng: np.random.Generator, n: int) -> np.ndarray:
    largest = 1 << rng.integers(16)
    block = rng.integers(-largest, largest, (n, n), np.int32, endpoint=True).clip(~LARGEST, LARGEST)
    if rng.random() < 0.1:
        block = np.full((n, n), rng.choice((~LARGEST, LARGEST)), np.int32)
    return np.where(rng.random((n, n)) < rng.choice((1, 0.3, 2 / n**2)), block, 0).astype(np.int32)


@cocotb.test()
async def adds_up(dut):
    """Blocks back to back and with gaps; the inputs are anything in these."""
    dut.i_valid.value = 0
    await start(dut)
    edge, four = RisingEdge(dut.clk), Packer(FOLDED)
    ports = [getattr(dut, f"i_{name}") for name in ("valid", "last", "coefficients", "column", "group")]
    ports += [dut.log2_size, dut.qp]
    rng, wanted, cycle = np.random.default_rng(random.getrandbits(32)), deque(), 0

    async def step(*values: int) -> None:
        nonlocal cycle
        for port, value in zip(ports, values):
            port.value = value
        await edge
        cycle += 1
        due = bool(wanted) and wanted[0][0] == cycle
        assert bool(dut.o_valid.value) == due, f"cycle {cycle}"
        if due:
            _, cost, what = wanted.popleft()
            assert dut.cost.value.to_unsigned() == cost, what

    async def nothing() -> None:
        await step(0, *(random.getrandbits(len(port)) for port in ports[1:]))

    sizes = [(log2, k % 52) for log2, count in BLOCKS.items() for k in range(count)]
    for number, (log2, qp) in enumerate(random.sample(sizes, len(sizes))):
        n = 1 << log2
        block = coefficients(rng, n)
        parts = random.sample([(x, group) for x in range(n) for group in range(n // 4)], n * n // 4)
        idle = 0.2 if number % 3 == 0 else 0
        for k, (x, group) in enumerate(parts):
            while random.random() < idle:
                await nothing()
            last = int(k == len(parts) - 1)
            if last:
                cost = int(analysis.block_cost(block, log2, qp))
                wanted.append((cycle + 1 + CoefficientCost.latency, cost, f"{n}x{n} at QP {qp}\n{block}"))
            await step(1, last, four.pack(block[4 * group : 4 * group + 4, x].tolist()), x, group, log2, qp)
    for _ in range(CoefficientCost.latency):
        await nothing()
    assert not wanted


def test_coefficient_cost():
    run_bench(CoefficientCost(), __name__, "coefficient_cost", tests=1)
