"""QpReader on the read port's streams: maps of every length, values that are no QP, stalls."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotb.utils import get_sim_time

from hdl.chip.payloads import ReadRequest
from hdl.chip.qp_reader import MAX_QP, QpMap, QpReader
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params
from hdl.payloads import CtuQp
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start


class Bench:
    """The reader, and a port that answers at once; `bytes` of a beat."""

    def __init__(self, dut, idle: str = "none", backpressure: str = "none"):
        self.dut, self.bits = dut, bench_params()["data_width"]
        self.bytes = self.bits // 8
        self.requests = StreamSink(dut, "o_request", ReadRequest, idle)
        self.beats = StreamSource(dut, "i_data", self.bits, idle)
        self.qps = StreamSink(dut, "o_qp", CtuQp, backpressure)
        self.packer = Packer(QpMap)

    async def start_job(self, values: list[int]) -> None:
        """A job with these bytes, which its requests, checked, bring; what follows them is no QP."""
        dut, count = self.dut, len(values)
        address = random.choice((random.randrange(1 << ADDRESS_BITS - 10), (1 << 32) - 16)) // self.bytes * self.bytes
        dut.job.value, dut.start.value = self.packer.pack({"address": address, "count": count}), 1
        await RisingEdge(dut.clk)
        dut.job.value, dut.start.value = random.getrandbits(self.packer.width), 0
        padded = values + [255] * (-count % self.bytes)
        addresses = range(address, address + len(padded), self.bytes)
        assert await self.requests.receive(len(addresses)) == [{"address": each, "beats": 1} for each in addresses]
        self.beats.send(
            int.from_bytes(padded[at : at + self.bytes], "little") for at in range(0, len(padded), self.bytes)
        )


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def reads_maps(dut, idle, backpressure):
    dut.start.value = 0
    await start(dut)
    bench = Bench(dut, idle, backpressure)
    for count in (*range(1, 2 * bench.bytes + 2), 100, 255):
        values = [random.choice((0, MAX_QP, random.randint(0, MAX_QP))) for _ in range(count)]
        await bench.start_job(values)
        assert await bench.qps.receive(count) == [{"qp": each} for each in values]
    await bench.qps.nothing_more()
    await bench.requests.nothing_more(1)
    assert not int(dut.bad.value)


@cocotb.test()
async def stops_at_what_is_no_qp(dut):
    """What was before it goes out, and nothing more; a reset helps."""
    dut.start.value = 0
    await start(dut)
    bench = Bench(dut)
    for bad in (MAX_QP + 1, 64, 128, 255):
        for position in (0, 5, bench.bytes - 1, bench.bytes + 3):
            values = [random.randint(0, MAX_QP) for _ in range(3 * bench.bytes)]
            values[position] = bad
            await bench.start_job(values)
            assert await bench.qps.receive(position) == [{"qp": each} for each in values[:position]]
            await bench.qps.nothing_more()
            assert int(dut.bad.value)
            await bench.beats.drained()
            dut.rst.value = 1
            await ClockCycles(dut.clk, 2)
            dut.rst.value = 0
            await ClockCycles(dut.clk, 1)
            assert not int(dut.bad.value)


@cocotb.test()
async def takes_one_cycle_a_qp(dut):
    dut.start.value = 0
    await start(dut)
    bench = Bench(dut)
    await bench.start_job([k % (MAX_QP + 1) for k in range(500)])
    await bench.qps.receive(1)
    begun = get_sim_time("step")
    await bench.qps.receive(499)
    assert get_sim_time("step") - begun == 499 * CLOCK_NS * 1000


@cocotb.test()
async def reads_a_large_map(dut):
    """More than 4096x2304 in coding-tree units of 16, and the last beat is not full."""
    dut.start.value = 0
    await start(dut)
    bench = Bench(dut)
    values = [random.randint(0, MAX_QP) for _ in range(40_954)]
    await bench.start_job(values)
    assert await bench.qps.receive(len(values)) == [{"qp": each} for each in values]
    await bench.qps.nothing_more()
    await bench.requests.nothing_more(1)
    assert not int(dut.bad.value)


@cocotb.test()
async def counts_the_largest_maps(dut):
    """Up to 8192x4320 in coding-tree units of 16. All bytes are the same, so that nobody has to wake up for them."""
    bus_bytes = bench_params()["data_width"] // 8
    dut.start.value = 0
    await start(dut)
    dut.i_data__valid.value = dut.o_request__ready.value = dut.o_qp__ready.value = 1
    dut.i_data__payload.value = int.from_bytes([MAX_QP] * bus_bytes, "little")

    async def cycles(valid) -> float:
        await RisingEdge(valid)
        begun = get_sim_time("step")
        await FallingEdge(valid)
        return (get_sim_time("step") - begun) / (CLOCK_NS * 1000)

    for count in ((1 << 16) + 1, 512 * 270):
        dut.job.value, dut.start.value = Packer(QpMap).pack({"address": 0, "count": count}), 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        requests = cocotb.start_soon(cycles(dut.o_request__valid))
        assert await with_timeout(cycles(dut.o_qp__valid), 2 * count * CLOCK_NS, "ns") == count
        assert await requests == -(-count // bus_bytes)
    assert not int(dut.bad.value)


@pytest.mark.parametrize("data_width", [64, 128])
def test_qp_reader(data_width):
    run_bench(
        QpReader(Params(axi_data_width=data_width)),
        __name__,
        f"qp_reader_{data_width}",
        tests=13,
        params={"data_width": data_width},
    )
