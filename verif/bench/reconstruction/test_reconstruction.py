"""Reconstruction against the reference's trace: random decisions and contents, odd sizes, the whole stall matrix."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.utils import get_sim_time

from hdl.params import Params
from hdl.payloads import CodedUnit, CodingUnit, CoefficientGroup, Picture, Samples
from hdl.reconstruction.mode_choice import CHOICES
from hdl.reconstruction.reconstruction import Reconstruction
from sim.runner import bench_params, run_bench
from sim.sample_order import from_groups, group_count, to_groups
from verif.bench.decisions import random_decisions
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.cases import random_case
from verif.content import CONTENT
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_decided, pad_to_coded
from verif.reference.reconstruction import (
    CU_CBF_CR,
    CU_CBF_LUMA,
    CU_LAST_CTU,
    CU_LAST_PIC,
    CU_QP,
    CU_SECOND,
    CU_THIRD,
)

CBF = ("cbf_luma", "cbf_cb", "cbf_cr")


def picture(cfg) -> dict:
    """A Picture of this size; everything else at random, it must not matter."""
    packer = Packer(Picture)
    return packer.unpack(random.getrandbits(packer.width)) | {"width": cfg.width, "height": cfg.height}


def unit(cu) -> dict:
    x, y, log2, nxn, split, *modes, chroma, last_in_ctu, last_in_picture = map(int, cu[:12])
    return {
        "x": x,
        "y": y,
        "log2_size": log2,
        "part_nxn": nxn,
        "split_transform": split,
        "luma_mode": modes,
        "luma_second": cu[CU_SECOND : CU_SECOND + 4].tolist(),
        "luma_third": cu[CU_THIRD : CU_THIRD + 4].tolist(),
        "chroma_mode": chroma,
        "qp": int(cu[CU_QP]),
        "last_in_ctu": last_in_ctu,
        "last_in_picture": last_in_picture,
    }


class Bench:
    def __init__(self, dut, idle="none", backpressure="none"):
        self.dut = dut
        self.pictures = StreamSource(dut, "i_picture", Picture, idle)
        self.source = StreamSource(dut, "i_source", Samples, idle)
        self.units = StreamSource(dut, "i_cu", CodingUnit, idle)
        self.o_cu = StreamSink(dut, "o_cu", CodedUnit, backpressure)
        self.o_cg = StreamSink(dut, "o_cg", CoefficientGroup, backpressure)
        self.o_recon = StreamSink(dut, "o_recon", Samples, backpressure)

    async def encode(self, cfg, planes, cus) -> int:
        """One picture through the design and through the reference; returns the cycles it took."""
        ctb_size = 1 << cfg.ctb_log2_size
        source = pad_to_coded(cfg, *planes)
        expected = encode_decided(cfg, source, cus, trace=True, choices=np.array(bench_params()["choices"], np.int32))
        assert expected.trace is not None
        began = get_sim_time("ns")
        self.pictures.send([picture(cfg)])
        self.source.send({"sample": group} for group in to_groups(source, ctb_size, fill=None).tolist())
        self.units.send(unit(cu) for cu in cus)
        count = group_count(cfg.coded_width, cfg.coded_height, ctb_size)
        groups = await self.o_recon.receive(count)
        cycles = (get_sim_time("ns") - began) / CLOCK_NS
        recon = from_groups(
            np.array([g["sample"] for g in groups], np.uint8), cfg.coded_width, cfg.coded_height, ctb_size
        )
        got_cus = await self.o_cu.receive(len(cus))
        got_cgs = await self.o_cg.receive(len(expected.trace.cgs))
        wrong = [int(np.count_nonzero(a != b)) for a, b in zip(recon, expected.recon)]
        for k, (got, row) in enumerate(zip(got_cgs, expected.trace.cgs.tolist())):
            assert [*got["level"], got["index"], got["first"]] == row, (
                f"group {k}: {got}\n{row}, {wrong} samples differ"
            )
        for k, (got, row) in enumerate(zip(got_cus, expected.trace.cus)):
            assert got == {"cu": unit(row), **dict(zip(CBF, map(int, row[CU_CBF_LUMA : CU_CBF_CR + 1])))}, (
                f"unit {k}: {got}\n{row}"
            )
        assert not any(wrong), f"{wrong} samples differ"
        return round(cycles)


@cocotb.test()
async def random_pictures(dut):
    """Any size, content and QP, of every other picture by coding-tree unit, any decisions, without stalls."""
    log2 = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    first = random.randrange(1 << 20)
    for seed in range(first, first + bench_params()["pictures"]):
        case = random_case(seed, (log2,), 120)
        cus = random_decisions(case.config, np.random.default_rng(seed), random.choice((0.2, 0.6, 0.9)), case.qp_map)
        dut._log.info(str(case))
        await bench.encode(case.config, case.planes, cus)
    await bench.o_cg.nothing_more()


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def stalls(dut, idle, backpressure):
    log2 = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut, idle, backpressure)
    for seed in random.sample(range(1 << 20), 3):
        case = random_case(seed, (log2,), 64)
        cus = random_decisions(case.config, np.random.default_rng(seed), qp_map=case.qp_map)
        dut._log.info(str(case))
        await bench.encode(case.config, case.planes, cus)
    await bench.o_recon.nothing_more()


def uniform(cfg, log2, nxn, split, rng):
    """Decisions of one kind everywhere; the size must be a multiple of the coding-tree block."""
    cus = []
    ctb = cfg.ctb_log2_size
    for y in range(0, cfg.coded_height >> ctb):
        for x in range(0, cfg.coded_width >> ctb):
            for z in range(1 << 2 * (ctb - log2)):
                u = sum((z >> 2 * b & 1) << b for b in range(4)) << log2 - 3
                v = sum((z >> 2 * b + 1 & 1) << b for b in range(4)) << log2 - 3
                modes, second, third = rng.integers(0, 35, (3, 4)).tolist()
                if not nxn:
                    modes, second, third = modes[:1] * 4, second[:1] * 4, second[:1] * 4
                place = [(x << ctb - 3) + u, (y << ctb - 3) + v]
                cus.append([*place, log2, nxn, split, *modes, int(rng.integers(0, 5)), *[0] * (CU_SECOND - 10)])
                cus[-1] += [*second, *third, cfg.qp]
            cus[-1][CU_LAST_CTU] = 1
    cus[-1][CU_LAST_PIC] = 1
    return np.array(cus, np.int32)


@cocotb.test()
async def cycles(dut):
    """Cycles per luma sample of each block size, on noise: nothing is skipped. Bounds, and a table in the log."""
    log2 = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    bench = Bench(dut)
    cfg = PictureConfig(width=128, height=64, qp=20, ctb_log2_size=log2)
    rng = np.random.default_rng(1)
    kinds = {"8x8 NxN": (3, 1, 1), "8x8": (3, 0, 0), "16x16 split": (4, 0, 1), "16x16": (4, 0, 0)}
    kinds |= {"32x32 split": (5, 0, 1), "32x32": (5, 0, 0)} if log2 >= 5 else {}
    for (name, kind), bound in zip(kinds.items(), bench_params()["bounds"]):
        planes = CONTENT["noise"](cfg.width, cfg.height, rng)
        taken = await bench.encode(cfg, planes, uniform(cfg, *kind, rng))
        dut._log.info(f"{name}: {taken / (cfg.width * cfg.height):.2f} cycles a luma sample")
        assert taken <= bound * cfg.width * cfg.height, f"{name}: {taken} cycles"


BOUNDS = 2.55, 2.05, 1.7, 1.97, 1.45, 1.3  # cycles a luma sample of each kind


@pytest.mark.parametrize(
    "ctb_log2_size, pictures, choices, bounds",
    [
        (5, 24, CHOICES, BOUNDS),
        (4, 12, CHOICES, BOUNDS[:4]),
        (6, 8, (0, 0, 2, 1, 2, 2), (2.4, 1.87, 1.85, 2.13, 1.6, 1.95)),
    ],
)
def test_reconstruction(ctb_log2_size, pictures, choices, bounds):
    p = Params(ctb_log2_size=ctb_log2_size, max_width=512, max_height=512)
    params = {"ctb_log2_size": ctb_log2_size, "pictures": pictures, "choices": choices, "bounds": bounds}
    name = f"reconstruction_ctu{1 << ctb_log2_size}"
    run_bench(Reconstruction(p, choices), __name__, name, tests=11, params=params)
