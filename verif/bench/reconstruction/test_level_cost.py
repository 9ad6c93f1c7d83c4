"""LevelCost against the tables of the reference: every size and scan, sparse to full blocks, with and without gaps."""

import random

from amaranth.sim import Simulator

from hdl.reconstruction.level_cost import LevelCost
from verif.reference.quantizer import BLOCK, LAST, LEVEL_COST, POSITION
from verif.reference.tables import SCAN_POS, SCAN_SUB


def test_level_cost():
    rng = random.Random(1)
    dut = LevelCost()
    expected = {}  # cycle: cost

    async def bench(ctx):
        cycle = 0
        for _ in range(150):
            log2 = rng.choice((2, 2, 3, 3, 4, 5))
            scan_idx = rng.randrange(3) if log2 < 4 else 0
            density, extra = rng.choice((0, 0.02, 0.3, 1)), rng.choice((46, 69, 138))
            cost, last = extra, -1
            groups = 1 << (2 * log2 - 4)
            for g in range(groups - 1, -1, -1):
                x, y = (int(SCAN_SUB[scan_idx, log2, g]) & 7, int(SCAN_SUB[scan_idx, log2, g]) >> 3)
                magnitudes = [rng.choice((1, 1, 2, rng.randrange(16))) * (rng.random() < density) for _ in range(16)]
                errors = [rng.randint(-16, 25) for _ in range(16)]
                for i, (magnitude, error) in enumerate(zip(magnitudes, errors)):
                    cost += error * error
                    if magnitude:
                        place = 4 * (x + y) + (int(SCAN_POS[scan_idx, i]) & 3) + (int(SCAN_POS[scan_idx, i]) >> 2)
                        cost += int(LEVEL_COST[magnitude]) + int(POSITION[place])
                        last = max(last, place)
                ctx.set(dut.i_first, g == groups - 1)
                for name, value in (("log2_size", log2), ("scan_idx", scan_idx), ("x", x), ("y", y), ("extra", extra)):
                    ctx.set(getattr(dut, f"i_{name}"), value)
                for half in (1, 0):
                    ctx.set(dut.i_valid, not half)
                    ctx.set(dut.i_magnitudes, magnitudes[8 * half :][:8])
                    ctx.set(dut.i_errors, errors[8 * half :][:8])
                    await ctx.tick()
                    cycle += 1
            expected[cycle - 1 + LevelCost.latency] = cost + (int(BLOCK[log2] + LAST[last]) if last >= 0 else 0)
            ctx.set(dut.i_valid, 0)
            for _ in range(rng.choice((0, 0, 1, 5))):
                await ctx.tick()
                cycle += 1

    async def check(ctx):
        cycle, seen = 0, 0
        async for *_, cost in ctx.tick().sample(dut.o_cost):
            if cycle in expected:
                assert cost == expected.pop(cycle), f"in cycle {cycle}"
                seen += 1
            cycle += 1
            if seen == 150:
                return

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(check)
    simulator.run()
    assert not expected
