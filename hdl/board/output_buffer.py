"""The coded bytes on their way to the host, kept until it has them."""

from amaranth import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.payloads import Byte


class OutputBuffer(wiring.Component):
    """Bytes of a picture from `i` to `o`, each kept until `release`, so that it can be sent again.

    `o` gives the byte at `position`; `rewind` (strobe) sets `position` back to the first that is kept. `release`
    (strobe): all before `keep_from`, which lies between the first kept and `position`'s largest, are had. `end`: how
    many came; `ended`: the last one did. Positions count the bytes of the picture, from 0 at reset.
    Throughput: a byte a cycle in, a byte in 2 cycles out. Latency: 2 cycles. `i` stalls while `depth` less 2 bytes (a
    power of two) are kept. Reset: empty.
    """

    def __init__(self, depth: int):
        if depth < 8 or depth & (depth - 1):
            raise ValueError(f"depth is {depth}; it must be a power of two from 8 on")
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(Byte)),
                "o": Out(stream.Signature(8)),
                "rewind": In(1),
                "release": In(1),
                "keep_from": In(32),
                "position": Out(32),
                "end": Out(32),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=self.depth, init=[])
        # `o` is valid a cycle after `position` was other than `end`, so what it reads was written before
        buffer.attrs["no_rw_check"] = 1
        write, read = buffer.write_port(), buffer.read_port()
        kept = Signal(32)
        used = (self.end - kept)[: self.depth.bit_length()]
        taken = self.i.valid & self.i.ready
        m.d.comb += [write.addr.eq(self.end), write.data.eq(self.i.payload.data), write.en.eq(taken)]
        # late by a cycle, in which one more byte may come
        m.d.sync += self.i.ready.eq(used < self.depth - 3)
        with m.If(taken):
            m.d.sync += self.end.eq(self.end + 1)
            with m.If(self.i.payload.last):
                m.d.sync += self.ended.eq(1)
        with m.If(self.release):
            m.d.sync += kept.eq(self.keep_from)

        m.d.comb += [read.addr.eq(self.position), self.o.payload.eq(read.data)]
        with m.If(self.rewind):
            m.d.sync += [self.position.eq(kept), self.o.valid.eq(0)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [self.position.eq(self.position + 1), self.o.valid.eq(0)]
        with m.Else():
            m.d.sync += self.o.valid.eq(self.position != self.end)
        return m
