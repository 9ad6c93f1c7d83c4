"""Rd4, with DST and CoefficientCost, against the reference codec: every QP, noise, extremes, two requesters."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables
from hdl.analysis.rd4 import Rd4, Rd4Request
from sim.runner import run_bench
from verif.bench.streams import StreamMonitor, StreamSource, start
from verif.reference import analysis, transform


class Rd4Streams(wiring.Component):
    """Rd4 with its answers as streams, so that the bench can watch them."""

    def __init__(self):
        ports = {f"i_{k}": In(stream.Signature(Rd4Request)) for k in range(2)}
        super().__init__(ports | {f"o_{k}": Out(stream.Signature(21)) for k in range(2)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rd4 = rd4 = Rd4()
        for k in range(2):
            source, out = getattr(self, f"i_{k}"), getattr(self, f"o_{k}")
            m.d.comb += [
                rd4.i[k].payload.eq(source.payload),
                rd4.i[k].valid.eq(source.valid),
                source.ready.eq(rd4.i[k].ready),
                out.payload.eq(rd4.cost),
                out.valid.eq(rd4.o_valid[k]),
            ]
        return m


def expected(residual, qp):
    scratch, coefficients = np.zeros((32, 32), np.int32), np.zeros((32, 32), np.int32)
    transform.forward(np.array(residual, np.int32).reshape(4, 4), 2, 0, scratch, coefficients)
    return int(analysis.block_cost(coefficients, 2, qp))


def residual(rng):
    size = rng.choice((1, 3, 8, 30, 255))
    if rng.random() < 0.1:
        return [rng.choice((-255, 255)) for _ in range(16)]
    return [rng.randint(-size, size) for _ in range(16)]


@cocotb.test()
async def answers(dut):
    await start(dut, upset=0)
    wanted = [[], []]
    for k in range(2):
        getattr(dut, f"o_{k}__ready").value = 1
    monitors = [StreamMonitor(dut, f"o_{k}", 21) for k in range(2)]
    sources = [StreamSource(dut, f"i_{k}", Rd4Request, "random") for k in range(2)]
    for k, source in enumerate(sources):
        requests = [{"residual": residual(random), "qp": n % 52} for n in range(1500)]
        wanted[k] = [expected(each["residual"], each["qp"]) for each in requests]
        source.send(requests)
    for source in sources:
        await source.drained()
    await cocotb.triggers.ClockCycles(dut.clk, 40)
    for monitor, costs in zip(monitors, wanted):
        assert monitor.seen == costs


def test_tables():
    """The constants of both sides are the same."""
    for name in ("LAMBDA_ROUGH", "NONZERO", "POSITION", "LAST", "MANTISSA"):
        assert getattr(analysis, name).tolist() == list(getattr(cost_tables, name)), name
    for name in ("BIT", "LARGE", "SPLIT_TRANSFORM_BITS", "NXN_BITS", "SPLIT_16_BITS", "SPLIT_32_BITS"):
        assert getattr(analysis, name) == getattr(cost_tables, name), name
    assert {k: analysis.BLOCK[k] for k in range(2, 6)} == cost_tables.BLOCK


@pytest.mark.parametrize("name", ["rd4"])
def test_rd4(name):
    run_bench(Rd4Streams(), __name__, name, tests=1)
