"""Mode bits and ranking of candidates by rough cost."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables as tables

DC = 1
COST_BITS = 23  # 4 * SATD of 32x32 (at most 4 * 64 * 16320) and mode bits
MODES = data.ArrayLayout(6, 3)


def most_probable_modes(m, left, above, name: str) -> list:
    """candModeList of H.265 8.4.2 from the neighbours' modes."""
    modes = [Signal(6, name=f"{name}_{k}") for k in range(3)]
    with m.If((left == above) & (left < 2)):
        m.d.comb += [signal.eq(value) for signal, value in zip(modes, (0, 1, 26))]
    with m.Elif(left == above):
        m.d.comb += [
            modes[0].eq(left),
            modes[1].eq(((left + 29) & 31) + 2),
            modes[2].eq(((left - 1) & 31) + 2),
        ]
    with m.Else():
        m.d.comb += [modes[0].eq(left), modes[1].eq(above), modes[2].eq(26)]
        with m.If((left != 0) & (above != 0)):
            m.d.comb += modes[2].eq(0)
        with m.Elif((left != 1) & (above != 1)):
            m.d.comb += modes[2].eq(1)
    return modes


def mode_bits(probable, mode):
    """2, 3 or 6: the first entry of the list, another entry, none."""
    return Mux(mode == probable[0], 2, Mux((mode == probable[1]) | (mode == probable[2]), 3, 6))


class RoughCost(wiring.Component):
    """Ranks the candidates of a block: the three (or fewer) of least 4 SATD + lambda(qp) * mode bits, first come
    first on ties.

    `i_valid` with `satd`, `mode` and `is_first` for the first candidate of a block; `left` and `above` are the
    neighbours' modes, looked at through one register: they are set, with `qp`, at least a cycle before the first
    candidate. `modes` and `bits` (of modes[0]) follow a cycle after a candidate; `probable` is the registered list.
    `is_best` says with a candidate that it leads.
    """

    def __init__(self, ranks: int):
        self.ranks = ranks
        super().__init__(
            {
                "left": In(6),
                "above": In(6),
                "qp": In(6),
                "i_valid": In(1),
                "is_first": In(1),
                "satd": In(20),
                "mode": In(6),
                "is_best": Out(1),
                "modes": Out(data.ArrayLayout(6, ranks)),
                "bits": Out(3),
                "probable": Out(data.ArrayLayout(6, 3)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        listed = most_probable_modes(m, self.left, self.above, "listed")
        m.d.sync += [self.probable[k].eq(mode) for k, mode in enumerate(listed)]
        rate_now, rate = Signal(10), Signal(10, reset_less=True)
        tables.table(m, self.qp, tables.LAMBDA_ROUGH, rate_now)
        m.d.sync += rate.eq(rate_now)

        bits, charge, cost = Signal(3), Signal(13), Signal(COST_BITS)
        m.d.comb += bits.eq(mode_bits(self.probable, self.mode))
        with m.Switch(bits):
            with m.Case(2):
                m.d.comb += charge.eq(rate << 1)
            with m.Case(3):
                m.d.comb += charge.eq(rate + (rate << 1))
            with m.Default():
                m.d.comb += charge.eq((rate + (rate << 1)) << 1)
        m.d.comb += cost.eq((self.satd << 2) + charge)

        costs = [Signal(COST_BITS, name=f"cost_{k}", reset_less=True) for k in range(self.ranks)]
        filled = Signal(self.ranks)
        less = [self.is_first | ~filled[k] | (cost < costs[k]) for k in range(self.ranks)]
        m.d.comb += self.is_best.eq(less[0])
        with m.If(self.i_valid):
            m.d.sync += filled.eq(Mux(self.is_first, 1, (filled << 1) | 1))
            for k in range(self.ranks):
                with m.If(less[k]):
                    shifted = less[k - 1] if k else 0
                    m.d.sync += [
                        self.modes[k].eq(Mux(shifted, self.modes[k - 1] if k else 0, self.mode)),
                        costs[k].eq(Mux(shifted, costs[k - 1] if k else 0, cost)),
                    ]
            with m.If(less[0]):
                m.d.sync += self.bits.eq(bits)
        return m
