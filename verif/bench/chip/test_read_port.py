"""ReadPort between two readers and a memory: requests of every length over 4 KB boundaries, room, order, latency."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from hdl.chip.payloads import ReadRequest
from hdl.chip.read_port import BURSTS, QUEUE_BYTES, ReadPort
from hdl.common.axi import BOUNDARY, BURST_BEATS
from hdl.params import Params
from sim.axi_memory import BEATS_INTERLEAVE, BURSTS_OVERTAKE, IN_ORDER, READ, AxiMemory
from sim.runner import bench_params, run_bench
from verif.bench.chip.pins import WithPins
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start

BASES = (0x10_0000_0000 - 2 * BOUNDARY, 0x70_1234_5000)  # by ID; the first straddles 2^36
PAGES = 4
TIMINGS = {"none": ((1, 1), 1.0), "random": ((1, 60), 0.6), "bursty": ((150, 200), 0.9)}  # latency, pace


class Bench:
    """The port with its readers' streams and a memory of some pages for each."""

    def __init__(self, dut):
        self.dut, self.bits = dut, bench_params()["data_width"]
        self.bytes = self.bits // 8
        self.rng = random.Random(random.getrandbits(32))
        self.limits = [min(BURST_BEATS, size // self.bytes) for size in QUEUE_BYTES]  # of a request
        dut.stop.value = dut.clear_stat.value = 0

    async def begin(self, idle: str = "none", backpressure: str = "none") -> None:
        await start(self.dut, upset=0)
        self.memory = AxiMemory()
        self.memory.unmap()
        self.content = [np.frombuffer(bytearray(self.rng.randbytes(PAGES * BOUNDARY)), np.uint8) for _ in BASES]
        for k, (base, content) in enumerate(zip(BASES, self.content)):
            self.memory.map(base, content, readers=(k,))
        self.requests = [StreamSource(self.dut, f"i_request__{k}", ReadRequest, idle) for k in (0, 1)]
        self.data = [StreamSink(self.dut, f"o_data__{k}", self.bits, backpressure) for k in (0, 1)]
        self.memory.finished_bursts()  # those of before the reset
        self.memory.violations()

    def random_request(self, k: int) -> dict:
        """Often over a boundary."""
        beats = self.rng.randint(1, self.limits[k])
        last = PAGES * BOUNDARY - beats * self.bytes
        near = self.rng.randrange(1, PAGES) * BOUNDARY - self.rng.randint(0, beats) * self.bytes
        offset = self.rng.choice((0, last, near, self.rng.randrange(0, last + 1, self.bytes)))
        return {"address": BASES[k] + min(offset, last), "beats": beats}

    def beats(self, k: int, requests: list[dict]) -> list[int]:
        """What a reader gets for its requests."""
        values = []
        for request in requests:
            first = request["address"] - BASES[k]
            for at in range(first, first + request["beats"] * self.bytes, self.bytes):
                values.append(int.from_bytes(self.content[k][at : at + self.bytes].tobytes(), "little"))
        return values

    def bursts(self, requests: list[dict]) -> list[tuple[int, int]]:
        """(address, beats) of each burst that the requests become."""
        result = []
        for request in requests:
            address, beats = request["address"], request["beats"]
            left = (BOUNDARY - address % BOUNDARY) // self.bytes
            result.append((address, min(beats, left)))
            if beats > left:
                result.append((address + left * self.bytes, beats - left))
        return result

    async def clear_stat(self) -> None:
        self.dut.clear_stat.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.clear_stat.value = 0


@cocotb.test()
@cocotb.parametrize(memory=PATTERNS, backpressure=PATTERNS)
async def brings_what_was_asked(dut, memory, backpressure):
    bench = Bench(dut)
    await bench.begin(memory, backpressure)
    latency, pace = TIMINGS[memory]
    for order in (IN_ORDER, BURSTS_OVERTAKE, BEATS_INTERLEAVE):
        bench.memory.timing(latency, pace=pace, order=order, capacity=64, seed=bench.rng.getrandbits(32))
        await bench.clear_stat()
        asked = [[bench.random_request(k) for _ in range(count)] for k, count in enumerate((60, 20))]
        for k in (0, 1):
            bench.requests[k].send(asked[k])
        wanted = [bench.beats(k, asked[k]) for k in (0, 1)]
        for k in (1, 0):
            assert await bench.data[k].receive(len(wanted[k])) == wanted[k], f"ID {k}"
        await ClockCycles(dut.clk, 2)
        assert bench.memory.violations() == [] and bench.memory.outstanding[READ] == 0
        assert int(dut.idle.value) and not int(dut.error.value) & 1
        assert int(dut.stat_bytes.value) == sum(map(len, wanted)) * bench.bytes
        seen = bench.memory.finished_bursts()
        for k in (0, 1):
            assert [(each.address, each.beats) for each in seen if each.id == k] == bench.bursts(asked[k])
    for sink in bench.data:
        await sink.nothing_more(5)


@cocotb.test()
async def asks_for_no_more_than_has_room(dut):
    """Readers that take nothing: as many beats come as the queues hold, and one reader does not hold up the other."""
    bench = Bench(dut)
    await bench.begin()
    bench.memory.timing((1, 1), capacity=64)
    for slow in (0, 1):
        for sink in bench.data:
            sink.close()
        depth = QUEUE_BYTES[slow] // bench.bytes
        beats = 4  # divides both depths
        asked = [{"address": BASES[slow] + 16 * bench.bytes * n, "beats": beats} for n in range(depth // beats + 3)]
        before = bench.memory.bytes(READ)
        bench.requests[slow].send(asked)
        await ClockCycles(dut.clk, 4 * depth + 50)
        assert bench.memory.bytes(READ) - before == QUEUE_BYTES[slow] and int(dut.idle.value)
        assert bench.requests[slow].sent == depth // beats

        other = 1 - slow
        bench.data[other] = StreamSink(dut, f"o_data__{other}", bench.bits)
        requests = [bench.random_request(other) for _ in range(20)]
        bench.requests[other].send(requests)
        wanted = bench.beats(other, requests)
        assert await bench.data[other].receive(len(wanted)) == wanted

        bench.data[slow] = StreamSink(dut, f"o_data__{slow}", bench.bits)
        wanted = bench.beats(slow, asked)
        assert await bench.data[slow].receive(len(wanted)) == wanted
        bench.requests = [StreamSource(dut, f"i_request__{k}", ReadRequest) for k in (0, 1)]
    assert bench.memory.violations() == []


@cocotb.test()
async def has_many_bursts_under_way(dut):
    """Up to BURSTS of each ID without an answer; then they come without a gap."""
    bench = Bench(dut)
    await bench.begin()
    bench.memory.timing((300, 300), capacity=64)
    for k, (limit, size) in enumerate(zip(BURSTS, QUEUE_BYTES)):
        asked = [{"address": BASES[k] + n * bench.bytes, "beats": 1} for n in range(64)]
        before = bench.memory.bursts(READ, k)
        bench.requests[k].send(asked)
        await ClockCycles(dut.clk, 200)
        assert bench.memory.bursts(READ, k) - before == min(limit, size // bench.bytes)
        assert await bench.data[k].receive(64) == bench.beats(k, asked)
        burst = [each for each in bench.memory.finished_bursts() if each.id == k]
        first = burst[:limit]
        assert first[-1].answered - first[0].answered == limit - 1
        assert first[-1].taken - first[0].taken == limit - 1


@cocotb.test()
async def takes_two_cycles_each_way(dut):
    bench = Bench(dut)
    await bench.begin()
    bench.memory.timing((1, 1))
    for k in (0, 1):
        bench.requests[k].send([{"address": BASES[k], "beats": 1}])
        await bench.requests[k].drained()
        taken = get_sim_time("step")
        await bench.data[k].receive(1)
        memory = 1
        assert get_sim_time("step") - taken == (2 * ReadPort.latency + memory) * CLOCK_NS * 1000


@pytest.mark.parametrize("data_width", [64, 128])
def test_read_port(data_width):
    run_bench(
        WithPins(ReadPort(Params(axi_data_width=data_width)), data_width),
        __name__,
        f"read_port_{data_width}",
        tests=12,
        params={"data_width": data_width},
        memory=True,
    )
