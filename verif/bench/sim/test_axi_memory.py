"""The memory of the chip's benches, against a master that nobody here wrote, and against one that breaks the rules."""

import random
from itertools import pairwise

import cocotb
import numpy as np
from amaranth import Module
from amaranth.lib import wiring
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiMaster, AxiResp

from hdl.common import axi
from sim import axi_memory
from sim.axi_memory import READ, WRITE, AxiMemory
from sim.runner import run_bench
from verif.bench.streams import start

WIDTH = 128
BASE = 0x12_3456_7000


class Wires(wiring.Component):
    """Pins `host_*`, for a master in Python, to pins `m_axi_*`."""

    def __init__(self):
        buses = axi.Axi4Read(WIDTH), axi.Axi4Write(WIDTH)
        members = {}
        for bus in buses:
            members |= axi.pins("host", bus, slave=True, data_width=WIDTH) | axi.pins("m_axi", bus, data_width=WIDTH)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        for name, member in self.signature.members.items():
            if member.flow == wiring.Out:
                swapped = {"host": "m_axi", "m_axi": "host"}
                prefix = "host" if name.startswith("host") else "m_axi"
                m.d.comb += getattr(self, name).eq(getattr(self, name.replace(prefix, swapped[prefix])))
        return m


async def prepared(dut) -> tuple[AxiMemory, np.ndarray]:
    for name in ("host_arvalid", "host_awvalid", "host_wvalid"):
        getattr(dut, name).value = 0
    await start(dut, upset=0)
    await ClockCycles(dut.clk, 2)
    memory = AxiMemory()
    data = np.frombuffer(random.randbytes(0x4000), np.uint8).copy()
    memory.unmap()
    memory.thaw()
    memory.timing()
    memory.map(BASE, data, readers=(0, 1), writers=(0, 1))
    memory.violations()
    memory.finished_bursts()
    return memory, data


async def with_master(dut) -> tuple[AxiMaster, AxiMemory, np.ndarray]:
    master = AxiMaster(AxiBus.from_prefix(dut, "host"), dut.clk, dut.rst, max_burst_len=16)
    memory, data = await prepared(dut)
    memory.allow_unaligned()
    return master, memory, data


@cocotb.test()
async def reads_and_writes_what_the_master_asks(dut):
    """Under every order and pace; both IDs at once, at any byte address."""
    master, memory, data = await with_master(dut)
    for order in (axi_memory.IN_ORDER, axi_memory.BURSTS_OVERTAKE, axi_memory.BEATS_INTERLEAVE):
        for latency, pace in (((1, 1), 1.0), ((20, 20), 0.9), ((1, 60), 0.4)):
            memory.timing(latency, pace=pace, order=order, capacity=4, seed=random.getrandbits(32))
            expected = data.copy()
            jobs = []
            for k in range(8):  # writes to the upper half, a slot each, while reads look at the lower
                offset, length = 0x2000 + 0x400 * k + random.randrange(64), random.randrange(1, 900)
                content = random.randbytes(length)
                expected[offset : offset + length] = list(content)
                jobs.append(cocotb.start_soon(master.write(BASE + offset, content, awid=k & 1)))
            reads = []
            for k in range(8):
                offset, length = random.randrange(0x1800), random.randrange(1, 900)
                reads.append((offset, length, cocotb.start_soon(master.read(BASE + offset, length, arid=k & 1))))
            for job in (*jobs, *(job for _, _, job in reads)):
                await job
            await ClockCycles(dut.clk, 1)
            assert np.array_equal(data, expected)
            assert all(job.result().resp == AxiResp.OKAY for job in jobs)
            for offset, length, job in reads:
                assert job.result().data == expected[offset : offset + length].tobytes()
            assert memory.violations() == [] and memory.outstanding == (0, 0)
    bursts = memory.finished_bursts()
    assert len(bursts) == sum(memory.bursts(direction, id) for direction in (READ, WRITE) for id in (0, 1))
    assert all(a.answered <= b.answered for a, b in pairwise(bursts))
    overtaken = [(a, b) for a, b in pairwise(bursts) if a.taken > b.taken and a.direction == b.direction]
    assert overtaken and all(a.id != b.id for a, b in overtaken)


@cocotb.test()
async def answers_in_the_time_that_is_set(dut):
    master, memory, _ = await with_master(dut)
    for cycles in (1, 20, 200):
        memory.timing((cycles, cycles))
        await master.read(BASE, 16)
        await master.write(BASE, bytes(16))
        await ClockCycles(dut.clk, 1)
        times = [burst.answered - burst.taken for burst in memory.finished_bursts()]
        assert times == [cycles, cycles], times  # the data of a write come with its address here


@cocotb.test()
async def injected_errors_strike_once_where_told(dut):
    master, memory, data = await with_master(dut)
    memory.inject(READ, 1, axi.DECERR, burst=1, beat=3)
    assert memory.injected(READ, 1) is None
    first = await master.read(BASE, 256, arid=1)
    second = await master.read(BASE + 256, 256, arid=1)
    third = await master.read(BASE, 512, arid=1)
    assert [int(each.resp) for each in (first, second, third)] == [axi.OKAY, axi.DECERR, axi.OKAY]
    assert memory.injected(READ, 1) == BASE + 256 + 3 * 16
    before = data.copy()
    memory.inject(WRITE, 0, axi.SLVERR)
    assert (await master.write(BASE + 32, bytes(range(64)), awid=0)).resp == axi.SLVERR
    assert memory.injected(WRITE, 0) == BASE + 32 and np.array_equal(data, before)
    assert (await master.write(BASE + 32, bytes(64), awid=0)).resp == axi.OKAY and not data[32:96].any()
    assert memory.violations() == []
    memory.map(BASE + 0x10000, np.zeros(64, np.uint8), readers=(0,), resp=axi.SLVERR)
    assert (await master.read(BASE + 0x10000, 16, arid=0)).resp == axi.SLVERR and memory.violations() == []


@cocotb.test()
async def sees_what_is_outside(dut):
    """Every byte: one too many at either end of a window, the wrong ID, the wrong direction."""
    master, memory, data = await with_master(dut)
    end = BASE + data.size
    small = np.zeros(33, np.uint8)
    memory.map(end + 0x101, small, writers=(1,))
    for address, length, write, id, outside in (
        (BASE, 16, False, 0, None),
        (BASE - 1, 16, False, 0, BASE - 16),
        (end - 1, 2, False, 1, end),
        (end - 1, 2, True, 1, end),
        (end + 0x101, 33, True, 1, None),
        (end + 0x100, 2, True, 1, end + 0x100),
        (end + 0x101 + 32, 2, True, 1, end + 0x101 + 33),
        (end + 0x101, 1, True, 0, end + 0x101),
        (end + 0x110, 1, False, 1, end + 0x110),
    ):
        job = master.write(address, b"\x55" * length, awid=id) if write else master.read(address, length, arid=id)
        resp = (await job).resp
        words = memory.violations()
        if outside is None:
            assert resp == axi.OKAY and words == []
        else:
            kind = axi_memory.VIOLATIONS[1 if write else 0]
            assert resp == axi.DECERR and len(words) == 1
            assert words[0].startswith(f"{kind}: ID {id}, address {outside:#x},"), words


@cocotb.test()
async def frozen_channels_stop_and_go_on(dut):
    master, memory, data = await with_master(dut)
    for channel in range(5):
        memory.freeze(channel, after=2 if channel in (axi_memory.R, axi_memory.W) else 0)
        read = cocotb.start_soon(master.read(BASE, 256))
        write = cocotb.start_soon(master.write(BASE + 0x1000, bytes([channel]) * 256))
        await ClockCycles(dut.clk, 300)
        stuck = read if channel in (axi_memory.AR, axi_memory.R) else write
        assert not stuck.done() and (read.done() or write.done())
        memory.thaw()
        await read
        await write
        assert data[0x1000:0x1100].tolist() == [channel] * 256
    assert memory.violations() == []


@cocotb.test()
async def sees_broken_rules(dut):
    """A burst over 4 KB, one of 17 beats, an address that moves, a wrong WLAST, R that waits."""
    memory, _ = await prepared(dut)
    memory.freeze(axi_memory.AR)
    dut.host_rready.value = 0
    for name, value in (("addr", BASE + 0xFF0), ("len", 16), ("size", 4), ("burst", 1), ("id", 0), ("valid", 1)):
        getattr(dut, f"host_ar{name}").value = value
        getattr(dut, f"host_aw{name}").value = value
    dut.host_wstrb.value, dut.host_wlast.value, dut.host_wvalid.value = 0, 1, 1
    await ClockCycles(dut.clk, 4)
    dut.host_araddr.value = BASE + 0xFE0
    await ClockCycles(dut.clk, 2)
    memory.thaw()
    await ClockCycles(dut.clk, 2)
    seen = {words.split(":")[0] for words in memory.violations()[:16]}
    dut.host_arvalid.value = dut.host_awvalid.value = dut.host_wvalid.value = 0
    await ClockCycles(dut.clk, 4)
    seen |= {words.split(":")[0] for words in memory.violations()[:16]}
    assert seen == set(axi_memory.VIOLATIONS[2:]) - {"burst not of whole beats"}, seen


def test_axi_memory():
    run_bench(Wires(), __name__, "axi_memory_bench", tests=6, memory=True)
