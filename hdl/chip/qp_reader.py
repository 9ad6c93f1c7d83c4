"""The QP map in memory to one QP a coding-tree unit."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.chip.payloads import ReadRequest
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params
from hdl.payloads import CtuQp

MAX_QP = 51


class QpMap(data.Struct):
    """Where the map of a picture is: a byte a coding-tree unit, in raster order."""

    address: ADDRESS_BITS  # a multiple of the bus width
    count: 18  # coding-tree units of the picture


class QpReader(wiring.Component):
    """The QP map of a job, from memory to the core.

    Streams: `o_request` and `i_data` to the read port, a request a beat; `o_qp`, `count` of them. The bytes of the last
    beat past the map are not looked at. `job` is taken with `start`, after the last QP of the picture before, and
    need not stay.
    `bad`: a byte above 51 came; neither it nor any QP behind it goes out, but all are read; stays until reset.
    Throughput: one QP a cycle. Latency: 1 cycle from `start` to the first request, 1 from `i_data` to `o_qp`.
    Stalls: `i_data` waits for `o_qp`. Reset: idle, nothing asked for. Cost: an address, two counters; no memory.
    """

    latency = 1

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "job": In(QpMap),
                "o_request": Out(stream.Signature(ReadRequest)),
                "i_data": In(stream.Signature(p.axi_data_width)),
                "o_qp": Out(stream.Signature(CtuQp)),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job, request, beat, o = self.job, self.o_request, self.i_data, self.o_qp
        bus_bytes = self.p.axi_data_width // 8
        log2 = exact_log2(bus_bytes)

        address, beats = Signal(ADDRESS_BITS), Signal(18 - log2 + 1)  # to ask for
        m.d.comb += [request.valid.eq(beats != 0), request.payload.address.eq(address), request.payload.beats.eq(1)]
        with m.If(request.valid & request.ready):
            m.d.sync += [address.eq(address + bus_bytes), beats.eq(beats - 1)]

        lane, left = Signal(log2), Signal(18)
        qp, go = Signal(8), Signal()
        m.d.comb += [
            qp.eq(beat.payload.word_select(lane, 8)),
            go.eq(beat.valid & (left != 0) & (o.ready | ~o.valid)),
            beat.ready.eq(go & ((lane == bus_bytes - 1) | (left == 1))),
        ]
        with m.If(o.ready):
            m.d.sync += o.valid.eq(0)
        with m.If(go):
            m.d.sync += [lane.eq(lane + 1), left.eq(left - 1)]
            with m.If(qp > MAX_QP):
                m.d.sync += self.bad.eq(1)
            with m.Elif(~self.bad):
                m.d.sync += [o.valid.eq(1), o.payload.qp.eq(qp)]

        with m.If(self.start):
            m.d.sync += [
                address.eq(job.address),
                beats.eq((job.count + (bus_bytes - 1)) >> log2),
                lane.eq(0),
                left.eq(job.count),
            ]
        return m
