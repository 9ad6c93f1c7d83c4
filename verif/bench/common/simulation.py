"""Blocks in Amaranth's own simulator, with random pauses and the rules of streams checked."""

import random
from collections.abc import Iterable

from amaranth.sim import Simulator

CHANCES = [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3), (0.5, 0.5)]
"""That a sender offers, and a receiver takes, in a cycle."""


def simulate(dut, *testbenches) -> None:
    """Runs until the last of `testbenches` ends."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


async def send(ctx, port, values: Iterable, chance: float, rng: random.Random) -> None:
    """Offers each value until it is taken."""
    for value in values:
        while rng.random() >= chance:
            await ctx.tick()
        ctx.set(port.payload, value)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


async def receive(ctx, port, chance: float, rng: random.Random, quiet: int, last=lambda value: False) -> list:
    """What comes until `last` says so, or nothing does for `quiet` cycles; valid and payload stay until ready."""
    values, pending, silent = [], None, 0
    while silent < quiet:
        ctx.set(port.ready, rng.random() < chance)
        _, _, ready, valid, payload = await ctx.tick().sample(port.ready, port.valid, port.payload)
        bits = payload.as_bits() if hasattr(payload, "as_bits") else payload
        if pending is not None:
            assert valid and bits == pending, "payload changed or fell before it was taken"
        pending = bits if valid and not ready else None
        silent = 0 if valid else silent + 1
        if valid and ready:
            values.append(payload)
            if last(payload):
                break
    ctx.set(port.ready, 0)
    return values
