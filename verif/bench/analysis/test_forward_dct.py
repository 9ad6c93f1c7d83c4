"""ResidualStore and ForwardDct against the reference codec's forward transform: noise and extremes."""

import random

import cocotb
import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from hdl.analysis.forward_dct import ForwardDct
from hdl.analysis.residual_store import FOLDED, ResidualStore
from hdl.analysis.subblock_search import RESIDUAL
from sim.runner import run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import transform


class DctPair(wiring.Component):
    """The two blocks wired as analysis wires them."""

    w_valid: In(1)
    w_buffer: In(3)
    w_log2_size: In(3)
    w_x: In(3)
    w_y: In(3)
    w_residual: In(RESIDUAL)
    r_buffer: In(3)
    start: In(1)
    log2_size: In(3)
    ready: Out(1)
    read: Out(1)
    o_valid: Out(1)
    o_group: Out(3)
    o_column: Out(5)
    o_last: Out(1)
    o_coefficients: Out(FOLDED)

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = ResidualStore()
        m.submodules.dct = dct = ForwardDct()
        for port in ("w_valid", "w_buffer", "w_log2_size", "w_x", "w_y", "w_residual", "r_buffer"):
            m.d.comb += getattr(store, port).eq(getattr(self, port))
        for port in ("r_y", "r_step", "r_log2_size"):
            m.d.comb += getattr(store, port).eq(getattr(dct, port))
        m.d.comb += [dct.start.eq(self.start), dct.log2_size.eq(self.log2_size), dct.samples.eq(store.r_samples)]
        for port in ("ready", "read", "o_valid", "o_group", "o_column", "o_last", "o_coefficients"):
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


@cocotb.test()
async def forward(dut):
    await start(dut)
    edge, block, coefficients = RisingEdge(dut.clk), Packer(RESIDUAL), Packer(FOLDED)
    dut.w_valid.value = dut.start.value = 0
    for log2 in (3, 4, 5, 3, 4, 3, 5):
        n = 1 << log2
        for residual in residuals(n):
            buffer = random.randrange(8)
            dut.w_buffer.value, dut.w_log2_size.value = buffer, log2
            for y in range(n // 4):
                for x in range(n // 4):
                    dut.w_valid.value, dut.w_x.value, dut.w_y.value = 1, x, y
                    part = residual[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].ravel().tolist()
                    dut.w_residual.value = block.pack(part)
                    await edge
            dut.w_valid.value = 0
            dut.start.value, dut.log2_size.value, dut.r_buffer.value = 1, log2, buffer
            await edge
            while not dut.ready.value:
                await edge
            dut.start.value = 0
            got, cycles = np.zeros((n, n), np.int32), 0
            while not (dut.o_valid.value and dut.o_last.value):
                await edge
                cycles += 1
                if dut.o_valid.value:
                    y, x = 4 * int(dut.o_group.value), int(dut.o_column.value)
                    got[y : y + 4, x] = coefficients.unpack(dut.o_coefficients.value.to_unsigned())
            expected, scratch = np.zeros((32, 32), np.int32), np.zeros((32, 32), np.int32)
            transform.forward(residual, log2, log2, scratch, expected)
            assert np.array_equal(got, expected[:n, :n]), f"{n}\n{residual}\n{got - expected[:n, :n]}"
            assert cycles <= n * n // 2 + n // 2 + 16


@pytest.mark.parametrize("name", ["forward_dct"])
def test_forward_dct(name):
    run_bench(DctPair(), __name__, name, tests=1)
