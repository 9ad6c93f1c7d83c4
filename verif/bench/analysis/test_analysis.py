"""Analysis against the reference codec: kinds of content, sizes that are not whole units, QPs, stalls, cycles."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.utils import get_sim_time

from hdl.analysis.analysis import Analysis
from hdl.params import Params
from hdl.payloads import CodingUnit, CtuQp, Picture, Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif import content
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.cases import QP_MAPS
from verif.reference import analysis
from verif.reference.config import PictureConfig
from verif.reference.reconstruction import (
    CU_CHROMA,
    CU_LAST_CTU,
    CU_LAST_PIC,
    CU_LOG2,
    CU_MODE,
    CU_NXN,
    CU_QP,
    CU_SECOND,
    CU_SPLIT,
    CU_THIRD,
    CU_X,
    CU_Y,
)

FIELDS = {
    "x": CU_X,
    "y": CU_Y,
    "log2_size": CU_LOG2,
    "part_nxn": CU_NXN,
    "split_transform": CU_SPLIT,
    "chroma_mode": CU_CHROMA,
    "qp": CU_QP,
    "last_in_ctu": CU_LAST_CTU,
    "last_in_picture": CU_LAST_PIC,
}
MODES = {"luma_mode": CU_MODE, "luma_second": CU_SECOND, "luma_third": CU_THIRD}


def mixed(width, height, rng):
    """Half a ramp with a little noise, half text: blocks of all sizes."""
    smooth, sharp = content.gradient(width, height, rng), content.text(width, height, rng)
    out = []
    for a, b in zip(smooth, sharp):
        plane = np.clip(a.astype(np.int32) + rng.integers(-2, 3, a.shape), 0, 255).astype(np.uint8)
        plane[:, a.shape[1] // 2 :] = b[:, a.shape[1] // 2 :]
        out.append(plane)
    return tuple(out)


KINDS = {kind.__name__: kind for kind in (mixed, content.noise, content.gradient, content.text, content.extremes)}
SIZES = [(16, 16), (40, 24), (64, 72), (24, 104), (72, 40), (96, 64)]


def expected(cfg: PictureConfig, planes, qp_map) -> list[dict]:
    units = []
    for row in analysis.analyse_picture(cfg, planes, cfg.qp_of_ctus(qp_map)).tolist():
        unit = {name: row[index] for name, index in FIELDS.items()}
        units.append(unit | {name: row[index : index + 4] for name, index in MODES.items()})
    return units


class Driver:
    def __init__(self, dut, idle="none", backpressure="none"):
        self.p, self.packer = Params(**bench_params()), Packer(Picture)
        self.picture = StreamSource(dut, "i_picture", Picture, idle, timeout=100_000)
        self.qps = StreamSource(dut, "i_qp", CtuQp, idle, timeout=100_000)
        self.source = StreamSource(dut, "i_source", Samples, idle, timeout=100_000)
        self.sink = StreamSink(dut, "o", CodingUnit, backpressure, timeout=30_000)

    def send(self, kind, width, height, qp, qp_map=None) -> list[dict]:
        """One picture; qp_map: a kind, or none. Returns its units."""
        rng = np.random.default_rng(random.getrandbits(32))
        planes = KINDS[kind](width, height, rng)
        counting = {"width": width, "height": height, "qp": qp, "cu_qp_delta_enabled": int(qp_map is not None)}
        cfg = PictureConfig(ctb_log2_size=self.p.ctb_log2_size, **counting)
        qps = qp_map and QP_MAPS[qp_map](cfg.ctus, rng)
        self.picture.send([self.packer.unpack(random.getrandbits(self.packer.width)) | counting])
        self.source.send([{"sample": group} for group in to_groups(planes, self.p.ctb_size).tolist()])
        if qps is not None:
            self.qps.send({"qp": value} for value in qps.ravel().tolist())
        return expected(cfg, planes, qps)

    async def check(self, wanted):
        for each in wanted:
            got = (await self.sink.receive(1))[0]
            assert got == each, f"{got}, {each} expected"


@cocotb.test()
@cocotb.parametrize(kind=list(KINDS), stall=PATTERNS)
async def decides(dut, kind, stall):
    await start(dut, upset=0)
    driver = Driver(dut, stall, stall)
    maps = [None, *QP_MAPS]
    random.shuffle(maps)
    pictures = zip(SIZES, maps, strict=True)
    wanted = [unit for size, qp_map in pictures for unit in driver.send(kind, *size, random.randrange(52), qp_map)]
    await driver.check(wanted)
    await driver.sink.nothing_more()


@cocotb.test()
@cocotb.parametrize(kind=list(KINDS))
async def keeps_its_pace(dut, kind):
    await start(dut, upset=0)
    driver = Driver(dut)
    size = driver.p.ctb_size
    for qp in (22, 37):
        wanted = driver.send(kind, 6 * size, 2 * size, qp)
        first = wanted.index(next(unit for unit in wanted if unit["last_in_ctu"]))
        await driver.check(wanted[: first + 1])
        begin = get_sim_time("step")
        await driver.check(wanted[first + 1 :])
        cycles = (get_sim_time("step") - begin) / CLOCK_NS / 1000 / 11
        dut._log.info(f"PACE {kind} qp {qp}: {cycles:.0f} cycles a unit of {size}")
        assert cycles / size**2 < 1.6


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
def test_analysis(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size, max_width=512, max_height=512)
    run_bench(Analysis(p), __name__, f"analysis_{p.ctb_size}", tests=20, params=p.to_json())
