"""SquaredError against numpy: sizes with every remainder, large ones, the largest errors; samples pass unchanged."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge, with_timeout
from cocotb.utils import get_sim_time

from hdl.params import Params
from hdl.payloads import Picture, Samples
from hdl.reconstruction.squared_error import SquaredError
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start

SIZES = [(16, 16), (18, 18), (34, 26), (20, 70), (66, 34), (22, 40), (264, 18), (18, 266), (30, 38)]


def picture(width, height) -> dict:
    packer = Packer(Picture)
    return packer.unpack(random.getrandbits(packer.width)) | {"width": width, "height": height}


def case(width, height, largest=False):
    """(groups of the source, of the reconstruction, sums): random samples, also where they do not count."""
    rng = np.random.default_rng(random.getrandbits(32))
    sides = (width + 7) & ~7, (height + 7) & ~7
    shapes = [(sides[1] >> s, sides[0] >> s) for s in (0, 1, 1)]
    source = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    recon = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    if largest:
        source = [np.where(plane & 1, 255, 0).astype(np.uint8) for plane in source]
        recon = [255 - plane for plane in source]
    sums = [
        int(((a.astype(np.int64) - b)[: height >> s, : width >> s] ** 2).sum())
        for a, b, s in zip(source, recon, (0, 1, 1))
    ]
    groups = [to_groups(p, bench_params()["ctb_size"], fill=random.randrange(256)).tolist() for p in (source, recon)]
    return *([{"sample": group} for group in each] for each in groups), sums


def sums_of(dut) -> list[int]:
    return [getattr(dut, f"stat_sse_{name}").value.to_unsigned() for name in ("y", "cb", "cr")]


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def sums_pictures(dut, idle, backpressure):
    await start(dut, upset=0)
    pictures = StreamSource(dut, "i_picture", Picture, idle)
    source, recon = StreamSource(dut, "i_source", Samples, idle), StreamSource(dut, "i", Samples, idle)
    sink = StreamSink(dut, "o", Samples, backpressure)
    for k, (width, height) in enumerate(SIZES):
        originals, groups, wanted = case(width, height, largest=k == 2)
        pictures.send([picture(width, height)])
        source.send(originals)
        recon.send(groups)
        assert await sink.receive(len(groups)) == groups
        await RisingEdge(dut.clk)
        assert sums_of(dut) == wanted, f"{width}x{height}"
    await sink.nothing_more()
    assert sums_of(dut) == wanted, "the sums stay"


@cocotb.test()
async def takes_two_cycles_a_group(dut):
    """Pictures follow each other; the sums are there in the cycle after the last group and change with the next's."""
    await start(dut, upset=0)
    pictures, source, recon = (
        StreamSource(dut, name, shape)
        for name, shape in (("i_picture", Picture), ("i_source", Samples), ("i", Samples))
    )
    sink = StreamSink(dut, "o", Samples)
    cases = [case(70, 50) for _ in range(3)]
    for originals, groups, _ in cases:
        pictures.send([picture(70, 50)])
        source.send(originals)
        recon.send(groups)
    before = [0, 0, 0]
    for k, (_, groups, wanted) in enumerate(cases):
        assert await sink.receive(1) == groups[:1]
        begin = get_sim_time("step")
        assert await sink.receive(len(groups) - 2) == groups[1:-1]
        cycles = (get_sim_time("step") - begin) // (CLOCK_NS * 1000)
        assert cycles == 2 * (len(groups) - 2), f"picture {k}"
        assert sums_of(dut) == before
        assert await sink.receive(1) == groups[-1:]
        assert (get_sim_time("step") - begin) // (CLOCK_NS * 1000) == cycles + 7
        await RisingEdge(dut.clk)
        assert sums_of(dut) == wanted
        before = wanted


@cocotb.test()
async def large_pictures(dut):
    """Wide and tall. All samples are the same, so that nobody has to wake up for them."""
    await start(dut, upset=0)
    for name, sample in (("i_source", 7), ("i", 200)):
        getattr(dut, f"{name}__payload").value = Packer(Samples).pack({"sample": [sample] * 8})
        getattr(dut, f"{name}__valid").value = 1
    dut.o__ready.value = 1
    for width, height in ((2122, 18), (18, 2122)):
        cycles = 2 * len(case(width, height)[0]) + 5
        dut.i_picture__payload.value, dut.i_picture__valid.value = Packer(Picture).pack(picture(width, height)), 1
        await RisingEdge(dut.clk)
        dut.i_picture__valid.value = 0
        begin = get_sim_time("step")
        await with_timeout(RisingEdge(dut.i_picture__ready), 2 * cycles * CLOCK_NS, "ns")
        assert get_sim_time("step") - begin == cycles * CLOCK_NS * 1000, f"{width}x{height}"
        await RisingEdge(dut.clk)
        assert sums_of(dut) == [width * height * 193**2 // share for share in (1, 4, 4)], f"{width}x{height}"


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_squared_error(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(SquaredError(p), __name__, f"squared_error_{p.ctb_size}", tests=11, params={"ctb_size": p.ctb_size})
