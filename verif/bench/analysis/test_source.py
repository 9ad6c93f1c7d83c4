"""SourceLoader, SourceStore and ReferenceGather together: every block of small pictures against the reference codec."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from hdl.analysis.ctu import BLOCK, ROW, Ctu, Place
from hdl.analysis.reference_gather import ReferenceGather
from hdl.analysis.source_loader import SourceLoader
from hdl.analysis.source_store import SourceStore
from hdl.common.streams import connect
from hdl.params import Params
from hdl.payloads import CtuQp, Picture, Samples
from sim.runner import bench_params, run_bench
from sim.sample_order import to_groups
from verif.bench.payload import Packer
from verif.bench.streams import StreamSink, StreamSource, start
from verif.reference import prediction

SIZES = [(16, 16), (32, 32), (40, 56), (72, 24), (96, 72)]


class SourceTrio(wiring.Component):
    """The three blocks wired as analysis wires them."""

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_qp": In(stream.Signature(CtuQp)),
                "i_source": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Ctu)),
                "done": In(1),
                "ctu": In(Ctu),
                "start": In(1),
                "x4": In(3),
                "y4": In(3),
                "log2_size": In(3),
                "busy": Out(1),
                "o_valid": Out(1),
                "o_first": Out(1),
                "o_last": Out(1),
                "o_top": Out(ROW),
                "o_left": Out(ROW),
                "o_corner": Out(8),
                "block_place": In(Place),
                "block": Out(BLOCK),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = SourceLoader(self.p)
        m.submodules.store = store = SourceStore(self.p)
        m.submodules.gather = gather = ReferenceGather(self.p)
        connect(m, self.i_picture, loader.i_picture)
        connect(m, self.i_qp, loader.i_qp)
        connect(m, self.i_source, loader.i_source)
        connect(m, loader.o, self.o)
        m.d.comb += [
            loader.done.eq(self.done),
            store.write.eq(loader.write),
            store.block_place.eq(self.block_place),
            self.block.eq(store.block),
            store.line_place.eq(gather.place),
            store.line_step.eq(gather.step),
            gather.top.eq(store.top),
            gather.left.eq(store.left),
            gather.corner.eq(store.corner),
        ]
        for port in ("start", "ctu", "x4", "y4", "log2_size"):
            m.d.comb += getattr(gather, port).eq(getattr(self, port))
        for port in ("busy", "o_valid", "o_first", "o_last", "o_top", "o_left", "o_corner"):
            m.d.comb += getattr(self, port).eq(getattr(gather, port))
        return m


def blocks(ctb_log2: int):
    for log2 in range(2, ctb_log2 + 1):
        for y4 in range(0, 1 << ctb_log2 - 2, 1 << log2 - 2):
            for x4 in range(0, 1 << ctb_log2 - 2, 1 << log2 - 2):
                yield log2, x4, y4


async def gathered(dut, ctu, log2, x4, y4):
    """Reference line p of a block, as the reference codec orders it."""
    row = Packer(ROW)
    dut.ctu.value, dut.log2_size.value, dut.x4.value, dut.y4.value = Packer(Ctu).pack(ctu), log2, x4, y4
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value, dut.ctu.value, dut.x4.value, dut.y4.value = 0, random.getrandbits(len(dut.ctu)), 5, 3
    top, left = [], []
    while True:
        await RisingEdge(dut.clk)
        if dut.o_valid.value:
            assert bool(dut.o_first.value) == (not top)
            if not top:
                corner = dut.o_corner.value.to_unsigned()
            top += row.unpack(dut.o_top.value.to_unsigned())
            left += row.unpack(dut.o_left.value.to_unsigned())
            if dut.o_last.value:
                return [*left[::-1], corner, *top]


@cocotb.test()
async def every_block(dut):
    log2_ctb = bench_params()["ctb_log2_size"]
    await start(dut, upset=0)
    for port in ("done", "start"):
        getattr(dut, port).value = 0
    pictures, source = StreamSource(dut, "i_picture", Picture), StreamSource(dut, "i_source", Samples, "random")
    qps = StreamSource(dut, "i_qp", CtuQp, "bursty")
    sink = StreamSink(dut, "o", Ctu)
    rng = np.random.default_rng(random.getrandbits(32))
    for number, (width, height) in enumerate(SIZES):
        planes = [rng.integers(0, 256, (height >> s, width >> s), np.uint8) for s in (0, 1, 1)]
        luma = planes[0].astype(np.int32)
        packer = Packer(Picture)
        fields = packer.unpack(random.getrandbits(packer.width))
        fields |= {"width": width, "height": height, "cu_qp_delta_enabled": number % 2}
        pictures.send([fields])
        source.send([{"sample": group} for group in to_groups(planes, 1 << log2_ctb).tolist()])
        places = [(x, y) for y in range(0, height, 1 << log2_ctb) for x in range(0, width, 1 << log2_ctb)]
        wanted = [random.randrange(52) if number % 2 else fields["qp"] for _ in places]
        if number % 2:
            qps.send({"qp": qp} for qp in wanted)
        for (x0, y0), qp in zip(places, wanted):
            ctu = (await sink.receive(1))[0]
            assert (ctu["x"], ctu["y"], ctu["qp"]) == (x0 // 8, y0 // 8, qp)
            assert ctu["last_in_picture"] == int((x0, y0) == places[-1])
            for log2, x4, y4 in blocks(log2_ctb):
                n, x, y = 1 << log2, x0 + 4 * x4, y0 + 4 * y4
                if x + n > width or y + n > height:
                    continue
                line = np.zeros(129, np.int32)
                prediction.gather(luma, 0, x, y, n, width, height, log2_ctb, line)
                got = await gathered(dut, ctu, log2, x4, y4)
                assert got == line[: 4 * n + 1].tolist(), f"{width}x{height} block {n} at {x} {y}"
                if log2 == 2:
                    place = {"slot": ctu["slot"], "x4": x4, "y4": y4}
                    dut.block_place.value = Packer(Place).pack(place)
                    await RisingEdge(dut.clk)
                    await RisingEdge(dut.clk)
                    block = Packer(BLOCK).unpack(dut.block.value.to_unsigned())
                    assert block == luma[y : y + 4, x : x + 4].ravel().tolist()
            dut.done.value = 1
            await RisingEdge(dut.clk)
            dut.done.value = 0


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
def test_source(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size, max_width=512, max_height=512)
    run_bench(SourceTrio(p), __name__, f"analysis_source_{p.ctb_size}", tests=1, params=p.to_json())
