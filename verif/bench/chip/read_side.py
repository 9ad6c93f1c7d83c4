"""The readers and their port as the chip has them: what the benches of the readers drive."""

from amaranth import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import BusError, Planes
from hdl.chip.read_port import ReadPort
from hdl.chip.source_reader import SourceReader
from hdl.common.axi import Axi4Read
from hdl.common.streams import connect
from hdl.params import Params
from hdl.payloads import Samples


class ReadSide(wiring.Component):
    """SourceReader on its ReadPort; `stop` resets the reader, as the chip does."""

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "bus": Out(Axi4Read(p.axi_data_width)),
                "start": In(1),
                "job": In(Planes),
                "o_source": Out(stream.Signature(Samples)),
                "stop": In(1),
                "idle": Out(1),
                "error": Out(BusError),
                "clear_stat": In(1),
                "stat_bytes": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.port = port = ReadPort(self.p)
        m.submodules.source = source = ResetInserter(self.stop)(SourceReader(self.p))
        connect(m, source.o_request, port.i_request[0])
        connect(m, port.o_data[0], source.i_data)
        connect(m, port.bus.ar, self.bus.ar)
        connect(m, self.bus.r, port.bus.r)
        connect(m, source.o_source, self.o_source)
        m.d.comb += [
            source.start.eq(self.start),
            source.job.eq(self.job),
            port.stop.eq(self.stop),
            port.clear_stat.eq(self.clear_stat),
            self.idle.eq(port.idle),
            self.error.eq(port.error),
            self.stat_bytes.eq(port.stat_bytes),
        ]
        return m
