"""What the levels of a transform block cost: squared error and an estimate of their bits, half a group a cycle."""

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

LANES = 8
ERRORS = data.ArrayLayout(signed(6), LANES)
MAGNITUDES = data.ArrayLayout(unsigned(4), LANES)
COST = unsigned(20)


class LevelCost(wiring.Component):
    """Cost of a block's levels in Q8 of the squared quantiser step, to choose between predictions by.

    Groups come with `i_valid`, at most every second cycle, a block's one after the other: `i_first` with the first of a
    block; `i_magnitudes` (15 for more) and `i_errors` (what is left of |c|, in sixteenths of a step) in the order of
    `i_scan_idx`, the lower half of the scan now, the upper half in the cycle before; the group's place `i_x`, `i_y` in
    the block, and `i_extra`, a cost that the block has besides.
    `o_cost` of a block is there `latency` cycles after its last group, for one cycle. No backpressure.
    Arithmetic: exact, errors from -16 to 25; at most 1024 * (625 + 183 + 69) + 700 < 2^20.
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

        # Stage 1: each coefficient's error and level; which are levels, by place.
        squares = [error**2 for error in range(32)] + 2 * [(16 - low) ** 2 for low in range(16)]  # from -16 on
        terms = [Signal(10, name=f"term_{k}", reset_less=True) for k in range(LANES)]
        for k, error in enumerate(self.i_errors):
            m.d.sync += terms[k].eq(rom(squares, error.as_unsigned(), 10) + rom(LEVEL_COST, self.i_magnitudes[k], 8))
        some, some_upper = Signal(LANES), Signal(LANES, reset_less=True)
        m.d.comb += some.eq(Cat(magnitude.any() for magnitude in self.i_magnitudes))
        m.d.sync += some_upper.eq(some)
        placed = permuted(m, 16, Cat(some, some_upper), self.i_scan_idx, "placed", back=True)
        levels, diagonal = Signal(16, reset_less=True), Signal(4, reset_less=True)
        m.d.sync += [levels.eq(placed), diagonal.eq(self.i_x + self.i_y)]

        # Stage 2: sums of a half's terms; what levels cost on each diagonal of two rows, the upper ones and then the
        # lower ones; the block's last diagonal so far.
        prices = [Signal(7, name=f"price_{d}", reset_less=True) for d in range(5)]
        rows = Cat(~self.i_valid, Mux(self.i_valid, (self.i_x + self.i_y)[:4], diagonal))
        m.d.sync += [prices[d].eq(rom(POSITION[d::2], rows, 7)) for d in range(5)]
        lower_rows = Signal(LANES, reset_less=True)
        m.d.sync += lower_rows.eq(levels[LANES:])
        here = Mux(kinds[1].valid, levels[:LANES], lower_rows)
        shares = [prices[0] & here[0].replicate(7), prices[4] & here[7].replicate(7)]
        for d in (1, 2, 3):
            first, second = here[d], here[d + 3]
            one, both = Signal(name=f"one_{d}"), Signal(name=f"both_{d}")
            m.d.comb += [one.eq(first ^ second), both.eq(first & second)]
            shares.append(Mux(both, prices[d] << 1, prices[d] & one.replicate(7)))
        half, half_before = Signal(13, reset_less=True), Signal(13, reset_less=True)
        share = Signal(10, reset_less=True)
        m.d.sync += [half.eq(sum_tree(terms)), half_before.eq(half), share.eq(sum_tree(shares))]
        farthest, last, coded = Signal(6), Signal(6, reset_less=True), Signal()
        for d in range(7):
            with m.If(Cat(levels[i] for i in range(16) if (i >> 2) + (i & 3) == d).any()):
                m.d.comb += farthest.eq((diagonal << 2) + d)
        before = Mux(kinds[1].first, 0, last)
        with m.If(kinds[1].valid):
            m.d.sync += [
                last.eq(Mux(farthest > before, farthest, before)),
                coded.eq(levels.any() | (coded & ~kinds[1].first)),
            ]

        # Stage 3: all of the group but its lower rows' shares, and what the block costs as a whole. Stage 4: the sum of
        # the groups.
        group, whole = Signal(14, reset_less=True), Signal(10, reset_less=True)
        block = Mux(coded, rom(LAST, last, 9) + rom(BLOCK, kinds[2].log2_size, 7), 0)
        m.d.sync += [group.eq((half + half_before) + share), whole.eq(block + kinds[2].extra)]
        total, running = Signal(COST), Signal(COST, reset_less=True)
        m.d.comb += total.eq(running + (group + share))
        with m.If(kinds[2].valid & kinds[2].first):
            m.d.sync += running.eq(0)
        with m.Elif(kinds[3].valid):
            m.d.sync += running.eq(total)
        m.d.sync += self.o_cost.eq(total + whole)
        return m
