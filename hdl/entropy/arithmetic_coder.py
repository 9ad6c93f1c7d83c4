"""CABAC arithmetic coder: bins to bytes (H.265 9.3.4.3, the other way round)."""

from amaranth import Cat, Const, Module, Mux, Signal
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


def _next_state(state, value):
    """Context variable after coding `value` (9.3.4.3.2.2)."""
    mps, index = state[0], state[1:]
    lps = value ^ mps
    after_mps = Mux(index == 62, 62, index + 1)[:6]
    return Cat(mps ^ (lps & (index == 0)), Mux(lps, rom(contexts.TRANS_IDX_LPS, index, 6), after_mps))


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
    average; a queue of 16 tokens evens out. Latency: 7 cycles to the token, then a byte waits until no carry can
    reach it. Backpressure on `o` stalls `i`. Arithmetic is exact: range 9 bits, low 9 bits and the carry apart.
    Pipeline: S1 next states, S2 range of both bins, S3 sum of what is added to low, S4 low, S5 bits to bytes.
    """

    i_picture: In(stream.Signature(Picture))
    i: In(stream.Signature(Bins))
    o: Out(stream.Signature(Byte))
    stat_bins: Out(32)

    IN_FLIGHT = 6  # payloads past `i` that may still become tokens

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
        s3 = self._range(m, s2)
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
        """S1: both bins' next states, written back; the LPS ranges of the states before."""
        memory, init = self._contexts, self._init
        regular = s1.bins.kind == BinKind.REGULAR
        two = regular & s1.bins.count[1]
        bins = [s1.bins.value[15], s1.bins.value[14]]
        state, after = [Signal(STATE_BITS, name=f"state{k}") for k in range(2)], []
        for k in range(2):
            after.append(Signal(STATE_BITS, name=f"after{k}"))
            m.d.comb += after[k].eq(_next_state(state[k], bins[k]))
        m.d.comb += [
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
                    "lps_range": data.ArrayLayout(32, 2),
                    "two": 1,
                    "bypass": 1,
                    "flush": 1,
                }
            )
        )
        terminate = s1.bins.kind == BinKind.TERMINATE
        table = [sum(r << (8 * q) for q, r in enumerate(row)) for row in contexts.RANGE_TAB_LPS]
        m.d.sync += [
            s2.valid.eq(s1.valid),
            s2.count.eq(s1.bins.count),
            s2.value.eq(s1.bins.value),
            s2.two.eq(two),
            s2.bypass.eq(s1.bins.kind == BinKind.BYPASS),
            s2.flush.eq(terminate & bins[0]),
            s2.lps[0].eq(Mux(terminate, bins[0], bins[0] ^ state[0][0])),
            s2.lps[1].eq(bins[1] ^ state[1][0]),
            s2.lps_range[0].eq(Mux(terminate, 0x02020202, rom(table, state[0][1:], 32))),
            s2.lps_range[1].eq(rom(table, state[1][1:], 32)),
        ]
        return s2

    def _range(self, m, s2):
        """S2: the range through up to two bins; what each adds to low, and its shift."""
        range_ = Signal(9, init=510)
        current, adds, shifts = range_, [], []
        for k in range(2):
            lps_range = Signal(8, name=f"lps_range{k}")
            mps_range = Signal(9, name=f"mps_range{k}")
            after, add, shift = (Signal(n, name=f"{s}{k}") for s, n in (("range", 9), ("add", 9), ("shift", 3)))
            m.d.comb += [
                lps_range.eq(s2.lps_range[k].word_select(current[6:8], 8)),
                mps_range.eq(current - lps_range),
            ]
            lps_shift = _renorm_shift(m, f"lps_shift{k}", lps_range)
            with m.If(s2.lps[k]):
                m.d.comb += [after.eq(lps_range << lps_shift), add.eq(mps_range), shift.eq(lps_shift)]
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
        with m.If(s2.valid & ~s2.bypass):
            m.d.sync += range_.eq(Mux(s2.flush, 510, Mux(s2.two, current, first)))
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
            s3.valid.eq(s2.valid),
            s3.bypass.eq(s2.bypass),
            s3.flush.eq(s2.flush),
            s3.count.eq(s2.count),
            s3.value.eq(s2.value),
            s3.range.eq(range_),
            s3.add[0].eq(adds[0]),
            s3.shift[0].eq(shifts[0]),
            s3.add[1].eq(Mux(s2.two, adds[1], 0)),
            s3.shift[1].eq(Mux(s2.two, shifts[1], 0)),
        ]
        return s3

    def _addend(self, m, s3):
        """S3: all additions to low of the payload as one number, aligned so that low stands at bit 16."""
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
        """S4: low; the bits that leave it at the top, and the carry into bits that left before."""
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
        """S5: bits to bytes; fewer than 8 bits stay, at the top of `rest`."""
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
