"""CABAC arithmetic coder: bins to bytes (H.265 9.3.4.3, the other way round)."""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.entropy import contexts
from hdl.entropy.byte_output import ByteOutput
from hdl.entropy.context_init import ContextInit
from hdl.entropy.context_memory import STATE_BITS, ContextMemory
from hdl.entropy.payloads import BinKind, Bins, ByteToken
from hdl.entropy.queue import Queue
from hdl.payloads import Byte, Picture

_AFTER = (tuple(min(index + 1, 62) for index in range(63)), contexts.TRANS_IDX_LPS)  # transIdxMps, transIdxLps


def _next_state(state, value):
    """Context variable after coding `value` (9.3.4.3.2.2)."""
    mps, index = state[0], state[1:]
    lps = value ^ mps
    after = [rom(table, index, 6) for table in _AFTER]
    return Cat(mps ^ (lps & (index == 0)), Mux(lps, after[1], after[0]))


def _state_after_two(state, values):
    """After coding both: what _next_state makes of _next_state, without the one behind the other."""
    mps, index = state[0], state[1:]
    first = values[0] ^ mps
    middle = mps ^ (first & (index == 0))
    second = values[1] ^ middle
    after = [[rom([b[i] for i in a[:63]], index, 6) for b in _AFTER] for a in _AFTER]
    after = [Mux(first, after[1][k], after[0][k]) for k in range(2)]
    # pStateIdx 0 and 1 are followed by 0 after an LPS, nothing else is.
    return Cat(middle ^ (first & second & (index <= 1)), Mux(second, after[1], after[0]))


def _renorm_shift(m, name, lps_range):
    """Places by which an LPS range (2..240) is shifted to have bit 8 set."""
    shift = Signal(3, name=name)
    with m.If(lps_range[7]):
        m.d.comb += shift.eq(1)
    with m.Elif(lps_range[6]):
        m.d.comb += shift.eq(2)
    with m.Elif(lps_range[5]):
        m.d.comb += shift.eq(3)
    with m.Elif(lps_range[4]):
        m.d.comb += shift.eq(4)
    with m.Elif(lps_range[3]):
        m.d.comb += shift.eq(5)
    with m.Elif(lps_range[2]):
        m.d.comb += shift.eq(6)
    with m.Else():
        m.d.comb += shift.eq(7)
    return shift


class ArithmeticCoder(wiring.Component):
    """CABAC arithmetic encoder with its context variables; one payload of bins per cycle.

    i_picture: taken when idle; all contexts are then set from its qp (132 cycles) before bins are accepted.
    i: Bins in coding order. A TERMINATE bin of 1 ends the slice: the code is flushed with the rbsp stop bit and
       zero bits up to the byte, and the next picture is taken.
    o: bytes of slice_segment_data() with the trailing bits, before emulation prevention; `last` on the last.
    stat_bins: bins of the picture that was last finished, steady while the next is coded.

    Throughput: 1 payload per cycle (2 regular or 16 bypass bins) while at most 1 byte per cycle comes out on
    average; a queue of 16 tokens evens out. Latency: 8 cycles to the token, then a byte waits until no carry can
    reach it. Backpressure on `o` stalls `i`. Arithmetic is exact: range 9 bits, low 9 bits and the carry apart.
    Pipeline: S1 next states, S2 ranges after an LPS, S3 range of both bins, S4 sum of what is added to low, S5 low, S6
    bits to bytes.
    """

    i_picture: In(stream.Signature(Picture))
    i: In(stream.Signature(Bins))
    o: Out(stream.Signature(Byte))
    stat_bins: Out(32)

    IN_FLIGHT = 7  # payloads past `i` that may still become tokens

    def elaborate(self, platform):
        m = Module()
        m.submodules.contexts = self._contexts = ContextMemory()
        m.submodules.queue = queue = Queue(ByteToken)
        m.submodules.output = output = ByteOutput()
        wiring.connect(m, queue.o, output.i)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        m.submodules.init = self._init = ContextInit()
        accept = self._control(m, queue.level)
        s1 = self._read_contexts(m, accept)
        s2 = self._update_contexts(m, s1)
        s3 = self._range(m, self._renormalise(m, s2))
        s4 = self._addend(m, s3)
        s5 = self._low(m, s4)
        self._bytes(m, s5, queue.i)
        return m

    def _control(self, m, level):
        """Picture start, context initialisation and the gate in front of the free-running pipeline."""
        room, accept = Signal(), Signal()
        coding, started, init = Signal(), Signal(), self._init
        bins, count = self.i.payload, Signal(32)
        m.d.sync += room.eq(level < 16 - self.IN_FLIGHT - 1)
        m.d.comb += [
            self.i_picture.ready.eq(~coding & ~started),
            init.start.eq(self.i_picture.valid & self.i_picture.ready),
            init.qp.eq(self.i_picture.payload.qp),
            self.i.ready.eq(coding & room),
            accept.eq(self.i.valid & self.i.ready),
        ]
        with m.If(init.start):
            m.d.sync += [started.eq(1), count.eq(0)]
        with m.Elif(started & ~init.busy):
            m.d.sync += [started.eq(0), coding.eq(1)]
        with m.If(accept):
            m.d.sync += count.eq(count + bins.count)
            with m.If((bins.kind == BinKind.TERMINATE) & bins.value[15]):
                m.d.sync += [coding.eq(0), self.stat_bins.eq(count + 1)]
        return accept

    def _read_contexts(self, m, accept):
        """S0: read both states, or take them from the payload just ahead."""
        s1 = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "bins": Bins,
                    "state": data.ArrayLayout(STATE_BITS, 2),
                    "same": 1,
                }
            )
        )
        ctx = self.i.payload.ctx
        memory = self._contexts
        m.d.comb += memory.read_ctx.eq(ctx)
        m.d.sync += [s1.valid.eq(accept), s1.bins.eq(self.i.payload), s1.same.eq(ctx[0] == ctx[1])]
        for k in range(2):
            m.d.sync += s1.state[k].eq(memory.read_state[k])
            for w in range(2):
                with m.If(memory.write_en[w] & (memory.write_ctx[w] == ctx[k])):
                    m.d.sync += s1.state[k].eq(memory.write_state[w])
        return s1

    def _update_contexts(self, m, s1):
        """S1: both bins' next states, written back; the states before."""
        memory, init = self._contexts, self._init
        regular = s1.bins.kind == BinKind.REGULAR
        two = regular & s1.bins.count[1]
        bins = [s1.bins.value[15], s1.bins.value[14]]
        state, after = ([Signal(STATE_BITS, name=f"{name}{k}") for k in range(2)] for name in ("state", "after"))
        m.d.comb += [
            after[0].eq(_next_state(s1.state[0], bins[0])),
            after[1].eq(Mux(s1.same, _state_after_two(s1.state[0], bins), _next_state(s1.state[1], bins[1]))),
            state[0].eq(s1.state[0]),
            state[1].eq(Mux(s1.same, after[0], s1.state[1])),
            memory.write_en.eq(Cat((s1.valid & regular & ~(two & s1.same)) | init.write_en, s1.valid & two)),
            memory.write_ctx[0].eq(Mux(init.write_en, init.write_ctx, s1.bins.ctx[0])),
            memory.write_ctx[1].eq(s1.bins.ctx[1]),
            memory.write_state[0].eq(Mux(init.write_en, init.write_state, after[0])),
            memory.write_state[1].eq(after[1]),
        ]
        s2 = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "count": 5,
                    "value": 16,
                    "lps": 2,
                    "index": data.ArrayLayout(6, 2),  # pStateIdx
                    "terminate": 1,
                    "two": 1,
                    "bypass": 1,
                    "flush": 1,
                }
            )
        )
        terminate = s1.bins.kind == BinKind.TERMINATE
        m.d.sync += [
            s2.valid.eq(s1.valid),
            s2.count.eq(s1.bins.count),
            s2.value.eq(s1.bins.value),
            s2.two.eq(two),
            s2.bypass.eq(s1.bins.kind == BinKind.BYPASS),
            s2.flush.eq(terminate & bins[0]),
            s2.lps[0].eq(Mux(terminate, bins[0], bins[0] ^ state[0][0])),
            s2.lps[1].eq(bins[1] ^ state[1][0]),
            s2.index[0].eq(state[0][1:]),
            s2.index[1].eq(state[1][1:]),
            s2.terminate.eq(terminate),
        ]
        return s2

    def _renormalise(self, m, s2):
        """S2: the LPS range, for each quarter that the range may be in, and what it becomes."""
        lps = data.StructLayout({"range": 8, "after": 8, "shift": 3})  # after: bit 8 is always set
        kept = ("valid", "count", "value", "lps", "two", "bypass", "flush")
        out = Signal(
            data.StructLayout(
                {name: s2.shape()[name].width for name in kept}
                | {"entries": data.ArrayLayout(data.ArrayLayout(lps, 4), 2)}
            ),
            name="s2_renormalised",
        )
        m.d.sync += [out[name].eq(s2[name]) for name in kept]
        for k in range(2):
            for quarter in range(4):
                lps_range = Signal(8, name=f"lps_range{k}_{quarter}")
                m.d.comb += lps_range.eq(rom([row[quarter] for row in contexts.RANGE_TAB_LPS], s2.index[k], 8))
                if k == 0:
                    with m.If(s2.terminate):
                        m.d.comb += lps_range.eq(2)
                shift = _renorm_shift(m, f"lps_shift{k}_{quarter}", lps_range)
                entry = out.entries[k][quarter]
                m.d.sync += [entry.range.eq(lps_range), entry.after.eq(lps_range << shift), entry.shift.eq(shift)]
        return out

    def _range(self, m, lps):
        """S3: the range through up to two bins; what each adds to low, and its shift."""
        range_ = Signal(9, init=510)
        current, adds, shifts = range_, [], []
        for k in range(2):
            entry = Array(lps.entries[k])[current[6:8]]
            mps_range = Signal(9, name=f"mps_range{k}")
            after, add, shift = (Signal(n, name=f"{s}{k}") for s, n in (("range", 9), ("add", 9), ("shift", 3)))
            m.d.comb += mps_range.eq(current - entry.range)
            with m.If(lps.lps[k]):
                m.d.comb += [after.eq(Cat(entry.after, 1)), add.eq(mps_range), shift.eq(entry.shift)]
            with m.Else():
                m.d.comb += [
                    after.eq(Mux(mps_range[8], mps_range, mps_range << 1)),
                    shift.eq(~mps_range[8]),
                ]
            adds.append(add)
            shifts.append(shift)
            current = after
            if k == 0:
                first = after
        with m.If(lps.valid & ~lps.bypass):
            m.d.sync += range_.eq(Mux(lps.flush, 510, Mux(lps.two, current, first)))
        s3 = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "bypass": 1,
                    "flush": 1,
                    "count": 5,
                    "value": 16,
                    "range": 9,
                    "add": data.ArrayLayout(9, 2),
                    "shift": data.ArrayLayout(3, 2),
                }
            )
        )
        m.d.sync += [
            s3.valid.eq(lps.valid),
            s3.bypass.eq(lps.bypass),
            s3.flush.eq(lps.flush),
            s3.count.eq(lps.count),
            s3.value.eq(lps.value),
            s3.range.eq(range_),
            s3.add[0].eq(adds[0]),
            s3.shift[0].eq(shifts[0]),
            s3.add[1].eq(Mux(lps.two, adds[1], 0)),
            s3.shift[1].eq(Mux(lps.two, shifts[1], 0)),
        ]
        return s3

    def _addend(self, m, s3):
        """S4: all additions to low of the payload as one number, aligned so that low stands at bit 16."""
        s4 = Signal(data.StructLayout({"valid": 1, "flush": 1, "shift": 5, "add": 25}))
        product, chained = Signal(25), Signal(25)
        second = Cat(Const(0, 16), s3.add[1]) >> s3.shift[0]
        m.d.comb += [
            product.eq(s3.range * s3.value),
            chained.eq(Cat(Const(0, 16), s3.add[0]) + second),
        ]
        m.d.sync += [
            s4.valid.eq(s3.valid),
            s4.flush.eq(s3.flush),
            s4.add.eq(Mux(s3.bypass, product, chained)),
            # The flush sends one more bit of low, then the stop bit.
            s4.shift.eq(Mux(s3.bypass, s3.count, s3.shift[0] + s3.shift[1] + (s3.flush << 1))),
        ]
        return s4

    def _low(self, m, s4):
        """S5: low; the bits that leave it at the top, and the carry into bits that left before."""
        low, total = Signal(9), Signal(26)
        s5 = Signal(data.StructLayout({"valid": 1, "carry": 1, "bits": 16, "shift": 5, "last": 1}))
        m.d.comb += total.eq(Cat(Const(0, 16), low) + s4.add)
        with m.If(s4.valid):
            m.d.sync += low.eq(Mux(s4.flush, 0, total[:25] >> (16 - s4.shift)[:5]))
        leaving = Cat(s4.shift >= 16 - bit for bit in range(16))
        stop_bit = s4.flush << 7
        m.d.sync += [
            s5.valid.eq(s4.valid),
            s5.carry.eq(total[25]),
            s5.bits.eq((total[9:25] & leaving) | stop_bit),
            s5.shift.eq(s4.shift),
            s5.last.eq(s4.flush),
        ]
        return s5

    def _bytes(self, m, s5, tokens):
        """S6: bits to bytes; fewer than 8 bits stay, at the top of `rest`."""
        rest, held = Signal(8), Signal(3)
        total, window, raised = Signal(5), Signal(24), Signal(9)
        token = tokens.payload
        place = Const(256, 9) >> held
        m.d.comb += [
            raised.eq(rest + Mux(s5.carry, place, 0)),
            window.eq(Cat(Const(0, 16), raised[:8]) | (Cat(Const(0, 8), s5.bits) >> held)),
            total.eq(held + s5.shift),
            token.carry.eq(raised[8]),
            token.count.eq(Mux(s5.last, 2, total[3:])),
            token.byte[0].eq(window[16:]),
            token.byte[1].eq(window[8:16]),
            token.last.eq(s5.last),
            tokens.valid.eq(s5.valid & (raised[8] | token.count.any())),
        ]
        with m.If(s5.valid):
            m.d.sync += held.eq(Mux(s5.last, 0, total[:3]))
            m.d.sync += rest.eq(Mux(s5.last, 0, window.word_select((2 - total[3:])[:2], 8)))
