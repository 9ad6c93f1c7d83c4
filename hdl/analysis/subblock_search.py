"""Predicts a 4x4 sub-block and measures the residual: its Hadamard cost."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import BLOCK, Place, delayed
from hdl.intra.adders import carried
from hdl.intra.reference_samples import ReferenceRead, References
from hdl.intra.subblock_predictor import SIZES, PredictorCommand, SubblockPredictor

RESIDUAL = data.ArrayLayout(signed(9), 16)


def butterflies(x) -> list:
    """Four-point Hadamard transform but for its last butterflies: two pairs, whose sums and differences it is."""
    return [(x[0] + x[2], x[1] + x[3]), (x[0] - x[2], x[1] - x[3])]


class SubblockSearch(wiring.Component):
    """Intra prediction of a sub-block against its source: residual, and sum of absolute 4x4 Hadamard coefficients.

    `command` and `place` are taken with `valid`; `references` answer `read` one cycle later (see SubblockPredictor).
    `source_place` asks the store, `source` answers a cycle later. `residual` comes `residual_latency`, `satd` `latency`
    cycles after the command. No backpressure. Throughput: one sub-block a cycle. Arithmetic: exact; SATD is not
    normalised, at most 16320.
    """

    residual_latency = SubblockPredictor.latency + 1
    latency = residual_latency + 3

    def __init__(self, sizes: tuple = SIZES):
        self.sizes = sizes
        super().__init__(
            {
                "valid": In(1),
                "command": In(PredictorCommand),
                "place": In(Place),
                "read": Out(ReferenceRead),
                "references": In(References),
                "source_place": Out(Place),
                "source": In(BLOCK),
                "residual": Out(RESIDUAL),
                "satd": Out(14),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.predictor = predictor = SubblockPredictor(sizes=self.sizes)
        m.d.comb += [
            predictor.valid.eq(self.valid),
            predictor.command.eq(self.command),
            self.read.eq(predictor.read),
            predictor.references.eq(self.references),
            self.source_place.eq(delayed(m, self.place, SubblockPredictor.latency - 1, "place")),
        ]
        m.d.sync += [self.residual[i].eq(self.source[i] - predictor.samples[i]) for i in range(16)]

        rows = [[Signal(signed(11), name=f"row_{r}_{c}", reset_less=True) for c in range(4)] for r in range(4)]
        for r, row in enumerate(rows):
            for k, (a, b) in enumerate(butterflies([self.residual[4 * r + c] for c in range(4)])):
                m.d.sync += [row[2 * k].eq(a + b), row[2 * k + 1].eq(a - b)]
        # The last butterfly makes a + b and a - b: |a + b| + |a - b| is twice the larger of |a| and |b|.
        larger, negative = [], []
        for c in range(4):
            for k, (a, b) in enumerate(butterflies([rows[r][c] for r in range(4)])):
                total = Signal(signed(13), name=f"sum_{c}_{k}")
                difference = Signal(signed(13), name=f"difference_{c}_{k}")
                m.d.comb += [total.eq(a + b), difference.eq(a - b)]
                sign, other = total[-1], total[-1] ^ difference[-1]
                value, minus = Signal(11, name=f"larger_{c}_{k}"), Signal(name=f"negative_{c}_{k}")
                # The sum has the sign of the larger one, which is a where the difference has it as well.
                m.d.sync += [value.eq(Mux(other, b, a)[:11] ^ sign.replicate(11)), minus.eq(sign)]
                larger.append(value)
                negative.append(minus)
        # Each is one less where it was negative: the carries of the adders.
        pairs = [carried(larger[k], larger[k + 1], negative[k]) for k in (0, 2, 4, 6)]
        fours = [carried(pairs[k], pairs[k + 1], negative[2 * k + 1]) for k in (0, 2)]
        m.d.sync += self.satd.eq((carried(*fours, negative[3]) + negative[7]) << 1)
        return m
