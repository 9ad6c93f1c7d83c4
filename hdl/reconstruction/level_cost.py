"""What the levels of a transform block cost: squared error and an estimate of their bits, one group a cycle."""

from math import log2

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.intra.adders import sum_tree
from hdl.reconstruction.scans import permuted

# Q8, where 256 is the squared error of one quantiser step and a bit costs BIT: of a level by its magnitude (15 and
# more alike), of its position x + y in the block, of a block with levels by its log2 size and its largest x + y.
BIT = 23
LEVEL_COST = (0, *(round(46 + 35 * log2(level)) for level in range(1, 16)))
POSITION = tuple(round(BIT / 2 * log2(1 + position)) for position in range(63))
BLOCK = (0, 0, 46, 30, 80, 80)
LAST = tuple(round(2 * BIT * log2(1 + position)) for position in range(63))

ERRORS = data.ArrayLayout(signed(6), 16)
MAGNITUDES = data.ArrayLayout(unsigned(4), 16)
COST = unsigned(22)


class LevelCost(wiring.Component):
    """Cost of a block's levels in Q8 of the squared quantiser step, to choose between predictions by.

    Groups come with `i_valid`, one a cycle, a block's one after the other: `i_first` with the first of a block;
    `i_magnitudes` (15 for more) and `i_errors` (what is left of |c|, in sixteenths of a step) in the order of
    `i_scan_idx`, the group's place `i_x`, `i_y` in the block, and `i_extra`, a cost that the block has besides.
    `o_cost` of a block is there `latency` cycles after its last group, for one cycle. No backpressure.
    Arithmetic: exact, errors from -31 to 31; at most 1024 * (625 + 183 + 69) + 700 < 2^20.
    """

    latency = 4

    i_valid: In(1)
    i_first: In(1)
    i_log2_size: In(3)
    i_scan_idx: In(2)
    i_x: In(3)
    i_y: In(3)
    i_extra: In(8)
    i_magnitudes: In(MAGNITUDES)
    i_errors: In(ERRORS)
    o_cost: Out(COST)

    def elaborate(self, platform):
        m = Module()
        carried = data.StructLayout({"valid": 1, "first": 1, "log2_size": 3, "extra": 8})
        kinds = [Signal(carried, name="kind_0")]
        m.d.comb += [
            kinds[0].valid.eq(self.i_valid),
            kinds[0].first.eq(self.i_first),
            kinds[0].log2_size.eq(self.i_log2_size),
            kinds[0].extra.eq(self.i_extra),
        ]
        for stage in range(1, 4):
            kinds.append(Signal(carried, name=f"kind_{stage}"))
            m.d.sync += kinds[stage].eq(kinds[stage - 1])

        # Stage 1: each coefficient's error and level; which are levels, by place; what a level costs on each diagonal.
        squares = [error**2 for error in range(32)]
        terms = [Signal(11, name=f"term_{i}", reset_less=True) for i in range(16)]
        for i in range(16):
            error = self.i_errors[i]
            square = rom(squares, Mux(error < 0, -error, error)[:5], 10)
            m.d.sync += terms[i].eq(square + rom(LEVEL_COST, self.i_magnitudes[i], 8))
        some = Cat(self.i_magnitudes[i].any() for i in range(16))
        placed = permuted(m, 16, some, self.i_scan_idx, "placed", back=True)
        levels, diagonal = Signal(16, reset_less=True), Signal(4, reset_less=True)
        m.d.sync += [levels.eq(placed), diagonal.eq(self.i_x + self.i_y)]
        prices = [Signal(7, name=f"price_{d}", reset_less=True) for d in range(7)]
        m.d.sync += [prices[d].eq(rom(POSITION[d::4], (self.i_x + self.i_y)[:4], 7)) for d in range(7)]

        # Stage 2: sums of four; the block's last diagonal so far.
        shares = [Mux(levels[i], prices[(i >> 2) + (i & 3)], 0) for i in range(16)]
        parts = [Signal(14, name=f"part_{k}", reset_less=True) for k in range(4)]
        m.d.sync += [
            part.eq(sum_tree([*terms[4 * k : 4 * k + 4], *shares[4 * k : 4 * k + 4]])) for k, part in enumerate(parts)
        ]
        here, last, coded = Signal(6), Signal(6, reset_less=True), Signal()
        for d in range(7):
            with m.If(Cat(levels[i] for i in range(16) if (i >> 2) + (i & 3) == d).any()):
                m.d.comb += here.eq((diagonal << 2) + d)
        before = Mux(kinds[1].first, 0, last)
        with m.If(kinds[1].valid):
            m.d.sync += [
                last.eq(Mux(here > before, here, before)),
                coded.eq(levels.any() | (coded & ~kinds[1].first)),
            ]

        # Stage 3: the group's sum, and what the block costs as a whole. Stage 4: the sum of the groups.
        group, whole = Signal(16, reset_less=True), Signal(10, reset_less=True)
        block = Mux(coded, rom(LAST, last, 9) + rom(BLOCK, kinds[2].log2_size, 7), 0)
        m.d.sync += [group.eq(sum_tree(parts)), whole.eq(block + kinds[2].extra)]
        total, running = Signal(COST), Signal(COST, reset_less=True)
        m.d.comb += total.eq(Mux(kinds[3].first, 0, running) + group)
        with m.If(kinds[3].valid):
            m.d.sync += running.eq(total)
        m.d.sync += self.o_cost.eq(total + whole)
        return m
