"""PictureChecksum against the reference's checksum, and that the samples pass unchanged."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.utils import get_sim_time

from hdl.pack.payloads import Checksum
from hdl.pack.picture_checksum import PictureChecksum
from hdl.params import Params
from hdl.payloads import Picture, Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.reference.headers import picture_checksum

SIZES = [(16, 16), (18, 18), (34, 26), (24, 70), (66, 34), (264, 18), (18, 530), (30, 38)]


def picture(width, height, write_hash) -> dict:
    packer = Packer(Picture)
    rest = packer.unpack(random.getrandbits(packer.width))
    return {**rest, "width": width, "height": height, "write_hash": write_hash}


def samples(width, height, low=0):
    """(groups, checksums) of a random picture at the coded size."""
    rng = np.random.default_rng(random.getrandbits(32))
    width, height = (width + 7) & ~7, (height + 7) & ~7
    sizes = [(height, width)] + [(height // 2, width // 2)] * 2
    planes = [rng.integers(low, 256, size, np.uint8) for size in sizes]
    groups = to_groups(planes, bench_params()["ctb_size"], fill=random.randrange(256))
    return [{"sample": group} for group in groups.tolist()], [picture_checksum(plane) for plane in planes]


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def sums_pictures(dut, idle, backpressure):
    await start(dut)
    pictures = StreamSource(dut, "i_picture", Picture, idle)
    source, sink = StreamSource(dut, "i", Samples, idle), StreamSink(dut, "o", Samples, backpressure)
    checksums = StreamSink(dut, "o_checksum", Checksum, backpressure)
    for k, (width, height) in enumerate(SIZES):
        groups, wanted = samples(width, height, low=255 if k == 3 else 0)
        write_hash = k != 1
        pictures.send([picture(width, height, write_hash)])
        source.send(groups)
        assert await sink.receive(len(groups)) == groups
        if write_hash:
            assert await checksums.receive(1) == [{"component": wanted}], f"{width}x{height}"
    await checksums.nothing_more()
    await sink.nothing_more()


@cocotb.test()
async def takes_one_cycle_a_group(dut):
    await start(dut)
    pictures = StreamSource(dut, "i_picture", Picture)
    source, sink = StreamSource(dut, "i", Samples), StreamSink(dut, "o", Samples)
    groups, _ = samples(70, 50)
    pictures.send([picture(70, 50, 0)])
    source.send(groups)
    await sink.receive(1)
    begin = get_sim_time("step")
    assert await sink.receive(len(groups) - 1) == groups[1:]
    assert get_sim_time("step") - begin == (len(groups) - 1) * CLOCK_NS * 1000


@cocotb.test()
async def large_pictures(dut):
    """Every bit of the positions, and nearly all of the sums, which grow with the size whatever the sample is.

    All samples of a picture are the same, so that nobody has to wake up for them.
    """
    await start(dut)
    pictures = StreamSource(dut, "i_picture", Picture)
    checksums = StreamSink(dut, "o_checksum", Checksum, timeout=10_000_000)
    dut.i__valid.value = dut.o__ready.value = 1
    for width, height in bench_params()["large"]:
        sample = random.randrange(256)
        dut.i__payload.value = Packer(Samples).pack({"sample": [sample] * 8})
        pictures.send([picture(width, height, 1)])
        planes = [np.full((height >> chroma, width >> chroma), sample, np.uint8) for chroma in (0, 1, 1)]
        assert await checksums.receive(1) == [{"component": [picture_checksum(plane) for plane in planes]}]


LARGE = {
    4: [(8192, 16)],
    5: [(4096, 2304), (4096, 1152), (4096, 576), (4096, 288), (8192, 32), (32, 4320)],
    6: [(64, 4320)],
}


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_picture_checksum(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    params = {"ctb_size": p.ctb_size, "large": LARGE[ctb_log2_size]}
    run_bench(PictureChecksum(p), __name__, f"checksum_{p.ctb_size}", tests=11, params=params)
