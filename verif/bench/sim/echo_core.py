"""A core that codes nothing: it has the streams of the real one, to test what drives them."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.streams import Fork, connect
from hdl.fetch.fetch import Fetch
from hdl.params import Params
from hdl.payloads import Byte, CtuQp, Picture, Samples

HANGING_QP = 51


class EchoCore(wiring.Component):
    """The reconstruction is the source at its coded size, and the bytes are the same samples, group after group.

    At qp HANGING_QP it takes the picture and stops, for the test of the watchdog. stat_bins counts groups,
    stat_stall_bytes the cycles in which a byte waits, stat_qps adds up the QPs that came since the reset.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_qp": In(stream.Signature(CtuQp)),
                "i_source": In(stream.Signature(Samples)),
                "o_recon": Out(stream.Signature(Samples)),
                "o_byte": Out(stream.Signature(Byte)),
                "stat_bins": Out(32),
                "stat_stall_bytes": Out(32),
                "stat_qps": Out(40),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = Fetch(self.p)
        m.submodules.fork = fork = Fork(Samples, 2)
        picture = self.i_picture.payload
        running, left, index = Signal(), Signal(32), Signal(3)
        connect(m, self.i_source, fetch.i_source)
        connect(m, fetch.o, fork.i)
        connect(m, fork.o[0], self.o_recon)

        m.d.comb += [
            fetch.i_picture.payload.eq(picture),
            fetch.i_picture.valid.eq(self.i_picture.valid & ~running & (picture.qp != HANGING_QP)),
            self.i_picture.ready.eq(~running & (fetch.i_picture.ready | (picture.qp == HANGING_QP))),
        ]
        groups_in_row = (picture.width + 7) >> 3
        with m.If(self.i_picture.valid & self.i_picture.ready):
            rows = ((picture.height + 7) >> 3) << 3
            m.d.sync += [
                running.eq(1),
                left.eq(rows * (groups_in_row + ((groups_in_row + 1) >> 1))),
                self.stat_bins.eq(0),
                self.stat_stall_bytes.eq(0),
            ]

        m.d.comb += self.i_qp.ready.eq(1)
        with m.If(self.i_qp.valid):
            m.d.sync += self.stat_qps.eq(self.stat_qps + self.i_qp.payload.qp)

        samples, byte = fork.o[1], self.o_byte
        m.d.comb += [
            byte.payload.data.eq(samples.payload.as_value().word_select(index, 8)),
            byte.payload.last.eq((left == 1) & (index == 7)),
            byte.valid.eq(samples.valid),
            samples.ready.eq(byte.ready & (index == 7)),
        ]
        m.d.sync += self.stat_stall_bytes.eq(self.stat_stall_bytes + Mux(byte.valid & ~byte.ready, 1, 0))
        with m.If(byte.valid & byte.ready):
            m.d.sync += index.eq(index + 1)
            with m.If(index == 7):
                m.d.sync += [left.eq(left - 1), self.stat_bins.eq(self.stat_bins + 1)]
                with m.If(left == 1):
                    m.d.sync += running.eq(0)
        return m
