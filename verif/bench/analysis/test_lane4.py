"""Lane4 with its loader and Rd4 against the reference codec's search of 4x4 blocks."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.utils import get_sim_time

from hdl.analysis.lane4 import Lane4, Lane4Result
from hdl.analysis.rd4 import Rd4
from hdl.analysis.source_loader import SourceLoader
from hdl.common.streams import connect
from hdl.params import Params
from hdl.payloads import Picture, Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif import content
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, StreamSink, StreamSource, start
from verif.reference import analysis, prediction, transform


class Lane4Bench(wiring.Component):
    """From the source to the results; a unit is done when its results have left."""

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_source": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Lane4Result)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = SourceLoader(self.p)
        m.submodules.lane = lane = Lane4(self.p)
        m.submodules.rd4 = rd4 = Rd4()
        connect(m, self.i_picture, loader.i_picture)
        connect(m, self.i_source, loader.i_source)
        connect(m, loader.o, lane.i)
        connect(m, lane.o, self.o)
        connect(m, lane.request, rd4.i[0])
        m.d.comb += [
            lane.write.eq(loader.write),
            loader.done.eq(loader.o.valid & loader.o.ready),
            lane.cost_valid.eq(rd4.o_valid[0]),
            lane.cost.eq(rd4.cost),
        ]
        return m


def golden(luma, ctb_log2, qp):
    """Results in the order of the lane."""
    height, width = luma.shape
    gathered, smoothed = (np.zeros(129, np.int32) for _ in range(2))
    pred, res, scratch, coefficients = (np.zeros((32, 32), np.int32) for _ in range(4))
    refs = gathered, smoothed, np.zeros(194, np.int32), pred, res
    cand, size, out = np.zeros(3, np.int32), 1 << ctb_log2, []
    for yc in range(0, height, size):
        left = {}
        for xc in range(0, width, size):
            above = {}
            for z in range((size // 4) ** 2):
                x = xc + 4 * sum((z >> 2 * b & 1) << b for b in range(3))
                y = yc + 4 * sum((z >> 2 * b + 1 & 1) << b for b in range(3))
                if x >= width or y >= height:
                    continue
                prediction.gather(luma, 0, x, y, 4, width, height, ctb_log2, refs[0])
                analysis.most_probable_modes(left.get(y, 1), above.get(x, 1), cand)
                best, costs = np.zeros(3, np.int32), np.zeros(3, np.int64)
                modes = np.array([0, 1, *range(2, 35, 4), 0, 0, 0, 0, 0], np.int32)
                filled = analysis._rough(luma, x, y, 2, qp, modes, 11, cand, refs, best, costs, 0)
                if best[0] >= 2:
                    near = [best[0] + d for d in (-2, -1, 1, 2) if 2 <= best[0] + d <= 34]
                    modes[: len(near)] = near
                    analysis._rough(luma, x, y, 2, qp, modes, len(near), cand, refs, best, costs, filled)
                analysis._residual(luma, x, y, 2, best[0], *refs)
                transform.forward(res, 2, 0, scratch, coefficients)
                cost = analysis.block_cost(coefficients, 2, qp) + analysis.BIT * analysis.mode_bits(cand, best[0])
                left[y] = above[x] = int(best[0])
                out.append({"modes": best.tolist(), "cost": int(cost)})
    return out


def pictures():
    """(planes, qp): small, odd in units of coding-tree blocks, of several kinds."""
    kinds = (content.noise, content.gradient, content.text, content.flat, content.extremes)
    sizes = ((16, 16), (40, 24), (24, 72), (64, 40), (32, 32))
    for kind, (width, height) in zip(kinds, sizes):
        rng = np.random.default_rng(random.getrandbits(32))
        yield kind(width, height, rng), random.randrange(52)


def send(planes, qp, ctb_size, picture, source):
    packer = Packer(Picture)
    height, width = planes[0].shape
    counting = {"width": width, "height": height, "qp": qp, "cu_qp_delta_enabled": 0}
    picture.send([packer.unpack(random.getrandbits(packer.width)) | counting])
    source.send([{"sample": group} for group in to_groups(planes, ctb_size).tolist()])


@cocotb.test()
@cocotb.parametrize(backpressure=PATTERNS)
async def results(dut, backpressure):
    p = Params(**bench_params())
    await start(dut, upset=0)
    picture, source = StreamSource(dut, "i_picture", Picture), StreamSource(dut, "i_source", Samples, "random")
    sink = StreamSink(dut, "o", Lane4Result, backpressure)
    wanted = []
    for planes, qp in pictures():
        send(planes, qp, p.ctb_size, picture, source)
        wanted += golden(planes[0].astype(np.int32), p.ctb_log2_size, qp)
    begin = get_sim_time("step")
    for n, each in enumerate(wanted):
        got = (await sink.receive(1))[0]
        assert got == each, f"block {n}: {got}, {each} expected"
    await sink.nothing_more()
    cycles = (get_sim_time("step") - begin) / CLOCK_NS / 1000 / len(wanted)
    dut._log.info(f"{cycles:.1f} cycles a block")
    assert backpressure == "bursty" or cycles < 36


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
def test_lane4(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size, max_width=512, max_height=512)
    run_bench(Lane4Bench(p), __name__, f"analysis_lane4_{p.ctb_size}", tests=3, params=p.to_json())
