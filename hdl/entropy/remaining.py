"""The last steps to bins: coeff_abs_level_remaining is binarised here, other bins pass in order."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.entropy.payloads import BinKind, Bins
from hdl.entropy.queue import Queue


class BinStep(data.Struct):
    """Ready-made bins, or a level of which coeff_abs_level_remaining is coded.

    A level of magnitude 128 or more comes twice, the second time with `second`: its code may exceed 16 bins.
    """

    remaining: 1  # the fields below count, not `bins`
    first: 1  # first of its sub-block: cRiceParam starts at 0
    second: 1
    base: 2  # baseLevel, 1..3
    level: signed(16)
    bins: Bins


class RemainingBinarizer(wiring.Component):
    """Binarises coeff_abs_level_remaining (H.265 9.3.3.11) with its Rice parameter; passes other bins.

    step, valid: one step per cycle, taken always; valid only in a cycle after one with `room`.
    o: Bins in the order of the steps. A step with `second` gives none when its code had 16 bins or fewer.
    Throughput: 1 step per cycle. Latency: 6 cycles, then a queue of 16. Backpressure on `o` ends in `room` low.
    Arithmetic: |level| 16 bits unsigned, so -32768 is exact; codes of up to 32 bins.
    """

    step: In(BinStep)
    valid: In(1)
    room: Out(1)
    o: Out(stream.Signature(Bins))

    IN_FLIGHT = 7

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(Bins)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.sync += self.room.eq(queue.level < 16 - self.IN_FLIGHT - 1)

        def stage(name, before, **fields):
            """A register stage that hands on what the next ones need."""
            common = {"valid": 1, "remaining": 1, "second": 1, "bins": Bins}
            register = Signal(data.StructLayout({**common, **fields}), name=name)
            for field in common:
                m.d.sync += register[field].eq(before[field])
            return register

        # The step itself, then |level|.
        s0 = Signal(BinStep)
        s0_valid = Signal()
        m.d.sync += [s0.eq(self.step), s0_valid.eq(self.valid)]
        s1 = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "remaining": 1,
                    "second": 1,
                    "first": 1,
                    "bins": Bins,
                    "base": 2,
                    "magnitude": 16,
                }
            )
        )
        m.d.sync += [
            s1.valid.eq(s0_valid),
            s1.remaining.eq(s0.remaining),
            s1.second.eq(s0.second),
            s1.first.eq(s0.first),
            s1.bins.eq(s0.bins),
            s1.base.eq(s0.base),
            s1.magnitude.eq(Mux(s0.level[15], -s0.level, s0.level)),
        ]

        # Rice parameter; the value to code.
        rice_next, rice_used, rice = Signal(3), Signal(3), Signal(3)
        s2 = stage("s2", s1, value=16, rice=3)
        m.d.comb += rice.eq(Mux(s1.second, rice_used, Mux(s1.first, 0, rice_next)))
        with m.If(s1.valid & s1.remaining & ~s1.second):
            grow = (s1.magnitude > (3 << rice)) & (rice != 4)
            m.d.sync += [rice_used.eq(rice), rice_next.eq(rice + grow)]
        m.d.sync += [s2.value.eq(s1.magnitude - s1.base), s2.rice.eq(rice)]

        # Below 3 << rice: unary quotient. From there on: an exponential Golomb code of what is left.
        s3 = stage("s3", s2, small=1, rice=3, quotient=2, rest=16)
        small = s2.value < (3 << s2.rice)
        m.d.sync += [
            s3.small.eq(small),
            s3.rice.eq(s2.rice),
            s3.quotient.eq((s2.value >> s2.rice)[:2]),
            s3.rest.eq(Mux(small, s2.value, s2.value - (2 << s2.rice))),
        ]

        # Length of the suffix, the suffix at the top of a word, the number of ones before it.
        s4 = stage("s4", s3, ones=5, length=4, suffix=16)
        top, length = Signal(4), Signal(4)
        for bit in range(16):
            with m.If(s3.rest[bit]):
                m.d.comb += top.eq(bit)
        m.d.comb += length.eq(Mux(s3.small, s3.rice, top))
        m.d.sync += [
            s4.length.eq(length),
            s4.ones.eq(Mux(s3.small, s3.quotient, top + 3 - s3.rice)),
            s4.suffix.eq(Cat(Const(0, 16), s3.rest) >> length),
        ]

        # Ones, a zero, the suffix.
        word, total = Signal(32), Signal(6)
        made = Signal(Bins)
        m.d.comb += [
            word.eq(~(Const((1 << 32) - 1, 32) >> s4.ones) | (Cat(Const(0, 15), s4.suffix, 0) >> s4.ones)),
            total.eq(s4.ones + s4.length + 1),
            made.kind.eq(BinKind.BYPASS),
            made.value.eq(Mux(s4.second, word[:16], word[16:])),
            made.count.eq(Mux(s4.second, total - 16, Mux(total > 16, 16, total))),
        ]
        out_valid, out = Signal(), Signal(Bins)
        m.d.sync += [
            out_valid.eq(s4.valid & ~(s4.remaining & s4.second & (total <= 16))),
            out.eq(Mux(s4.remaining, made, s4.bins)),
        ]
        m.d.comb += [queue.i.valid.eq(out_valid), queue.i.payload.eq(out)]
        return m
