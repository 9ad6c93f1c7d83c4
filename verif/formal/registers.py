"""Proof of the register file: AXI4-Lite, and no event lost."""

from amaranth import Cat, Const, Mux, Signal

from hdl.chip.register_file import RegisterFile
from hdl.chip.register_map import Kind, registers
from hdl.common.axi import DECERR, OKAY, SLVERR
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, first, keeps_rules
from verif.formal.queues import all_of


class RegisterFileProperties(Properties):
    """One answer for each access and none without, each register what was written to it; an event stays until a one is
    written to it, also when it comes again in that cycle. An access may come in any order and at any time."""

    def check(self):
        self._write()
        self._read()

    def _address(self, channel):
        """Whether a payload was taken that waits for its answer to begin, its register, and the strobe that ends it."""
        held, word, done = Signal(name="held"), Signal(10, name="word"), Signal(name="done")
        with self.m.If(channel.valid & channel.ready):
            self.m.d.sync += [held.eq(1), word.eq(channel.payload.addr[2:])]
        with self.m.Elif(done):
            self.m.d.sync += held.eq(0)
        return held, word, done

    def _write(self):
        m, dut = self.m, self.dut
        aw, w, b = dut.bus.aw, dut.bus.w, dut.bus.b
        has_address, word, go = self._address(aw)
        has_data, write = Signal(name="has_data"), Signal.like(w.payload, name="write")
        with m.If(w.valid & w.ready):
            m.d.sync += [has_data.eq(1), write.eq(w.payload)]
        with m.Elif(go):
            m.d.sync += has_data.eq(0)
        m.d.comb += go.eq(has_address & has_data & ~b.valid)
        answer = Signal(2, name="answer")
        m.d.comb += answer.eq(DECERR)
        with m.Switch(word):
            for register in registers():
                with m.Case(register.offset // 4):
                    m.d.comb += answer.eq(OKAY if register.writable else SLVERR)
        self.always("a write is answered once", b.valid == self.before(go | (b.valid & ~b.ready)))
        one = (aw.ready == ~has_address) & (w.ready == ~has_data)
        self.always("AW and W wait for a write that is under way, and for each other not", one)
        self.always(
            "B tells whether there is such a register", ~first(self, b) | (b.payload.resp == self.before(answer))
        )
        self.always("B keeps the rules of a stream", keeps_rules(self, b))
        self._fields(go, word, write)
        self.invariant(
            "what waits", Cat(self.inside("has_address"), self.inside("has_data")) == Cat(has_address, has_data)
        )
        self.invariant("the address that waits", ~has_address | (self.inside("word") == word))
        self.invariant("the data that waits", ~has_data | (self.inside("write") == write))
        self.cover("AW before W", go & self.before(has_address & ~has_data))
        self.cover("W before AW", go & self.before(has_data & ~has_address))
        self.cover("a write waits for B", self.before(has_address & has_data & b.valid) & go)

    def _fields(self, go, word, write):
        dut, right = self.dut, {kind: [] for kind in Kind}
        stays, kept, cleared, made, collides = [], [], [], [], []
        strobes = Cat(strobe.replicate(8) for strobe in write.strb)
        for register in registers():
            hit = go & (word == register.offset // 4)
            for field in register.fields:
                if not field.writable:
                    continue
                value, bits = getattr(dut, field.port), slice(field.low, field.low + field.width)
                written, mask = write.data[bits], strobes[bits]
                if field.kind == Kind.SETTING:
                    after = Mux(hit, (written & mask) | (value & ~mask), value)
                    right[field.kind].append(value == self.before(after[: field.width], field.reset))
                elif field.kind == Kind.COMMAND:
                    right[field.kind].append(value == self.before(hit & written & mask))
                else:
                    set_ = getattr(dut, f"{field.port}_set")
                    clear = (hit & written & mask) | dut.clear_events
                    stays.append(~self.before(value & ~clear) | value)
                    kept.append(~self.before(set_) | value)
                    cleared.append(~self.before(clear & ~set_) | ~value)
                    made.append(~self.before(~value & ~set_) | ~value)
                    collides.append(value & self.before(value & hit & written & mask & set_))
        self.always("a setting is what was written, byte by byte", all_of(right[Kind.SETTING]))
        self.always("a command is one cycle of what was written", all_of(right[Kind.COMMAND]))
        self.always("an event stays until a one is written to it", all_of(stays))
        self.always("no event is lost, in the cycle of a clear neither", all_of(kept))
        self.always("a written one clears its event", all_of(cleared))
        self.always("no event that was not set", all_of(made))
        self.cover("an event comes in the cycle in which it is cleared", Cat(collides).any())

    def _read(self):
        m, dut, ar, r = self.m, self.dut, self.dut.bus.ar, self.dut.bus.r
        held, word, done = self._address(ar)
        seen = Signal(name="seen")  # the cycle after AR is over
        value, known = Signal(32, name="value"), Signal(name="known")  # in that cycle
        m.d.comb += done.eq(held & seen & ~r.valid)
        m.d.sync += seen.eq(held & ~done)
        with m.If(held & ~seen):
            m.d.sync += [value.eq(0), known.eq(0)]
            with m.Switch(word):
                for register in registers():
                    with m.Case(register.offset // 4):
                        m.d.sync += [value.eq(self._value(register)), known.eq(1)]
        self.always("a read is answered once", r.valid == self.before(done | (r.valid & ~r.ready)))
        self.always("AR waits for a read that is under way only", ar.ready == ~held)
        right = (r.payload.data == self.before(value)) & (r.payload.resp == self.before(Mux(known, OKAY, DECERR)))
        self.always("R has the register as it was in the cycle after AR, or DECERR", ~first(self, r) | right)
        self.always("R keeps the rules of a stream", keeps_rules(self, r))
        waits = Cat(self.inside("busy"), self.inside("busy") & self.inside("fetched"))
        self.invariant("what is read", waits == Cat(held, held & seen))
        self.invariant("where is read", ~held | (self.inside("wanted") == word))
        chosen = self.inside("chosen")
        self.invariant("what was read", ~(held & seen) | ((chosen.data == value) & (chosen.known == known)))
        self.cover("a read and a write answered in one cycle", first(self, r) & first(self, dut.bus.b))
        self.cover("a read where there is no register", r.valid & (r.payload.resp == DECERR))

    def _value(self, register):
        """What it reads, field by field."""
        value = Const(0, 32)
        for field in register.fields:
            if field.kind == Kind.CONSTANT:
                value = value | field.reset << field.low
            elif field.kind != Kind.COMMAND:
                value = value | getattr(self.dut, field.port) << field.low
        return value


PROOFS = (
    Proof(
        name="chip.register_file",
        properties=RegisterFileProperties,
        block=RegisterFile,
        defects=(
            Defect("a write is answered once", "has_address.eq(0), has_data.eq(0), ", "has_address.eq(0), "),
            Defect(
                "AW and W wait for a write that is under way, and for each other not",
                "aw.ready.eq(~has_address), w.ready.eq(~has_data)",
                "aw.ready.eq(~has_address), w.ready.eq(has_address & ~has_data)",
            ),
            Defect("B tells whether there is such a register", "OKAY if register.writable else SLVERR", "OKAY"),
            Defect("B keeps the rules of a stream", "m.Elif(b.ready)", "m.Else()"),
            Defect(
                "a setting is what was written, byte by byte",
                "(written & mask) | (value & ~mask)",
                "(written & mask) | value",
            ),
            Defect(
                "a command is one cycle of what was written",
                "value.eq(selected & written & mask)",
                "value.eq(value | (selected & written & mask))",
            ),
            Defect(
                "an event stays until a one is written to it",
                "clear = (selected & written & mask) |",
                "clear = (selected & mask) |",
            ),
            Defect(
                "no event is lost, in the cycle of a clear neither",
                '(value & ~clear) | getattr(self, f"{field.port}_set")',
                '(value | getattr(self, f"{field.port}_set")) & ~clear',
            ),
            Defect("a written one clears its event", "clear = (selected & written & mask) | self", "clear = self"),
            Defect("no event that was not set", "value.eq((value & ~clear) |", "value.eq((value ^ clear) |"),
            Defect("a read is answered once", ", fetched.eq(0)]", "]"),
            Defect("AR waits for a read that is under way only", "ar.ready.eq(~busy)", "ar.ready.eq(~busy & ~r.valid)"),
            Defect(
                "R has the register as it was in the cycle after AR, or DECERR",
                "m.Switch(wanted % BANK)",
                "m.Switch((wanted + 1) % BANK)",
            ),
            Defect("R keeps the rules of a stream", "m.Elif(r.ready)", "m.Else()"),
        ),
    ),
)
