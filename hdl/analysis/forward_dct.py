"""Forward DCT of 8x8 to 32x32 residuals, four samples a cycle: only coefficients for the cost, no way back."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import delayed
from hdl.analysis.residual_store import FOLDED, quarter_position
from hdl.common.arithmetic import round_shift
from hdl.intra.adders import sum_tree
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


class ForwardDct(wiring.Component):
    """Forward transform of H.265 8.6.4.2's matrices, rows first, partial butterflies on folded samples.

    Two blocks are in work at once, so that one's results reach the memory between the passes while the other's rows
    are taken. `i` takes blocks; the residual is asked for with `r_*` and comes as `samples` after two cycles (see
    ResidualStore); it must stay until `read`, a strobe. Coefficients leave with `o_valid`, in the order of the blocks,
    four a cycle: rows 4 * o_group .. + 3 of column `o_column` of `o_block`; `o_last` ends the block.
    Throughput: N * N / 2 cycles a block while there is a next one; a smaller one after a larger waits for the
    difference of N / 4. A single block takes N * N / 2 + N / 2 + 16.
    Arithmetic: exact; 16 bit between the passes; rounding shifts log2 N - 1 and log2 N + 6. Cost: 48 DSP, 4 EBR.
    """

    def __init__(self):
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
        steps = [delayed(m, now, k, f"step_{k}") for k in range(5)]
        valids = [delayed(m, issuing, k, f"valid_{k}", reset_less=False) for k in range(5)]
        samples = [Mux(steps[2].second, middle[q], self.samples[q]) for q in range(4)]
        sums = self._sums(m, steps[2], samples, steps[4])
        self._leave(m, sums, steps[4], valids[4] & (steps[4].step == last_step(steps[4].block)))
        for k in range(2):
            with m.If(may_issue & columns & (half_out == k)):
                m.d.sync += self._complete[k].eq(0)
        return m

    def _memory(self, m, now):
        """Between the passes: element (y, k) is in bank k ^ (quarter of y), so rows go in and columns come out."""
        banks = []
        column = delayed(m, now.vector, 1, "column")
        for number in range(4):
            memory = Memory(shape=signed(16), depth=512, init=[])
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

    def _sums(self, m, entering, samples, summing):
        """Butterflies, products and running sums: k -> total of row k of the matrix, at the time of `summing`."""
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
        totals = {}
        for k in range(32):
            used = ("near", "far") if k & 1 else (("two",) if k & 2 else ("zero",))
            products = []
            for name in used:
                coefficient = Signal(signed(8), name=f"coefficient_{k}_{name}", reset_less=True)
                with m.Switch(Cat(entering.step, entering.block.log2_size[:2])):
                    for log2 in (3, 4, 5):
                        size = 1 << log2
                        for step in range(size // 4 if k < size else 0):
                            with m.Case(step | (log2 & 3) << 3):
                                at = size // 2 - 1 - step if name == "far" else step
                                m.d.sync += coefficient.eq(dct(k, at, size))
                product = Signal(signed(26), name=f"product_{k}_{name}", reset_less=True)
                m.d.sync += product.eq(operands[name] * coefficient)
                products.append(product)
            running = Signal(signed(28), name=f"running_{k}", reset_less=True)
            total = Signal(signed(28), name=f"total_{k}")
            m.d.comb += total.eq(sum_tree([Mux(summing.step == 0, 0, running), *products]))
            m.d.sync += running.eq(total)
            totals[k] = total
        return totals

    def _leave(self, m, totals, ending, finishing):
        """Held sums leave four a cycle, while the next vector accumulates."""
        held = {k: Signal(signed(28), name=f"held_{k}", reset_less=True) for k in totals}
        sending, group, step = Signal(), Signal(3), Signal(DctStep, name="held_step", reset_less=True)
        with m.If(finishing):
            m.d.sync += [held[k].eq(total) for k, total in totals.items()]
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
            picked = Signal(signed(28), name=f"picked_{lane}", reset_less=True)
            m.d.sync += picked.eq(Array(held[4 * g + lane] for g in range(8))[group])
            with m.Switch(Cat(shifting.second, shifting.block.log2_size[:2])):
                for log2 in (3, 4, 5):
                    for second in range(2):
                        with m.Case(second | (log2 & 3) << 1):
                            m.d.sync += self.o_coefficients[lane].eq(round_shift(picked, log2 + (-1, 6)[second]))
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
