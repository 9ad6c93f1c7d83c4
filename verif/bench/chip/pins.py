"""A block of the chip with its `bus` on `m_axi_*` pins, where sim/axi_memory.py finds it."""

from amaranth import Module, Value
from amaranth.lib import wiring

from hdl.common.axi import Axi4Read, Axi4Write, connect_pins, pins


class WithPins(wiring.Component):
    """`block`, whose member `bus` (Axi4Read or Axi4Write) becomes pins; its other ports are those of this.

    The pins of the direction that it has not are there too, and quiet.
    """

    def __init__(self, block, data_width: int):
        self._block, self._data_width = block, data_width
        members = dict(block.signature.members.items())
        self._bus = members.pop("bus").signature
        self._rest = wiring.Signature(members)
        for bus in (Axi4Read(data_width), Axi4Write(data_width)):
            members |= pins("m_axi", bus, data_width=data_width)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = self._block
        connect_pins(m, self, "m_axi", self._bus, block.bus, data_width=self._data_width)
        for (_, member, port), (*_, inner) in zip(self._rest.flatten(self), self._rest.flatten(block)):
            ours, theirs = Value.cast(port), Value.cast(inner)
            m.d.comb += ours.eq(theirs) if member.flow == wiring.Out else theirs.eq(ours)
        return m
