"""Fetch against numpy's edge padding, over sizes, coding-tree sizes and the whole stall matrix."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge, with_timeout
from cocotb.utils import get_sim_time

from hdl.fetch.fetch import Fetch
from hdl.params import Params
from hdl.payloads import Picture, Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start

SIZES = [(16, 16), (18, 18), (34, 26), (24, 70), (66, 34), (100, 16), (30, 38)]


def picture(width: int, height: int) -> dict:
    """A Picture of this size; everything else at random, it must not matter."""
    packer = Packer(Picture)
    return {**packer.unpack(random.getrandbits(packer.width)), "width": width, "height": height}


def planes(width: int, height: int) -> list[np.ndarray]:
    rng = np.random.default_rng(random.getrandbits(32))
    sizes = [(height, width)] + [(height // 2, width // 2)] * 2
    return [rng.integers(0, 256, size, np.uint8) for size in sizes]


def coded(source: list[np.ndarray]) -> list[np.ndarray]:
    """The planes over the coded size, edges repeated."""
    return [
        np.pad(plane, [(0, -length % multiple) for length in plane.shape], mode="edge")
        for plane, multiple in zip(source, (8, 4, 4))
    ]


def payloads(groups: np.ndarray) -> list[dict]:
    return [{"sample": group} for group in groups.tolist()]


def expected(source: list[np.ndarray], ctb_size: int) -> list[dict]:
    """A chroma row that ends in half a group is filled up with its edge, like any other."""
    return payloads(to_groups(coded(source), ctb_size, fill=None))


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def extends_pictures(dut, idle, backpressure):
    ctb_size = bench_params()["ctb_size"]
    await start(dut, upset=0)
    pictures = StreamSource(dut, "i_picture", Picture, idle)
    source = StreamSource(dut, "i_source", Samples, idle)
    sink = StreamSink(dut, "o", Samples, backpressure)
    for width, height in SIZES:
        image = planes(width, height)
        pictures.send([picture(width, height)])
        source.send(payloads(to_groups(image, ctb_size, fill=random.randrange(256))))
        wanted = expected(image, ctb_size)
        assert await sink.receive(len(wanted)) == wanted, f"{width}x{height}"
    await sink.nothing_more()


@cocotb.test()
async def takes_one_cycle_a_group(dut):
    ctb_size = bench_params()["ctb_size"]
    await start(dut, upset=0)
    pictures = StreamSource(dut, "i_picture", Picture)
    source, sink = StreamSource(dut, "i_source", Samples), StreamSink(dut, "o", Samples)
    images = [planes(70, 50) for _ in range(2)]
    pictures.send([picture(70, 50)] * 2)
    for image in images:
        source.send(payloads(to_groups(image, ctb_size)))
    wanted = [each for image in images for each in expected(image, ctb_size)]
    await sink.receive(1)
    begin = get_sim_time("step")
    assert await sink.receive(len(wanted) - 1) == wanted[1:]
    between_pictures = 1
    assert get_sim_time("step") - begin == (len(wanted) - 1 + between_pictures) * CLOCK_NS * 1000


@cocotb.test()
async def large_pictures(dut):
    """As many groups as there are. All samples are the same, so that nobody has to wake up for them."""
    await start(dut, upset=0)
    dut.i_source__valid.value = dut.o__ready.value = 1
    for width, height in ((8190, 18), (5462, 34), (2058, 18), (18, 4318), (34, 2730)):
        groups = len(expected(planes(width, height), bench_params()["ctb_size"]))
        dut.i_picture__payload.value, dut.i_picture__valid.value = Packer(Picture).pack(picture(width, height)), 1
        await RisingEdge(dut.clk)
        dut.i_picture__valid.value = 0
        begin = get_sim_time("step")
        await with_timeout(RisingEdge(dut.i_picture__ready), 2 * groups * CLOCK_NS, "ns")
        assert get_sim_time("step") - begin == groups * CLOCK_NS * 1000, f"{width}x{height}"


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_fetch(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(Fetch(p), __name__, f"fetch_{p.ctb_size}", tests=11, params={"ctb_size": p.ctb_size})
