"""BitstreamWriter and the write port before a memory that no byte outside the buffer may be written to."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.bitstream_writer import REQUEST_BYTES, BitstreamWriter
from hdl.chip.payloads import Buffer
from hdl.common.axi import ADDRESS_BITS, DECERR, OKAY
from hdl.params import Params
from hdl.payloads import Byte
from sim.runner import bench_params, run_bench
from verif.bench.chip.memory import Memory, WriteSlave, always_okay
from verif.bench.chip.write_path import WritePath
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamSource, start


class Bench:
    """The writer with a memory. `position`: bytes acknowledged of this picture; `cycles`: since it was started."""

    def __init__(self, dut, idle="none", *, latency=(1, 30), patterns=("none",) * 3, respond=always_okay):
        self.dut = dut
        dut.stop.value = dut.start.value = 0
        self.memory = Memory()
        width = bench_params()["axi_data_width"]
        self.beat_bytes = width // 8
        self.slave = WriteSlave(dut, "bus", width, self.memory, latency=latency, respond=respond, patterns=patterns)
        self.bytes = StreamSource(dut, "i_byte", Byte, idle)
        self.job = Packer(Buffer)
        self.position = self.cycles = 0
        self.before = 0  # bytes written before this picture
        cocotb.start_soon(self._count())

    async def _count(self):
        edge, acknowledged = RisingEdge(self.dut.clk), self.dut.acknowledged
        while True:
            await edge
            self.position += acknowledged.value.to_unsigned()
            self.cycles += 1

    async def begin(self, address: int, size: int, values: np.ndarray) -> None:
        """Starts a picture of these bytes into a buffer outside of which nothing may be written."""
        self.position, self.cycles, self.before = 0, 0, self.memory.bytes_written
        self.slave.bursts.clear()
        self.memory.allow(range(address, address + size))
        self.dut.job.value = self.job.pack({"address": address, "size": size})
        self.dut.start.value = 1
        await ClockCycles(self.dut.clk, 1)
        self.dut.start.value, self.dut.job.value = 0, random.getrandbits(self.job.width)
        self.bytes.send({"data": value, "last": int(k == len(values) - 1)} for k, value in enumerate(values.tolist()))
        await ClockCycles(self.dut.clk, 1)

    async def until(self, condition) -> None:
        for _ in range(20_000):
            if condition():
                return
            await ClockCycles(self.dut.clk, 1)
        raise AssertionError(f"no end: busy {self.dut.busy.value}, full {self.dut.full.value}")

    async def stop(self) -> None:
        self.dut.stop.value = 1
        self.bytes.reset()
        await ClockCycles(self.dut.clk, 1)
        await self.until(lambda: self.dut.idle.value)
        self.dut.stop.value = 0
        await ClockCycles(self.dut.clk, 1)
        assert not self.dut.full.value and not self.dut.busy.value

    def check(self, address: int, values: np.ndarray) -> None:
        """These bytes are in memory, each written once, and no others since the picture began."""
        assert self.memory.bytes_written - self.before == len(values)
        if len(values):
            assert (self.memory.read(address, len(values)) == values).all()
            assert (self.memory.times_written(address, len(values)) == 1).all()

    async def picture(self, address: int, size: int, values: np.ndarray) -> None:
        """A picture to its end, or to that of its buffer."""
        await self.begin(address, size, values)
        dut, fits = self.dut, len(values) <= size
        await self.until(lambda: dut.idle.value and (dut.full.value or not dut.busy.value))
        assert (bool(dut.full.value), bool(dut.busy.value)) == (not fits, not fits)
        written = min(size, len(values))
        assert self.position == written
        self.check(address, values[:written])
        ends = [burst["addr"] + (burst["len"] + 1) * self.beat_bytes for burst in self.slave.bursts]
        first = address // REQUEST_BYTES * REQUEST_BYTES
        assert ends[:-1] == list(range(first + REQUEST_BYTES, address + written, REQUEST_BYTES))
        assert dut.stat_bytes.value == self.memory.bytes_written
        if not fits:
            await self.stop()


def content(count: int) -> np.ndarray:
    return np.frombuffer(random.randbytes(count), np.uint8)


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def writes_pictures(dut, idle, backpressure):
    """Any alignment; buffers that are too small, just large enough, larger."""
    await start(dut)
    bench = Bench(dut, idle, patterns=(backpressure, backpressure, backpressure))
    for k, alignment in enumerate(random.sample(range(16), 8)):
        count = random.choice((1, 2, random.randint(3, 40), random.randint(40, 200)))
        for size in {count, max(1, count - 1), random.randint(1, count), count + 1, random.randint(count, 4000)}:
            page = random.randrange(1, 1 << ADDRESS_BITS - 12) << 12
            address = page + random.randrange(0, 4096, 16) + alignment
            if k % 4 == 0:
                address = page - random.randint(0, 200) // 16 * 16 - 16 + alignment
            await bench.picture(address, size, content(count))


@cocotb.test()
async def uses_the_last_byte_of_the_address_space(dut):
    await start(dut)
    bench = Bench(dut)
    size = random.randint(64, 200)
    await bench.picture((1 << ADDRESS_BITS) - size, size, content(size + 1))


@cocotb.test()
@cocotb.parametrize(latency=(20, 200))
async def takes_a_byte_a_cycle(dut, latency):
    await start(dut)
    bench = Bench(dut, latency=(latency, latency))
    count = 9000
    await bench.picture(0x12345, count, content(count))
    cocotb.log.info(f"{count} bytes, latency {latency}: {bench.cycles} cycles to the last answer")
    assert bench.cycles <= count + latency + 40


@cocotb.test()
@cocotb.parametrize(backpressure=PATTERNS)
async def counts_what_was_written_before_a_stop(dut, backpressure):
    await start(dut)
    bench = Bench(dut, "random", patterns=(backpressure,) * 3)
    for _ in range(40):
        values, address = content(400), random.randrange(1 << 30)
        await bench.begin(address, 400, values)
        await ClockCycles(dut.clk, random.randrange(600))
        await bench.stop()
        bench.check(address, values[: bench.position])


@cocotb.test()
async def counts_up_to_the_first_error(dut):
    await start(dut)
    failing = []

    def respond(_, address):
        if random.random() < 0.1:
            failing.append(address)
            return DECERR
        return OKAY

    bench = Bench(dut, latency=(1, 80), respond=respond)
    for _ in range(30):
        failing.clear()
        values, address = content(400), random.randrange(1 << 30)
        await bench.begin(address, 400, values)
        await bench.until(lambda: dut.idle.value and not dut.busy.value)
        assert bench.position == (max(0, failing[0] - address) if failing else len(values))
        await bench.stop()


@pytest.mark.parametrize("axi_data_width", [64, 128])
def test_bitstream_writer(axi_data_width):
    p = Params(axi_data_width=axi_data_width)
    run_bench(
        WritePath(p, BitstreamWriter(p), 1),
        __name__,
        f"bitstream_writer_{axi_data_width}",
        tests=16,
        params={"axi_data_width": axi_data_width},
    )
