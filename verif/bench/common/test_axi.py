"""The pins of hdl/common/axi.py: names and directions of the specification, and a register file under cocotbext-axi."""

import itertools
import random

import cocotb
from amaranth.lib.wiring import In, Out
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hdl.chip.register_map import by_name
from hdl.common.axi import Axi4Lite, Axi4Read, Axi4Write, constants, pins
from sim.runner import run_bench
from verif.bench.chip.register_bench import STATUS, Hardware, Model, RegisterBench, addresses
from verif.bench.streams import start


async def connect(dut, pause: float) -> tuple[AxiLiteMaster, Hardware]:
    """A master that pauses every channel with this probability."""
    hardware = Hardware(dut)
    await start(dut, upset=0)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    for part, channels in ((master.write_if, ("aw", "w", "b")), (master.read_if, ("ar", "r"))):
        for channel in channels:
            rng = random.Random(random.getrandbits(64))
            pauses = (rng.random() < pause for rng in itertools.repeat(rng))
            getattr(part, f"{channel}_channel").set_pause_generator(pauses)
    return master, hardware


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def single_accesses(dut, pause):
    """Bytes, halves and words, of registers and of nothing."""
    master, hardware = await connect(dut, pause)
    model = Model()
    for _ in range(150):
        address = addresses()
        length = random.randint(1, 4 - address % 4)
        value = random.randbytes(length)
        strobes = ((1 << length) - 1) << address % 4
        response = (await master.write(address, value)).resp
        assert response == model.write(address, int.from_bytes(value, "little") << 8 * (address % 4), strobes)
        model.end_commands()
        hardware.drive(**{name: random.getrandbits(width) for name, width in STATUS.items()})
        address = addresses() & ~3
        answer = await master.read(address, 4)
        assert (int.from_bytes(answer.data, "little"), answer.resp) == model.read(address, hardware.values)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def many_at_once(dut, pause):
    """All addresses of planes and buffers in one write, which the master does not wait for, register by register."""
    master, hardware = await connect(dut, pause)
    model = Model()
    first, end = by_name()["SOURCE_Y_LOW"].offset, by_name()["BITSTREAM_SIZE"].offset + 4
    for _ in range(5):
        words = [random.getrandbits(32) for _ in range(first, end, 4)]
        await master.write_dwords(first, words)
        for offset, word in zip(range(first, end, 4), words):
            model.write(offset, word, 15)
        expected = [model.read(offset, hardware.values)[0] for offset in range(first, end, 4)]
        assert await master.read_dwords(first, len(words)) == expected


def test_lite_pins():
    run_bench(RegisterBench(on_pins=True), __name__, "register_file_pins", tests=4)


def test_names_of_a_master():
    signature = {**pins("m_axi", Axi4Read(64), data_width=64), **pins("m_axi", Axi4Write(64), data_width=64)}
    found = {name: (member.flow, member.shape) for name, member in signature.items()}
    address = dict(id=1, addr=40, len=8, size=3, burst=2, lock=1, cache=4, prot=3, qos=4, valid=1)
    ours = {f"m_axi_{channel}{name}": width for channel in ("ar", "aw") for name, width in address.items()}
    ours |= dict(m_axi_wdata=64, m_axi_wstrb=8, m_axi_wlast=1, m_axi_wvalid=1, m_axi_rready=1, m_axi_bready=1)
    theirs = dict(m_axi_arready=1, m_axi_awready=1, m_axi_wready=1, m_axi_bid=1, m_axi_bresp=2, m_axi_bvalid=1)
    theirs |= dict(m_axi_rid=1, m_axi_rdata=64, m_axi_rresp=2, m_axi_rlast=1, m_axi_rvalid=1)
    assert found == {name: (Out, width) for name, width in ours.items()} | {n: (In, w) for n, w in theirs.items()}
    assert constants(64)["size"][1] == 3 and constants(128)["size"][1] == 4


def test_names_of_a_lite_slave():
    slave, master = pins("s_axi", Axi4Lite(), slave=True), pins("s_axi", Axi4Lite())
    inputs = {name for name, member in slave.items() if member.flow == In}
    address = {f"s_axi_{channel}{name}" for channel in ("ar", "aw") for name in ("addr", "prot", "valid")}
    assert inputs == address | {f"s_axi_{name}" for name in ("wdata", "wstrb", "wvalid", "bready", "rready")}
    assert {name: member.flip() for name, member in slave.items()} == master
