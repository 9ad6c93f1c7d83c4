"""Entropy against the reference's slice data: random units and levels, all sizes of coding-tree units, stalls."""

import random
from collections.abc import Sequence

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from hdl.entropy.entropy import Entropy
from hdl.params import Params
from hdl.payloads import Byte, CodedUnit, CoefficientGroup, Picture
from sim.runner import bench_params, run_bench
from verif.bench.decisions import random_decisions
from verif.bench.entropy.long_runs import bins_of, long_run
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.cases import QP_MAPS
from verif.reference.cabac import encode_bins
from verif.reference.config import PictureConfig
from verif.reference.reconstruction import (
    CU_CBF_CB,
    CU_CBF_CR,
    CU_CBF_LUMA,
    CU_CHROMA,
    CU_LOG2,
    CU_MODE,
    CU_QP,
    CU_SPLIT,
)


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


def case(width, height, qp, ctb_log2_size, density, size, split=0.6, qp_map=None, modes: Sequence[int] = range(35)):
    """(configuration, cus, cgs, slice data, number of bins) of a picture of random units.

    qp_map: a kind, or none. modes: those of luma that there are.
    """
    rng = np.random.default_rng(random.getrandbits(32))
    cfg = PictureConfig(
        width=width, height=height, qp=qp, ctb_log2_size=ctb_log2_size, cu_qp_delta_enabled=int(qp_map is not None)
    )
    cus = random_decisions(cfg, rng, split, qp_map and QP_MAPS[qp_map](cfg.ctus, rng))
    if not qp_map:
        cus[:, CU_QP] = rng.integers(0, 64, len(cus))  # nothing may depend on it
    luma_modes = cus[:, CU_MODE:CU_CHROMA]
    luma_modes[:] = np.array(modes)[luma_modes % len(modes)]
    return coded(cfg, cus, random_levels(cus, rng, density, size))


def coded(cfg: PictureConfig, cus: np.ndarray, cgs: np.ndarray) -> tuple:
    """What `case` returns, of these."""
    bins = bins_of(cfg, cus, cgs)
    return cfg, cus, cgs, encode_bins(bins, cfg.qp), len(bins)


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

    def offer(self, cfg, cus, cgs, *_):
        """One picture, after those offered before."""
        self.pictures.send([picture(cfg)])
        self.units.send(coded_units(cus))
        self.groups.send(coefficient_groups(cgs))

    async def check(self, cfg, cus, cgs, wanted, bins):
        """The bytes that are wanted come next."""
        got = await self.sink.receive(len(wanted))
        data = bytes(byte["data"] for byte in got)
        differs = next((k for k in range(len(wanted)) if data[k] != wanted[k]), None)
        assert differs is None, f"{cfg}: byte {differs} of {len(wanted)}"
        assert [byte["last"] for byte in got] == [0] * (len(wanted) - 1) + [1]
        assert self.dut.stat_bins.value.to_unsigned() == bins

    async def writes(self, *picture_case):
        self.offer(*picture_case)
        await self.check(*picture_case)


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
async def long_runs(dut):
    """Forty bytes 0xFF and more in a row: as they are, and with a carry through all of them."""
    await start(dut, upset=0)
    bench = Bench(dut)
    for carry, byte in enumerate([b"\xff", b"\0"]):
        picture_case = coded(*long_run(bench_params()["ctb_log2_size"], 40, carry))
        assert byte * 40 in bytes(picture_case[3])
        await bench.writes(*picture_case)
    await bench.sink.nothing_more()


@cocotb.test()
async def pictures_ahead(dut):
    """The next pictures are offered while one is coded, of few modes: those that are candidates in all places."""
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    cases = [case(72, 72, qp, ctb_log2_size, 0, 1, modes=(0, 1, 26, 27)) for qp in (20, 40, 0)]
    for picture_case in cases:
        bench.offer(*picture_case)
    for picture_case in cases:
        await bench.check(*picture_case)
    await bench.sink.nothing_more()


@cocotb.test()
async def late_units(dut):
    """Two rows of more than 64 columns; while a unit is awaited, another of the picture is there that is not valid."""
    ctb_log2_size = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    size = 1 << ctb_log2_size
    picture_case = case(min(68 * size, 4096), 2 * size, 30, ctb_log2_size, 0, 1, split=0.4)
    cfg, cus, *_ = picture_case
    bench.pictures.send([picture(cfg)])
    pack = Packer(CodedUnit).pack
    units = [pack(unit) for unit in coded_units(cus)]
    for unit in units:
        if random.random() < 0.25:
            dut.i_cu__payload.value = random.choice(units)
            await ClockCycles(dut.clk, 40)
        dut.i_cu__payload.value = unit
        dut.i_cu__valid.value = 1
        await RisingEdge(dut.clk)
        while not dut.i_cu__ready.value:
            await RisingEdge(dut.clk)
        dut.i_cu__valid.value = 0
    await bench.check(*picture_case)
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
    run_bench(Entropy(p), __name__, f"entropy_{p.ctb_size}", tests=14, params={"ctb_log2_size": ctb_log2_size})
