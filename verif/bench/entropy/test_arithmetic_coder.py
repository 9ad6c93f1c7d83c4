"""ArithmeticCoder against a bit-serial encoder: random mixes, carry chains, long 0xFF runs, stalls."""

import random

import pytest
from amaranth.sim import Simulator

from hdl.entropy import contexts
from hdl.entropy.arithmetic_coder import ArithmeticCoder
from hdl.entropy.payloads import BinKind
from verif.bench.entropy.golden import Encoder


def payload(kind, bins):
    """`bins`: (ctx, value) of each, in order."""
    word = sum(value << (15 - i) for i, (_, value) in enumerate(bins))
    ctx = [c for c, _ in bins] + [0, 0] if kind == BinKind.REGULAR else [0, 0]
    return {"kind": kind, "count": len(bins), "ctx": ctx[:2], "value": word}


def random_bins(rng, n, lps=0.3, bypass=0.3, wide=True):
    """Groups of bins; `lps` is the chance of a random value instead of the most probable one."""
    groups = []
    hot = [rng.randrange(contexts.COUNT) for _ in range(4)]
    for _ in range(n):
        if rng.random() < bypass:
            count = rng.randint(1, 16) if wide else rng.randint(1, 3)
            fill = rng.choice([0, 1, None])
            bits = [(0, rng.getrandbits(1) if fill is None else fill) for _ in range(count)]
            groups.append((BinKind.BYPASS, bits))
        elif rng.random() < 0.02:
            groups.append((BinKind.TERMINATE, [(0, 0)]))
        else:
            pick = lambda: rng.choice(hot) if rng.random() < 0.6 else rng.randrange(contexts.COUNT)  # noqa: E731
            value = lambda: rng.getrandbits(1) if rng.random() < lps else 1  # noqa: E731
            groups.append((BinKind.REGULAR, [(pick(), value()) for _ in range(rng.randint(1, 2))]))
    return groups


def chain_bins(rng, bytes_of_ff, carry):
    """Choose each bypass bin so that the code stays a run of ones, then let a carry into it or not."""
    groups, encoder = [], Encoder(26)
    groups.append((BinKind.BYPASS, [(0, 1)] * 3))
    for _, bins in groups:
        for _, value in bins:
            encoder.bypass(value)
    pending = []
    while encoder.outstanding < 8 * bytes_of_ff + 5:
        # Keep low in the middle: 512 <= 2 * low + value * range < 1024.
        value = int(2 * encoder.low < 512)
        if not 512 <= 2 * encoder.low + value * encoder.range < 1024:
            value = 1 - value
        encoder.bypass(value)
        pending.append((0, value))
    pending += [(0, carry)] * 6
    while pending:
        count = rng.randint(1, 16)
        groups.append((BinKind.BYPASS, pending[:count]))
        pending = pending[count:]
    return groups


def run(pictures, *, idle, stall, seed, measure=None):
    """Code `pictures`, a list of (qp, groups), and compare bytes and bin counts."""
    rng = random.Random(seed)
    dut = ArithmeticCoder()
    expected = []
    for qp, groups in pictures:
        encoder = Encoder(qp)
        for kind, bins in [*groups, (BinKind.TERMINATE, [(0, 1)])]:
            for ctx, value in bins:
                encoder.code(kind, ctx, value)
        expected.append((encoder.data(), encoder.bins))

    async def source(ctx):
        for number, (qp, groups) in enumerate(pictures):
            ctx.set(dut.i_picture.payload.qp, qp)
            ctx.set(dut.i_picture.valid, 1)
            await ctx.tick().until(dut.i_picture.ready)
            ctx.set(dut.i_picture.valid, 0)
            cycles = 0
            for kind, bins in [*groups, (BinKind.TERMINATE, [(0, 1)])]:
                while rng.random() < idle:
                    await ctx.tick()
                ctx.set(dut.i.payload, payload(kind, bins))
                ctx.set(dut.i.valid, 1)
                while True:
                    _, _, ready = await ctx.tick().sample(dut.i.ready)
                    cycles += 1
                    if ready:
                        break
                ctx.set(dut.i.valid, 0)
            assert ctx.get(dut.stat_bins) == expected[number][1]
            if measure is not None:
                measure.append((len(groups) + 1, cycles))

    async def sink(ctx):
        for want, _ in expected:
            got = bytearray()
            last = 0
            while not last:
                ctx.set(dut.o.ready, rng.random() >= stall)
                _, _, valid, ready, byte = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload)
                if valid and ready:
                    got.append(byte.data)
                    last = byte.last
            assert bytes(got) == want, f"{bytes(got).hex()} != {want.hex()}"

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(source)
    sim.add_testbench(sink)
    sim.run()


@pytest.mark.parametrize("idle,stall", [(0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3)])
def test_random(idle, stall):
    rng = random.Random(f"{idle} {stall}")
    pictures = [
        (rng.randint(0, 51), random_bins(rng, 150, lps=lps, bypass=bypass))
        for lps, bypass in [(0.02, 0.1), (0.5, 0.3), (1, 0)]
    ]
    pictures.append((51, []))
    run(pictures, idle=idle, stall=stall, seed=1)


@pytest.mark.parametrize("stall", [0, 0.5])
def test_carry_chains(stall):
    rng = random.Random(2)
    pictures = [(26, chain_bins(rng, n, carry) + random_bins(rng, 5)) for n in (1, 2, 5, 40) for carry in (0, 1)]
    run(pictures, idle=0, stall=stall, seed=2)


def test_throughput():
    rng, measured = random.Random(3), []
    groups = random_bins(rng, 500, lps=0.3, bypass=0.2, wide=False)
    run([(30, groups)], idle=0, stall=0, seed=3, measure=measured)
    payloads, cycles = measured[0]
    assert cycles - payloads < 132 + 8, "one payload per cycle after the contexts are set"
