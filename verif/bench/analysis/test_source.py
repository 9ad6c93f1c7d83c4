"""SourceLoader, SourceStore and ReferenceGather together: every block of small pictures against the reference codec,
and the descriptors of large ones."""

import itertools
import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from hdl.analysis.ctu import BLOCK, ROW, SLOTS, Ctu, Place
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


def picture(width: int, height: int, qp_of_ctu: int) -> dict:
    """A Picture of this size; everything that must not matter at random."""
    packer = Packer(Picture)
    fields = packer.unpack(random.getrandbits(packer.width))
    return fields | {"width": width, "height": height, "cu_qp_delta_enabled": qp_of_ctu}


def units(width: int, height: int, ctb_log2: int) -> list[dict]:
    """Descriptors of a picture's coding-tree units, but for their QP and slot."""
    size, sides = 1 << ctb_log2, [(width + 7) // 8, (height + 7) // 8]
    places = [(x // 8, y // 8) for y in range(0, height, size) for x in range(0, width, size)]
    result = [
        {"x": x, "y": y, "columns": min(15, sides[0] - x), "rows": min(15, sides[1] - y)}
        | {"first_column": int(x == 0), "first_row": int(y == 0), "last_in_picture": 0}
        for x, y in places
    ]
    result[-1]["last_in_picture"] = 1
    return result


async def finish(dut) -> None:
    """A unit is done."""
    dut.done.value = 1
    await RisingEdge(dut.clk)
    dut.done.value = 0


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
    rng, slots = np.random.default_rng(random.getrandbits(32)), itertools.cycle(range(SLOTS))
    for number, (width, height) in enumerate(SIZES):
        planes = [rng.integers(0, 256, (height >> s, width >> s), np.uint8) for s in (0, 1, 1)]
        luma = planes[0].astype(np.int32)
        fields = picture(width, height, number % 2)
        pictures.send([fields])
        source.send([{"sample": group} for group in to_groups(planes, 1 << log2_ctb).tolist()])
        described = units(width, height, log2_ctb)
        wanted = [random.randrange(52) if number % 2 else fields["qp"] for _ in described]
        if number % 2:
            qps.send({"qp": qp} for qp in wanted)
        for fields, qp in zip(described, wanted):
            ctu = (await sink.receive(1))[0]
            assert ctu == fields | {"qp": qp, "slot": next(slots)}
            x0, y0 = 8 * ctu["x"], 8 * ctu["y"]
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
            await finish(dut)


@cocotb.test()
async def large_pictures(dut):
    """Descriptors of wide and tall pictures; as many units are loaded as are not done, but for one slot."""
    await start(dut, upset=0)
    for port in ("done", "start", "i_qp__valid"):
        getattr(dut, port).value = 0
    dut.i_source__payload.value, dut.i_source__valid.value = random.getrandbits(64), 1
    pictures, sink = [picture(*size, 0) for size in ((498, 18), (18, 498))], StreamSink(dut, "o", Ctu)
    StreamSource(dut, "i_picture", Picture).send(pictures)
    wanted = [
        unit | {"qp": each["qp"]}
        for each in pictures
        for unit in units(each["width"], each["height"], bench_params()["ctb_log2_size"])
    ]
    for number, unit in enumerate(wanted):
        if number == SLOTS - 1:
            await sink.nothing_more(500)
        if number >= SLOTS - 1:
            await finish(dut)
        assert await sink.receive(1) == [unit | {"slot": number % SLOTS}]
    await sink.nothing_more()


@pytest.mark.parametrize("ctb_log2_size", [4, 5])
def test_source(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size, max_width=512, max_height=512)
    run_bench(SourceTrio(p), __name__, f"analysis_source_{p.ctb_size}", tests=2, params=p.to_json())
