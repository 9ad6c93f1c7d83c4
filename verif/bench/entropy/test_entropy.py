"""Entropy against the reference's slice data: random decisions and contents, all sizes of coding-tree units, stalls."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.utils import get_sim_time

from hdl.entropy.entropy import Entropy
from hdl.params import Params
from hdl.payloads import Byte, CodedUnit, CoefficientGroup, Picture
from sim.runner import bench_params, run_bench
from verif.bench.decisions import random_decisions
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_decided, pad_to_coded


def coded_units(cus: np.ndarray) -> list[dict]:
    """CodedUnit payloads of a trace."""
    return [
        {
            "cu": {
                "x": cu[0],
                "y": cu[1],
                "log2_size": cu[2],
                "part_nxn": cu[3],
                "split_transform": cu[4],
                "luma_mode": cu[5:9],
                # Choices that were open before reconstruction: nothing here may depend on them.
                "luma_second": [random.getrandbits(6) for _ in range(4)],
                "luma_third": [random.getrandbits(6) for _ in range(4)],
                "chroma_mode": cu[9],
                "last_in_ctu": cu[10],
                "last_in_picture": cu[11],
            },
            "cbf_luma": cu[12],
            "cbf_cb": cu[13],
            "cbf_cr": cu[14],
        }
        for cu in cus.tolist()
    ]


def coefficient_groups(cgs: np.ndarray) -> list[dict]:
    """CoefficientGroup payloads of a trace."""
    return [{"level": row[:16], "index": row[16], "first": row[17]} for row in cgs.tolist()]


def picture(cfg: PictureConfig) -> dict:
    """The Picture of a configuration; what the stage must not look at is random."""
    packer = Packer(Picture)
    rest = packer.unpack(random.getrandbits(packer.width))
    return {**rest, "width": cfg.width, "height": cfg.height, "qp": cfg.qp}


def case(width, height, qp, ctb_log2_size, contents, split=0.6):
    """(configuration, trace) of a picture of random units."""
    rng = np.random.default_rng(random.getrandbits(32))
    cfg = PictureConfig(width=width, height=height, qp=qp, ctb_log2_size=ctb_log2_size)
    planes = []
    for h, w in [(height, width)] + [(height // 2, width // 2)] * 2:
        if contents == "noise":
            plane = rng.integers(0, 256, (h, w))
        elif contents == "extremes":
            plane = rng.integers(0, 2, (h, w)) * 255
        elif contents == "flat":
            plane = np.full((h, w), rng.integers(0, 256))
        else:
            plane = (np.add.outer(np.arange(h), 2 * np.arange(w)) + rng.integers(0, 12, (h, w))) % 256
        planes.append(plane.astype(np.uint8))
    decisions = random_decisions(cfg, rng, split)
    return cfg, encode_decided(cfg, pad_to_coded(cfg, *planes), decisions, trace=True)


CASES = [
    (16, 16, 22, "gradient"),
    (16, 16, 0, "extremes"),
    (48, 40, 30, "gradient"),
    (40, 72, 10, "noise"),
    (72, 24, 51, "flat"),
    (66, 98, 37, "gradient"),
    (136, 16, 26, "gradient"),
]


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def writes_slices(dut, idle, backpressure):
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut)
    pictures = StreamSource(dut, "i_picture", Picture, idle, timeout=100_000)
    units = StreamSource(dut, "i_cu", CodedUnit, idle, timeout=100_000)
    groups = StreamSource(dut, "i_cg", CoefficientGroup, idle, timeout=100_000)
    sink = StreamSink(dut, "o", Byte, backpressure)
    for width, height, qp, contents in CASES:
        cfg, result = case(width, height, qp, ctb_log2_size, contents)
        trace = result.trace
        pictures.send([picture(cfg)])
        units.send(coded_units(trace.cus))
        groups.send(coefficient_groups(trace.cgs))
        wanted = trace.slice_data
        got = await sink.receive(len(wanted))
        data = bytes(byte["data"] for byte in got)
        differs = next((k for k in range(len(wanted)) if data[k] != wanted[k]), None)
        assert differs is None, f"{width}x{height} {contents} QP {qp}: byte {differs} of {len(wanted)}"
        assert [byte["last"] for byte in got] == [0] * (len(wanted) - 1) + [1]
        assert dut.stat_bins.value.to_unsigned() == result.bins
    await sink.nothing_more()


@cocotb.test()
async def cycles_per_sample(dut):
    """QP 0 noise is the worst there is; QP 30 of a gradient is ordinary."""
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut)
    pictures = StreamSource(dut, "i_picture", Picture)
    units = StreamSource(dut, "i_cu", CodedUnit)
    groups = StreamSource(dut, "i_cg", CoefficientGroup)
    sink = StreamSink(dut, "o", Byte)
    for qp, contents, limit in [(0, "noise", 5.5), (30, "gradient", 1.5)]:
        cfg, result = case(128, 128, qp, ctb_log2_size, contents, split=0.5)
        begin = get_sim_time("step")
        pictures.send([picture(cfg)])
        units.send(coded_units(result.trace.cus))
        groups.send(coefficient_groups(result.trace.cgs))
        await sink.receive(len(result.trace.slice_data))
        cycles = (get_sim_time("step") - begin) / (CLOCK_NS * 1000) / 128**2
        dut._log.info(f"QP {qp} {contents}: {cycles:.2f} cycles per luma sample")
        assert cycles <= limit


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_entropy(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(Entropy(p), __name__, f"entropy_{p.ctb_size}", tests=10, params={"ctb_log2_size": ctb_log2_size})
