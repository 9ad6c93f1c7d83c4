"""ReferenceSamples and SubblockPredictor against the reference codec: every size and mode, extreme data."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from hdl.intra.angles import is_swapped, needs_smoothing
from hdl.intra.reference_samples import ROW, ReferenceSamples
from hdl.intra.subblock_predictor import BLOCK, SIZES, PredictorCommand, SubblockPredictor
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import prediction
from verif.reference.tables import INTRA_PRED_ANGLE


class PredictorPair(wiring.Component):
    """The two blocks wired as a stage wires them."""

    def __init__(self, sizes):
        self.sizes = sizes
        super().__init__(
            {
                "load": In(1),
                "first": In(1),
                "top": In(ROW),
                "left": In(ROW),
                "corner": In(8),
                "last": In(1),
                "command": In(PredictorCommand),
                "valid": In(1),
                "samples": Out(BLOCK),
                "o_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.references = references = ReferenceSamples()
        m.submodules.predictor = predictor = SubblockPredictor(self.sizes)
        swapped = is_swapped(self.command.mode)
        for port in ("valid", "first", "last", "corner"):
            m.d.comb += getattr(references, port).eq(getattr(self, "load" if port == "valid" else port))
        with m.If(swapped):
            m.d.comb += [references.main.eq(self.left), references.side.eq(self.top)]
        with m.Else():
            m.d.comb += [references.main.eq(self.top), references.side.eq(self.left)]
        m.d.comb += [
            references.log2_size.eq(self.command.log2_size),
            references.mode.eq(self.command.mode),
            references.smooth.eq(
                needs_smoothing(m, self.command.mode, self.command.log2_size, self.command.is_luma, "block")
            ),
            references.read.eq(predictor.read),
            predictor.references.eq(references.references),
            predictor.command.eq(self.command),
            predictor.valid.eq(self.valid),
            self.samples.eq(predictor.samples),
            self.o_valid.eq(predictor.o_valid),
        ]
        return m


def golden(p, log2, mode, luma):
    """Samples of the block in raster order, from the reference codec."""
    n = 1 << log2
    line, smoothed = np.array(p, np.int32), np.zeros(129, np.int32)
    out, scratch = np.zeros((32, 32), np.int32), np.zeros(194, np.int32)
    if luma and prediction.is_filtered(log2, mode):
        prediction.smooth(line, n, smoothed)
        line = smoothed
    prediction.predict(line, log2, mode, luma and log2 < 5, scratch, out)
    return out[:n, :n]


def lines(rng, n):
    """Reference lines: noise, extremes, ramps (strong smoothing), flat."""
    size = 4 * n + 1
    yield [rng.randrange(256) for _ in range(size)]
    yield [rng.choice((0, 255)) for _ in range(size)]
    start, step = rng.randrange(60), rng.randrange(3) / 2
    yield [min(255, int(start + step * i)) for i in range(size)]
    base = rng.randrange(2, 250)
    yield [base + rng.randrange(-2, 3) for _ in range(size)]


class Driver:
    def __init__(self, dut):
        self.dut, self.edge = dut, RisingEdge(dut.clk)
        self.row, self.command, self.block = Packer(ROW), Packer(PredictorCommand), Packer(BLOCK)
        for name in ("load", "first", "last", "valid"):
            getattr(dut, name).value = 0

    async def predict(self, p, log2, mode, luma):
        dut, n = self.dut, 1 << log2
        angle = int(INTRA_PRED_ANGLE[mode]) if mode > 1 else 0
        command = {"mode": mode, "angle": angle, "log2_size": log2, "is_luma": int(luma), "x": 0, "y": 0, "which": 0}
        dut.command.value = self.command.pack(command)
        left, top = [*p[: 2 * n][::-1]], [*p[2 * n + 1 :]]
        dut.corner.value = p[2 * n]
        count = 2 * n // 8
        for k in [*range(count), *range(count)] if n == 32 else range(count):
            dut.load.value, dut.first.value, dut.last.value = 1, int(k == 0), int(k == count - 1)
            dut.top.value = self.row.pack(top[8 * k : 8 * k + 8])
            dut.left.value = self.row.pack(left[8 * k : 8 * k + 8])
            await self.edge
        dut.load.value = 0
        out = np.zeros((n, n), np.int32)
        cells = [(x, y) for y in range(n // 4) for x in range(n // 4)]
        for cycle in range(len(cells) + SubblockPredictor.latency):
            dut.valid.value = int(cycle < len(cells))
            if cycle < len(cells):
                dut.command.value = self.command.pack(command | dict(zip("xy", cells[cycle])))
            await self.edge
            index = cycle - SubblockPredictor.latency
            assert bool(dut.o_valid.value) == (index >= 0), f"latency: {cycle}"
            if index >= 0:
                x, y = cells[index]
                block = self.block.unpack(dut.samples.value.to_unsigned())
                out[4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = np.array(block).reshape(4, 4)
        return out


@cocotb.test()
async def every_mode(dut):
    driver, rng = Driver(dut), random
    await start(dut, upset=0)
    for log2 in bench_params()["sizes"]:
        for mode in range(35):
            for luma in (True, False):
                for p in lines(rng, 1 << log2):
                    expected = golden(p, log2, mode, luma)
                    got = await driver.predict(p, log2, mode, luma)
                    assert np.array_equal(got, expected), f"log2 {log2} mode {mode} luma {luma}\n{p}\n{got - expected}"


@pytest.mark.parametrize("sizes", [SIZES, (2,)])
def test_subblock_predictor(sizes):
    name = f"subblock_predictor_{len(sizes)}"
    run_bench(PredictorPair(sizes), __name__, name, tests=1, params={"sizes": sizes})
