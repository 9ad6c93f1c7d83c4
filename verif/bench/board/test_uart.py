# amaranth: UnusedElaboratable=no
"""UartReceiver and UartTransmitter: rates, disturbed lines, and each with the other."""

import random

import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.payloads import LineByte
from hdl.board.uart_receiver import UartReceiver
from hdl.board.uart_transmitter import UartTransmitter
from verif.bench.common.simulation import receive, send, simulate

RNG = random.Random(7)
BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *(RNG.randrange(256) for _ in range(26))]


async def line(ctx, pin, levels, cycles_per_bit: float):
    """Puts levels on the pin, each for a bit's time from where the one before ended."""
    begin, now = 0.0, 0
    for level, bits in levels:
        ctx.set(pin, level)
        begin += bits * cycles_per_bit
        while now < begin:
            await ctx.tick()
            now += 1


def frame(byte: int, stop: int = 1):
    """A byte as (level, bits)."""
    return [(0, 1), *((byte >> k & 1, 1) for k in range(8)), (stop, 1)]


def received(cycles_per_bit: float, levels, clock_hz: int = 24_000_000, baud: int = 3_000_000, chance: float = 1.0):
    """(data, error) of what the receiver makes of a line."""
    dut, got = UartReceiver(clock_hz, baud), []

    async def drive(ctx):
        ctx.set(dut.i_rx, 1)
        await ctx.tick().repeat(20)
        await line(ctx, dut.i_rx, levels, cycles_per_bit)
        ctx.set(dut.i_rx, 1)

    async def take(ctx):
        quiet = round(40 * cycles_per_bit)
        got.extend(await receive(ctx, dut.o, chance, random.Random(1), quiet))

    simulate(dut, drive, take)
    return [(value.data, value.error) for value in got]


@pytest.mark.parametrize("clock_hz", [24_000_000, 40_000_000, 50_000_000, 64_500_000, 100_000_000])
@pytest.mark.parametrize("deviation", [0.98, 1.0, 1.02])
def test_receives_at_any_clock(clock_hz, deviation):
    levels = [step for byte in BYTES for step in frame(byte)]
    got = received(clock_hz / 3e6 * deviation, levels, clock_hz)
    assert got == [(byte, 0) for byte in BYTES]


def test_a_low_stop_bit_is_an_error_and_the_next_byte_is_not():
    levels = [*frame(0x12), *frame(0x34, stop=0), (0, 5), (1, 3), *frame(0x56)]
    assert received(8, levels) == [(0x12, 0), (0x34, 1), (0x56, 0)]


def test_short_pulses_and_single_samples_are_not_bits():
    pulse = [(0, 0.3), (1, 2)]
    spiked = [(0, 1), (1, 0.125), (0, 0.875), *((0, 1) for _ in range(7)), (1, 1)]
    assert received(8, [*pulse, *frame(0xA5), (1, 1), *spiked, (1, 1), *frame(0x5A)]) == [(0xA5, 0), (0, 0), (0x5A, 0)]


def test_a_byte_that_is_not_taken_in_time_is_told():
    dut, got = UartReceiver(24_000_000, 3_000_000), []

    async def drive(ctx):
        ctx.set(dut.i_rx, 1)
        await ctx.tick().repeat(20)
        await line(ctx, dut.i_rx, [step for byte in (1, 2, 3) for step in frame(byte)], 8)

    async def take(ctx):
        await ctx.tick().repeat(20 + 25 * 8)  # during the third byte
        got.extend(await receive(ctx, dut.o, 1.0, random.Random(1), 200))

    simulate(dut, drive, take)
    assert [(value.data, value.error) for value in got] == [(1, 0), (3, 1)]


class Loop(wiring.Component):
    """The transmitter into the receiver."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(LineByte))

    def __init__(self, clock_hz: int):
        self.clock_hz = clock_hz
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(self.clock_hz, 3_000_000)
        m.submodules.receiver = receiver = UartReceiver(self.clock_hz, 3_000_000)
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        m.d.comb += receiver.i_rx.eq(transmitter.o_tx)
        return m


@pytest.mark.parametrize("clock_hz", [24_000_000, 50_000_000])
@pytest.mark.parametrize("chance", [1.0, 0.02])
def test_one_with_the_other(clock_hz, chance):
    dut, got, times = Loop(clock_hz), [], []

    async def feed(ctx):
        await send(ctx, dut.i, BYTES, chance, random.Random(2))

    async def take(ctx):
        ctx.set(dut.o.ready, 1)
        for cycle in range(1_000_000):
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                got.append((payload.data, payload.error))
                times.append(cycle)
            if len(got) == len(BYTES):
                break

    simulate(dut, feed, take)
    assert got == [(byte, 0) for byte in BYTES]
    if chance == 1.0:  # ten bits a byte, and three cycles
        assert (times[-1] - times[0]) / (len(BYTES) - 1) <= 10 * clock_hz / 3e6 + 3


def test_a_clock_too_slow_is_refused():
    with pytest.raises(ValueError, match="eighth"):
        UartReceiver(23_999_999, 3_000_000)
