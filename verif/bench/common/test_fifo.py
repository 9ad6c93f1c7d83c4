"""Fifo on Verilator: every idle pattern against every backpressure pattern. Also the example of a bench."""

import random

import cocotb
import pytest
from cocotb.utils import get_sim_time

from hdl.common.streams import Fifo
from hdl.payloads import CodedUnit
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start


def units(count: int) -> list[dict]:
    """All zeros, all ones, then random."""
    packer = Packer(CodedUnit)
    bits = [0, packer.mask] + [random.getrandbits(packer.width) for _ in range(count - 2)]
    return [packer.unpack(each) for each in bits]


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def passes_everything(dut, idle, backpressure):
    await start(dut)
    sent = units(200)
    source = StreamSource(dut, "i", CodedUnit, idle)
    sink = StreamSink(dut, "o", CodedUnit, backpressure)
    source.send(sent)
    assert await sink.receive(len(sent)) == sent
    await sink.nothing_more()


@cocotb.test()
async def holds_depth_payloads_at_full_rate(dut):
    await start(dut)
    sent = units(100)
    source, sink = StreamSource(dut, "i", CodedUnit), StreamSink(dut, "o", CodedUnit)
    source.send(sent)
    await sink.receive(1)
    begin = get_sim_time("step")
    await sink.receive(99)
    assert get_sim_time("step") - begin == 99 * CLOCK_NS * 1000
    assert bench_params()["depth"] >= 2


@pytest.mark.parametrize("depth", [2, 5])
def test_fifo(depth):
    run_bench(Fifo(CodedUnit, depth), __name__, f"fifo_{depth}", tests=10, params={"depth": depth})
