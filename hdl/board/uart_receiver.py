"""Bytes from an asynchronous serial line."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.board.payloads import LineByte

PHASE_BITS = 16


def phase_step(clock_hz: int, baud: int) -> int:
    """What a phase of PHASE_BITS grows by in a cycle, to wrap once a bit."""
    if not 0 < 8 * baud <= clock_hz:
        raise ValueError(f"baud is {baud}; with a clock of {clock_hz} Hz it must be at most an eighth of that")
    return round(baud * (1 << PHASE_BITS) / clock_hz)


class UartReceiver(wiring.Component):
    """8 data bits, no parity, one stop bit, low bit first; the line is high at rest.

    `i_rx`: the pin, asynchronous. Each bit is taken in its middle, the majority of three samples a clock apart. A
    pulse shorter than half a bit is no start bit. `o`: a byte with a low stop bit has `error`, and the next start is
    looked for when the line is high again; a byte that comes while the one before was not taken is dropped, and the
    next one has `error`.
    Throughput: the line's. Latency: half a bit and 5 cycles after the middle of the stop bit. Arithmetic: a phase of
    16 bits; the baud rate is met within 2^-17 of the clock. Reset: waits for a high line.
    """

    def __init__(self, clock_hz: int, baud: int):
        self.step = phase_step(clock_hz, baud)
        super().__init__({"i_rx": In(1), "o": Out(stream.Signature(LineByte))})

    def elaborate(self, platform):
        m = Module()
        pin = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.i_rx, pin, init=1)
        history, line = Signal(2, init=3), Signal(init=1)
        high = pin + history[0] + history[1]
        m.d.sync += [history.eq(Cat(pin, history[0])), line.eq(high >= 2)]

        phase, bits, count = Signal(PHASE_BITS), Signal(8), Signal(range(8))
        running, tick = Signal(), Signal()
        total = phase + self.step
        # half a bit to the middle of the start bit, less the two cycles by which running and tick are late
        m.d.sync += [phase.eq(Mux(running, total, (1 << PHASE_BITS - 1) + 2 * self.step)), tick.eq(running & total[-1])]

        lost = Signal()
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM(name="uart"):
            with m.State("REST"):
                with m.If(line):
                    m.next = "IDLE"
            with m.State("IDLE"):
                with m.If(~line):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += running.eq(1)
                m.d.sync += count.eq(0)
                with m.If(tick):
                    with m.If(line):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += running.eq(1)
                with m.If(tick):
                    m.d.sync += [bits.eq(Cat(bits[1:], line)), count.eq(count + 1)]
                    with m.If(count == 7):
                        m.next = "STOP"
            with m.State("STOP"):
                m.d.comb += running.eq(1)
                with m.If(tick):
                    with m.If(self.o.valid & ~self.o.ready):
                        m.d.sync += lost.eq(1)
                    with m.Else():
                        m.d.sync += [
                            self.o.valid.eq(1),
                            self.o.payload.data.eq(bits),
                            self.o.payload.error.eq(~line | lost),
                            lost.eq(0),
                        ]
                    m.next = "REST"
        return m
