"""ReadPort between two readers and a memory: requests of every length over 4 KB boundaries, room, order, latency,
errors."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from hdl.chip.payloads import BusError, ReadRequest
from hdl.chip.read_port import BURSTS, MASTERS, QUEUE_BYTES, ReadPort
from hdl.common.axi import ADDRESS_BITS, BOUNDARY, BURST_BEATS, DECERR, SLVERR
from hdl.params import Params
from sim.axi_memory import BEATS_INTERLEAVE, BURSTS_OVERTAKE, EVERY_BEAT, IN_ORDER, READ, AxiMemory
from sim.runner import bench_params, run_bench
from verif.bench.chip.pins import WithPins
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start

PAGES = 4
STRADDLING = 0x10_0000_0000 - PAGES // 2 * BOUNDARY
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
        self.content = [np.frombuffer(bytearray(self.rng.randbytes(PAGES * BOUNDARY)), np.uint8) for _ in (0, 1)]
        self.place()
        self.requests = [StreamSource(self.dut, f"i_request__{k}", ReadRequest, idle) for k in (0, 1)]
        self.data = [StreamSink(self.dut, f"o_data__{k}", self.bits, backpressure) for k in (0, 1)]
        self.memory.finished_bursts()  # those of before the reset
        self.memory.violations()

    def place(self) -> None:
        """Put the first reader's pages across 2^36, the second's anywhere."""
        anywhere = self.rng.randrange((1 << ADDRESS_BITS) // BOUNDARY - PAGES) * BOUNDARY
        self.bases = (STRADDLING, anywhere)
        self.memory.unmap()
        for k, (base, content) in enumerate(zip(self.bases, self.content)):
            self.memory.map(base, content, readers=(k,))

    def random_request(self, k: int) -> dict:
        """Often over a boundary."""
        beats = self.rng.randint(1, self.limits[k])
        last = PAGES * BOUNDARY - beats * self.bytes
        near = self.rng.randrange(1, PAGES) * BOUNDARY - self.rng.randint(0, beats) * self.bytes
        offset = self.rng.choice((0, last, near, self.rng.randrange(0, last + 1, self.bytes)))
        return {"address": self.bases[k] + min(offset, last), "beats": beats}

    def beats(self, k: int, requests: list[dict]) -> list[int]:
        """What a reader gets for its requests."""
        values = []
        for request in requests:
            first = request["address"] - self.bases[k]
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

    async def delivers(self, asked: list[list[dict]]) -> int:
        """Both readers get what they asked for; how many beats that is."""
        for source, requests in zip(self.requests, asked):
            source.send(requests)
        wanted = [self.beats(k, requests) for k, requests in enumerate(asked)]
        for k in (1, 0):
            assert await self.data[k].receive(len(wanted[k])) == wanted[k], f"ID {k}"
        return sum(map(len, wanted))

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
        wanted = await bench.delivers(asked)
        await ClockCycles(dut.clk, 2)
        assert bench.memory.violations() == [] and bench.memory.outstanding[READ] == 0
        assert int(dut.idle.value) and not int(dut.error.value) & 1
        assert int(dut.stat_bytes.value) == wanted * bench.bytes
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
        asked = [
            {"address": bench.bases[slow] + 16 * bench.bytes * n, "beats": beats} for n in range(depth // beats + 3)
        ]
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
        asked = [{"address": bench.bases[k] + n * bench.bytes, "beats": 1} for n in range(64)]
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
        bench.requests[k].send([{"address": bench.bases[k], "beats": 1}])
        await bench.requests[k].drained()
        taken = get_sim_time("step")
        await bench.data[k].receive(1)
        memory = 1
        assert get_sim_time("step") - taken == (2 * ReadPort.latency + memory) * CLOCK_NS * 1000


@cocotb.test()
async def tells_the_first_error(dut):
    """Its reader gets what came before, and nobody anything more until `stop` and `idle`; told during `stop`, too."""
    bench, layout = Bench(dut), Packer(BusError)
    await bench.begin()
    bench.memory.timing((10, 20), capacity=64, seed=bench.rng.getrandbits(32))
    for n in range(24):
        bench.place()
        k, resp, stopped = n % 2, bench.rng.choice((SLVERR, DECERR)), n % 3 == 0
        asked = [[bench.random_request(each) for _ in range(6)] for each in (0, 1)]
        bursts = bench.bursts(asked[k])
        burst = 0 if stopped else bench.rng.randrange(6)
        beat = bench.rng.choice((EVERY_BEAT, bench.rng.randrange(bursts[burst][1])))
        bench.memory.inject(READ, k, resp, burst, beat)
        before, at = bench.memory.bursts(READ, k), 0 if beat == EVERY_BEAT else beat
        for source, requests in zip(bench.requests, asked):
            source.send(requests)

        told = []
        for _ in range(250):
            await RisingEdge(dut.clk)
            if int(dut.error.value) & 1:
                told.append(layout.unpack(int(dut.error.value)))
                raised = bench.memory.bursts(READ, k)
            if stopped and bench.memory.bursts(READ, k) > before:
                dut.stop.value = 1
        address = bursts[burst][0] + at * bench.bytes
        assert told == [{"valid": 1, "master": MASTERS[k], "resp": resp, "address": address}]
        assert bench.memory.bursts(READ, k) <= raised + 1, "one may have been on AR"
        good = sum(beats for _, beats in bursts[:burst]) + at
        for each, sink in enumerate(bench.data):
            count = good if each == k and not stopped else len(sink.queue)
            assert await sink.receive(len(sink.queue)) == bench.beats(each, asked[each])[:count]

        dut.stop.value = 1
        for source in bench.requests:
            source.reset()
        await ClockCycles(dut.clk, 3)
        assert int(dut.idle.value)
        dut.stop.value = 0
        await RisingEdge(dut.clk)
    assert bench.memory.violations() == []
    await bench.delivers([[bench.random_request(k) for _ in range(10)] for k in (0, 1)])


@pytest.mark.parametrize("data_width", [64, 128])
def test_read_port(data_width):
    run_bench(
        WithPins(ReadPort(Params(axi_data_width=data_width)), data_width),
        __name__,
        f"read_port_{data_width}",
        tests=13,
        params={"data_width": data_width},
        memory=True,
    )
