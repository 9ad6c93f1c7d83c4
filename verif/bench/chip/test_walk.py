"""PictureWalk against `row_parts`: sizes, formats, coding-tree sizes, places in the address space, stalls."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from hdl.chip.payloads import Planes
from hdl.chip.walk import PictureWalk, RowPart
from hdl.params import Params
from sim.runner import bench_params, run_bench
from verif.bench.chip.pictures import make_job, row_parts
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, start

SIZES = [(16, 16), (18, 22), (64, 48), (130, 34), (62, 98)]


async def begin(dut, job: dict) -> None:
    """Strobe `start` with the job, which then changes."""
    packer = Packer(Planes)
    dut.job.value = packer.pack(job)
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    dut.job.value = random.getrandbits(packer.width)


def expected(job: dict) -> list[dict]:
    params = bench_params()
    parts = list(row_parts(job, params["ctb_size"], coded=params["coded"]))
    return [
        {"component": component, "address": address, "samples": samples, "last": int(k == len(parts) - 1)}
        for k, (component, address, samples) in enumerate(parts)
    ]


@cocotb.test()
@cocotb.parametrize(backpressure=PATTERNS)
async def walks_pictures(dut, backpressure):
    dut.start.value = 0
    await start(dut)
    sink = StreamSink(dut, "o", RowPart, backpressure)
    rng, coded = random.Random(random.getrandbits(32)), bench_params()["coded"]
    for width, height in SIZES:
        for nv12 in (False, True):
            job = make_job(width, height, nv12=nv12, coded=coded, bus_bytes=rng.choice((8, 16)), rng=rng)
            await begin(dut, job)
            wanted = expected(job)
            assert await sink.receive(len(wanted)) == wanted, job
            await RisingEdge(dut.clk)
            assert not int(dut.busy.value)
    await sink.nothing_more()


@cocotb.test()
async def takes_one_cycle_a_row(dut):
    dut.start.value = 0
    await start(dut)
    sink = StreamSink(dut, "o", RowPart)
    job = make_job(70, 50, nv12=False, coded=True, bus_bytes=16, rng=random.Random(1))
    await begin(dut, job)
    begun = get_sim_time("step")
    rows = expected(job)
    assert await sink.receive(len(rows)) == rows
    assert get_sim_time("step") - begun == len(rows) * CLOCK_NS * 1000


@cocotb.test()
async def the_widest_and_the_tallest(dut):
    """Every bit of the counters of columns and rows."""
    dut.start.value = 0
    await start(dut)
    sink = StreamSink(dut, "o", RowPart)
    for width, height in ((8190, 16), (16, 8190)):
        job = make_job(width, height, nv12=True, coded=bench_params()["coded"], bus_bytes=16, rng=random.Random(1))
        await begin(dut, job)
        wanted = expected(job)
        assert await sink.receive(len(wanted)) == wanted
    await sink.nothing_more()


@pytest.mark.parametrize("ctb_log2_size,coded", [(4, False), (4, True), (5, False), (5, True)])
def test_walk(ctb_log2_size, coded):
    p = Params(ctb_log2_size=ctb_log2_size)
    name = f"walk_{p.ctb_size}_{'coded' if coded else 'visible'}"
    run_bench(PictureWalk(p, coded=coded), __name__, name, tests=5, params={"ctb_size": p.ctb_size, "coded": coded})
