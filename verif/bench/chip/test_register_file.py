"""RegisterFile, every field of it, against a model made from the register map."""

import itertools
import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotb.utils import get_sim_time

from hdl.chip.register_file import RegisterFile
from hdl.chip.register_map import Kind, registers
from hdl.common.axi import DECERR, LITE_ADDRESS_BITS, OKAY, SLVERR
from sim.runner import run_bench
from verif.bench.chip.register_bench import (
    CHANNELS,
    EVENTS,
    OUTPUTS,
    Bus,
    Hardware,
    Model,
    RegisterBench,
    Scoreboard,
    addresses,
)
from verif.bench.payload import Packer
from verif.bench.streams import CLOCK_NS, PATTERNS, start

ACCESSES = 400


def cycles() -> int:
    return round(get_sim_time("ns") / CLOCK_NS)


async def prepare(dut, idle="none", backpressure="none"):
    hardware = Hardware(dut)
    await start(dut, upset=0)
    return Bus(dut, idle, backpressure), hardware, Scoreboard(dut)


def fields_of(kind: Kind):
    return [(register, field) for register in registers() for field in register.fields if field.kind == kind]


@cocotb.test()
async def reads_reset_values(dut):
    bus, _, scoreboard = await prepare(dut)
    for register in registers():
        assert await bus.read(register.offset) == (register.reset, OKAY), register.name
    scoreboard.finish(0, len(registers()))


@cocotb.test()
async def keeps_settings_by_byte(dut):
    """Each writable register with all strobes; what is written reads back, and no other register changes."""
    bus, _, scoreboard = await prepare(dut)
    model = Model()
    writable = [register for register in registers() if register.writable]
    for register in writable:
        for value, strobes in itertools.product((0, 0xFFFFFFFF, random.getrandbits(32)), range(16)):
            assert await bus.write(register.offset, value, strobes) == OKAY
            model.write(register.offset, value, strobes)
            assert await bus.read(register.offset) == model.read(register.offset, {}), register.name
    for register in writable:
        assert await bus.read(register.offset) == model.read(register.offset, {}), register.name
    scoreboard.finish(48 * len(writable), 49 * len(writable))


@cocotb.test()
async def reads_status(dut):
    """Each status field alone, all ones, in the others zeros."""
    bus, hardware, scoreboard = await prepare(dut)
    status = fields_of(Kind.STATUS)
    for register, field in status:
        hardware.drive(**{field.port: (1 << field.width) - 1})
        data, response = await bus.read(register.offset)
        rest = sum(other.reset << other.low for other in register.fields if other.kind == Kind.CONSTANT)
        assert (data, response) == (field.mask | rest, OKAY), field.port
        hardware.drive(**{field.port: 0})
    scoreboard.finish(0, len(status))


@cocotb.test()
async def commands_last_a_cycle(dut):
    bus, _, scoreboard = await prepare(dut)
    commands = fields_of(Kind.COMMAND)
    for register, field in commands:
        strobe, others = 1 << field.low // 8, ~field.mask & 0xFFFFFFFF
        for value, strobes, expected in (
            (field.mask, 15, 1),
            (0xFFFFFFFF, strobe, 1),
            (0xFFFFFFFF, 15 & ~strobe, 0),
            (others, 15, 0),
        ):
            before = scoreboard.commands[field.port]
            await bus.write(register.offset, value, strobes)
            await ClockCycles(dut.clk, 4)
            assert scoreboard.commands[field.port] - before == expected, field.port
    scoreboard.finish(4 * len(commands), 0)


@cocotb.test()
async def events_are_never_lost(dut):
    """Set before, in and after the cycle of each clear, by software and by `clear_events`."""
    bus, hardware, scoreboard = await prepare(dut)
    for register, field in fields_of(Kind.EVENT):
        name = f"{field.port}_set"
        await hardware.strobe(name)
        assert await bus.read(register.offset) == (field.mask, OKAY)
        await bus.write(register.offset, 0)
        await bus.write(register.offset, 0xFFFFFFFF, 15 & ~(1 << field.low // 8))
        assert await bus.read(register.offset) == (field.mask, OKAY), "cleared without its bit or its byte"
        await bus.write(register.offset, field.mask)
        assert await bus.read(register.offset) == (0, OKAY)
        kept = []
        for delay in range(8):
            await hardware.strobe(name)
            bus.send_write(register.offset, field.mask)
            if delay:
                await ClockCycles(dut.clk, delay)
            await hardware.strobe(name)
            await bus.b.receive(1)
            await ClockCycles(dut.clk, 2)
            kept.append((await bus.read(register.offset))[0] == field.mask)
            await bus.write(register.offset, field.mask)
        assert kept == sorted(kept) and not kept[0] and kept[-1], kept
        assert scoreboard.collisions[field.port], "no set met a clear"
    every = [f"{field.port}_set" for field in EVENTS]
    await hardware.strobe(*every)
    await hardware.strobe("clear_events")
    assert await bus.read(register.offset) == (0, OKAY)
    await hardware.strobe("clear_events", *every)
    assert await bus.read(register.offset) == (sum(field.mask for field in EVENTS), OKAY)


@cocotb.test()
async def refuses(dut):
    """Every word of the address space; the scoreboard sees that nothing changes."""
    bus, _, _ = await prepare(dut)
    known = {register.offset: register for register in registers()}
    for address in range(0, 1 << LITE_ADDRESS_BITS, 4):
        register = known.get(address)
        if register is None:
            assert await bus.read(address) == (0, DECERR), hex(address)
            assert await bus.write(address, 0xFFFFFFFF) == DECERR, hex(address)
        elif not register.writable:
            assert await bus.write(address, 0xFFFFFFFF) == SLVERR, hex(address)
        else:
            assert await bus.write(address, 0xFFFFFFFF, strobes=0) == OKAY, hex(address)
    for register in registers():
        assert await bus.read(register.offset) == (register.reset, OKAY), register.name


@cocotb.test()
async def channels_are_independent(dut):
    bus, _, scoreboard = await prepare(dut)
    tag = next(register for register in registers() if register.name == "TAG")
    for first, second in ((bus.send_address, bus.send_data), (bus.send_data, bus.send_address)):
        words = {bus.send_address: tag.offset, bus.send_data: random.getrandbits(32)}
        first(words[first])
        await ClockCycles(dut.clk, 20)
        assert (await bus.read(tag.offset))[1] == OKAY, "a read waits for half a write"
        second(words[second])
        assert (await bus.b.receive(1)) == [{"resp": OKAY}]
        assert (await bus.read(tag.offset))[0] == words[bus.send_data]
    scoreboard.finish(2, 4)


@cocotb.test()
async def latency_and_throughput(dut):
    """Of the contract, to the cycle."""
    bus, _, scoreboard = await prepare(dut)
    offset, count = registers()[0].offset, 20
    for send, answers, address, latency, period in (
        (lambda: bus.send_write(offset, 0), bus.b, dut.bus__aw__valid, RegisterFile.write_latency, 2),
        (lambda: bus.send_read(offset), bus.r, dut.bus__ar__valid, RegisterFile.read_latency, 3),
    ):
        answers.ready.value = 1
        await ClockCycles(dut.clk, 5)
        for _ in range(count):
            send()
        await RisingEdge(address)
        begin = cycles()
        await answers.receive(1)
        assert cycles() - begin == latency + 1  # the edge that ends the cycle of the answer
        await answers.receive(count - 1)
        assert cycles() - begin == latency + 1 + (count - 1) * period
    scoreboard.finish(count, count)


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def storm(dut, idle, backpressure):
    """Reads and writes of anything while the hardware changes everything."""
    bus, hardware, scoreboard = await prepare(dut, idle, backpressure)
    cocotb.start_soon(hardware.storm())
    for _ in range(ACCESSES):
        value = random.choice((0, 0xFFFFFFFF, random.getrandbits(32)))
        bus.send_write(addresses(), value, random.choice((15, random.randrange(16))))
        bus.send_read(addresses())
    await bus.b.receive(ACCESSES)
    await bus.r.receive(ACCESSES)
    await bus.b.nothing_more()
    await bus.r.nothing_more()
    scoreboard.finish(ACCESSES, ACCESSES)


@cocotb.test()
async def no_path_from_input_to_output(dut):
    """Inputs that change within a cycle change no output before its end; reset in the midst ends everything."""
    payloads = {channel: getattr(dut, f"bus__{channel}__payload") for channel in ("aw", "w", "ar", "b", "r")}
    valids = {channel: getattr(dut, f"bus__{channel}__valid") for channel in payloads}
    readies = {channel: getattr(dut, f"bus__{channel}__ready") for channel in payloads}
    requests, answers = ("aw", "w", "ar"), ("b", "r")
    inputs = [payloads[c] for c in requests] + [valids[c] for c in requests] + [readies[c] for c in answers]
    inputs.append(dut.i_fields)
    outputs = [payloads[c] for c in answers] + [valids[c] for c in answers] + [readies[c] for c in requests]
    outputs.append(dut.o_fields)

    def drive():
        for port in inputs:
            port.value = random.getrandbits(len(port))
        payloads["aw"].value = Packer(CHANNELS["aw"]).pack({"addr": addresses(), "prot": 0})

    def state():
        return [int(port.value) for port in outputs]

    seen = set()
    drive()
    await start(dut, upset=0)
    for cycle in range(1, 1001):
        await RisingEdge(dut.clk)
        drive()
        await Timer(2, "ns")
        before = state()
        drive()
        await Timer(2, "ns")
        assert state() == before
        seen.add(tuple(before))
        if cycle % 50 == 0:
            dut.rst.value = 1
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            reset = Packer(OUTPUTS).pack(Model().outputs)
            assert int(dut.o_fields.value) == reset
            assert not valids["b"].value and not valids["r"].value
            dut.rst.value = 0
    assert len(seen) > 200


def test_register_file():
    run_bench(RegisterBench(on_pins=False), __name__, "register_file", tests=18)
