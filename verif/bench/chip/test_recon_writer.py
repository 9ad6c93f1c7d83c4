"""ReconWriter and the write port against numpy planes: every size of coded picture, I420 and NV12, 64 and 128 bits."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.payloads import Planes
from hdl.chip.recon_writer import ReconWriter
from hdl.params import Params
from hdl.payloads import Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.chip.memory import Memory, WriteSlave
from verif.bench.chip.pictures import make_job, stored_size
from verif.bench.chip.write_path import WritePath
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamSource, start

SIZES = [(16, 16), (18, 18), (34, 26), (24, 70), (66, 34), (100, 16), (30, 38), (130, 20), (40, 40)]


class Bench:
    """The writer with a memory. `cycles`: since the picture was started; `position`: bytes acknowledged of it."""

    def __init__(self, dut, idle="none", *, latency=(1, 30), patterns=("none",) * 3):
        self.dut = dut
        self.ctb_size, self.width = bench_params()["ctb_size"], bench_params()["axi_data_width"]
        dut.stop.value = dut.start.value = 0
        self.memory = Memory()
        self.slave = WriteSlave(dut, "bus", self.width, self.memory, latency=latency, patterns=patterns)
        self.recon = StreamSource(dut, "i_recon", Samples, idle)
        self.job = Packer(Planes)
        self.cycles = self.position = 0
        cocotb.start_soon(self._count())

    async def _count(self):
        edge, acknowledged = RisingEdge(self.dut.clk), self.dut.acknowledged
        while True:
            await edge
            self.cycles += 1
            self.position += acknowledged.value.to_unsigned()

    async def begin(self, width: int, height: int, *, nv12: bool, enable: bool = True):
        """Starts a random picture; returns its planes in memory as (address, stride, samples)."""
        job = make_job(
            width, height, nv12=nv12, coded=True, bus_bytes=self.width // 8, rng=random.Random(random.getrandbits(64))
        )
        width, height = stored_size(job, coded=True)
        rng = np.random.default_rng(random.getrandbits(32))
        sizes = [(height, width)] + [(height // 2, width // 2)] * 2
        y, cb, cr = planes = [rng.integers(0, 256, size, np.uint8) for size in sizes]
        groups = to_groups(planes, self.ctb_size, fill=random.randrange(256))
        self.recon.send({"sample": group} for group in groups.tolist())
        self.dut.job.value, self.dut.enable.value = self.job.pack(job), int(enable)
        self.dut.start.value = 1
        await ClockCycles(self.dut.clk, 1)
        self.cycles = self.position = 0
        self.memory.forget()
        self.dut.start.value, self.dut.enable.value = 0, int(not enable)
        self.dut.job.value = random.getrandbits(self.job.width)
        await ClockCycles(self.dut.clk, 1)
        chroma = [(job["cb"], np.dstack((cb, cr)).reshape(height // 2, -1))]
        if not nv12:
            chroma = [(job["cb"], cb), (job["cr"], cr)]
        return len(groups), [(job["y"], job["stride_y"], y), *((a, job["stride_c"], plane) for a, plane in chroma)]

    async def ended(self) -> None:
        await self.recon.drained()
        while self.dut.busy.value or not self.dut.idle.value:
            await ClockCycles(self.dut.clk, 1)

    def check(self, planes) -> None:
        """Every sample of the planes is in memory, written once."""
        for address, stride, plane in planes:
            for row, samples in enumerate(plane):
                place = address + row * stride, len(samples)
                assert (self.memory.read(*place) == samples).all(), f"row {row} of the plane at {address:#x}"
                assert (self.memory.times_written(*place) == 1).all(), f"row {row} of the plane at {address:#x}"


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def writes_pictures(dut, idle, backpressure):
    await start(dut)
    bench = Bench(dut, idle, patterns=(backpressure,) * 3)
    for k, (width, height) in enumerate(random.sample(SIZES, 4)):
        _, planes = await bench.begin(width, height, nv12=bool(k % 2))
        await bench.ended()
        bench.check(planes)
        count = sum(plane.size for _, _, plane in planes)  # so no other byte was written
        assert bench.memory.bytes_written == bench.position == count


@cocotb.test()
@cocotb.parametrize(nv12=(False, True))
async def drops_what_is_not_wanted(dut, nv12):
    """One group a cycle; a picture that is wanted may follow."""
    await start(dut)
    bench = Bench(dut)
    count, _ = await bench.begin(100, 34, nv12=nv12, enable=False)
    await bench.ended()
    assert bench.cycles <= count + 3
    assert not bench.slave.bursts
    _, planes = await bench.begin(34, 26, nv12=nv12)
    await bench.ended()
    bench.check(planes)


@cocotb.test()
async def starts_again_after_a_stop(dut):
    """At any time; nothing of the stopped picture is left."""
    await start(dut)
    bench = Bench(dut, "random", patterns=("none", "random", "none"))
    for _ in range(20):
        await bench.begin(66, 34, nv12=random.random() < 0.5)
        await ClockCycles(dut.clk, random.randrange(600))
        dut.stop.value = 1
        bench.recon.reset()
        await ClockCycles(dut.clk, 2)
        while not dut.idle.value:
            await ClockCycles(dut.clk, 1)
        assert not dut.busy.value
        dut.stop.value = 0
        width, height = random.choice(SIZES)
        _, planes = await bench.begin(width, height, nv12=random.random() < 0.5)
        await bench.ended()
        bench.check(planes)


@cocotb.test()
@cocotb.parametrize(nv12=(False, True), latency=(20, 200))
async def keeps_up(dut, nv12, latency):
    """Groups without a pause. At 20 cycles of latency they are taken nearly as they come, at 200 as fast as the core
    gives them on the average, 1.69 cycles a luma sample (docs/architecture.md)."""
    await start(dut)
    bench = Bench(dut, latency=(latency, latency))
    width, height = 128, 64
    count, planes = await bench.begin(width, height, nv12=nv12)
    await bench.recon.drained()
    cycles, units = bench.cycles, width * height // bench.ctb_size**2
    await bench.ended()
    bench.check(planes)
    groups = count // units
    form = "NV12" if nv12 else "I420"
    cocotb.log.info(f"{form}, latency {latency}: {cycles / units:.0f} cycles a CTU of {groups} groups")
    assert cycles / units <= (1.25 * groups if latency == 20 else 1.69 * bench.ctb_size**2)


@pytest.mark.parametrize("axi_data_width", [64, 128])
@pytest.mark.parametrize("ctb_log2_size", [4, 5])
def test_recon_writer(ctb_log2_size, axi_data_width):
    p = Params(ctb_log2_size=ctb_log2_size, axi_data_width=axi_data_width)
    run_bench(
        WritePath(p, ReconWriter(p), 0),
        __name__,
        f"recon_writer_{p.ctb_size}_{axi_data_width}",
        tests=16,
        params={"ctb_size": p.ctb_size, "axi_data_width": axi_data_width},
    )
