"""A writer of the chip with the write port behind it, as the chip has them: the top of the writers' benches."""

from amaranth import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import BusError
from hdl.chip.write_port import WritePort
from hdl.common.axi import Axi4Write
from hdl.common.streams import connect
from hdl.params import Params


class WritePath(wiring.Component):
    """`writer` as the writer `index` of a WritePort: its ports but the two between them, and those of the port.

    `stop` holds the writer in reset.
    """

    def __init__(self, p: Params, writer: wiring.Component, index: int):
        self.p, self.writer, self.index = p, writer, index
        members = dict(writer.signature.members.items())
        self.inner = {name: members.pop(name) for name in ("o_request", "o_data")}
        self.outer = list(members)
        super().__init__(
            {
                **members,
                "bus": Out(Axi4Write(p.axi_data_width)),
                "stop": In(1),
                "idle": Out(1),
                "error": Out(BusError),
                "acknowledged": Out(9),
                "stat_bytes": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = ResetInserter(self.stop)(self.writer)
        m.submodules.port = port = WritePort(self.p)
        connect(m, self.writer.o_request, port.i_request[self.index])
        connect(m, self.writer.o_data, port.i_data[self.index])
        for name in self.outer:
            ours, theirs = getattr(self, name), getattr(self.writer, name)
            member = self.writer.signature.members[name]
            if not member.is_port:
                connect(m, *((ours, theirs) if member.flow == In else (theirs, ours)))
            else:
                m.d.comb += theirs.eq(ours) if member.flow == In else ours.eq(theirs)
        for channel, member in port.bus.signature.members.items():
            inner, outer = getattr(port.bus, channel), getattr(self.bus, channel)
            connect(m, *((inner, outer) if member.flow == Out else (outer, inner)))
        m.d.comb += [
            port.stop.eq(self.stop),
            self.idle.eq(port.idle),
            self.error.eq(port.error),
            self.acknowledged.eq(port.o_acknowledged[self.index]),
            self.stat_bytes.eq(port.stat_bytes),
        ]
        return m
