"""Transform4x4, both directions and kinds, against the reference."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.reconstruction.transform4x4 import Transform4x4
from verif.reference import transform


def golden(block, is_dst, is_inverse):
    padded, tmp, out = (np.zeros((32, 32), np.int32) for _ in range(3))
    padded[:4, :4] = np.array(block).reshape(4, 4)
    (transform.inverse if is_inverse else transform.forward)(padded, 2, 0 if is_dst else 2, tmp, out)
    return out[:4, :4].ravel().tolist()


def blocks(rng, low, high):
    for _ in range(60):
        yield [rng.randint(low, high) for _ in range(16)]
        yield [rng.choice((low, high)) for _ in range(16)]
    for value in (low, 0, 1, high):
        yield [value] * 16
    for position in range(16):
        yield [high * (i == position) for i in range(16)]


@pytest.mark.parametrize("is_inverse", [False, True])
def test_transform4x4(is_inverse):
    dut, rng = Transform4x4(is_inverse=is_inverse), random.Random(4)
    low, high = (-32768, 32767) if is_inverse else (-255, 255)

    async def bench(ctx):
        def output():
            return [ctx.get(dut.o_block[i]) for i in range(16)]

        before = None
        for block in blocks(rng, low, high):
            is_dst = rng.randrange(2)
            ctx.set(dut.i_block, block)
            ctx.set(dut.is_dst, is_dst)
            ctx.set(dut.i_valid, 1)
            await ctx.tick()
            ctx.set(dut.i_valid, 0)
            ctx.set(dut.is_dst, rng.randrange(2))
            ctx.set(dut.i_block, [rng.randint(low, high) for _ in range(16)])
            for _ in range(dut.latency - 1):
                assert before is None or output() == before  # three more cycles, even if the next block follows at once
                await ctx.tick()
            before = golden(block, is_dst, is_inverse)
            assert output() == before, f"{is_dst=} {block}"
            for _ in range(rng.choice((0, 1, 3))):
                await ctx.tick()
                assert output() == before, f"{is_dst=} {block}"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
