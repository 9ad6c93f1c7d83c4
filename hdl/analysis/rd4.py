"""Costs of 4x4 residuals, for both searches: forward DST-VII and coefficient cost."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.coefficient_cost import CoefficientCost
from hdl.analysis.ctu import delayed
from hdl.analysis.subblock_search import RESIDUAL
from hdl.common.arithmetic import round_shift


class Rd4Request(data.Struct):
    residual: RESIDUAL
    qp: 6


def dst(x) -> list:
    """The matrix of transMatrix DST-VII (H.265 8.6.4.2) times four samples, with few adders."""
    low, mid, step = x[0] + x[3], x[1] + x[3], x[0] - x[1]
    third = (x[2] << 6) + ((x[2] << 3) + (x[2] << 1))
    flat = x[0] + x[1] - x[3]

    def by_29(value):
        return (value << 5) - (value + (value << 1))

    def by_55(value):
        return (value << 6) - (value + (value << 3))

    low_55 = by_55(low)
    return [
        by_29(low) + by_55(mid) + third,
        (flat << 6) + ((flat << 3) + (flat << 1)),
        by_29(step) + low_55 - third,
        by_55(step) - by_29(mid) + third,
    ]


class Rd4(wiring.Component):
    """Answers the requests on `i[0]` and `i[1]`, each in order, with a strobe of `o_valid[k]` and `cost`.

    One four-point transform does the rows of a block in four cycles, then its columns in four more.
    Throughput: a block each eight cycles, `i[0]` first. Latency: 9 cycles and that of CoefficientCost.
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
        phase, which, chosen = Signal(3), Signal(), Signal()
        idle = phase == 0
        m.d.comb += which.eq(Mux(idle, ~self.i[0].valid, chosen))
        request, valid = Signal(Rd4Request), Signal()
        m.d.comb += [
            request.eq(Mux(which, self.i[1].payload.as_value(), self.i[0].payload.as_value())),
            valid.eq(~idle | self.i[0].valid | self.i[1].valid),
            *(self.i[k].ready.eq((phase == 3) & (which == k)) for k in range(2)),
        ]
        with m.If(valid):
            m.d.sync += [phase.eq(phase + 1), chosen.eq(which)]

        # Rows 0..3 of the residual, then columns 0..3 of what they gave.
        middle = [[Signal(signed(16), name=f"middle_{r}_{c}", reset_less=True) for c in range(4)] for r in range(4)]
        columns, vector = phase[2], phase[:2]
        entering = [Signal(signed(16), name=f"entering_{k}") for k in range(4)]
        sums = [Signal(signed(26), name=f"sum_{k}") for k in range(4)]
        coefficients = [Signal(signed(16), name=f"coefficient_{k}", reset_less=True) for k in range(4)]
        with m.Switch(phase):
            for v in range(4):
                with m.Case(v):
                    m.d.comb += [entering[k].eq(request.residual[4 * v + k]) for k in range(4)]
                    m.d.sync += [middle[v][k].eq(round_shift(sums[k], 1)) for k in range(4)]
                with m.Case(4 + v):
                    m.d.comb += [entering[k].eq(middle[k][v]) for k in range(4)]
        m.d.comb += [total.eq(value) for total, value in zip(sums, dst(entering))]
        m.d.sync += [coefficients[k].eq(round_shift(sums[k], 8)) for k in range(4)]

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
