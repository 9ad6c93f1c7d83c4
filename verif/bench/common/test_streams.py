"""connect, Fork and Fifo in Amaranth's own simulator; Fifo meets the whole bench matrix in test_fifo.py."""

import random

import pytest
from amaranth import Module
from amaranth.lib import stream
from amaranth.sim import Simulator

from hdl.common.streams import Fifo, Fork, connect
from hdl.payloads import Byte
from verif.bench.common.simulation import CHANCES, receive, send, simulate


@pytest.mark.parametrize("i_chance,o_chance", CHANCES)
def test_fork(i_chance, o_chance):
    dut, values, got = Fork(8, 3), list(range(40)), {}

    async def feed(ctx):
        await send(ctx, dut.i, values, i_chance, random.Random(1))

    def drain(index):
        async def process(ctx):
            got[index] = await receive(ctx, dut.o[index], o_chance, random.Random(2 + index), quiet=100)

        return process

    simulate(dut, feed, *[drain(k) for k in range(3)])
    assert got == {k: values for k in range(3)}


@pytest.mark.parametrize("depth", [2, 3, 4, 16])
def test_fifo_full_rate_and_latency(depth):
    dut, count, cycles = Fifo(8, depth), 50, []

    async def feed(ctx):
        await send(ctx, dut.i, list(range(count)), 1, random.Random(0))

    async def drain(ctx):
        ctx.set(dut.o.ready, 1)
        cycle = expected = 0
        while expected < count:
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                assert payload == expected
                expected += 1
                cycles.append(cycle)
            cycle += 1

    simulate(dut, feed, drain)
    assert cycles == list(range(dut.latency, dut.latency + count))


def test_connect_is_strict():
    m = Module()
    narrow, wide = (stream.Signature(shape).create() for shape in (9, Byte))
    with pytest.raises(TypeError, match="cannot connect"):
        connect(m, wide, narrow)
    connect(m, wide, stream.Signature(Byte).create())
    Simulator(m)
