"""Stream plumbing that every stage uses: a strict `connect`, a `Fork`, a `Fifo`."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


def connect(m, source, sink):
    """Drive stream `sink` from stream `source`; TypeError unless both carry the same payload shape.

    Works on submodules' ports and on a component's own ports alike (no `wiring.flipped` needed), where
    `wiring.connect` would compare widths only.
    """
    carried, wanted = source.payload.shape(), sink.payload.shape()
    if carried != wanted:
        raise TypeError(f"cannot connect a stream of {carried!r} to a stream of {wanted!r}")
    m.d.comb += [
        Value.cast(sink.payload).eq(Value.cast(source.payload)),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]


class Fork(wiring.Component):
    """Copies each payload of `i` to all of `o[0..count-1]`, to each exactly once.

    Streams: every output carries the payloads of `i` in order; an output that is ready takes its copy without
    waiting for the others. `i` advances when the last output has its copy.
    Throughput: one payload a cycle while all outputs are ready. Latency: 0 (combinational both ways).
    Reset: no payload taken. Cost: `count` flip-flops and a few LUTs.
    """

    def __init__(self, shape, count: int):
        if count < 1:
            raise ValueError(f"count is {count}; a fork needs at least one output")
        self.count = count
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)).array(count)})

    def elaborate(self, platform):
        m = Module()
        taken = Signal(self.count)
        taking = Cat(out.valid & out.ready for out in self.o)
        for index, out in enumerate(self.o):
            m.d.comb += [
                Value.cast(out.payload).eq(Value.cast(self.i.payload)),
                out.valid.eq(self.i.valid & ~taken[index]),
            ]
        m.d.comb += self.i.ready.eq(Cat(taken[k] | out.ready for k, out in enumerate(self.o)).all())
        with m.If(self.i.valid):
            with m.If(self.i.ready):
                m.d.sync += taken.eq(0)
            with m.Else():
                m.d.sync += taken.eq(taken | taking)
        return m


class Fifo(wiring.Component):
    """First in, first out: stream `i` to stream `o`, `depth` payloads between.

    Throughput: one payload a cycle. Both handshakes are registered: no combinational path from `i` to `o`,
    nor from `o.ready` to `i.ready`. `i` stalls when `depth` payloads are held (depth >= 3: one less while
    the output register is empty).
    Latency: `latency` cycles from an accepted payload to `o.valid`. Reset: empty.
    Depth 2 is a pair of registers, which cuts a path; more is a memory (LUT or block RAM, the tool's choice).
    """

    def __init__(self, shape, depth: int):
        if depth < 2:
            raise ValueError(f"depth is {depth}; below 2 a payload a cycle is impossible")
        self.depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    @property
    def latency(self) -> int:
        return 1 if self.depth == 2 else 2

    def elaborate(self, platform):
        m = Module()
        i_payload, o_payload = Value.cast(self.i.payload), Value.cast(self.o.payload)
        if self.depth == 2:
            spare, spare_valid = Signal.like(i_payload), Signal()
            m.d.comb += self.i.ready.eq(~spare_valid)
            with m.If(self.o.ready | ~self.o.valid):
                m.d.sync += [
                    o_payload.eq(Mux(spare_valid, spare, i_payload)),
                    self.o.valid.eq(spare_valid | self.i.valid),
                    spare_valid.eq(0),
                ]
            with m.Elif(self.i.valid & self.i.ready):
                m.d.sync += [spare.eq(i_payload), spare_valid.eq(1)]
            return m

        m.submodules.fifo = queue = fifo.SyncFIFOBuffered(width=len(i_payload), depth=self.depth)
        m.d.comb += [
            queue.w_data.eq(i_payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            o_payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m
