"""Proof of emulation prevention: no start code inside a NAL unit, and nothing lost."""

from amaranth import Mux, Signal

from hdl.pack.emulation_prevention import EmulationPrevention
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, keeps_rules


class EmulationPreventionProperties(Properties):
    """A decoder looks at what comes: which three bytes never stand together in a NAL unit (H.265 7.4.2.1), and what is
    left of it when each 3 that prevents emulation is dropped (7.3.1.1)."""

    def check(self):
        m, i, o = self.m, self.dut.i, self.dut.o
        byte, sent = i.payload, Signal(name="sent")
        m.d.comb += sent.eq(o.valid & o.ready)
        self.assume("valid of `i` stays until ready, and its payload", keeps_rules(self, i))

        # The decoder's two bytes of the NAL unit: a raw byte is none of it.
        one, two, raw = Signal(8, init=0xFF, name="one"), Signal(8, init=0xFF, name="two"), Signal(name="raw")
        m.d.comb += raw.eq(byte.raw)
        with m.If(sent):
            m.d.sync += [one.eq(Mux(raw, 0xFF, o.payload.data)), two.eq(Mux(raw, 0xFF, one))]
        zeros = (one == 0) & (two == 0) & o.valid & ~raw
        dropped = Signal(name="dropped")
        m.d.comb += dropped.eq(zeros & (o.payload.data == 3))
        after_dropped, same = Signal(name="after_dropped"), o.payload.data == byte.data
        with m.If(sent):
            m.d.sync += after_dropped.eq(dropped)

        self.always("no 00 00 00, 00 00 01, 00 00 02 in a NAL unit", ~zeros | (o.payload.data > 2))
        self.always("00 00 03 only before 00 to 03", ~after_dropped | (o.valid & ~raw & (o.payload.data <= 3)))
        self.always("what the decoder keeps is the payload", ~(sent & ~dropped) | (i.ready & same))
        self.always("what the decoder drops was put in", ~(sent & dropped) | ~i.ready)
        self.always("a raw byte passes as it is", ~(o.valid & raw) | (same & (i.ready == o.ready)))
        self.always("last comes with its byte and no other", ~o.valid | (o.payload.last == (byte.last & ~dropped)))
        self.always("nothing comes that was not sent", o.valid == i.valid)
        self.always("i takes only what goes out", ~(i.valid & i.ready) | sent)
        self.always("o keeps the rules of a stream", keeps_rules(self, o))
        zero_bytes = self.inside("zeros")
        both = (one == 0) & (two == 0)
        self.invariant("zeros counts the zero bytes", zero_bytes == Mux(both, 2, one == 0))
        for code in range(4):
            self.cover(f"a byte of {code} waits for a 3", sent & dropped & (byte.data == code) & ~raw)
        self.cover("a start code after two zero bytes", sent & raw & both & (byte.data == 0))


PROOFS = (
    Proof(
        name="pack.emulation_prevention",
        properties=EmulationPreventionProperties,
        block=EmulationPrevention,
        defects=(
            Defect("no 00 00 00, 00 00 01, 00 00 02 in a NAL unit", "(byte.data[2:] == 0)", "(byte.data[1:] == 0)"),
            Defect("00 00 03 only before 00 to 03", "(byte.data[2:] == 0)", "(byte.data[3:] == 0)"),
            Defect("what the decoder keeps is the payload", "self.o.ready & ~insert", "self.o.ready & insert"),
            Defect("what the decoder drops was put in", "(byte.data[2:] == 0)", "(byte.data < 3)"),
            Defect("a raw byte passes as it is", " & ~byte.raw", ""),
            Defect("last comes with its byte and no other", "byte.last & ~insert", "byte.last"),
            Defect("nothing comes that was not sent", "self.o.valid.eq(self.i.valid)", "self.o.valid.eq(1)"),
            Defect("i takes only what goes out", "self.o.ready & ~insert", "~insert"),
            Defect("o keeps the rules of a stream", "m.If(self.o.valid & self.o.ready)", "m.If(self.o.valid)"),
        ),
    ),
)
