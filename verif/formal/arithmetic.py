"""Proofs of the arithmetic coder: its interval, and the carries that it sends after bytes that are out."""

from amaranth import Cat, Const, Mux, Signal

from hdl.entropy.arithmetic_coder import ArithmeticCoder
from hdl.entropy.byte_output import ByteOutput
from hdl.entropy.contexts import RANGE_TAB_LPS
from hdl.entropy.payloads import BinKind
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, first, keeps_rules
from verif.formal.queues import all_of

RUN_BITS = 24
ONES = 0xFF


def well_formed(token):
    """A token that the arithmetic coder makes: 0 to 2 bytes, 2 at the end of a slice."""
    return (token.count <= 2) & (~token.last | (token.count == 2)) & (token.carry | (token.count != 0))


class CarryGate:
    """What the tokens of a slice say about carries. `closed`: since the last carry, or the begin of the slice, no byte
    came but 0xFF: then the number cannot grow by a carry. `token` counts in the cycle of `go`; `before`: without it."""

    def __init__(self, p: Properties, token, go):
        self.closed, self.before = Signal(init=1, name="closed"), Signal(init=1, name="closed_before")
        self.token = token
        with p.m.If(go):
            p.m.d.sync += [self.before.eq(self.closed), self.closed.eq(self.after(self.closed))]

    def after(self, closed):
        """`closed` behind the token."""
        ones = all_of((self.token.count <= k) | (self.token.byte[k] == ONES) for k in range(2))
        return self.token.last | ((self.token.carry | closed) & ones)


class ByteOutputProperties(Properties):
    """The bytes that come out are those of the whole number: each byte of a token, any one, is followed together with
    how far the bytes behind it are from all 0xFF, which is where a carry goes on into it."""

    def check(self):
        m, i, o = self.m, self.dut.i, self.dut.o
        token = i.payload
        fresh, taken, sent = Signal(name="fresh"), Signal(name="taken"), Signal(name="sent")
        m.d.comb += [
            fresh.eq(first(self, i)),
            taken.eq(i.valid & i.ready),
            sent.eq(o.valid & o.ready),
        ]
        gate = CarryGate(self, token, fresh)
        self.assume("valid of `i` stays until ready, and its payload", keeps_rules(self, i))
        self.assume("tokens have 0 to 2 bytes, the last of a slice 2", ~i.valid | well_formed(token))
        open_ = ~(fresh & token.carry & gate.closed)
        self.assume("no carry while all bytes since the last one, or since the begin of the slice, are 0xFF", open_)

        # A run of 0xFF at the end of what came, before the newest token and with it.
        run, run_before = Signal(RUN_BITS, name="run"), Signal(RUN_BITS, name="run_before")
        with m.If(fresh):
            m.d.sync += [run_before.eq(run), run.eq(self._run(run))]
        longest = (1 << RUN_BITS) - 3
        self.assume(f"a run of 0xFF is shorter than 2^{RUN_BITS} - 2", run <= longest)
        self.invariant("the run before", run_before <= longest)

        # One byte, with `ahead` bytes in front of it; `far`: the bytes behind it are 0 all 0xFF, 1 one less, 2 less.
        held, ahead = Signal(RUN_BITS + 2, name="held"), Signal(RUN_BITS + 2, name="ahead")
        following, mark, second = Signal(name="following"), self.any("mark"), self.any("second")
        value, far, last = Signal(8, name="value"), Signal(2, name="far"), Signal(name="last")
        m.d.sync += held.eq(held + Mux(fresh, token.count, 0) - sent)
        at_front, carries = following & (ahead == 0), fresh & token.carry & (far == 0)

        def behind(distance, byte):
            return Mux(distance == 0, Mux(byte == ONES, 0, Mux(byte == ONES - 1, 1, 2)), 2)

        with m.If(following):
            m.d.sync += [ahead.eq(ahead - sent), following.eq(~(sent & at_front))]
            with m.If(fresh):
                distance = Mux(token.carry, Mux(far == 0, Mux(ahead + 1 == held, 0, 2), far & 2), far)
                for k in range(2):
                    distance = Mux(token.count <= k, distance, behind(distance, token.byte[k]))
                m.d.sync += [value.eq(value + carries), far.eq(distance)]
        with m.Elif(fresh & mark & (token.count > second)):
            m.d.sync += [
                following.eq(1),
                ahead.eq(held - sent + second),
                value.eq(Mux(second, token.byte[1], token.byte[0])),
                far.eq(Mux(second | (token.count == 1), 0, behind(Const(0, 2), token.byte[1]))),
                last.eq(token.last & second),
            ]
        self.always(
            "a byte is that of the whole number", ~(at_front & o.valid) | (o.payload.data == (value + carries)[:8])
        )
        self.always("last comes with the last byte of a slice", ~(at_front & o.valid) | (o.payload.last == last))
        self.always("nothing comes that was not sent", ~o.valid | (held != 0))
        self.always("o keeps the rules of a stream", keeps_rules(self, o))
        ended = Signal(name="ended")
        with m.If(taken & token.last):
            m.d.sync += ended.eq(1)
        with m.Elif(sent & o.payload.last):
            m.d.sync += ended.eq(0)
        self.always("a slice that ended comes out", ~ended | o.valid)
        stalls = i.valid & ~i.ready & ~o.valid
        self.always("i waits for o, and a cycle for a second byte", ~(stalls & self.before(stalls)))
        self._insides(token, fresh, gate, run, run_before, held, following, ahead, value, far, last, ended)
        self.cover(
            "a carry through three bytes", self.before(fresh & token.carry & (self.inside("run") == 3)) & o.valid
        )
        self.cover("a slice of 0xFF", following & last & (held == 4) & (run == 4))
        self.cover("a second slice", ended & sent & i.valid)

    def _run(self, run):
        """The run at the end of the token, behind one of `run`."""
        token = self.dut.i.payload
        for k in range(2):
            run = Mux(token.count <= k, run, Mux(token.byte[k] == ONES, (run + 1)[:RUN_BITS], 0))
        return run

    def _insides(self, token, fresh, gate, run, run_before, held, following, ahead, value, far, last, ended):
        """The bytes inside, in their order: those that drain, the one that is held, the run, the rest of the token."""
        names = "held", "held_valid", "run", "drain", "fill", "finish", "second", "carried"
        byte, valid, ones, drain, fill, finish, second, carried = (self.inside(name) for name in names)
        waits = self.dut.i.valid & ~fresh  # the token is counted already
        pending = waits & token.carry & ~carried & ~second
        rest = Mux(waits, token.count - second, 0)
        self.invariant("bytes inside", held == drain + valid + ones + rest)
        self.invariant("nothing done of what is not there", self.dut.i.valid & ~fresh | ~(second | carried))
        counted = (gate.closed == gate.after(gate.before)) & (run == self._run(run_before))
        self.invariant("the token is counted", ~waits | counted)
        self.invariant("second of two", ~second | (token.count == 2))
        self.invariant("a carry that is done was there", ~carried | token.carry)
        self.invariant("the end of a slice", (finish == ended) & (~finish | (valid & (ones == 0))))
        limit = Mux(waits, Mux(second, Mux(token.byte[0] == ONES, run_before + 1, 0), run_before), run)
        self.invariant("the run is one of those that came", ones <= limit)
        closed = Mux(waits, gate.before & ~(second & (token.byte[0] != ONES)), gate.closed)  # by what is done
        self.invariant("before a carry a byte that takes it", Mux(valid & ~finish, 1, closed & ~pending))
        self.invariant("an end is the last that was done", ~finish | ~(second | carried))
        self.invariant("the followed byte is inside", ~following | (ahead < held))
        in_drain, is_held = ahead < drain, (ahead == drain) & valid
        behind = (ahead - drain - valid)[: len(ahead)]
        in_run = ~in_drain & ~is_held & (behind < ones)
        index = (behind - ones + second)[:1]
        of_token = Mux(index, token.byte[1], token.byte[0])
        inside = Mux(in_run, Mux(pending, 0, ONES), of_token)
        expected = Mux(in_drain, fill.replicate(8), Mux(is_held, (byte + pending)[:8], inside))
        self.invariant("where the followed byte is", ~following | (value == expected))
        in_rest = ~in_drain & ~is_held & ~in_run
        self.invariant(
            "whether it is the last", ~following | (last == Mux(in_rest, token.last & index, is_held & finish))
        )
        # A carry goes on into it when all behind it are 0xFF.
        first_ones, second_ones = token.byte[0] == ONES, (token.byte[1] == ONES) | (token.count < 2)
        rest_ones = ~waits | (((token.count == 0) | second | first_ones) & second_ones)
        at_end = ahead + 1 == drain + valid + ones
        reaches = Mux(in_rest, index | second_ones, ~in_drain & rest_ones & (at_end | ~pending))
        self.invariant("whether a carry reaches it", ~following | gate.closed | ((far == 0) == reaches))


class ArithmeticCoderProperties(Properties):
    """The interval [low, low + range) of the code: each payload's lies in that of the payload before, so that its carry
    goes no further than bits that can take it, and none of it is lost on the way to the tokens. Contexts may have any
    state at any time, and ByteOutput may wait as long as it likes."""

    def check(self):
        dut, bins = self.dut, self.dut.i.payload
        for path in ("init", "contexts", "output"):
            self.free(path)
        self.assume("payloads of `i` are Bins as that Struct has them", ~dut.i.valid | self._legal(bins))
        before, after = self._ranges()
        self._low(before, after)
        self._tokens()

    def _legal(self, bins):
        kind, count = bins.kind, bins.count
        regular = (kind == BinKind.REGULAR) & ((count == 1) | (count == 2))
        bypass = (kind == BinKind.BYPASS) & (count != 0) & (count <= 16) & self._aligned(bins.value, count)
        return regular | bypass | ((kind == BinKind.TERMINATE) & (count == 1))

    @staticmethod
    def _aligned(value, count):
        """All but the first `count` of 16 bits are 0."""
        return (value << count)[:16] == 0

    def _ranges(self):
        """Range before and after the payload that is added to low now."""
        s1, s2, lps, s3, s4 = (self.inside(name) for name in ("s1", "s2", "out", "s3", "s4"))
        range_ = self.inside("range_")
        done, after = Signal(9, init=510, name="range_done"), self.before(range_, 510)
        with self.m.If(s4.valid):
            self.m.d.sync += done.eq(after)
        now = Mux(s4.valid, after, done)
        self.always("256 <= range <= 510 between payloads", (range_ >= 256) & (range_ <= 510))
        self.invariant("the range of each stage", Mux(s3.valid, s3.range, range_) == now)
        self.invariant("the ranges", (now >= 256) & (now <= 510) & (done >= 256) & (done <= 510))
        self.invariant("bins in S1", ~s1.valid | self._legal(s1.bins))
        largest = [max(row[q] for row in RANGE_TAB_LPS) for q in range(4)]
        entries = [(lps.entries[k][q], largest[q]) for k in range(2) for q in range(4)]
        within = all_of((entry.range >= 2) & (entry.range <= most) for entry, most in entries)
        shifted = all_of((entry.range << entry.shift) == Cat(entry.after, 1) for entry, _ in entries)
        self.invariant("LPS ranges", ~lps.valid | (within & shifted))
        for name, stage in (("S2", s2), ("S3", lps), ("S4", s3)):
            count = (stage.count != 0) & (stage.count <= 16)
            fits = count & self._aligned(stage.value, stage.count) & ~stage.flush
            self.invariant(f"bypass bins in {name}", ~(stage.valid & stage.bypass) | fits)
        ends = s2.lps[0] & ~s2.two & s2.terminate
        self.invariant("the end of a slice in S2", ~(s2.valid & s2.flush) | ends)
        ends = lps.lps[0] & ~lps.two & all_of(entry.range == 2 for entry, _ in entries[:4])
        self.invariant("the end of a slice in S3", ~(lps.valid & lps.flush) | ends)
        self.invariant("bypass keeps the range", ~(s3.valid & s3.bypass) | (range_ == s3.range))
        shifts = s3.shift[0] + s3.shift[1]
        ends = (s3.shift[0] == 7) & (s3.shift[1] == 0) & (range_ == 510)
        self.invariant("the end of a slice in S4", ~(s3.valid & s3.flush) | ends)
        self.invariant("shifts in S4", shifts <= 14)

        add = Mux(s3.bypass, self.inside("product"), self.inside("chained"))
        inside = self._nested(add, Mux(s3.bypass, s3.count, shifts), s3.range, range_, s3.flush)
        self.invariant("the interval of S4 in the one before", ~s3.valid | inside)
        return done, after

    @staticmethod
    def _nested(add, shift, before, after, ends):
        """What a payload adds, and its range behind it, are less than the range before; nothing is below its bits."""
        size = Mux(ends, 1 << 16, after << (16 - shift)[:5])
        return (add + size <= before << 16) & ((add << shift)[:16] == 0) & (shift <= 16)

    def _low(self, before, after):
        m, s4, s5, low = self.m, self.inside("s4"), self.inside("s5"), self.inside("low")
        inside = self._nested(s4.add, s4.shift, before, after, s4.flush)
        self.always("the interval of a payload lies in the one before", ~s4.valid | inside)
        self.invariant("the end of a slice in S5", ~(s4.valid & s4.flush) | ((s4.shift == 9) & (after == 510)))

        total = Signal(26, name="sum")
        m.d.comb += total.eq((low << 16) + s4.add)
        kept = (s5.carry << 25) + (s5.bits << 9) + (low << (16 - s5.shift)[:5])
        goes_on = ~s5.valid | s5.last | (kept == self.before(total))
        self.always("low, its carry and the bits that left are the sum", goes_on)
        stop = Cat(self.before(total)[17:26], 1) == Cat(s5.bits[8:], s5.carry, s5.bits[7])
        ends = stop & (low == 0) & (s5.bits[:7] == 0) & (s5.shift == 9)
        self.always("a slice ends with the first bit of low and the stop bit", ~(s5.valid & s5.last) | ends)
        self.invariant("bits that left", ~s5.valid | (self._aligned(s5.bits, s5.shift) & (s5.shift <= 16)))

        # Whether all bits since the last carry are 1, without those in S6 and with them.
        self.ones, ones = Signal(init=1, name="ones"), Signal(name="ones_after")
        new = (s5.bits | (Const(0xFFFF, 16) >> s5.shift)).all()
        m.d.comb += ones.eq(Mux(s5.valid, s5.last | ((s5.carry | self.ones) & new), self.ones))
        m.d.sync += self.ones.eq(ones)
        self.invariant("no carry left where all bits are 1", ~ones | (low + before <= 512))
        self.always("no carry while all bits since the last one are 1", ~(s5.valid & s5.carry & self.ones))
        self.cover("a carry into bits that left", s5.valid & s5.carry & (s5.shift != 0))

    def _tokens(self):
        m, s5, queue = self.m, self.inside("s5"), self.submodule("queue")
        token, rest, held = queue.i.payload, self.inside("rest"), self.inside("held")
        gate = CarryGate(self, token, s5.valid)
        self.always("tokens are as ByteOutput takes them", ~queue.i.valid | well_formed(token))
        self.always("no carry while all bytes since the last one are 0xFF", ~(s5.valid & token.carry & gate.closed))
        self.always("a token finds room", ~queue.i.valid | queue.i.ready)
        ones = (rest | (Const(0xFF, 8) >> held)).all()
        self.invariant("bits that are no bytes yet", (rest << held)[:8] == 0)
        self.invariant("bytes and bits of 1", ~(gate.closed & ones) | self.ones)

        # The bits that were kept and those that came are the bytes and the bits that are kept, with the carry.
        whole, bits = Signal(25, name="whole"), Signal(5, name="bits")
        m.d.comb += [
            bits.eq(held + s5.shift),
            whole.eq((((rest >> (8 - held)[:4]) + s5.carry) << s5.shift) + (s5.bits >> (16 - s5.shift)[:5])),
        ]
        count, byte = self.before(token.count), [self.before(token.byte[k]) for k in range(2)]
        out = Mux(count == 2, Cat(rest, byte[1], byte[0]), Mux(count == 1, Cat(Const(0, 8), rest, byte[0]), rest << 16))
        sent = Cat(out[:24], self.before(token.carry & queue.i.valid))
        kept = self.before(whole << (24 - bits)[:5]) == sent
        kept &= held == self.before(Mux(s5.last, 0, bits[:3]))
        sends = queue.i.valid == (token.carry | (token.count != 0))
        self.always("bits become bytes as they come, with the carry", ~self.before(s5.valid) | kept)
        self.invariant("tokens that say something", ~s5.valid | sends)

        stages = sum(self.inside(name).valid for name in ("s1", "s2", "out", "s3", "s4", "s5"))
        self.invariant("room for all", (stages + queue.level <= 16) & (~self.inside("room") | (queue.level <= 9)))
        self.cover("a carry in a token", queue.i.valid & token.carry)
        self.cover("a second slice", self.before(s5.valid & s5.last) & queue.o.valid & self.inside("coding"))


BYTES = Proof(
    name="entropy.byte_output",
    properties=ByteOutputProperties,
    block=ByteOutput,
    depth=1,
    defects=(
        Defect("a byte is that of the whole number", "drain.eq(run - 1), fill.eq(0)", "drain.eq(run - 1), fill.eq(1)"),
        Defect("last comes with the last byte of a slice", "out.payload.last.eq(1)", "out.payload.last.eq(0)"),
        Defect("nothing comes that was not sent", "out.valid.eq(held_valid)", "out.valid.eq(1)"),
        Defect("o keeps the rules of a stream", "step.eq(out.ready | ~held_valid)", "step.eq(1)"),
        Defect("a slice that ended comes out", "finish.eq(final)", "finish.eq(0)"),
        Defect("i waits for o, and a cycle for a second byte", "second.eq(~self.i.ready)", "second.eq(0)"),
    ),
)

CODER = Proof(
    name="entropy.arithmetic_coder",
    properties=ArithmeticCoderProperties,
    block=ArithmeticCoder,
    depth=1,
    cover_depth=28,
    defects=(
        Defect(
            "256 <= range <= 510 between payloads",
            "after.eq(Mux(mps_range[8], mps_range, mps_range << 1))",
            "after.eq(mps_range)",
        ),
        Defect("the interval of a payload lies in the one before", "add.eq(mps_range)", "add.eq(current)"),
        Defect("low, its carry and the bits that left are the sum", "total[:25] >>", "total[:24] >>"),
        Defect("a slice ends with the first bit of low and the stop bit", "(s3.flush << 1)", "s3.flush"),
        Defect(
            "no carry while all bits since the last one are 1",
            "carry.eq(total[25])",
            "carry.eq(total[24])",
        ),
        Defect("tokens are as ByteOutput takes them", "Mux(s5.last, 2, total[3:])", "total[3:]"),
        Defect("no carry while all bytes since the last one are 0xFF", "Mux(s5.carry, place, 0)", "place"),
        Defect("bits become bytes as they come, with the carry", "(2 - total[3:])[:2]", "(1 - total[3:])[:2]"),
        Defect("a token finds room", "level < 16 - self.IN_FLIGHT - 1", "level < 16"),
    ),
)

PROOFS = (BYTES, CODER)
