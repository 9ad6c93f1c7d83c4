"""Fetch against numpy's edge padding, over sizes, coding-tree sizes and the whole stall matrix."""

import random

import cocotb
import numpy as np
import pytest
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


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_fetch(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(Fetch(p), __name__, f"fetch_{p.ctb_size}", tests=10, params={"ctb_size": p.ctb_size})
