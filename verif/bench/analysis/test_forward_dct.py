"""ResidualStore and ForwardDct against the reference codec's forward transform: noise and extremes."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from hdl.analysis.forward_dct import DctBlock, ForwardDct
from hdl.analysis.residual_store import FOLDED, ResidualStore
from hdl.analysis.subblock_search import RESIDUAL
from hdl.params import Params
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, start
from verif.reference import transform


class DctPair(wiring.Component):
    """The two blocks wired as analysis wires them."""

    w_valid: In(1)
    w_buffer: In(3)
    w_log2_size: In(3)
    w_x: In(3)
    w_y: In(3)
    w_residual: In(RESIDUAL)
    block: In(DctBlock)
    start: In(1)
    ready: Out(1)
    o_valid: Out(1)
    o_block: Out(DctBlock)
    o_group: Out(3)
    o_column: Out(5)
    o_last: Out(1)
    o_coefficients: Out(FOLDED)

    def __init__(self, p: Params):
        self.p = p
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = ResidualStore()
        m.submodules.dct = dct = ForwardDct(self.p)
        for port in ("w_valid", "w_buffer", "w_log2_size", "w_x", "w_y", "w_residual"):
            m.d.comb += getattr(store, port).eq(getattr(self, port))
        m.d.comb += [
            store.r_buffer.eq(dct.r_block.buffer),
            store.r_log2_size.eq(dct.r_block.log2_size),
            store.r_y.eq(dct.r_y),
            store.r_step.eq(dct.r_step),
            dct.samples.eq(store.r_samples),
            dct.i.valid.eq(self.start),
            dct.i.payload.eq(self.block),
            self.ready.eq(dct.i.ready),
        ]
        for port in ("o_valid", "o_block", "o_group", "o_column", "o_last", "o_coefficients"):
            m.d.comb += getattr(self, port).eq(getattr(dct, port))
        return m


def residuals(n: int):
    rng = np.random.default_rng(random.getrandbits(32))
    yield rng.integers(-255, 256, (n, n), np.int32)
    yield np.where(rng.integers(0, 2, (n, n)), 255, -255).astype(np.int32)
    yield np.full((n, n), -255, np.int32)
    for k in (1, 2, n - 1):  # the largest sums: signs of a basis function
        signs = np.sign(np.cos(np.pi * k * (2 * np.arange(n) + 1) / (2 * n))).astype(np.int32)
        yield 255 * np.outer(signs, signs)


async def collect(dut, expected, done):
    """The coefficients of one block after the other."""
    coefficients, block = Packer(FOLDED), Packer(DctBlock)
    for number, (log2, qp, wanted) in enumerate(expected):
        n = 1 << log2
        got = np.zeros((n, n), np.int32)
        last = False
        while not last:
            await RisingEdge(dut.clk)
            if dut.o_valid.value:
                of = block.unpack(dut.o_block.value.to_unsigned())
                assert (of["log2_size"], of["qp"]) == (log2, qp)
                y, x = 4 * int(dut.o_group.value), int(dut.o_column.value)
                got[y : y + 4, x] = coefficients.unpack(dut.o_coefficients.value.to_unsigned())
                last = bool(dut.o_last.value)
        assert np.array_equal(got, wanted), f"block {number} of {n}\n{got - wanted}"
        done.append(get_sim_time("step") / CLOCK_NS / 1000)


def transformed(residual, log2):
    out, scratch = np.zeros((32, 32), np.int32), np.zeros((32, 32), np.int32)
    transform.forward(residual, log2, log2, scratch, out)
    n = 1 << log2
    return out[:n, :n].copy()


@cocotb.test()
async def forward(dut):
    await start(dut)
    edge, part_of, block = RisingEdge(dut.clk), Packer(RESIDUAL), Packer(DctBlock)
    dut.w_valid.value = dut.start.value = 0
    largest = Params(**bench_params()).max_tb_log2_size
    sizes = [min(log2, largest) for log2 in (3, 3, 3, 4, 5, 3, 4, 3, 5, 5, 4, 4)]
    blocks = [(log2, each) for log2 in sizes for each in residuals(1 << log2)]
    expected = [(log2, k % 52, transformed(each, log2)) for k, (log2, each) in enumerate(blocks)]
    done = []
    collecting = cocotb.start_soon(collect(dut, expected, done))
    for number, (log2, residual) in enumerate(blocks):
        n = 1 << log2
        dut.w_buffer.value, dut.w_log2_size.value = number % 8, log2
        for x, y in random.sample([(x, y) for x in range(n // 4) for y in range(n // 4)], (n // 4) ** 2):
            dut.w_valid.value, dut.w_x.value, dut.w_y.value = 1, x, y
            part = residual[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].ravel().tolist()
            dut.w_residual.value = part_of.pack(part)
            await edge
        dut.w_valid.value = 0
        dut.block.value = block.pack({"log2_size": log2, "buffer": number % 8, "qp": number % 52})
        dut.start.value = 1
        await edge
        while not dut.ready.value:
            await edge
        dut.start.value = 0
    await collecting
    # Rows of two blocks, then their columns: no cycle is lost.
    large = [k for k in range(len(blocks) - 2) if all(blocks[k + i][0] == largest for i in range(3))]
    assert min(done[k + 2] - done[k] for k in large) == 1 << 2 * largest


@pytest.mark.parametrize("ctb_log2_size", (4, 5))
def test_forward_dct(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(DctPair(p), __name__, f"forward_dct_{p.ctb_size}", tests=1, params=p.to_json())
