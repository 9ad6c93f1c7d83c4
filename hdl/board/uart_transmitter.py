"""Bytes to an asynchronous serial line."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.uart_receiver import PHASE_BITS, phase_step


class UartTransmitter(wiring.Component):
    """8 data bits, no parity, one stop bit, low bit first: what UartReceiver takes.

    `o_tx`: the pin, from a register. Throughput: the line's, a byte in 10 bits and 3 cycles. Latency: 1 cycle to the
    start bit. `i` stalls until the byte before is out. Reset: the line is high.
    """

    def __init__(self, clock_hz: int, baud: int):
        self.step = phase_step(clock_hz, baud)
        super().__init__({"i": In(stream.Signature(8)), "o_tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        phase, tick = Signal(PHASE_BITS), Signal()
        bits, left = Signal(9, init=511), Signal(range(11))
        running = Signal()
        total = phase + self.step
        m.d.comb += [running.eq(left != 0), self.i.ready.eq(~running)]
        m.d.sync += [phase.eq(Mux(running, total, 0)), tick.eq(running & total[-1])]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [Cat(self.o_tx, bits).eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(10)]
        with m.Elif(tick):
            m.d.sync += [Cat(self.o_tx, bits).eq(Cat(bits, Const(1, 1))), left.eq(left - 1)]
        return m
