"""What coding the coefficients of a block costs: error and bits, from tables."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables as tables
from hdl.analysis.ctu import delayed
from hdl.analysis.residual_store import FOLDED
from hdl.intra.adders import sum_tree

# From this many sixteenths of Qstep on a level costs less than a zero, wherever it is.
LEVELS_FROM = next(a for a in range(64) if all(k * k > tables.NONZERO[k] + max(tables.POSITION) for k in range(a, 64)))


# What stage 4 looks up: by a below 64, else by 64, the leading one's place - 6, and the two bits after it.
CHOICE = data.StructLayout({"level": 10, "square": 7, "may_be_zero": 1})


def choices() -> list:
    small = [
        {"level": tables.NONZERO[a], "square": a * a if a < LEVELS_FROM else 0, "may_be_zero": a < LEVELS_FROM}
        for a in range(64)
    ]
    large = [tables.LARGE + tables.OCTAVE * (k + 2) + part for k in range(13) for part in tables.MANTISSA]
    return small + [{"level": level, "square": 0, "may_be_zero": 0} for level in large]


class CoefficientCost(wiring.Component):
    """Sum over a block's coefficients of min(error of zero, cost of a level), and the cost of the last position.

    Four coefficients a cycle with `i_valid`: rows 4 * `i_group` .. + 3 of column `i_column`, in any order, `i_last`
    with the last four. `log2_size` (2..5, 2 also means DST) and `qp` come with each. `cost`, Q8 of Qstep squared,
    is valid with `o_valid` for one cycle, `latency` cycles after `i_last`. No backpressure.
    Arithmetic: a = |c| * scale(qp % 6) >> (17 + qp / 6 - log2 N) sixteenths of Qstep; then integer tables. Exact;
    at most 2^20. Cost on ECP5: 4 DSP, 4 EBR.
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
        diagonal = Signal(6)  # x + y of the first of the four
        m.d.comb += diagonal.eq(self.i_column + (self.i_group << 2))
        beside = [{"valid": self.i_valid, "last": self.i_last, "log2": self.log2_size, "diagonal": diagonal}]
        for stage in range(1, 7):
            before = beside[-1]
            beside.append({k: delayed(m, v, 1, f"{k}_{stage}", reset_less=k != "valid") for k, v in before.items()})

        # Stage 1: the scale, shifted so that a multiple of four is left to shift by.
        scales = []
        for qp in range(64):
            for log2 in (4, 5, 2, 3):  # by two bits of it
                shift = 5 + qp // 6 - log2 if qp < 52 else 0
                scales.append(tables.QUANT_SCALE[qp % 6] << (3 - shift % 4) | shift // 4 << 18)
        scale = Signal(data.StructLayout({"factor": 18, "fours": 2}))
        m.d.comb += scale.eq(self._read(m, "scales", 20, scales, Cat(self.log2_size[:2], self.qp)))
        fours = delayed(m, scale.fours, 1, "fours")
        positions = Signal(data.ArrayLayout(7, 4))
        words = [sum(p << 7 * k for k, p in enumerate((tables.POSITION + (0,) * 4)[d : d + 4])) for d in range(63)]
        m.d.comb += positions.eq(self._read(m, "positions", 28, words, beside[3]["diagonal"]))

        costs, are_levels, valids = [], Signal(4, reset_less=True), [stage["valid"] for stage in beside]
        for lane in range(4):
            if lane % 2 == 0:
                memory = Memory(shape=CHOICE, depth=128, init=choices(), attrs={"ram_style": "block"})
                m.submodules[f"choices_{lane}"] = memory
            costs.append(self._lane(m, lane, scale.factor, fours, memory, positions[lane], are_levels, valids))
        total, last_of_four = Signal(13, reset_less=True), Signal(7, reset_less=True)
        ordinal = Mux(are_levels[3], 4, Mux(are_levels[2], 3, Mux(are_levels[1], 2, 1)))
        m.d.sync += [
            total.eq(sum_tree(costs)),
            last_of_four.eq(Mux(are_levels.any(), beside[5]["diagonal"] + ordinal, 0)),
        ]

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

    def _read(self, m, name: str, width: int, words: list, address):
        """A table in block RAM: its word, a cycle later."""
        memory = Memory(shape=unsigned(width), depth=len(words), init=words, attrs={"ram_style": "block"})
        m.submodules[name] = memory
        read = memory.read_port()
        m.d.comb += read.addr.eq(address)
        return read.data

    def _lane(self, m, lane, factor, fours, memory, position, are_levels, valids):
        coefficient = self.i_coefficients[lane]
        magnitude, product = Signal(16, reset_less=True), Signal(34, reset_less=True)
        a = Signal(19, reset_less=True)
        sign = coefficient[-1]
        with m.If(valids[0]):
            m.d.sync += magnitude.eq((coefficient ^ sign.replicate(16)).as_unsigned() + sign)
        with m.If(valids[1]):
            m.d.sync += product.eq(magnitude * factor)
        with m.If(valids[2]):
            m.d.sync += a.eq((product >> 15) >> (fours << 2))

        # Stage 4: what zero and a level cost, from a table. Stage 5: with the position; zero or not.
        read = memory.read_port()
        m.d.comb += read.addr.eq(a[:6])
        for e in range(6, 19):
            with m.If(a[e]):
                m.d.comb += read.addr.eq(Cat(a[e - 2 : e], Const(e - 6, 4), 1))
        choice, level = read.data, Signal(10, name=f"level_{lane}")
        m.d.comb += level.eq(choice.level + position)
        cost = Signal(11, name=f"cost_{lane}", reset_less=True)
        zero = choice.may_be_zero & (choice.square <= level)
        m.d.sync += [cost.eq(Mux(zero, choice.square, level)), are_levels[lane].eq(~zero)]
        return cost
