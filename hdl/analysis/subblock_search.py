"""Predicts a 4x4 sub-block and measures the residual: its Hadamard cost."""

from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import BLOCK, Place, delayed
from hdl.intra.adders import sum_tree
from hdl.intra.reference_samples import ReferenceArrays
from hdl.intra.subblock_predictor import PredictorCommand, SubblockPredictor

RESIDUAL = data.ArrayLayout(signed(9), 16)


def butterfly(x) -> list:
    """Four-point Hadamard transform, in any order of the outputs."""
    low, high, even, odd = x[0] + x[2], x[1] + x[3], x[0] - x[2], x[1] - x[3]
    return [low + high, low - high, even + odd, even - odd]


class SubblockSearch(wiring.Component):
    """Intra prediction of a sub-block against its source: residual, and sum of absolute 4x4 Hadamard coefficients.

    `command` and `place` are taken with `valid`; `arrays` is looked at one cycle later (see SubblockPredictor).
    `source_place` asks the store, `source` answers a cycle later. `residual` comes `residual_latency`, `satd` `latency`
    cycles after the command. No backpressure. Throughput: one sub-block a cycle. Arithmetic: exact; SATD is not
    normalised, at most 16320.
    """

    residual_latency = SubblockPredictor.latency + 1
    latency = residual_latency + 3

    valid: In(1)
    command: In(PredictorCommand)
    place: In(Place)
    arrays: In(ReferenceArrays)
    source_place: Out(Place)
    source: In(BLOCK)
    residual: Out(RESIDUAL)
    satd: Out(14)

    def elaborate(self, platform):
        m = Module()
        m.submodules.predictor = predictor = SubblockPredictor()
        m.d.comb += [
            predictor.valid.eq(self.valid),
            predictor.command.eq(self.command),
            predictor.arrays.eq(self.arrays),
            self.source_place.eq(delayed(m, self.place, SubblockPredictor.latency - 1, "place")),
        ]
        m.d.sync += [self.residual[i].eq(self.source[i] - predictor.samples[i]) for i in range(16)]

        rows = [[Signal(signed(11), name=f"row_{r}_{c}", reset_less=True) for c in range(4)] for r in range(4)]
        for r, row in enumerate(rows):
            m.d.sync += [
                out.eq(value) for out, value in zip(row, butterfly([self.residual[4 * r + c] for c in range(4)]))
            ]
        magnitudes = []
        for c in range(4):
            for k, value in enumerate(butterfly([rows[r][c] for r in range(4)])):
                coefficient, magnitude = Signal(signed(13), name=f"c_{c}_{k}"), Signal(12, name=f"m_{c}_{k}")
                m.d.comb += coefficient.eq(value)
                m.d.sync += magnitude.eq(abs(coefficient))
                magnitudes.append(magnitude)
        m.d.sync += self.satd.eq(sum_tree(magnitudes))
        return m
