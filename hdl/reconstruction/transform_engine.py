"""One-dimensional DCT of 8, 16 or 32 points, forward and inverse, eight samples a cycle."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip
from hdl.intra.adders import sum_tree
from hdl.reconstruction.matrices import dct

LANES = data.ArrayLayout(signed(16), 8)


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


class TransformEngine(wiring.Component):
    """Partial butterflies of the matrices of H.265 8.6.4.2 with accumulation over the N/8 steps of a vector.

    Forward: samples come folded (`lane_index`), coefficients leave in order (8q .. 8q+7).
    Inverse: coefficients come in order, samples leave folded.
    The steps of a vector come in order, vectors may follow each other without a gap; steps with `i_valid` low are
    allowed only between vectors. `o_step` is the input's step with the index of the output's. Throughput 8 samples a
    cycle. Latency: `latency` cycles from the last step of a vector to its first output step.
    Arithmetic: 16 bit in and out, exact 28 bit sums; rounding shifts of log2 N - 1 and log2 N + 6 (forward, 8 bit
    video), 7 and 12 (inverse); clipped to 16 bits.
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
        valid, steps = self.i_valid, [self.i_step]
        for stage in (1, 2):
            delayed = Signal(name=f"valid_{stage}")
            steps.append(Signal(Step, name=f"step_{stage}", reset_less=True))
            m.d.sync += [delayed.eq(valid), steps[stage].eq(steps[stage - 1])]
            valid = delayed
        last = Signal()
        m.d.comb += last.eq(steps[2].index == (1 << (steps[2].log2_size - 3)[:2]) - 1)

        # Rounding starts the sums: all of the forward transform; the one that is in every sample of the inverse.
        half = Signal(12)
        with m.Switch(Cat(steps[2].second, steps[2].inverse, steps[2].log2_size[:2])):
            for pattern, shift in self._shifts():
                with m.Case(pattern):
                    m.d.comb += half.eq(1 << (shift - 1))
        odd, two, four, zero = self._operands(m)
        totals = []
        for name, operands, rows in (
            ("odd", odd, [(q, i) for q in range(4) for i in range(4)]),
            ("two", two, [(q, i) for q in range(4) for i in range(2)]),
            ("four", four, [(q, 0) for q in range(4)]),
            ("zero", zero, [(q, 0) for q in range(4)]),
        ):
            start = Mux(steps[2].inverse & (name != "zero"), 0, half)
            totals.append({row: self._total(m, name, operands, row, steps[2].index == 0, start) for row in rows})

        # Held sums leave while the next vector accumulates.
        held = [{row: Signal(signed(28), name=f"held_{n}_{row[0]}_{row[1]}", reset_less=True) for row in group}
                for n, group in enumerate(totals)]  # fmt: skip
        sending, out_index = Signal(), Signal(2)
        held_step = Signal(Step, reset_less=True)
        finishing = Signal()
        m.d.comb += finishing.eq(valid & last)
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
        """Stage 1: butterflies of the forward transform, or the coefficients as they are."""
        x = self.i_lanes
        sums = [x[i] + x[7 - i] for i in range(4)]
        differences = [x[i] - x[7 - i] for i in range(4)]
        half_sums = [sums[i] + sums[3 - i] for i in range(2)]
        half_differences = [sums[i] - sums[3 - i] for i in range(2)]
        forward = (differences, half_differences, [half_sums[0] - half_sums[1]], [half_sums[0] + half_sums[1]])
        inverse = ([x[1], x[3], x[5], x[7]], [x[2], x[6]], [x[4]], [x[0]])
        out = []
        for name, width, ahead, back in zip(("odd", "two", "four", "zero"), (17, 18, 19, 19), forward, inverse):
            group = [Signal(signed(width), name=f"{name}_operand_{i}", reset_less=True) for i in range(len(ahead))]
            m.d.sync += [group[i].eq(Mux(self.i_step.inverse, back[i], ahead[i])) for i in range(len(ahead))]
            out.append(group)
        return out

    def _coefficient(self, name: str, row, lane: int, size: int, step: int, inverse: bool) -> int:
        """Matrix entry that the multiplier of output `row` and operand `lane` needs; 0 where it is not used."""
        q, i = row
        if q >= size // 8:
            return 0
        (out_q, out_i), (in_q, in_i) = ((step, lane), (q, i)) if inverse else ((q, i), (step, lane))
        spacing, first = {"odd": (2, 1), "two": (4, 2), "four": (8, 4), "zero": (8, 0)}[name]
        return dct(8 * out_q + spacing * out_i + first, lane_index(in_i, in_q, size), size)

    def _total(self, m, name, operands, row, first, start):
        """Stages 1 to 3 of one output: coefficients from a table, products, running sum."""
        label = f"{name}_{row[0]}_{row[1]}"
        products = []
        for lane, operand in enumerate(operands):
            coefficient = Signal(signed(8), name=f"{label}_coefficient_{lane}", reset_less=True)
            with m.Switch(Cat(self.i_step.index, self.i_step.inverse, self.i_step.log2_size[:2])):
                for log2 in (3, 4, 5):
                    for inverse in (0, 1):
                        for step in range(1 << (log2 - 3)):
                            with m.Case(step | inverse << 2 | (log2 & 3) << 3):
                                value = self._coefficient(name, row, lane, 1 << log2, step, bool(inverse))
                                m.d.sync += coefficient.eq(value)
                with m.Default():
                    m.d.sync += coefficient.eq(0)
            product = Signal(signed(27), name=f"{label}_product_{lane}", reset_less=True)
            m.d.sync += product.eq(operand * coefficient)
            products.append(product)
        running = Signal(signed(28), name=f"{label}_running", reset_less=True)
        total = Signal(signed(28), name=f"{label}_total")
        m.d.comb += total.eq(sum_tree([Mux(first, start, running), *products]))
        m.d.sync += running.eq(total)
        return total

    def _output(self, m, held, held_step, sending, out_index):
        """Stage 4: pick the sums of this output step, butterflies of the inverse. Stage 5: shift, clip."""

        def pick(group, i):
            picked = Signal(signed(28), name=f"picked_{group}_{i}")
            with m.Switch(out_index):
                for q in range(4):
                    with m.Case(q):
                        m.d.comb += picked.eq(held[group][q, i])
            return picked

        odd, two = [pick(0, i) for i in range(4)], [pick(1, i) for i in range(2)]
        four, zero = pick(2, 0), pick(3, 0)
        quarter = [zero + four, zero - four]
        half = [quarter[0] + two[0], quarter[1] + two[1], quarter[1] - two[1], quarter[0] - two[0]]
        back = [half[i] + odd[i] for i in range(4)] + [half[3 - i] - odd[3 - i] for i in range(4)]
        ahead = [zero, odd[0], two[0], odd[1], four, odd[2], two[1], odd[3]]

        valid, step = Signal(), Signal(Step, name="step_4", reset_less=True)
        m.d.sync += [valid.eq(sending), step.eq(held_step), step.index.eq(out_index), self.o_valid.eq(valid)]
        m.d.sync += self.o_step.eq(step)
        for lane in range(8):
            sample = Signal(signed(28), name=f"sample_{lane}", reset_less=True)
            m.d.sync += sample.eq(Mux(held_step.inverse, back[lane], ahead[lane]))
            shifted = Signal(signed(16), name=f"shifted_{lane}")
            with m.Switch(Cat(step.second, step.inverse, step.log2_size[:2])):
                for pattern, shift in self._shifts():
                    with m.Case(pattern):
                        m.d.comb += shifted.eq(sample >> shift)
            # Only the first pass of the inverse can leave 16 bits.
            clipped = clip(sample >> 7, -32768, 32767)
            m.d.sync += self.o_lanes[lane].eq(Mux(step.inverse & ~step.second, clipped, shifted))

    def _shifts(self):
        """The shift by second, inverse, and the low bits of the size."""
        for log2 in (3, 4, 5):
            for inverse in (0, 1):
                for second in (0, 1):
                    yield (
                        second | inverse << 1 | (log2 & 3) << 2,
                        (7, 12)[second] if inverse else log2 + (-1, 6)[second],
                    )
