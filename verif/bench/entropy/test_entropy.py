"""Entropy against the reference's slice data: random units and levels, all sizes of coding-tree units, stalls."""

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
from verif.cases import QP_MAPS
from verif.reference.cabac import encode_bins
from verif.reference.config import PictureConfig
from verif.reference.reconstruction import CU_CBF_CB, CU_CBF_CR, CU_CBF_LUMA, CU_LOG2, CU_QP, CU_SPLIT
from verif.reference.syntax import slice_data


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
                "qp": cu[CU_QP],
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
    return {**rest, **{name: getattr(cfg, name) for name in ("width", "height", "qp", "cu_qp_delta_enabled")}}


def random_levels(cus: np.ndarray, rng: np.random.Generator, density: float, size: int) -> np.ndarray:
    """Fill in the coded block flags of `cus` and return cgs int16[m, 18] that fit them."""
    groups = []
    for cu in cus:
        log2, split = cu[CU_LOG2], cu[CU_SPLIT]
        luma = log2 - split
        for i in range(4 if split else 1):
            blocks = [(CU_CBF_LUMA, luma)]
            if luma > 2:
                blocks += [(CU_CBF_CB, luma - 1), (CU_CBF_CR, luma - 1)]
            elif i == 3:
                blocks += [(CU_CBF_CB, 2), (CU_CBF_CR, 2)]
            for flag, block in blocks:
                if rng.random() >= min(1, 4 * density):
                    continue
                cu[flag] |= 1 << (0 if luma == 2 and flag != CU_CBF_LUMA else i)
                last = int(rng.integers(1 << (2 * block - 4)))
                levels = rng.integers(-size, size + 1, (last + 1, 16))
                levels[rng.random(levels.shape) >= density] = 0
                if not levels[last].any():
                    levels[last, rng.integers(16)] = rng.choice([-1, 1])
                groups += [[*levels[k], k, k == last] for k in range(last, -1, -1)]
    return np.array(groups, np.int16).reshape(-1, 18)


def case(width, height, qp, ctb_log2_size, density, size, split=0.6, qp_map=None):
    """(configuration, cus, cgs, slice data, number of bins) of a picture of random units; qp_map: a kind, or none."""
    rng = np.random.default_rng(random.getrandbits(32))
    cfg = PictureConfig(
        width=width, height=height, qp=qp, ctb_log2_size=ctb_log2_size, cu_qp_delta_enabled=int(qp_map is not None)
    )
    cus = random_decisions(cfg, rng, split, qp_map and QP_MAPS[qp_map](cfg.ctus, rng))
    if not qp_map:
        cus[:, CU_QP] = rng.integers(0, 64, len(cus))  # nothing may depend on it
    cgs = random_levels(cus, rng, density, size)
    bins = np.empty((200 * len(cus) + 800 * len(cgs), 3), np.int32)
    count = slice_data(
        cus, len(cus), cgs, cfg.coded_width, cfg.coded_height, ctb_log2_size, qp, cfg.cu_qp_delta_enabled, bins
    )
    return cfg, cus, cgs, encode_bins(bins[:count], qp), count


# width, height, QP, density of levels, their size, kind of QP map
CASES = [
    (16, 16, 22, 0.3, 3, None),
    (16, 16, 0, 1, 32767, "random"),
    (48, 40, 30, 0.1, 2, None),
    (40, 72, 10, 0.8, 60, "gradient"),
    (72, 24, 51, 0, 1, "flat"),
    (66, 98, 37, 0.05, 1, "extreme"),
    (98, 66, 40, 0.02, 1, "random"),
    (136, 16, 26, 0.2, 4, None),
]


class Bench:
    def __init__(self, dut, idle="none", backpressure="none"):
        self.dut = dut
        self.pictures = StreamSource(dut, "i_picture", Picture, idle, timeout=100_000)
        self.units = StreamSource(dut, "i_cu", CodedUnit, idle, timeout=100_000)
        self.groups = StreamSource(dut, "i_cg", CoefficientGroup, idle, timeout=100_000)
        self.sink = StreamSink(dut, "o", Byte, backpressure)

    async def writes(self, cfg, cus, cgs, wanted, bins):
        """One picture, with the bytes that are wanted."""
        self.pictures.send([picture(cfg)])
        self.units.send(coded_units(cus))
        self.groups.send(coefficient_groups(cgs))
        got = await self.sink.receive(len(wanted))
        data = bytes(byte["data"] for byte in got)
        differs = next((k for k in range(len(wanted)) if data[k] != wanted[k]), None)
        assert differs is None, f"{cfg}: byte {differs} of {len(wanted)}"
        assert [byte["last"] for byte in got] == [0] * (len(wanted) - 1) + [1]
        assert self.dut.stat_bins.value.to_unsigned() == bins


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def writes_slices(dut, idle, backpressure):
    await start(dut, upset=0)
    bench = Bench(dut, idle, backpressure)
    for width, height, qp, density, size, qp_map in CASES:
        picture_case = case(width, height, qp, bench_params()["ctb_log2_size"], density, size, qp_map=qp_map)
        await bench.writes(*picture_case)
    await bench.sink.nothing_more()


@cocotb.test()
async def every_qp_delta(dut):
    """Each of the 52 deltas, in coding-tree units that all have a coded block."""
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    size = 1 << ctb_log2_size
    await bench.writes(*case(13 * size, 4 * size, 0, ctb_log2_size, 0.25, 1, split=0.1, qp_map="every_delta"))
    await bench.sink.nothing_more()


@cocotb.test()
async def cycles_per_sample(dut):
    """Dense blocks as at QP 10, and thin ones as at QP 30."""
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    for density, size, limit in [(0.9, 30, 4), (0.2, 3, 2)]:
        picture_case = case(128, 128, 30, ctb_log2_size, density, size, split=0.5)
        begin = get_sim_time("step")
        await bench.writes(*picture_case)
        cycles = (get_sim_time("step") - begin) / (CLOCK_NS * 1000) / 128**2
        dut._log.info(f"density {density}: {cycles:.2f} cycles per luma sample")
        assert cycles <= limit


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_entropy(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(Entropy(p), __name__, f"entropy_{p.ctb_size}", tests=11, params={"ctb_log2_size": ctb_log2_size})
