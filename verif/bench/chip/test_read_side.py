"""Both readers on their port and a memory: pictures against planes and `to_groups`, QP maps, errors, stops, pace."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from hdl.chip.payloads import BusError, Master, Planes
from hdl.chip.qp_reader import MAX_QP, QpMap
from hdl.common.axi import DECERR, SLVERR
from hdl.params import Params
from hdl.payloads import CtuQp, Samples
from sim.axi_memory import READ, AxiMemory
from sim.runner import bench_params, run_bench
from sim.sample_order import group_count, to_groups
from verif.bench.chip.pictures import make_job, map_source, random_planes
from verif.bench.chip.pins import WithPins
from verif.bench.chip.read_side import ReadSide
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamSink, start

SIZES = [(16, 16), (18, 18), (34, 26), (24, 70), (66, 34), (100, 16), (128, 64)]
TIMINGS = {"none": ((1, 1), 1.0), "random": ((1, 60), 0.6), "bursty": ((150, 200), 0.9)}  # latency, pace
CORE_CYCLES_PER_GROUP = 9  # 1.7 cycles for 1.5 samples, a luma one and its chroma, is the fastest content


class Bench:
    """The read side with a memory that holds one picture and its QP map."""

    def __init__(self, dut):
        params = bench_params()
        self.dut, self.ctb_size, self.bytes = dut, params["ctb_size"], params["data_width"] // 8
        self.rng = random.Random(random.getrandbits(32))
        self.job_bits, self.map_bits, self.error = Packer(Planes), Packer(QpMap), Packer(BusError)
        self.sinks: list[StreamSink] = []
        for name in ("start", "qp_start", "stop", "clear_stat"):
            getattr(dut, name).value = 0

    async def begin(self) -> None:
        await start(self.dut, upset=0)
        self.memory = AxiMemory()
        self.memory.violations()  # those of before the reset
        await ClockCycles(self.dut.clk, 2)

    def listen(self, backpressure: str = "none") -> None:
        """Take what comes from now on."""
        self.hush()
        self.source = StreamSink(self.dut, "o_source", Samples, backpressure)
        self.qps = StreamSink(self.dut, "o_qp", CtuQp, backpressure)
        self.sinks = [self.source, self.qps]

    def hush(self) -> None:
        """Take nothing more."""
        for sink in self.sinks:
            sink.close()
        self.sinks = []

    def timing(self, name: str) -> None:
        latency, pace = TIMINGS[name]
        self.memory.timing(latency, pace=pace, capacity=64, seed=self.rng.getrandbits(32))

    def picture(self, width: int, height: int, nv12: bool) -> None:
        """A job and a map at random places, and nothing else, in memory."""
        rng, ctb = self.rng, self.ctb_size
        self.job = make_job(width, height, nv12=nv12, coded=False, bus_bytes=self.bytes, rng=rng)
        self.planes = random_planes(width, height, rng)
        self.memory.unmap()
        map_source(self.memory, self.job, self.planes, self.bytes, rng)
        count = -(-width // ctb) * -(-height // ctb)
        self.map = {"address": rng.randrange(1 << 36) * self.bytes, "count": count}
        self.map_bytes = np.full(-(-count // self.bytes) * self.bytes, 255, np.uint8)
        self.map_bytes[:count] = [rng.randint(0, MAX_QP) for _ in range(count)]
        self.memory.map(self.map["address"], self.map_bytes, readers=(1,))

    async def start_jobs(self) -> None:
        """Strobe the starts and `clear_stat`; the jobs are gone afterwards."""
        dut, strobes = self.dut, (self.dut.start, self.dut.qp_start, self.dut.clear_stat)
        dut.job.value, dut.qp_job.value = self.job_bits.pack(self.job), self.map_bits.pack(self.map)
        for strobe in strobes:
            strobe.value = 1
        await RisingEdge(dut.clk)
        for strobe in strobes:
            strobe.value = 0
        dut.job.value = self.rng.getrandbits(self.job_bits.width)
        dut.qp_job.value = self.rng.getrandbits(self.map_bits.width)

    async def check_picture(self) -> None:
        """Every sample and QP, and that nothing else was read."""
        groups = to_groups(self.planes, self.ctb_size)
        inside = to_groups([np.ones_like(plane) for plane in self.planes], self.ctb_size)
        seen = np.array([each["sample"] for each in await self.source.receive(len(groups))], np.uint8)
        wrong = np.flatnonzero((seen * inside != groups).any(axis=1))
        where = [f"group {k} of {len(groups)}: {seen[k]}, not {groups[k]}" for k in wrong[:1]]
        assert not where, f"{self.job}: {where[0]}"
        count = self.map["count"]
        assert [each["qp"] for each in await self.qps.receive(count)] == self.map_bytes[:count].tolist()
        await ClockCycles(self.dut.clk, 2)
        assert self.memory.violations() == [], self.job
        assert self.memory.outstanding[READ] == 0 and int(self.dut.idle.value) and not int(self.dut.bad.value)
        assert int(self.dut.stat_bytes.value) == self.beats() * self.bytes, self.job

    def beats(self) -> int:
        """How many a picture takes: the whole beats of each row of each block, and of the map."""
        job, total = self.job, len(self.map_bytes) // self.bytes
        for component in (0, 1) if job["nv12"] else (0, 1, 1):
            halved = component and not job["nv12"]
            columns, block = (size // 2 if halved else size for size in (job["width"], self.ctb_size))
            for left in range(0, columns, block):
                first, end = left // self.bytes, -(-min(left + block, columns) // self.bytes)
                total += (end - first) * (job["height"] >> component)
        return total

    async def wait_for(self, signal, cycles: int = 5000) -> None:
        """Until `signal` is high; AssertionError when it stays low."""
        for _ in range(cycles):
            if int(signal.value):
                return
            await RisingEdge(self.dut.clk)
        raise AssertionError(f"{signal._name} stays low")

    async def consume(self, groups: int, every: int) -> tuple[int, int]:
        """Take so many groups, one and then none for `every` - 1 cycles: cycles to the first, and to all others."""
        dut, cycles, taken = self.dut, 0, []
        ready, valid = dut.o_source__ready, dut.o_source__valid
        while len(taken) < groups:
            wait = bool(taken) and cycles < taken[-1] + every - 1
            ready.value = int(not wait)
            await RisingEdge(dut.clk)
            cycles += 1
            if not wait and valid.value:
                taken.append(cycles)
            assert cycles < (taken or [0])[-1] + 5000, f"{len(taken)} of {groups} groups came"
        ready.value = 0
        return taken[0], taken[-1] - taken[0]

    async def stop(self) -> None:
        """As the chip stops: until idle, readers reset; nobody listens any more."""
        self.hush()
        self.dut.stop.value = 1
        await ClockCycles(self.dut.clk, 2)
        await self.wait_for(self.dut.idle)
        assert self.memory.outstanding[READ] == 0
        self.dut.stop.value = 0
        await ClockCycles(self.dut.clk, 3)


async def watch_idle(dut, memory: AxiMemory, seen: list[bool]) -> None:
    """`idle` is high when nothing is raised or under way, and only then."""
    while True:
        await FallingEdge(dut.clk)
        quiet = memory.outstanding[READ] == 0 and not int(dut.raised.value) and not int(dut.error.value) & 1
        assert bool(int(dut.idle.value)) == quiet
        seen.append(quiet)


@cocotb.test()
@cocotb.parametrize(memory=PATTERNS, backpressure=PATTERNS)
async def reads_pictures(dut, memory, backpressure):
    bench = Bench(dut)
    await bench.begin()
    bench.listen(backpressure)
    for width, height in SIZES:
        for nv12 in (False, True):
            bench.timing(memory)
            bench.picture(width, height, nv12)
            await bench.start_jobs()
            await bench.check_picture()
    await bench.source.nothing_more()
    await bench.qps.nothing_more()


@cocotb.test()
async def tells_the_first_error(dut):
    """Of either reader, at any beat, with everything else under way; the next picture is right."""
    bench = Bench(dut)
    await bench.begin()
    for k in range(40):
        master = Master.QP_MAP if k % 4 == 0 else Master.SOURCE
        bench.timing(bench.rng.choice(PATTERNS))
        bench.picture(*bench.rng.choice(SIZES), nv12=bool(k & 1))
        resp = bench.rng.choice((SLVERR, DECERR))
        bursts = 1 if master == Master.QP_MAP else 24  # those of the smallest picture
        bench.memory.inject(READ, int(master), resp, bench.rng.randrange(bursts), bench.rng.randrange(8))
        bench.listen(bench.rng.choice(PATTERNS))
        await bench.start_jobs()
        for _ in range(5000):
            await RisingEdge(dut.clk)
            if int(dut.error.value) & 1:
                break
        told = bench.error.unpack(int(dut.error.value))
        struck = bench.memory.injected(READ, int(master))
        assert told == {"valid": 1, "master": master, "resp": resp, "address": struck}
        taken = bench.memory.bursts(READ, 0) + bench.memory.bursts(READ, 1)
        for _ in range(bench.rng.choice((0, 3, 300))):
            await RisingEdge(dut.clk)
            assert not int(dut.error.value) & 1
        raised = bench.memory.bursts(READ, 0) + bench.memory.bursts(READ, 1)
        assert raised - taken <= 2  # what was on AR
        await bench.stop()
        bench.memory.violations()  # the injected beat may have been outside
        bench.listen()
        bench.picture(34, 18, nv12=bool(k & 2))
        await bench.start_jobs()
        await bench.check_picture()


@cocotb.test()
async def tells_an_error_while_it_stops(dut):
    """Once, and before `idle`; a second bad beat of the same stop is not told."""
    bench = Bench(dut)
    await bench.begin()
    for k in range(12):
        bench.memory.timing((100, 150), capacity=64, seed=bench.rng.getrandbits(32))
        bench.picture(66, 34, nv12=bool(k & 1))
        bench.memory.inject(READ, 0, SLVERR, bench.rng.randrange(8), bench.rng.randrange(4))
        bench.memory.inject(READ, 1, DECERR)
        bench.listen()
        await bench.start_jobs()
        await ClockCycles(dut.clk, 40)
        bench.hush()
        dut.stop.value, told = 1, []
        while True:
            await RisingEdge(dut.clk)
            if int(dut.error.value) & 1:
                told.append(bench.error.unpack(int(dut.error.value)))
            if int(dut.idle.value):
                break
        struck = [bench.memory.injected(READ, id) for id in (0, 1)]
        assert None not in struck and len(told) == 1
        first = told[0]
        assert first["address"] == struck[first["master"]] and first["resp"] == (SLVERR, DECERR)[first["master"]]
        dut.stop.value = 0
        await ClockCycles(dut.clk, 3)
        assert not int(dut.error.value) & 1
    assert bench.memory.violations() == []


@cocotb.test()
async def stops_at_any_time(dut):
    bench, seen = Bench(dut), []
    await bench.begin()
    cocotb.start_soon(watch_idle(dut, bench.memory, seen))
    for k in range(80):
        bench.timing(bench.rng.choice(PATTERNS))
        bench.picture(*bench.rng.choice(SIZES), nv12=bool(k & 1))
        bench.listen(bench.rng.choice(PATTERNS))
        await bench.start_jobs()
        await ClockCycles(dut.clk, bench.rng.choice((1, 2, 3, 5, 8, bench.rng.randrange(1, 600))))
        await bench.stop()
        assert bench.memory.violations() == []
        if k % 4 == 0:
            bench.listen()
            bench.picture(34, 18, nv12=bool(k & 4))
            await bench.start_jobs()
            await bench.check_picture()
    assert 0 < sum(seen) < len(seen)


@cocotb.test()
async def keeps_the_pace(dut):
    """Cycles of a picture for a core that takes a group whenever it can, and every 9 cycles."""
    width, height = 128, 64
    bench = Bench(dut)
    await bench.begin()
    qps = StreamSink(dut, "o_qp", CtuQp)
    groups = group_count(width, height, bench.ctb_size)
    for nv12 in (False, True):
        for latency in (20, 200, 400):
            bench.memory.timing((latency, latency), capacity=64)
            for every in (1, CORE_CYCLES_PER_GROUP):
                bench.picture(width, height, nv12)
                await bench.start_jobs()
                first, rest = await bench.consume(groups, every)
                await qps.receive(bench.map["count"])
                pixels, bits = "NV12" if nv12 else "I420", 8 * bench.bytes
                dut._log.info(
                    f"pace: CTU {bench.ctb_size}, {bits} bit, {pixels}, latency {latency}, one wanted every {every}: "
                    f"{first} cycles to the first group, then {rest / (groups - 1):.2f} a group"
                )
                if every > 1:
                    assert rest == every * (groups - 1), "the core had to wait"


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
@pytest.mark.parametrize("data_width", [64, 128])
def test_read_side(ctb_log2_size, data_width):
    p = Params(ctb_log2_size=ctb_log2_size, axi_data_width=data_width)
    run_bench(
        WithPins(ReadSide(p), data_width),
        __name__,
        f"read_side_{p.ctb_size}_{data_width}",
        tests=13,
        params={"ctb_size": p.ctb_size, "data_width": data_width},
        memory=True,
    )
