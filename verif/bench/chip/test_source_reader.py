"""SourceReader on its ReadPort and a memory, against planes and `to_groups`: sizes, formats, places, timing, stops."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.payloads import BusError, Planes
from hdl.params import Params
from hdl.payloads import Samples
from sim.axi_memory import READ, AxiMemory
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.chip.pictures import make_job, map_source, random_planes
from verif.bench.chip.pins import WithPins
from verif.bench.chip.read_side import ReadSide
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamSink, start

SIZES = [(16, 16), (18, 18), (34, 26), (24, 70), (66, 34), (100, 16), (30, 38), (128, 64)]
CORE_CYCLES_PER_WORD = 9  # 1.5 samples, a luma one and its chroma, in 1.7 cycles at best


class Bench:
    """The read side with a memory; `bytes` of a beat."""

    def __init__(self, dut):
        params = bench_params()
        self.dut, self.ctb_size, self.bytes = dut, params["ctb_size"], params["data_width"] // 8
        self.rng = random.Random(random.getrandbits(32))
        self.packer, self.error = Packer(Planes), Packer(BusError)
        for name in ("start", "stop", "clear_stat"):
            getattr(dut, name).value = 0

    async def begin(self, backpressure: str = "none") -> None:
        await start(self.dut)
        self.memory = AxiMemory()
        self.sink = StreamSink(self.dut, "o_source", Samples, backpressure)

    def picture(self, width: int, height: int, nv12: bool) -> tuple[dict, list[np.ndarray]]:
        """A job at a random place, its samples in memory."""
        job = make_job(width, height, nv12=nv12, coded=False, bus_bytes=self.bytes, rng=self.rng)
        planes = random_planes(width, height, self.rng)
        self.memory.unmap()
        map_source(self.memory, job, planes, self.bytes, self.rng)
        return job, planes

    async def start_job(self, job: dict) -> None:
        """Strobe `start` and `clear_stat`; the job is gone afterwards."""
        dut = self.dut
        dut.job.value, dut.start.value, dut.clear_stat.value = self.packer.pack(job), 1, 1
        await RisingEdge(dut.clk)
        dut.job.value, dut.start.value, dut.clear_stat.value = random.getrandbits(self.packer.width), 0, 0

    async def check_picture(self, job: dict, planes: list[np.ndarray]) -> None:
        """Every sample, and that nothing else was read."""
        groups = to_groups(planes, self.ctb_size)
        inside = to_groups([np.ones_like(plane) for plane in planes], self.ctb_size)
        seen = np.array([each["sample"] for each in await self.sink.receive(len(groups))], np.uint8)
        wrong = np.flatnonzero((seen * inside != groups).any(axis=1))
        assert not len(wrong), f"{job}: group {wrong[0]} of {len(groups)}: {seen[wrong[0]]}, not {groups[wrong[0]]}"
        await ClockCycles(self.dut.clk, 2)
        assert self.memory.violations() == [], job
        assert self.memory.outstanding[READ] == 0 and int(self.dut.idle.value)
        assert int(self.dut.stat_bytes.value) == self.beats(job) * self.bytes, job

    def beats(self, job: dict) -> int:
        """How many a picture takes: the whole beats of each row of each block."""
        total = 0
        for component in (0, 1) if job["nv12"] else (0, 1, 1):
            columns = job["width"] if not component or job["nv12"] else job["width"] // 2
            block = self.ctb_size if not component or job["nv12"] else self.ctb_size // 2
            for left in range(0, columns, block):
                first, end = left // self.bytes, -(-min(left + block, columns) // self.bytes)
                total += (end - first) * (job["height"] >> component)
        return total


@cocotb.test()
@cocotb.parametrize(memory=PATTERNS, backpressure=PATTERNS)
async def reads_pictures(dut, memory, backpressure):
    bench = Bench(dut)
    await bench.begin(backpressure)
    timing = {"none": ((1, 1), 1.0), "random": ((1, 60), 0.6), "bursty": ((150, 200), 0.9)}[memory]
    for width, height in SIZES:
        for nv12 in (False, True):
            bench.memory.timing(timing[0], pace=timing[1], capacity=64, seed=random.getrandbits(32))
            job, planes = bench.picture(width, height, nv12)
            await bench.start_job(job)
            await bench.check_picture(job, planes)
    await bench.sink.nothing_more()


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
@pytest.mark.parametrize("data_width", [64, 128])
def test_source_reader(ctb_log2_size, data_width):
    p = Params(ctb_log2_size=ctb_log2_size, axi_data_width=data_width)
    run_bench(
        WithPins(ReadSide(p), data_width),
        __name__,
        f"source_reader_{p.ctb_size}_{data_width}",
        tests=9,
        params={"ctb_size": p.ctb_size, "data_width": data_width},
        memory=True,
    )
