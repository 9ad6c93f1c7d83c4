"""Costs of 4x4 residuals, for both searches: forward DST-VII and coefficient cost."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.coefficient_cost import CoefficientCost
from hdl.analysis.ctu import delayed
from hdl.analysis.subblock_search import RESIDUAL
from hdl.reconstruction.transform4x4 import Transform4x4


class Rd4Request(data.Struct):
    residual: RESIDUAL
    qp: 6


class Rd4(wiring.Component):
    """Answers the requests on `i[0]` and `i[1]`, each in order, with a strobe of `o_valid[k]` and `cost`.

    Throughput: a block each four cycles, `i[0]` first. Latency: 2 for the transform, 4 columns, CoefficientCost.
    No backpressure on the answers. Reset: empty.
    """

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(Rd4Request)).array(2),
                "o_valid": Out(2),
                "cost": Out(21),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.transform = transform = Transform4x4(is_inverse=False)
        m.submodules.cost = cost = CoefficientCost()
        phase, free = Signal(2), Signal()
        m.d.comb += free.eq(phase == 0)
        with m.If(~free):
            m.d.sync += phase.eq(phase + 1)
        taken, which = Signal(), Signal()
        m.d.comb += [
            which.eq(~self.i[0].valid),
            taken.eq(free & (self.i[0].valid | self.i[1].valid)),
            self.i[0].ready.eq(free),
            self.i[1].ready.eq(free & which),
        ]
        with m.If(taken):
            m.d.sync += phase.eq(1)
        request = Signal(Rd4Request)
        m.d.comb += [
            request.eq(Mux(which, self.i[1].payload.as_value(), self.i[0].payload.as_value())),
            transform.i_valid.eq(taken),
            transform.is_dst.eq(1),
            *(transform.i_block[k].eq(request.residual[k]) for k in range(16)),
        ]

        # Coefficients of column 0 two cycles after a block was taken, then columns 1..3.
        begin = delayed(m, taken, transform.latency, "begin", reset_less=False)
        column, sending = Signal(2), Signal()
        qp = Signal(6, reset_less=True)
        early_qp = delayed(m, request.qp, transform.latency - 1, "early_qp")
        m.d.sync += qp.eq(Mux(delayed(m, taken, transform.latency - 1, "soon", reset_less=False), early_qp, qp))
        m.d.comb += sending.eq(begin | (column != 0))
        with m.If(sending):
            m.d.sync += column.eq(column + 1)
        m.d.comb += [
            cost.i_valid.eq(sending),
            cost.i_last.eq(column == 3),
            cost.i_column.eq(column),
            cost.log2_size.eq(2),
            cost.qp.eq(qp),
            self.cost.eq(cost.cost),
        ]
        with m.Switch(column):
            for c in range(4):
                with m.Case(c):
                    m.d.comb += [cost.i_coefficients[r].eq(transform.o_block[4 * r + c]) for r in range(4)]

        # Whose block it is: the latency is fixed, so the answer follows in a delay line.
        total = transform.latency + 3 + cost.latency
        owner = delayed(m, which, total, "owner")
        m.d.comb += [self.o_valid[k].eq(cost.o_valid & (owner == k)) for k in range(2)]
        return m
