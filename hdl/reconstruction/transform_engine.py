"""One-dimensional DCT of 8, 16 or 32 points, forward and inverse, eight samples a cycle."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.intra.adders import sum_tree
from hdl.params import Params
from hdl.reconstruction.matrices import dct

LANES = data.ArrayLayout(signed(16), 8)
COEFFICIENT_OF_LANE = (1, 3, 5, 7, 2, 0, 6, 4)
"""Coefficients 8q .. 8q+7 by lane, in and out: each butterfly of the other direction lets one of its terms pass."""


class Destination(data.Struct):
    """Where a vector goes: carried along, unused by the engine."""

    region: 1
    c_idx: 2
    row: 5


class Step(data.Struct):
    """One of the N/8 cycles of a vector."""

    log2_size: 3  # 3..5
    inverse: 1
    second: 1  # the second pass of a block: which shift
    index: 2  # 0 .. N/8 - 1
    last: 1  # carried along: the last vector of a pass
    destination: Destination


def lane_index(lane: int, step: int, size: int) -> int:
    """Sample of lane 0..7 in `step` of a vector in 'folded' order: lanes 2g and 2g+1 are sample `step` of the g-th
    quarter from its start and from its end, so that all even/odd butterflies find their partners in the same step."""
    quarter = size // 4
    return (lane >> 1) * quarter + (quarter - 1 - step if lane & 1 else step)


GROUPS = {"odd": (2, 1, 4), "two": (4, 2, 2), "four": (8, 4, 1), "zero": (8, 0, 1)}
"""Rows of the matrix by how many butterflies they have in common: their distance, the first one, how many in a step."""


def coefficient(group: str, i: int, age: int, lane: int, size: int, step: int, inverse: bool) -> int:
    """What output i of a group in `step` takes of an operand: the one of `lane` that entered `age` steps before the
    vector's last.

    Forward that is 64 / N times the matrix, so that all sizes are shifted alike.
    """
    distance, first, _ = GROUPS[group]
    entered = size // 8 - 1 - age
    if entered < 0:
        return 0
    (q, k), (quarter_step, quarter) = ((entered, lane), (step, i)) if inverse else ((step, i), (entered, lane))
    value = dct(8 * q + distance * k + first, lane_index(quarter, quarter_step, size), size)
    if inverse:
        return value
    # Forward, the first of group two enters and leaves its butterflies negated.
    return value * (64 // size) * (-1 if group == "two" and (lane == 0) != (i == 0) else 1)


class TransformEngine(wiring.Component):
    """Partial butterflies of the matrices of H.265 8.6.4.2. A vector is taken in N/8 steps, then held for the N/8
    steps of its results: each operand goes only to the multipliers of its group, and sums leave as they are made.

    Forward: samples come folded (`lane_index`), coefficients 8q .. 8q+7 leave by COEFFICIENT_OF_LANE.
    Inverse: coefficients come by COEFFICIENT_OF_LANE, samples leave folded.
    The steps of a vector come in order, vectors may follow each other without a gap; steps with `i_valid` low are
    allowed only between vectors. `o_step` is the input's step with the index of the output's, `o_ahead` `o_valid` of
    the next cycle. Throughput 8 samples a cycle. Latency: `latency` cycles from the last step of a vector to its first
    output step.
    Arithmetic: 16 bit in and out, residuals of 9 bits in the first forward pass; exact 28 bit sums; rounding shifts of
    log2 N - 1 and log2 N + 6 (forward, 8 bit video), 7 and 12 (inverse); clipped to 16 bits. Cost: 88 DSP, 44 where
    the largest transform is 16x16.
    """

    latency = 5

    i_valid: In(1)
    i_step: In(Step)
    i_lanes: In(LANES)
    o_ahead: Out(1)
    o_valid: Out(1)
    o_step: Out(Step)
    o_lanes: Out(LANES)

    def __init__(self, p: Params):
        self.p, self.ages = p, 1 << p.max_tb_log2_size - 3
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # Stage 1 holds a vector's operands for all its output steps; `address` numbers sizes, directions and steps.
        i, ending = self.i_step, Signal()
        sending, step, last_index = Signal(), Signal(Step, reset_less=True), Signal(2, reset_less=True)
        address = Signal(4, reset_less=True)
        m.d.comb += ending.eq(self.i_valid & (i.index == (1 << (i.log2_size - 3)[:2]) - 1))
        with m.If(ending):
            m.d.sync += [sending.eq(1), step.eq(i), step.index.eq(0), last_index.eq(i.index)]
            of_small = Mux(i.log2_size == 4, 8 | i.inverse << 1, 12 | i.inverse)
            m.d.sync += address.eq(Mux(i.log2_size == 5, i.inverse << 2, of_small))
        with m.Elif(sending):
            m.d.sync += [step.index.eq(step.index + 1), address.eq(address + 1), sending.eq(step.index != last_index)]

        sums = {}
        for group, values in self._operands().items():
            operands = self._held(m, group, values, ending)
            sums[group] = [self._sum(m, group, k, operands, address) for k in range(GROUPS[group][2])]
        for stage in ("products", "sums"):
            before = sending, step
            sending, step = Signal(name=f"valid_{stage}"), Signal(Step, name=f"step_{stage}", reset_less=True)
            m.d.sync += [sending.eq(before[0]), step.eq(before[1])]
        self._output(m, sums, sending, step)
        return m

    def _operands(self) -> dict:
        """Butterflies of the forward transform, whose second terms are nothing in the inverse; by group and lane."""
        x, is_forward = self.i_lanes, ~self.i_step.inverse

        def also(value):
            return Mux(is_forward, value, 0)

        sums = [x[7 - i] + also(x[i]) for i in range(4)]
        ends, mids = sums[0] + also(sums[3]), sums[2] + also(sums[1])
        return {
            "odd": [(x[i] - also(x[7 - i]))[:17].as_signed() for i in range(4)],
            "two": [value[:18].as_signed() for value in (sums[3] - also(sums[0]), sums[1] - also(sums[2]))],
            "four": [(ends - also(mids))[:19].as_signed()],
            "zero": [(mids + also(ends))[:19].as_signed()],
        }

    def _held(self, m, group, values, ending) -> dict:
        """Stage 1: the operands of a whole vector, by age and lane."""
        operands = {}
        for lane, value in enumerate(values):
            for age in range(self.ages):
                name = f"{group}_{lane}_{age}"
                operands[age, lane] = Signal(value.shape(), name=f"operand_{name}", reset_less=True)
                with m.If(ending):
                    m.d.sync += operands[age, lane].eq(value)
                if age < self.ages - 1:
                    entered = Signal(value.shape(), name=f"entered_{name}", reset_less=True)
                    with m.If(self.i_valid):
                        m.d.sync += entered.eq(value)
                    value = entered
        return operands

    def _sum(self, m, group, i, operands, address) -> Signal:
        """Stages 2 and 3 of one output: products, and their sum.

        Coefficients are in logic, a table of four inputs a bit, which stays beside its multiplier.
        """
        products = []
        for (age, lane), operand in operands.items():
            values, largest = [0] * 16, [1, 1]
            for size, first in ((32, 0), (16, 8), (8, 12))[5 - self.p.max_tb_log2_size :]:
                for inverse in (0, 1):
                    for step in range(size // 8):
                        value = coefficient(group, i, age, lane, size, step, bool(inverse))
                        values[first + inverse * size // 8 + step] = value
                        largest[inverse] = max(largest[inverse], abs(value))
            factor = Signal(signed(max(largest).bit_length() + 1), name=f"coefficient_{group}_{i}_{age}_{lane}")
            m.d.comb += factor.eq(rom(values, address, len(factor)))
            bound = max(largest[0] << len(operand) - 1, largest[1] << 15)
            product = Signal(range(-bound, bound + 1), name=f"product_{group}_{i}_{age}_{lane}", reset_less=True)
            m.d.sync += product.eq(operand * factor)
            products.append(product)
        total = Signal(signed(28), name=f"sum_{group}_{i}", reset_less=True)
        m.d.sync += total.eq(sum_tree(products))
        return total

    def _output(self, m, sums, sending, step_3):
        """Stage 4: round, butterflies of the inverse. Stage 5: shift, clip."""

        half = Signal(13)  # of the shifts by 5 (forward), 7 (inverse) and 12
        m.d.comb += half.eq(Mux(step_3.second, 1 << 11, Mux(step_3.inverse, 1 << 6, 1 << 4)))

        def back(value, otherwise=0):
            return Mux(step_3.inverse, value, otherwise)

        odd, two, (four,), (zero,) = sums.values()
        zero = zero + half
        quarter = [four + back(zero, half), zero - back(four)]
        halves = [
            quarter[0] + back(two[0]),
            two[1] + back(quarter[1], half),
            quarter[1] - back(two[1]),
            back(quarter[0], half) - two[0],
        ]
        samples = [odd[i] + back(halves[i], half) for i in range(4)]
        samples += [halves[3 - i] - back(odd[3 - i]) for i in range(4)]

        valid, step = Signal(), Signal(Step, name="step_4", reset_less=True)
        m.d.comb += self.o_ahead.eq(valid)
        m.d.sync += [valid.eq(sending), step.eq(step_3), self.o_valid.eq(valid)]
        m.d.sync += self.o_step.eq(step)
        for lane in range(8):
            sample = Signal(signed(28), name=f"sample_{lane}", reset_less=True)
            with m.If(sending):
                m.d.sync += sample.eq(samples[lane])
            # Only the first pass of the inverse can leave 16 bits: it takes bits 7 and up, or all ones or zeros.
            clips, other = Signal(name=f"clips_{lane}"), Signal(name=f"other_{lane}")
            first, sign = step.inverse & ~step.second, sample[-1]
            m.d.comb += [
                clips.eq(first & ~(sample[22:].all() | ~sample[22:].any())),
                other.eq(Mux(clips, ~sign, first)),
            ]
            for i in range(16):
                shifted = Mux(step.second, sample[12 + i], sample[5 + i])
                if i == 15:
                    bit = Mux(first, sign, shifted)
                else:
                    bit = Mux(clips, other, Mux(other, sample[7 + i], shifted))
                m.d.sync += self.o_lanes[lane][i].eq(bit)
