"""residual_coding() (H.265 7.3.8.11): coefficient groups to bins, in their place among the other syntax."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.entropy import contexts
from hdl.entropy.payloads import BinKind, Bins, SyntaxStep, TransformBlock
from hdl.entropy.remaining import BinStep, RemainingBinarizer
from hdl.entropy.residual_tables import (
    last_prefix,
    scan_position,
    sig_pattern,
    sig_pattern_4x4,
    sub_block_position,
)
from hdl.payloads import CoefficientGroup


class Residual(wiring.Component):
    """Puts the bins of each transform block's levels where the syntax has them; passes all other bins.

    i: SyntaxStep; a step with `residual` takes the groups of that block from i_cg, down to index 0.
    i_cg: CoefficientGroup of blocks that have a level other than 0.
    o: Bins in the order of the bitstream.

    Throughput: one payload of ready-made bins per cycle. A block: 2 cycles and the last position, two bins a cycle.
    A group: 2, 1 if it has a coded_sub_block_flag, and where it is coded 1 per two sig_coeff_flags, 1 per two
    greater1 flags, 1 for greater2 if any, 1 for all signs, 1 per coeff_abs_level_remaining (2 from |level| 128).
    So 33 cycles for a dense group of small levels. Latency: 7 cycles to `o`.
    Backpressure on `o` stalls `i` and `i_cg`, after the queue of 16 that `o` comes from.
    sign_data_hiding_enabled_flag is 1: the sign of the lowest level is left out when it stands more than 3
    positions below the highest.
    """

    i: In(stream.Signature(SyntaxStep))
    i_cg: In(stream.Signature(CoefficientGroup))
    o: Out(stream.Signature(Bins))

    def __init__(self):
        super().__init__()
        # What leaves this cycle.
        self._step, self._emit, self._room = Signal(BinStep), Signal(), Signal()
        # The block, and its group at hand, as bits by scan position.
        self._block = Signal(TransformBlock)
        self._index, self._first, self._nonzero = Signal(6), Signal(), Signal()
        self._level = [Signal(16, name=f"level{n}") for n in range(16)]
        self._sig, self._negative, self._greater1, self._greater2, self._large = (
            Signal(16, name=name) for name in ("sig", "negative", "greater1", "greater2", "large")
        )
        self._top = Signal(4)  # highest significant position
        self._xs, self._ys = Signal(3), Signal(3)
        self._last = [Signal(5, name=f"last_{axis}") for axis in "xy"]
        # What was noted of the levels met so far, in coding order.
        self._n, self._k, self._count = Signal(4), Signal(4), Signal(5)
        self._signs, self._greater1_coded = Signal(16), Signal(8)
        self._highest, self._lowest, self._eighth = Signal(4), Signal(4), Signal(4)
        self._any_greater1, self._first_greater1, self._is_greater2 = Signal(), Signal(4), Signal()
        self._remaining = Signal(16)
        self._rice_start, self._second = Signal(), Signal()
        # greater1Ctx, and whether the group before ended with 0.
        self._c1, self._c1_was_0 = Signal(2), Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.remaining = remaining = RemainingBinarizer()
        wiring.connect(m, remaining.o, wiring.flipped(self.o))
        m.d.comb += [
            remaining.step.eq(self._step),
            remaining.valid.eq(self._emit),
            self._room.eq(remaining.room),
        ]
        self._sub_block_flags(m)
        with m.FSM(name="phase"):
            with m.State("STEP"):
                self._take_step(m)
            with m.State("LOAD"):
                self._load(m)
            with m.State("LOOK"):
                self._look(m)
            with m.State("LAST"):
                self._last_position(m)
                m.next = "LAST_X"
            with m.State("LAST_X"):
                done = self._last_prefix(m, contexts.LAST_X_PREFIX, self._last[0])
                with m.If(done):
                    m.next = "LAST_Y"
            with m.State("LAST_Y"):
                done = self._last_prefix(m, contexts.LAST_Y_PREFIX, self._last[1])
                with m.If(done):
                    with m.If((self._last[0] > 3) | (self._last[1] > 3)):
                        m.next = "LAST_SUFFIX"
                    with m.Else():
                        self._after_last(m)
            with m.State("LAST_SUFFIX"):
                self._last_suffix(m)
                with m.If(self._room):
                    self._after_last(m)
            with m.State("CODED_SUB_BLOCK"):
                self._coded_sub_block(m)
            with m.State("SIGNIFICANT"):
                self._significant(m)
            with m.State("GREATER1"):
                self._greater1_flags(m)
            with m.State("GREATER2"):
                self._greater2_flag(m)
            with m.State("SIGNS"):
                self._sign_flags(m)
            with m.State("REMAINING"):
                self._remaining_levels(m)
        return m

    # What leaves

    def _send(self, m, kind, count, value, ctx=(0, 0)):
        bins = self._step.bins
        m.d.comb += [
            bins.kind.eq(kind),
            bins.count.eq(count),
            bins.value.eq(value),
            bins.ctx[0].eq(ctx[0]),
            bins.ctx[1].eq(ctx[1]),
            self._emit.eq(self._room),
        ]

    def _send_regular(self, m, ctx, bins, two):
        """The first of two bins, and the second when `two`."""
        value = Cat(Const(0, 14), bins[1] & two, bins[0])
        self._send(m, BinKind.REGULAR, Mux(two, 2, 1), value, ctx)

    def _take_step(self, m):
        step = self.i.payload
        m.d.sync += [self._block.eq(step.block), self._c1_was_0.eq(0)]
        with m.If(step.residual):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.next = "LOAD"
        with m.Else():
            m.d.comb += [
                self._step.bins.eq(step.bins),
                self._emit.eq(self._room & self.i.valid),
                self.i.ready.eq(self._room),
            ]

    def _next_group(self, m):
        with m.If(self._index == 0):
            m.next = "STEP"
        with m.Else():
            m.next = "LOAD"

    # The group

    def _load(self, m):
        """Take a group; all that follows looks only at registers."""
        group = self.i_cg.payload
        m.d.comb += self.i_cg.ready.eq(1)
        xs, ys = sub_block_position(self._block, group.index)
        m.d.sync += [self._index.eq(group.index), self._first.eq(group.first), self._xs.eq(xs), self._ys.eq(ys)]
        m.d.sync += [level.eq(of_group) for level, of_group in zip(self._level, group.level)]
        with m.If(self.i_cg.valid):
            m.next = "LOOK"

    def _look(self, m):
        """What is noted of all levels of the group."""
        sig = Signal(16)
        m.d.sync += [
            self._nonzero.eq(sig.any()),
            self._sig.eq(sig),
            self._n.eq(15),
            self._k.eq(0),
            self._count.eq(0),
            self._signs.eq(0),
            self._greater1_coded.eq(0),
            self._any_greater1.eq(0),
            self._remaining.eq(0),
            self._rice_start.eq(1),
            self._second.eq(0),
            self._c1.eq(1),
        ]
        for n in range(16):
            level = self._level[n]
            negative = level[15]
            beyond = (level[2:15] ^ negative.replicate(13)).any()  # outside -4..3
            m.d.comb += sig[n].eq(level.any())
            m.d.sync += [
                self._negative[n].eq(negative),
                self._greater1[n].eq(beyond | (level[1] ^ negative) | (negative & ~level[0])),
                self._greater2[n].eq(beyond | Mux(negative, ~level[1], level[:2].all())),
                self._large[n].eq((level[7:15] ^ negative.replicate(8)).any()),
            ]
            with m.If(sig[n]):
                m.d.sync += self._top.eq(n)
        with m.If(self._first):
            m.next = "LAST"
        with m.Elif(self._index == 0):
            m.next = "SIGNIFICANT"
        with m.Else():
            m.next = "CODED_SUB_BLOCK"

    def _sub_block_flags(self, m):
        """coded_sub_block_flag of the groups met so far; from LOOK on, those right of and below the one at hand."""
        self._coded, self._csbf = coded, csbf = Signal(64), Signal(2)
        place = Cat(self._xs, self._ys)
        m.d.sync += [
            csbf[0].eq(coded[1:].bit_select(place, 1) & (self._xs != 7) & ~self._first),
            csbf[1].eq(coded[8:].bit_select(place, 1) & ~self._first),
        ]

    def _mark_sub_block(self, m):
        with m.If(self._first):
            m.d.sync += self._coded.eq(Const(1, 64) << Cat(self._xs, self._ys))
        with m.Elif(self._nonzero):
            m.d.sync += self._coded.eq(self._coded | (Const(1, 64) << Cat(self._xs, self._ys))[:64])

    def _coded_sub_block(self, m):
        ctx = contexts.CODED_SUB_BLOCK_FLAG + self._csbf.any() + (self._block.chroma << 1)
        self._send_regular(m, (ctx, 0), (self._nonzero, 0), 0)
        self._mark_sub_block(m)
        with m.If(self._room):
            with m.If(self._nonzero):
                m.next = "SIGNIFICANT"
            with m.Else():
                m.next = "LOAD"

    # The last significant position

    def _last_position(self, m):
        x, y = scan_position(self._block.scan, self._top)
        swap = self._block.scan == 2
        m.d.sync += [
            self._last[0].eq(Mux(swap, Cat(y, self._ys), Cat(x, self._xs))),
            self._last[1].eq(Mux(swap, Cat(x, self._xs), Cat(y, self._ys))),
            self._n.eq(self._top - 1),
        ]
        # The last position itself counts as met.
        self._meet(m, self._top, Const(1), Const(0))
        self._mark_sub_block(m)

    def _last_prefix(self, m, first_ctx, coordinate):
        """Two bins of a truncated unary code; returns whether they are the last."""
        log2_size, chroma, k = self._block.log2_size, self._block.chroma, self._k
        prefix, _ = last_prefix(coordinate)
        longest = (log2_size << 1) - 1
        offset = Mux(chroma, 15, rom([0, 0, 0, 3, 6, 10, 0, 0], log2_size, 4))
        shift = Mux(chroma, log2_size - 2, log2_size != 2)[:2]
        two = (k < prefix) & (k + 1 != longest)
        done = Signal(name=f"done_{first_ctx}")
        ctx = [first_ctx + offset + ((k + i)[:4] >> shift) for i in range(2)]
        self._send_regular(m, ctx, (k < prefix, k + 1 < prefix), two)
        m.d.comb += done.eq(self._room & ((k + 1 >= prefix) | (k + 2 >= longest)))
        with m.If(self._room):
            m.d.sync += k.eq(Mux(done, 0, k + 2))
        return done

    def _last_suffix(self, m):
        _, x_bits = last_prefix(self._last[0])
        _, y_bits = last_prefix(self._last[1])
        x, y = Signal(3, name="x_suffix"), Signal(3, name="y_suffix")
        m.d.comb += [
            x.eq(self._last[0] << (3 - x_bits)[:2]),
            y.eq(self._last[1] << (3 - y_bits)[:2]),
        ]
        both = Cat(Const(0, 3), x) | (Cat(Const(0, 3), y) >> x_bits)
        self._send(m, BinKind.BYPASS, x_bits + y_bits, Cat(Const(0, 10), both))

    def _after_last(self, m):
        with m.If(self._top == 0):
            m.next = "GREATER1"
        with m.Else():
            m.next = "SIGNIFICANT"

    # Significance, and what is noted on the way

    def _significant(self, m):
        block, n, index = self._block, self._n, self._index
        sig = [self._sig.bit_select(n, 1), self._sig.bit_select((n - 1)[:4], 1) & (n != 0)]
        inferred = (n == 1) & ~self._first & (index != 0) & (self._count == 0) & ~sig[0]
        two = (n != 0) & ~inferred
        start = contexts.SIG_COEFF_FLAG + Mux(block.chroma, 27, 0)
        luma = Mux(block.log2_size == 3, Mux(block.scan == 0, 9, 15), 21) + Mux(index == 0, 0, 3)
        offset = start + Mux(block.chroma, Mux(block.log2_size == 3, 9, 12), luma)
        ctx = []
        for i in range(2):
            position = (n - i)[:4]
            inside = Mux((index == 0) & (position == 0), start, offset + sig_pattern(block.scan, position, self._csbf))
            in_4x4 = start + sig_pattern_4x4(block.scan, position)
            ctx.append(Mux(block.log2_size == 2, in_4x4, inside))
        self._send_regular(m, ctx, sig, two)
        with m.If(self._room):
            self._meet(m, n, *sig)
            m.d.sync += n.eq(n - 2)
            with m.If(n[1:] == 0):
                with m.If(self._nonzero):
                    m.next = "GREATER1"
                with m.Else():
                    self._next_group(m)

    def _meet(self, m, position, *met):
        """Note the levels at `position` and below it, where `met`: signs, greater flags, what will remain."""
        order = self._count
        any_greater1 = self._any_greater1
        for i in range(2):
            at = (position - i)[:4]
            early = order < 8
            greater1 = self._greater1.bit_select(at, 1)
            greater2 = self._greater2.bit_select(at, 1)
            leads = early & greater1 & ~any_greater1
            remains = Mux(early, Mux(any_greater1, greater1, greater1 & greater2), 1)
            with m.If(met[i]):
                negative = self._negative.bit_select(at, 1)
                for place in range(16):
                    with m.If(order == place):
                        m.d.sync += self._signs[15 - place].eq(negative)
                        if place < 8:
                            m.d.sync += self._greater1_coded[7 - place].eq(greater1)
                    with m.If(at == place):
                        m.d.sync += self._remaining[place].eq(remains)
                m.d.sync += self._lowest.eq(at)
                with m.If(order == 0):
                    m.d.sync += self._highest.eq(at)
                with m.If(order == 7):
                    m.d.sync += self._eighth.eq(at)
                with m.If(leads):
                    m.d.sync += [
                        self._any_greater1.eq(1),
                        self._first_greater1.eq(at),
                        self._is_greater2.eq(greater2),
                    ]
            any_greater1 = any_greater1 | (leads & met[i])
            order = (order + met[i])[:5]
        m.d.sync += self._count.eq(order)

    # Levels

    def _greater1_flags(self, m):
        k, c1 = self._k, self._c1
        coded = Mux(self._count > 8, 8, self._count)
        flags = [self._greater1_coded.bit_select((7 - k - i)[:3], 1) for i in range(2)]
        two, done = k + 1 < coded, k + 2 >= coded
        base = contexts.GREATER1_FLAG + Cat(Const(0, 2), self._ctx_set(), self._block.chroma)

        def after(c1, flag):
            return Mux(flag | (c1 == 0), 0, Mux(c1 == 3, 3, c1 + 1))[:2]

        c1_middle = after(c1, flags[0])
        c1_end = Mux(two, after(c1_middle, flags[1]), c1_middle)
        self._send_regular(m, (base + c1, base + c1_middle), flags, two)
        with m.If(self._room):
            m.d.sync += [k.eq(k + 2), c1.eq(c1_end)]
            with m.If(done):
                with m.If(self._any_greater1):
                    m.next = "GREATER2"
                with m.Else():
                    m.next = "SIGNS"

    def _ctx_set(self):
        """ctxSet of 9.3.4.2.6."""
        return Cat(self._c1_was_0, (self._index != 0) & ~self._block.chroma)

    def _greater2_flag(self, m):
        ctx = contexts.GREATER2_FLAG + Cat(self._ctx_set(), self._block.chroma)
        self._send_regular(m, (ctx, 0), (self._is_greater2, 0), 0)
        with m.If(self._room):
            m.next = "SIGNS"

    def _sign_flags(self, m):
        hidden = self._highest - self._lowest > 3
        count = Signal(5, name="sign_count")
        m.d.comb += count.eq(self._count - hidden)
        self._send(m, BinKind.BYPASS, count, self._signs & ~(Const(0xFFFF, 16) >> count))
        m.d.sync += self._c1_was_0.eq(self._c1 == 0)
        with m.If(self._room):
            with m.If(self._remaining.any()):
                m.next = "REMAINING"
            with m.Else():
                self._next_group(m)

    def _remaining_levels(self, m):
        step = self._step
        # The highest position of what remains, and the others: x & -x and x & (x - 1) of the reversed bits.
        chosen, left, remaining = Signal(16), Signal(16), self._remaining[::-1]
        m.d.comb += [chosen.eq((remaining & -remaining)[:16][::-1]), left.eq((remaining & (remaining - 1))[:16][::-1])]
        late = (self._count > 8) & ((chosen & ((Const(1, 17) << self._eighth) - 1)[:16]).any())
        leads = self._any_greater1 & chosen.bit_select(self._first_greater1, 1)
        level = Const(0, 16)
        for n in range(16):
            level = level | Mux(chosen[n], self._level[n], 0)
        twice = (self._large & chosen).any() & ~self._second
        m.d.comb += [
            step.remaining.eq(1),
            step.first.eq(self._rice_start),
            step.second.eq(self._second),
            step.level.eq(level.as_signed()),
            step.base.eq(Mux(late, 1, Mux(leads, 3, 2))),
            self._emit.eq(self._room),
        ]
        with m.If(self._room):
            m.d.sync += [self._rice_start.eq(0), self._second.eq(twice)]
            with m.If(~twice):
                m.d.sync += self._remaining.eq(left)
                with m.If(~left.any()):
                    self._next_group(m)
