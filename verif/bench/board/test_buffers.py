"""OutputBuffer and Grouper."""

import random

import pytest

from hdl.board.grouper import Grouper
from hdl.board.output_buffer import OutputBuffer
from verif.bench.common.simulation import CHANCES, receive, send, simulate

DEPTH = 16


@pytest.mark.parametrize("chances", CHANCES)
def test_grouper(chances):
    dut, got, rng = Grouper(), [], random.Random(1)
    data = [rng.randrange(256) for _ in range(8 * 20)]

    async def feed(ctx):
        await send(ctx, dut.i, data, chances[0], random.Random(2))

    async def take(ctx):
        got.extend(await receive(ctx, dut.o, chances[1], random.Random(3), 100))

    simulate(dut, feed, take)
    assert [sample for group in got for sample in group.sample] == data


@pytest.mark.parametrize("seed", range(6))
def test_output_is_there_until_it_is_released(seed):
    """A reader that loses some of what it gets, goes back, and releases what it has."""
    rng = random.Random(seed)
    data = [rng.randrange(256) for _ in range(200)]
    dut, had = OutputBuffer(DEPTH), []

    async def feed(ctx):
        values = [{"data": byte, "last": k == len(data) - 1} for k, byte in enumerate(data)]
        await send(ctx, dut.i, values, rng.choice((1.0, 0.4)), random.Random(seed + 1))

    async def strobe(ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def read(ctx):
        while len(had) < len(data):
            position = ctx.get(dut.position)
            assert position <= len(had)
            got = await receive(ctx, dut.o, rng.choice((1.0, 0.5)), random.Random(seed + 2), rng.choice((3, 30)))
            assert got == data[position : position + len(got)]
            if rng.random() < 0.3:  # lost
                await strobe(ctx, dut.rewind)
                continue
            had.extend(got[len(had) - position :])
            ctx.set(dut.keep_from, len(had))
            await strobe(ctx, dut.release)
            if rng.random() < 0.3:
                await strobe(ctx, dut.rewind)
                assert ctx.get(dut.position) == len(had)
        assert ctx.get(dut.ended) and ctx.get(dut.end) == len(data)

    simulate(dut, feed, read)
    assert had == data


def test_output_stalls_when_it_is_full():
    dut = OutputBuffer(DEPTH)

    async def feed(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(100)
        end = ctx.get(dut.end)
        assert DEPTH - 3 <= end <= DEPTH - 2 and not ctx.get(dut.i.ready)
        ctx.set(dut.keep_from, 4)
        ctx.set(dut.release, 1)
        await ctx.tick()
        ctx.set(dut.release, 0)
        await ctx.tick().repeat(100)
        assert ctx.get(dut.end) == end + 4 and not ctx.get(dut.ended)

    simulate(dut, feed)
