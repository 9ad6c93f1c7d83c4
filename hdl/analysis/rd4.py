"""Costs of 4x4 residuals, for both searches: forward DST-VII and coefficient cost."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.coefficient_cost import CoefficientCost
from hdl.analysis.ctu import delayed
from hdl.analysis.subblock_search import RESIDUAL
from hdl.reconstruction.transform4x4 import SUM, forward_sums, forward_terms


class Rd4Request(data.Struct):
    residual: RESIDUAL
    qp: 6


class Rd4(wiring.Component):
    """Answers the requests on `i[0]` and `i[1]`, each in order, with a strobe of `o_valid[k]` and `cost`.

    One four-point transform of two stages does the rows of a block in four cycles, then its columns in four more.
    Throughput: a block each ten cycles, `i[0]` first. Latency: 11 cycles and that of CoefficientCost.
    No backpressure on the answers. Reset: empty. Arithmetic: exact, shifts with rounding of 1 and 8 bits.
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
        m.submodules.cost = cost = CoefficientCost()
        phase, which, chosen = Signal(range(10)), Signal(), Signal()
        idle = phase == 0
        m.d.comb += which.eq(Mux(idle, ~self.i[0].valid, chosen))
        request, valid = Signal(Rd4Request), Signal()
        m.d.comb += [
            request.eq(Mux(which, self.i[1].payload.as_value(), self.i[0].payload.as_value())),
            valid.eq(~idle | self.i[0].valid | self.i[1].valid),
            *(self.i[k].ready.eq((phase == 3) & (which == k)) for k in range(2)),
        ]
        with m.If(valid):
            m.d.sync += [phase.eq(Mux(phase == 9, 0, phase + 1)), chosen.eq(which)]

        # Rows 0..3 of the residual, then columns 0..3 of what they gave, which is there after a cycle of nothing.
        middle = [[Signal(signed(16), name=f"middle_{r}_{c}", reset_less=True) for c in range(4)] for r in range(4)]
        entering = [Signal(signed(16), name=f"entering_{k}") for k in range(4)]
        sums, half = [Signal(SUM, name=f"sum_{k}") for k in range(4)], Signal(8)
        coefficients = [Signal(signed(16), name=f"coefficient_{k}", reset_less=True) for k in range(4)]
        terms, columns, vector = forward_terms(entering, 1), Signal(), Signal(2)
        held = [Signal.like(term, name=f"term_{k}", reset_less=True) for k, term in enumerate(terms)]
        m.d.sync += [signal.eq(term) for signal, term in zip(held, terms)]
        m.d.comb += [half.eq(Mux(columns, 1 << 7, 1)), *forward_sums(held, 1, half, sums)]
        with m.Switch(phase):
            for v in range(4):
                with m.Case(v):
                    m.d.comb += [entering[k].eq(request.residual[4 * v + k]) for k in range(4)]
                with m.Case(v + 5):
                    m.d.comb += [entering[k].eq(middle[k][v]) for k in range(4)]
        with m.Switch(phase):
            for v in range(4):
                with m.Case(v + 1):
                    m.d.sync += [middle[v][k].eq(sums[k] >> 1) for k in range(4)]
                with m.Case(v + 6):
                    m.d.comb += [columns.eq(1), vector.eq(v)]
        m.d.sync += [coefficients[k].eq(sums[k] >> 8) for k in range(4)]

        qp = Signal(6, reset_less=True)
        with m.If(phase == 3):
            m.d.sync += qp.eq(request.qp)
        m.d.comb += [
            cost.i_valid.eq(delayed(m, columns, 1, "columns", reset_less=False)),
            cost.i_column.eq(delayed(m, vector, 1, "column")),
            cost.i_last.eq(cost.i_column == 3),
            *(cost.i_coefficients[k].eq(coefficients[k]) for k in range(4)),
            cost.log2_size.eq(2),
            cost.qp.eq(delayed(m, qp, 1, "qp")),
            self.cost.eq(cost.cost),
        ]
        # Whose block it is: the latency is fixed, so the answer follows in a delay line.
        owner = delayed(m, chosen, 1 + cost.latency, "owner")
        m.d.comb += [self.o_valid[k].eq(cost.o_valid & (owner == k)) for k in range(2)]
        return m
