"""Frames to the bytes of a line."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.crc32 import INIT, crc32_step
from hdl.board.payloads import FrameByte
from hdl.board.protocol import ESCAPE, ESCAPED, FLAG


class FrameTransmitter(wiring.Component):
    """What FrameReceiver undoes: a flag, the content of `i` and its CRC-32 with escapes, a flag.

    Throughput: a byte in 2 cycles. Latency: 2 cycles to the first flag. `i` stalls while `o` is not taken, and during
    flags and CRC. Reset: before a frame.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(FrameByte)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        crc, left = Signal(32, init=INIT), Signal(range(5))
        byte, escaped = Signal(8), Signal()
        m.d.comb += byte.eq(Mux(left == 0, self.i.payload.data, ~crc[:8]))
        special = (byte == FLAG) | (byte == ESCAPE)
        free = Signal()
        m.d.comb += free.eq(~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        def send(value):
            m.d.sync += [self.o.payload.eq(value), self.o.valid.eq(1)]

        with m.FSM(name="frame"):
            with m.State("OPEN"):
                m.d.sync += [crc.eq(INIT), left.eq(0), escaped.eq(0)]
                with m.If(self.i.valid & free):
                    send(FLAG)
                    m.next = "BYTE"
            with m.State("BYTE"):
                with m.If(free & (self.i.valid | (left != 0))):
                    with m.If(special & ~escaped):
                        send(ESCAPE)
                        m.d.sync += escaped.eq(1)
                    with m.Else():
                        send(byte ^ Mux(escaped, ESCAPED, 0))
                        m.d.sync += escaped.eq(0)
                        with m.If(left == 0):
                            m.d.comb += self.i.ready.eq(1)
                            m.d.sync += crc.eq(crc32_step(crc, self.i.payload.data))
                            with m.If(self.i.payload.last):
                                m.d.sync += left.eq(4)
                        with m.Else():
                            m.d.sync += [crc.eq(crc >> 8), left.eq(left - 1)]
                            with m.If(left == 1):
                                m.next = "CLOSE"
            with m.State("CLOSE"):
                with m.If(free):
                    send(FLAG)
                    m.next = "OPEN"
        return m
