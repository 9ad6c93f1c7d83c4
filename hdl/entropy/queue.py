"""A short queue in distributed memory."""

from amaranth import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """First in, first out, `depth` payloads (a power of two).

    i, o: streams of `shape`. One payload per cycle in and out at once; latency 1. `i` stalls when full.
    level: payloads held, so that a free-running pipeline in front may keep room for what it has in flight.
    ECP5: one 16x4 distributed memory per 4 bits of the payload.
    """

    def __init__(self, shape, depth: int = 16):
        if depth & (depth - 1) or depth < 2:
            raise ValueError(f"depth is {depth}; it must be a power of two")
        self.shape_, self.depth = shape, depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=self.shape_, depth=self.depth, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        head, tail = Signal(range(self.depth)), Signal(range(self.depth))
        take, put = Signal(), Signal()
        m.d.comb += [
            put.eq(self.i.valid & self.i.ready),
            take.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(self.level != self.depth),
            self.o.valid.eq(self.level != 0),
            write.en.eq(put),
            write.addr.eq(head),
            write.data.eq(self.i.payload),
            read.addr.eq(tail),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [head.eq(head + put), tail.eq(tail + take)]
        with m.If(put & ~take):
            m.d.sync += self.level.eq(self.level + 1)
        with m.Elif(take & ~put):
            m.d.sync += self.level.eq(self.level - 1)
        return m
