"""Emulation prevention (H.265 7.3.1.1)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pack.payloads import RbspByte
from hdl.payloads import Byte


class EmulationPrevention(wiring.Component):
    """Puts a byte of 3 before any byte of 0..3 that follows two zero bytes in a NAL unit.

    i: RbspByte. A `raw` byte passes as it is, and what follows it is a new NAL unit. o: Byte.
    Throughput: one byte per cycle out. Latency: 0, combinational from `i` to `o` and from o.ready to i.ready.
    A picture never ends in a zero byte, so nothing is put at its end.
    """

    i: In(stream.Signature(RbspByte))
    o: Out(stream.Signature(Byte))

    def elaborate(self, platform):
        m = Module()
        byte, zeros = self.i.payload, Signal(range(3))
        insert = Signal()
        m.d.comb += [
            insert.eq((zeros == 2) & (byte.data[2:] == 0) & ~byte.raw),
            self.o.valid.eq(self.i.valid),
            self.o.payload.data.eq(Mux(insert, 3, byte.data)),
            self.o.payload.last.eq(byte.last & ~insert),
            self.i.ready.eq(self.o.ready & ~insert),
        ]
        with m.If(self.o.valid & self.o.ready):
            with m.If(insert | byte.raw | (byte.data != 0)):
                m.d.sync += zeros.eq(0)
            with m.Elif(zeros != 2):
                m.d.sync += zeros.eq(zeros + 1)
        return m
