"""Forward DCT of 8x8 to 32x32 residuals, four samples a cycle: only coefficients for the cost, no way back."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import delayed
from hdl.analysis.residual_store import FOLDED, quarter_position
from hdl.common.rom import rom
from hdl.intra.adders import sum_tree
from hdl.params import Params
from hdl.reconstruction.matrices import dct


class DctBlock(data.Struct):
    """A residual to transform."""

    log2_size: 3  # 3..5
    buffer: 3  # of the ResidualStore
    qp: 6  # carried along


class DctStep(data.Struct):
    """One of the N/4 cycles of a vector."""

    block: DctBlock
    half: 1  # of the memory between the passes
    second: 1  # the columns
    vector: 5
    step: 3
    last: 1  # of the pass


def last_step(block):
    """N/4 - 1."""
    return ((1 << block.log2_size) >> 2) - 1


def kind_of(value: int) -> int:
    """64, 83 or 36 with a sign, for `_multiples_of_4`."""
    return (abs(value) == 36) | (abs(value) == 83) << 1 | (value < 0) << 2


class CoefficientTables:
    """Matrix entries by size and step: there a cycle after `steps[late]`.

    In logic, a table of four inputs a bit, which stays beside its multiplier; block RAM is far from most of them.
    They are 64 / N times the matrix, so that all sizes are shifted alike.
    """

    def __init__(self, m, *steps):
        self.m, self.addresses = m, [Signal(4, name=f"address_{k}", reset_less=True) for k in range(len(steps))]
        for address, step in zip(self.addresses, steps):
            large, middle = step.block.log2_size == 5, step.block.log2_size == 4
            m.d.sync += address.eq(Mux(large, step.step, Mux(middle, 8 | step.step[:2], 12 | step.step[0])))

    def entry(self, k: int, operand: str, late: int, encode=None, shape=None) -> Signal:
        """Signal that will hold the entry of row k for an operand, or what `encode` makes of the matrix's own."""
        values = [0] * 16
        for size, first in ((32, 0), (16, 8), (8, 12)):
            for step in range(size // 4):
                value = self.value(k, operand, size, step)
                values[first + step] = encode(value) if encode else value * (64 // size)
        shape = shape or signed(max(map(abs, values)).bit_length() + 1)
        signal = Signal(shape, name=f"coefficient_{k}_{operand}_{late}")
        self.m.d.comb += signal.eq(rom(values, self.addresses[late], len(signal)))
        return signal

    @staticmethod
    def value(k: int, operand: str, size: int, step: int) -> int:
        if k >= size or step >= size // 4:
            return 0
        half = step >> 1
        place = size // 4 - 1 - half if step & 1 else half
        return dct(k, {"pair": half, "far": size // 2 - 1 - place}.get(operand, place), size)


class ForwardDct(wiring.Component):
    """Forward transform of H.265 8.6.4.2's matrices, rows first, partial butterflies on folded samples.

    Two blocks are in work at once, so that one's results reach the memory between the passes while the other's rows
    are taken. `i` takes blocks; the residual is asked for with `r_*` and comes as `samples` after two cycles (see
    ResidualStore); it must stay until `read`, a strobe. Coefficients leave with `o_valid`, in the order of the blocks,
    four a cycle: rows 4 * o_group .. + 3 of column `o_column` of `o_block`; `o_last` ends the block.
    Throughput: N * N / 2 cycles a block while there is a next one; a smaller one after a larger waits for the
    difference of N / 4. A single block takes N * N / 2 + N / 2 + 20.
    Arithmetic: exact; 16 bit between the passes; rounding shifts log2 N - 1 and log2 N + 6. Cost: 42 DSP, 4 EBR;
    22 DSP where the largest transform is 16x16.
    """

    def __init__(self, p: Params):
        self.rows = 1 << p.max_tb_log2_size
        super().__init__(
            {
                "i": In(stream.Signature(DctBlock)),
                "read": Out(1),
                "r_block": Out(DctBlock),
                "r_y": Out(5),
                "r_step": Out(3),
                "samples": In(FOLDED),
                "o_valid": Out(1),
                "o_block": Out(DctBlock),
                "o_group": Out(3),
                "o_column": Out(5),
                "o_last": Out(1),
                "o_coefficients": Out(FOLDED),
            }
        )

    def elaborate(self, platform):
        m = Module()
        now, issuing, blocks = Signal(DctStep), Signal(), [Signal(DctBlock, name=f"block_{k}") for k in range(2)]
        at_last_step = now.step == last_step(now.block)
        ending = issuing & now.last & at_last_step
        m.d.comb += [
            now.last.eq(now.vector == (1 << now.block.log2_size) - 1),
            self.r_block.eq(now.block),
            self.r_y.eq(now.vector),
            self.r_step.eq(now.step),
            self.read.eq(ending & ~now.second),
        ]
        with m.If(issuing):
            m.d.sync += now.step.eq(now.step + 1)
            with m.If(at_last_step):
                m.d.sync += [now.step.eq(0), now.vector.eq(now.vector + 1)]
        with m.If(ending):
            m.d.sync += [issuing.eq(0), now.vector.eq(0)]

        # Columns of the older block first, then rows of a new one. Held sums of a large vector must have left.
        used, half_in, half_out = Signal(2), Signal(), Signal()
        self._complete, leaving = Signal(2), Signal(4)
        columns, rows, may_issue = Signal(), Signal(), Signal()
        with m.If(ending):
            m.d.sync += leaving.eq(last_step(now.block))
        with m.Elif(leaving != 0):
            m.d.sync += leaving.eq(leaving - 1)
        following = Signal(DctBlock)
        m.d.comb += [
            columns.eq(self._complete.bit_select(half_out, 1)),
            following.eq(Mux(columns, Mux(half_out, blocks[1].as_value(), blocks[0].as_value()), self.i.payload)),
            may_issue.eq(Mux(issuing, ending & (last_step(now.block) <= last_step(following)), 1)),
            rows.eq(~columns & self.i.valid & ~used.bit_select(half_in, 1)),
        ]
        with m.If(~issuing & (leaving > last_step(following))):
            m.d.comb += may_issue.eq(0)
        m.d.comb += self.i.ready.eq(may_issue & rows)
        with m.If(may_issue & (columns | rows)):
            m.d.sync += [issuing.eq(1), now.block.eq(following), now.second.eq(columns)]
            m.d.sync += now.half.eq(Mux(columns, half_out, half_in))
        for k in range(2):
            with m.If(self.i.ready & (half_in == k)):
                m.d.sync += [blocks[k].eq(self.i.payload), used[k].eq(1), half_in.eq(~half_in)]
            with m.If(ending & now.second & (now.half == k)):
                m.d.sync += used[k].eq(0)
        with m.If(may_issue & columns):
            m.d.sync += half_out.eq(~half_out)

        middle = self._memory(m, now)
        steps = [now]
        for k in range(1, 7):
            steps.append(delayed(m, steps[-1], 1, f"step_{k}"))
        valids = [issuing]
        for k in range(1, 7):
            valids.append(delayed(m, valids[-1], 1, f"valid_{k}", reset_less=False))
        samples = [Mux(steps[2].second, middle[q], self.samples[q]) for q in range(4)]
        finishing = Signal()
        m.d.comb += finishing.eq(valids[6] & (steps[6].step == last_step(steps[6].block)))
        sums = self._sums(m, samples, steps, valids, finishing)
        self._leave(m, sums, steps[6], finishing)
        for k in range(2):
            with m.If(may_issue & columns & (half_out == k)):
                m.d.sync += self._complete[k].eq(0)
        return m

    def _memory(self, m, now):
        """Between the passes: element (y, k) is in bank k ^ (quarter of y), so rows go in and columns come out."""
        banks = []
        column = delayed(m, now.vector, 1, "column")
        # A half is read once it is complete, and not written again before the last of it has been asked for.
        for number in range(4):
            memory = Memory(shape=signed(16), depth=512, init=[], attrs={"no_rw_check": 1})
            m.submodules[f"bank_{number}"] = memory
            write, read = memory.write_port(), memory.read_port()
            quarter = (now.vector[:2] ^ number)[:2]
            place = Signal(5, name=f"place_{number}")
            with m.Switch(quarter):
                for q in range(4):
                    with m.Case(q):
                        size = (1 << now.block.log2_size) >> 2
                        start = (0, size, size << 1, (size << 1) + size)[q]
                        m.d.comb += place.eq(start + quarter_position(q, now.step, now.block.log2_size))
            m.d.comb += read.addr.eq(Cat(place, now.vector[2:], now.half))
            banks.append((write, read))
        self._writes = [write for write, _ in banks]
        middle = Signal(FOLDED, reset_less=True)
        for q in range(4):
            m.d.sync += middle[q].eq(Array(read.data for _, read in banks)[(column[:2] ^ q)[:2]])
        return middle

    def _sums(self, m, samples, steps, valids, finishing):
        """Butterflies, products and running sums: k -> total of row k of the matrix, when its last step is steps[6]."""
        a, c, d, b = samples
        operands = {}
        for name, width, value in (
            ("near", 17, a - b),
            ("far", 17, c - d),
            ("two", 18, (a + b) - (c + d)),
            ("zero", 18, (a + b) + (c + d)),
        ):
            operands[name] = Signal(signed(width), name=f"operand_{name}", reset_less=True)
            m.d.sync += operands[name].eq(value)
        coefficients = CoefficientTables(m, steps[3], steps[4])
        totals = self._multiples_of_4(m, operands.pop("zero"), steps, valids, finishing, coefficients)
        late = {name: delayed(m, operand, 2, f"late_{name}") for name, operand in operands.items()}
        for k in range(self.rows):
            if k % 4:
                products = []
                for name in ("near", "far") if k & 1 else ("two",):
                    coefficient = coefficients.entry(k, name, late=1)
                    shape = signed(len(late[name]) + len(coefficient) - 1)
                    product = Signal(shape, name=f"product_{k}_{name}", reset_less=True)
                    m.d.sync += product.eq(late[name] * coefficient)
                    products.append(product)
                _, totals[k] = self._running(m, k, products, valids[6], finishing)
        return totals

    def _running(self, m, k, products, enable, finishing, negated=None):
        """Running sum of row k: the register, and what it becomes. It starts at 0 again after a vector.

        A `negated` product has its bits inverted; the 1 that this lacks comes in as a carry.
        """
        running, total = Signal(signed(28), name=f"running_{k}"), Signal(signed(28), name=f"total_{k}")
        m.d.comb += total.eq(sum_tree([*products, running]))
        if negated is not None:
            m.d.comb += total.eq((Cat(1, running) + Cat(negated, *products))[1:])
        with m.If(finishing):
            m.d.sync += running.eq(0)
        with m.Elif(enable):
            m.d.sync += running.eq(total)
        return running, total

    def _multiples_of_4(self, m, operand, steps, valids, finishing, coefficients):
        """Rows 0, 4, 8, ...: one more butterfly, over two steps; then two cycles for the rows, half of them in each."""
        before = delayed(m, operand, 1, "before")
        pair_sum, pair_difference = (
            Signal(signed(19), name=f"pair_{of}", reset_less=True) for of in ("sum", "difference")
        )
        with m.If(steps[3].step[0]):
            m.d.sync += [pair_sum.eq(before + operand), pair_difference.eq(before - operand)]

        # Rows 4 and 12, then 20 and 28: of the difference. A multiplier takes 18 bits, so the last one is apart.
        products = []
        for k in (4, 12):
            early = coefficients.entry(k, "pair", late=0)
            late = coefficients.entry(k + 16, "pair", late=1)
            coefficient = Mux(steps[4].step[0], early, late) if self.rows == 32 else early
            product = Signal(signed(28), name=f"product_{k}_pair", reset_less=True)
            high = (pair_difference >> 1) * coefficient
            m.d.sync += product.eq((high << 1) + Mux(pair_difference[0], coefficient, 0))
            products.append(product)

        # Rows 8, then 24: 64, 83 or 36 times the sum, from adders. Rows 0 and 16: 64 times. All 64 / N times.
        scaled = Signal(signed(21))
        with m.Switch(steps[4].block.log2_size):
            for log2 in (3, 4, 5):
                with m.Case(log2):
                    m.d.comb += scaled.eq(pair_sum << 5 - log2)
        kind = data.StructLayout({"is_36": 1, "is_83": 1, "negated": 1})
        code = [coefficients.entry(8 + 16 * late, "pair", late, kind_of, 3) for late in (0, 1)]
        coefficient = data.View(kind, Mux(steps[4].step[0], code[0], code[1]))
        by_19 = (scaled << 4) + (scaled + (scaled << 1))
        few = Mux(coefficient.is_36, scaled << 2, Mux(coefficient.is_83, by_19, 0))
        multiple = Signal(signed(27))
        m.d.comb += multiple.eq(Mux(coefficient.is_36, scaled << 5, scaled << 6) + few)
        by_64 = Signal(signed(28))
        m.d.comb += by_64.eq(scaled << 7)
        sixteen_negated = coefficients.entry(16, "pair", 0, lambda value: value < 0, 1)
        eight, zero, sixteen = (Signal(signed(28), name=f"product_{k}_pair", reset_less=True) for k in (8, 0, 16))
        m.d.sync += [
            eight.eq((multiple << 1) ^ coefficient.negated.replicate(28)),
            zero.eq(by_64),
            sixteen.eq(by_64 ^ sixteen_negated.replicate(28)),
        ]
        eight_negated = delayed(m, coefficient.negated, 1, "eight_negated")
        sixteen_negated = delayed(m, sixteen_negated, 1, "sixteen_negated")
        totals = {}
        early = ((0, zero, None), (4, products[0], None), (8, eight, eight_negated), (12, products[1], None))
        for k, product, negated in (*early, (16, sixteen, sixteen_negated)):
            if k < self.rows:
                totals[k], _ = self._running(m, k, [product], valids[5] & steps[5].step[0], finishing, negated)
        for k, product, negated in ((20, products[0], None), (24, eight, eight_negated), (28, products[1], None)):
            if k < self.rows:
                _, totals[k] = self._running(m, k, [product], valids[6] & steps[6].step[0], finishing, negated)
        return totals

    def _leave(self, m, totals, ending, finishing):
        """Held sums leave four a cycle, while the next vector accumulates."""
        # The shifts are 5 and 12: no carry comes from the lowest four bits.
        held = {k: Signal(signed(24), name=f"held_{k}", reset_less=True) for k in totals}
        sending, group, step = Signal(), Signal(3), Signal(DctStep, name="held_step", reset_less=True)
        with m.If(finishing):
            m.d.sync += [held[k].eq(total[4:]) for k, total in totals.items()]
            m.d.sync += [step.eq(ending), sending.eq(1), group.eq(0)]
        with m.Elif(sending):
            m.d.sync += group.eq(group + 1)
            with m.If(group == step.step):  # the step that ended the vector, N/4 - 1
                m.d.sync += sending.eq(0)

        valid = delayed(m, sending, 2, "sending", reset_less=False)
        shifting = delayed(m, step, 1, "shifting")
        leaving = delayed(m, shifting, 1, "leaving")
        o_group = delayed(m, group, 2, "group")
        for lane in range(4):
            picked, rounded = (Signal(signed(24), name=f"{of}_{lane}", reset_less=True) for of in ("picked", "rounded"))
            m.d.sync += picked.eq(Array(held[4 * g + lane] for g in range(self.rows // 4))[group])
            m.d.comb += rounded.eq(picked + Mux(shifting.second, 1 << 7, 1))
            m.d.sync += self.o_coefficients[lane].eq(Mux(shifting.second, rounded[8:], rounded[1:17]))
        m.d.comb += [
            self.o_valid.eq(valid & leaving.second),
            self.o_block.eq(leaving.block),
            self.o_group.eq(o_group),
            self.o_column.eq(leaving.vector),
            self.o_last.eq(leaving.last & (o_group == leaving.step)),
        ]
        row_quarter = Signal(2)
        with m.Switch(leaving.block.log2_size):
            for log2 in (3, 4, 5):
                with m.Case(log2):
                    m.d.comb += row_quarter.eq(leaving.vector >> (log2 - 2))
        for number, write in enumerate(self._writes):
            m.d.comb += [
                write.addr.eq(Cat(leaving.vector, o_group, leaving.half)),
                write.en.eq(valid & ~leaving.second),
                write.data.eq(Array(self.o_coefficients)[(row_quarter ^ number)[:2]]),
            ]
        for k in range(2):
            with m.If(valid & ~leaving.second & self.o_last & (leaving.half == k)):
                m.d.sync += self._complete[k].eq(1)
