"""One-dimensional DCT of 8, 16 or 32 points, forward and inverse, eight samples a cycle."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.intra.adders import sum_tree
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


class CoefficientRom:
    """What the multipliers need by size, direction and step, in block RAM: asked for with `step`, there a cycle later.

    Forward that is 64 / N times the matrix, so that all sizes are shifted alike.
    """

    def __init__(self, step: Step):
        self.address = Cat(step.index, step.inverse, step.log2_size[:2])
        self.entries = {}

    def entry(self, group: str, row, lane: int) -> tuple:
        """Signal that will hold the entry of output `row` and operand `lane`; its largest magnitude by direction."""
        values, largest = [0] * 32, [1, 1]
        for log2 in (3, 4, 5):
            for inverse in (0, 1):
                for step in range(1 << (log2 - 3)):
                    value = self.value(group, row, lane, 1 << log2, step, bool(inverse))
                    values[step | inverse << 2 | (log2 & 3) << 3] = value
                    largest[inverse] = max(largest[inverse], abs(value))
        if (key := tuple(values)) not in self.entries:
            shape = signed(max(largest).bit_length() + 1)
            self.entries[key] = Signal(shape, name=f"{group}_{row[0]}_{row[1]}_coefficient_{lane}")
        return self.entries[key], largest

    @staticmethod
    def value(group: str, row, lane: int, size: int, step: int, inverse: bool) -> int:
        q, i = row
        if q >= size // 8:
            return 0
        (out_q, out_i), (in_q, in_i) = ((step, lane), (q, i)) if inverse else ((q, i), (step, lane))
        spacing, first = {"odd": (2, 1), "two": (4, 2), "four": (8, 4), "zero": (8, 0)}[group]
        value = dct(8 * out_q + spacing * out_i + first, lane_index(in_i, in_q, size), size)
        if inverse:
            return value
        # Forward, the first of group two enters and leaves its butterflies negated.
        return value * (64 // size) * (-1 if group == "two" and (lane == 0) != (i == 0) else 1)

    def elaborate(self, m) -> None:
        words = [0] * 32
        low = 0
        for values, signal in self.entries.items():
            for address, value in enumerate(values):
                words[address] |= (value & (1 << len(signal)) - 1) << low
            low += len(signal)
        m.submodules.coefficients = memory = Memory(
            shape=unsigned(low), depth=32, init=words, attrs={"ram_style": "block"}
        )
        read = memory.read_port()
        m.d.comb += [read.addr.eq(self.address), Cat(self.entries.values()).eq(read.data)]


class TransformEngine(wiring.Component):
    """Partial butterflies of the matrices of H.265 8.6.4.2 with accumulation over the N/8 steps of a vector.

    Forward: samples come folded (`lane_index`), coefficients 8q .. 8q+7 leave by COEFFICIENT_OF_LANE.
    Inverse: coefficients come by COEFFICIENT_OF_LANE, samples leave folded.
    The steps of a vector come in order, vectors may follow each other without a gap; steps with `i_valid` low are
    allowed only between vectors. `o_step` is the input's step with the index of the output's. Throughput 8 samples a
    cycle. Latency: `latency` cycles from the last step of a vector to its first output step.
    Arithmetic: 16 bit in and out, residuals of 9 bits in the first forward pass; exact 28 bit sums; rounding shifts of
    log2 N - 1 and log2 N + 6 (forward, 8 bit video), 7 and 12 (inverse); clipped to 16 bits. Cost: 88 DSP, 23 EBR.
    """

    latency = 5

    i_valid: In(1)
    i_step: In(Step)
    i_lanes: In(LANES)
    o_valid: Out(1)
    o_step: Out(Step)
    o_lanes: Out(LANES)

    def elaborate(self, platform):
        m = Module()
        # Valid and step beside the data: 1 operands, 2 products, 3 sums held.
        valids, steps = [self.i_valid], [self.i_step]
        for stage in (1, 2):
            valids.append(Signal(name=f"valid_{stage}"))
            steps.append(Signal(Step, name=f"step_{stage}", reset_less=True))
            m.d.sync += [valids[stage].eq(valids[stage - 1]), steps[stage].eq(steps[stage - 1])]
        finishing = Signal()
        m.d.comb += finishing.eq(valids[2] & (steps[2].index == (1 << (steps[2].log2_size - 3)[:2]) - 1))

        rom, totals = CoefficientRom(self.i_step), []
        for name, operands, rows in zip(("odd", "two", "four", "zero"), self._operands(m), (4, 2, 1, 1)):
            rows = [(q, i) for q in range(4) for i in range(rows)]
            totals.append({row: self._total(m, name, operands, row, rom, valids, finishing) for row in rows})
        rom.elaborate(m)

        # Held sums leave while the next vector accumulates.
        held = [{row: Signal(signed(28), name=f"held_{n}_{row[0]}_{row[1]}", reset_less=True) for row in group}
                for n, group in enumerate(totals)]  # fmt: skip
        sending, out_index = Signal(), Signal(2)
        held_step = Signal(Step, reset_less=True)
        with m.If(finishing):
            m.d.sync += [held_step.eq(steps[2]), sending.eq(1), out_index.eq(0)]
            m.d.sync += [held[n][row].eq(total) for n, group in enumerate(totals) for row, total in group.items()]
        with m.Elif(sending):
            m.d.sync += out_index.eq(out_index + 1)
            with m.If(out_index == held_step.index):
                m.d.sync += sending.eq(0)
        self._output(m, held, held_step, sending, out_index)
        return m

    def _operands(self, m):
        """Stage 1: butterflies of the forward transform, whose second terms are nothing in the inverse."""
        x, is_forward = self.i_lanes, ~self.i_step.inverse

        def also(value):
            return Mux(is_forward, value, 0)

        sums = [x[7 - i] + also(x[i]) for i in range(4)]
        ends, mids = sums[0] + also(sums[3]), sums[2] + also(sums[1])
        groups = {
            "odd": (17, [x[i] - also(x[7 - i]) for i in range(4)]),
            "two": (18, [sums[3] - also(sums[0]), sums[1] - also(sums[2])]),
            "four": (19, [ends - also(mids)]),
            "zero": (19, [mids + also(ends)]),
        }
        out = []
        for name, (width, values) in groups.items():
            group = [Signal(signed(width), name=f"{name}_operand_{i}", reset_less=True) for i in range(len(values))]
            with m.If(self.i_valid):
                m.d.sync += [operand.eq(value) for operand, value in zip(group, values)]
            out.append(group)
        return out

    def _total(self, m, name, operands, row, rom, valids, finishing):
        """Stages 2 and 3 of one output: products, and their running sum, which starts at 0 again after a vector."""
        label = f"{name}_{row[0]}_{row[1]}"
        products = []
        for lane, operand in enumerate(operands):
            coefficient, (ahead, back) = rom.entry(name, row, lane)
            largest = max(ahead << len(operand) - 1, back << 15)
            product = Signal(range(-largest, largest + 1), name=f"{label}_product_{lane}", reset_less=True)
            m.d.sync += product.eq(operand * coefficient)
            products.append(product)
        running, total = Signal(signed(28), name=f"{label}_running"), Signal(signed(28), name=f"{label}_total")
        m.d.comb += total.eq(sum_tree([*products, running]))
        with m.If(finishing):
            m.d.sync += running.eq(0)
        with m.Elif(valids[2]):
            m.d.sync += running.eq(total)
        return total

    def _output(self, m, held, held_step, sending, out_index):
        """Stage 4: pick the sums of this output step, round, butterflies of the inverse. Stage 5: shift, clip."""

        def pick(group, i):
            picked = Signal(signed(28), name=f"picked_{group}_{i}")
            with m.Switch(out_index):
                for q in range(4):
                    with m.Case(q):
                        m.d.comb += picked.eq(held[group][q, i])
            return picked

        half = Signal(13)  # of the shifts by 5 (forward), 7 (inverse) and 12
        m.d.comb += half.eq(Mux(held_step.second, 1 << 11, Mux(held_step.inverse, 1 << 6, 1 << 4)))

        def back(value, otherwise=0):
            return Mux(held_step.inverse, value, otherwise)

        odd, two = [pick(0, i) for i in range(4)], [pick(1, i) for i in range(2)]
        four, zero = pick(2, 0), pick(3, 0) + half
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
        m.d.sync += [valid.eq(sending), step.eq(held_step), step.index.eq(out_index), self.o_valid.eq(valid)]
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
