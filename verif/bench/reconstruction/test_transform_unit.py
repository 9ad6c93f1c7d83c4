"""TransformUnit, forward and inverse, against the reference: every size alone and together, extreme residuals."""

import random

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from hdl.params import Params
from hdl.reconstruction.transform_buffer import SUBBLOCK, Place, TransformBuffer
from hdl.reconstruction.transform_unit import TransformUnit
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start
from verif.reference import transform

PLACE = {"region": 0, "c_idx": 0, "vector": 0, "row": 0, "column": 0, "folded": 0, "log2_size": 0, "step": 0}


def golden(block, inverse):
    n = len(block)
    log2 = n.bit_length() - 1
    padded, tmp, out = (np.zeros((32, 32), np.int32) for _ in range(3))
    padded[:n, :n] = block
    (transform.inverse if inverse else transform.forward)(padded, log2, log2, tmp, out)
    return out[:n, :n]


def data(rng, log2, inverse):
    n = 1 << log2
    low, high = (-32768, 32767) if inverse else (-255, 255)
    kind = rng.randrange(4)
    if kind == 0:
        return np.array([[rng.randint(low, high) for _ in range(n)] for _ in range(n)])
    if kind == 1:
        return np.array([[rng.choice((low, high)) for _ in range(n)] for _ in range(n)])
    if kind == 2:
        return np.full((n, n), rng.choice((low, high)))
    block = np.zeros((n, n), np.int64)
    for _ in range(6):
        block[rng.randrange(n), rng.randrange(n)] = rng.randint(low, high)
    return block


class Driver:
    def __init__(self, dut):
        self.dut, self.edge = dut, RisingEdge(dut.clk)
        self.place, self.block = Packer(Place), Packer(SUBBLOCK)
        dut.w_valid.value = dut.start.value = 0

    async def write(self, region, c_idx, block):
        for r in range(0, len(block), 4):
            for c in range(0, len(block), 4):
                place = PLACE | {"region": region, "c_idx": c_idx, "row": r, "column": c}
                self.dut.w_place.value = self.place.pack(place)
                self.dut.w_block.value = self.block.pack(block[r : r + 4, c : c + 4].ravel().tolist())
                self.dut.w_valid.value = 1
                await self.edge
        self.dut.w_valid.value = 0

    async def read(self, region, c_idx, n):
        out = np.zeros((n, n), np.int64)
        cells = [(r, c) for r in range(0, n, 4) for c in range(0, n, 4)]
        for cycle in range(len(cells) + TransformBuffer.latency):
            if cycle < len(cells):
                r, c = cells[cycle]
                place = PLACE | {"region": region, "c_idx": c_idx, "row": r, "column": c}
                self.dut.r_place.value = self.place.pack(place)
            await self.edge
            if cycle >= TransformBuffer.latency:
                r, c = cells[cycle - TransformBuffer.latency]
                got = self.block.unpack(self.dut.r_block.value.to_unsigned())
                out[r : r + 4, c : c + 4] = np.array(got).reshape(4, 4)
        return out

    async def run(self, inverse, blocks, luma, chroma):
        dut = self.dut
        dut.inverse.value, dut.blocks.value = int(inverse), blocks
        dut.luma_log2_size.value, dut.chroma_log2_size.value = luma, chroma
        dut.start.value = 1
        await self.edge
        dut.start.value = 0
        cycles = 0
        await self.edge
        while dut.busy.value:
            cycles += 1
            await self.edge
        return cycles


@cocotb.test()
async def transforms(dut):
    driver, rng, largest = Driver(dut), random, Params(**bench_params()).max_tb_log2_size
    await start(dut, upset=0)
    for trial in range(120):
        first = (1, 1, 1, 6, 6, 7, 9, 9, 14)
        blocks = rng.choice((1, 6, 7, 8, 9, 10, 14)) if trial >= len(first) else first[trial]
        luma = rng.choice((3, 4, 5)) if trial >= len(first) else (3, 4, 5, 4, 5, 5, 3, 5, 4)[trial]
        luma = min(max(luma, 4) if blocks & 6 else luma, largest)
        chroma = max(luma - 1, 3)
        inverse = bool(rng.randrange(2))
        sent = {c: data(rng, chroma if c in (1, 2) else luma, inverse) for c in range(4) if blocks >> c & 1}
        region = int(inverse)
        for c, block in sent.items():
            await driver.write(region, c, block if inverse else block.T)
        cycles = await driver.run(inverse, blocks, luma, chroma)
        drain = 6 + max(map(len, sent.values())) // 8
        drains = 1 if blocks in (6, 9) else 2
        assert cycles == 2 * sum(b.size for b in sent.values()) // 8 + drains * drain, f"{cycles} cycles"
        for c, block in sent.items():
            got = await driver.read(region, c, len(block))
            got = got if inverse else got.T
            expected = golden(block, inverse)
            assert np.array_equal(got, expected), f"{inverse=} {blocks=} {luma=} {c=}\n{got - expected}"


@pytest.mark.parametrize("ctb_log2_size", (4, 5))
def test_transform_unit(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(TransformUnit(p), __name__, f"transform_unit_{p.ctb_size}", tests=1, params=p.to_json())
