"""clip and round_shift over every value of a few widths, against numpy."""

import numpy as np
import pytest
from amaranth import Module, Signal, signed, unsigned
from amaranth.sim import Simulator

from hdl.common.arithmetic import clip, round_shift


def evaluate(shape, function):
    """Every value of `shape` in order, and function(value) as the simulator sees it."""
    value = Signal(shape)
    result = function(value)
    out = Signal(result.shape())
    m = Module()
    m.d.comb += out.eq(result)
    low = -(1 << shape.width - 1) if shape.signed else 0
    values, results = np.arange(low, low + (1 << shape.width)), []

    async def process(ctx):
        for each in values:
            ctx.set(value, int(each))
            results.append(ctx.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(process)
    simulator.run()
    return values, np.array(results)


@pytest.mark.parametrize("shape", [signed(8), unsigned(8)], ids=str)
@pytest.mark.parametrize("low,high", [(0, 63), (-8, 7), (-128, 127), (0, 255), (-3, 100), (5, 9)])
def test_clip(shape, low, high):
    values, results = evaluate(shape, lambda value: clip(value, low, high))
    np.testing.assert_array_equal(results, np.clip(values, low, high))


@pytest.mark.parametrize("shape", [signed(8), unsigned(8)], ids=str)
@pytest.mark.parametrize("shift", [0, 1, 3, 7])
def test_round_shift(shape, shift):
    values, results = evaluate(shape, lambda value: round_shift(value, shift))
    np.testing.assert_array_equal(results, (values + (1 << shift >> 1)) >> shift)
