"""The readers and their port as the chip has them: what the bench of the read side drives."""

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import BusError, Planes
from hdl.chip.qp_reader import QpMap, QpReader
from hdl.chip.read_port import ReadPort
from hdl.chip.source_reader import SourceReader
from hdl.common.axi import Axi4Read
from hdl.common.streams import connect
from hdl.params import Params
from hdl.payloads import CtuQp, Samples


class ReadSide(wiring.Component):
    """SourceReader and QpReader on a ReadPort; `stop` resets the readers a cycle later, as in the chip."""

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "bus": Out(Axi4Read(p.axi_data_width)),
                "start": In(1),
                "job": In(Planes),
                "qp_start": In(1),
                "qp_job": In(QpMap),
                "o_source": Out(stream.Signature(Samples)),
                "o_qp": Out(stream.Signature(CtuQp)),
                "bad": Out(1),
                "stop": In(1),
                "idle": Out(1),
                "error": Out(BusError),
                "raised": Out(1),  # AR is valid
                "clear_stat": In(1),
                "stat_bytes": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        clear = Signal(init=1)
        m.d.sync += clear.eq(self.stop)
        m.submodules.port = port = ReadPort(self.p)
        m.submodules.source = source = ResetInserter(clear)(SourceReader(self.p))
        m.submodules.qp = qp = ResetInserter(clear)(QpReader(self.p))
        for k, reader in enumerate((source, qp)):
            connect(m, reader.o_request, port.i_request[k])
            connect(m, port.o_data[k], reader.i_data)
        connect(m, port.bus.ar, self.bus.ar)
        connect(m, self.bus.r, port.bus.r)
        connect(m, source.o_source, self.o_source)
        connect(m, qp.o_qp, self.o_qp)
        m.d.comb += [
            source.start.eq(self.start),
            source.job.eq(self.job),
            qp.start.eq(self.qp_start),
            qp.job.eq(self.qp_job),
            self.bad.eq(qp.bad),
            port.stop.eq(self.stop),
            port.clear_stat.eq(self.clear_stat),
            self.idle.eq(port.idle),
            self.error.eq(port.error),
            self.raised.eq(port.bus.ar.valid),
            self.stat_bytes.eq(port.stat_bytes),
        ]
        return m
