"""What coding the coefficients of a block costs: error and bits, from tables."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables as tables
from hdl.analysis.ctu import delayed
from hdl.analysis.residual_store import FOLDED
from hdl.intra.adders import sum_tree

# From this many sixteenths of Qstep on a level costs less than a zero, wherever it is.
LEVELS_FROM = next(a for a in range(64) if all(k * k > tables.NONZERO[k] + max(tables.POSITION) for k in range(a, 64)))


class CoefficientCost(wiring.Component):
    """Sum over a block's coefficients of min(error of zero, cost of a level), and the cost of the last position.

    Four coefficients a cycle with `i_valid`: rows 4 * `i_group` .. + 3 of column `i_column`, in any order, `i_last`
    with the last four. `log2_size` (2..5, 2 also means DST) and `qp` come with each. `cost`, Q8 of Qstep squared,
    is valid with `o_valid` for one cycle, `latency` cycles after `i_last`. No backpressure.
    Arithmetic: a = |c| * scale(qp % 6) >> (17 + qp / 6 - log2 N) sixteenths of Qstep; then integer tables. Exact;
    at most 2^20. Cost on ECP5: 4 DSP.
    """

    latency = 7

    i_valid: In(1)
    i_last: In(1)
    i_coefficients: In(FOLDED)
    i_column: In(5)
    i_group: In(3)
    log2_size: In(3)
    qp: In(6)
    o_valid: Out(1)
    cost: Out(21)

    def elaborate(self, platform):
        m = Module()
        entering = {"valid": self.i_valid, "last": self.i_last, "log2": self.log2_size}
        beside = [entering]
        for stage in range(1, 7):
            before = beside[-1]
            beside.append({k: delayed(m, v, 1, f"{k}_{stage}", reset_less=k != "valid") for k, v in before.items()})
        scale, shift, scale_now, octaves = Signal(15, reset_less=True), Signal(5), Signal(15), Signal(4)
        tables.table(m, self.qp, [tables.QUANT_SCALE[qp % 6] for qp in range(52)], scale_now)
        tables.table(m, self.qp, [qp // 6 for qp in range(52)], octaves)
        m.d.sync += [scale.eq(scale_now), shift.eq(17 + octaves - self.log2_size)]
        shift_later = delayed(m, shift, 1, "shift")

        costs, lasts = [], []
        for lane in range(4):
            costs.append(self._lane(m, lane, scale, shift_later, lasts))
        total, last_of_four = Signal(13, reset_less=True), Signal(7, reset_less=True)
        pairs = [Mux(lasts[k] > lasts[k + 1], lasts[k], lasts[k + 1]) for k in (0, 2)]
        m.d.sync += [total.eq(sum_tree(costs)), last_of_four.eq(Mux(pairs[0] > pairs[1], *pairs))]

        # The sum and the largest x + y of a level, plus 1 (0: there is none).
        running, furthest = Signal(20), Signal(7)
        now, furthest_now = Signal(20), Signal(7)
        m.d.comb += [
            now.eq(running + total),
            furthest_now.eq(Mux(furthest > last_of_four, furthest, last_of_four)),
        ]
        end = beside[6]
        ending, position, log2 = Signal(20, reset_less=True), Signal(7, reset_less=True), Signal(3, reset_less=True)
        block = Signal(10)
        with m.If(end["valid"]):
            m.d.sync += [running.eq(now), furthest.eq(furthest_now)]
            with m.If(end["last"]):
                m.d.sync += [running.eq(0), furthest.eq(0), ending.eq(now), position.eq(furthest_now)]
                m.d.sync += log2.eq(end["log2"])
        m.d.sync += self.o_valid.eq(end["valid"] & end["last"])
        tables.table(m, position, [0, *tables.LAST], block)
        offset = Signal(7)
        with m.Switch(log2):
            for size, value in tables.BLOCK.items():
                with m.Case(size):
                    m.d.comb += offset.eq(value)
        m.d.comb += self.cost.eq(ending + Mux(position == 0, 0, block + offset))
        return m

    def _lane(self, m, lane, scale, shift, lasts):
        coefficient = self.i_coefficients[lane]
        magnitude, product = Signal(16, reset_less=True), Signal(31, reset_less=True)
        a = Signal(19, reset_less=True)
        m.d.sync += [
            magnitude.eq(Mux(coefficient < 0, -coefficient, coefficient)),
            product.eq(magnitude * scale),
            a.eq((product >> 12) >> (shift - 12)[:4]),
        ]
        place = Signal(6, name=f"place_{lane}")
        position_now, position = Signal(7, name=f"position_{lane}"), Signal(7, name=f"position_now_{lane}")
        m.d.comb += place.eq(self.i_column + (self.i_group << 2) + lane)
        place = delayed(m, place, 3, f"place_{lane}")
        tables.table(m, place, tables.POSITION, position_now)

        # Stage 4: tables. Stage 5: with the position; zero or not.
        small, small_now = Signal(9, reset_less=True), Signal(9)
        square, square_now = Signal(7, reset_less=True), Signal(7)
        leading, leading_now = Signal(6, reset_less=True), Signal(6)  # two bits after the leading one, its place - 6
        is_large, may_be_zero = Signal(reset_less=True), Signal(reset_less=True)
        tables.table(m, a[:6], tables.NONZERO, small_now)
        tables.table(m, a[:4], [k * k for k in range(LEVELS_FROM)], square_now)
        for e in range(6, 19):
            with m.If(a[e]):
                m.d.comb += leading_now.eq(Cat(a[e - 2 : e], Const(e - 6, 4)))
        m.d.sync += [
            small.eq(small_now),
            square.eq(square_now),
            leading.eq(leading_now),
            is_large.eq(a[6:] != 0),
            may_be_zero.eq(a < LEVELS_FROM),
            position.eq(position_now),
        ]
        place = delayed(m, place, 1, f"place_late_{lane}")
        level, large = Signal(10, name=f"level_{lane}"), Signal(10, name=f"large_{lane}")
        octaves = [tables.LARGE + tables.OCTAVE * (k + 2) for k in range(13)]
        tables.table(m, leading, [octave + part for octave in octaves for part in tables.MANTISSA], large)
        m.d.comb += level.eq(Mux(is_large, large, small) + position)
        cost, last = Signal(11, reset_less=True), Signal(7, reset_less=True)
        zero = may_be_zero & (square <= level)
        m.d.sync += [cost.eq(Mux(zero, square, level)), last.eq(Mux(zero, 0, place + 1))]
        lasts.append(last)
        return cost
