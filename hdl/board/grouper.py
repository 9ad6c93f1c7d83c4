"""Bytes of a picture's source to its groups of samples."""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.payloads import Samples


class Grouper(wiring.Component):
    """Eight bytes of `i` are a payload of `o`, the first the leftmost sample.

    Throughput: a byte a cycle. Latency: 1 cycle from the eighth byte. `i` stalls while a whole group is not taken.
    Reset: before a group's first byte.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(Samples))})

    def elaborate(self, platform):
        m = Module()
        group, count = self.o.payload.as_value(), Signal(3)
        m.d.comb += self.i.ready.eq(self.o.ready | ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [group.eq(Cat(group[8:], self.i.payload)), count.eq(count + 1), self.o.valid.eq(count == 7)]
        return m
