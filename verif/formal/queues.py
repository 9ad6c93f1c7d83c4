"""Proofs of the stream primitives: Fork, Fifo, Queue."""

from amaranth import Cat, Mux, Signal, Value
from amaranth.lib import fifo

from hdl.common.streams import Fifo, Fork
from hdl.entropy.queue import Queue
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, Tracker, keeps_rules, wrap


def all_of(conditions):
    return Cat(conditions).all()


def same(one, other):
    return Value.cast(one.payload) == Value.cast(other.payload)


class ForkProperties(Properties):
    """Each output gets each payload once, `i` advances with the last of them, and no output waits for another."""

    def check(self):
        m, i = self.m, self.dut.i
        self.assume("valid of `i` stays until ready, and its payload", keeps_rules(self, i))
        got = [Signal(name=f"got{k}") for k in range(self.dut.count)]
        taking = [o.valid & o.ready for o in self.dut.o]
        for k in range(self.dut.count):
            m.d.sync += got[k].eq(~(i.valid & i.ready) & (got[k] | taking[k]))
        outputs = list(enumerate(self.dut.o))
        self.always("payloads are those of i", all_of(~o.valid | same(o, i) for _, o in outputs))
        self.always("no copy twice", all_of(~(got[k] & o.valid) for k, o in outputs))
        done = all_of(got[k] | taking[k] for k, _ in outputs)
        self.always("i advances when every output has its copy", (i.valid & i.ready) == (i.valid & done))
        self.always("no output waits for another", all_of(o.valid == (i.valid & ~got[k]) for k, o in outputs))
        self.always("outputs keep the rules of a stream", all_of(keeps_rules(self, o) for _, o in outputs))
        self.invariant("taken is what was seen", self.inside("taken") == Cat(got))
        for k, _ in outputs:
            self.cover(f"output {k} comes last", i.valid & i.ready & all_of(got[n] for n, _ in outputs if n != k))


class QueueProperties(Properties):
    """First in, first out, followed with one payload, any one; `latency` and `depth` as the block promises."""

    latency = 1

    def check(self):
        m, dut = self.m, self.dut
        put, take = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
        self.tracker = t = Tracker(self, put, take, dut.i.payload, dut.depth)
        waits = Signal(range(self.latency + 1))
        m.d.sync += waits.eq(0)
        with m.If((t.held != 0) & ~dut.o.valid & (waits != self.latency)):
            m.d.sync += waits.eq(waits + 1)
        self.always("nothing comes that was not sent", ~dut.o.valid | (t.held != 0))
        self.always("never more than depth", t.held <= dut.depth)
        self.always("order and payload", ~(t.at_front & dut.o.valid) | (Value.cast(dut.o.payload) == t.value))
        self.always("what is held comes out", waits != self.latency)
        self.always("i stalls when full only", dut.i.ready | (t.held >= self.stalls_at()))
        self.always("o keeps the rules of a stream", keeps_rules(self, dut.o))
        self.insides()
        self.cover("full", t.held == dut.depth)
        emptied = t.at_front & t.take & (t.held == 1) & was(self, t.held == dut.depth)
        self.cover("the last of a full queue comes out", emptied)

    def stalls_at(self):
        return self.dut.depth

    def insides(self):
        raise NotImplementedError


def was(p, condition):
    """`condition` held in some cycle since the reset."""
    seen = Signal(name="seen")
    with p.m.If(condition):
        p.m.d.sync += seen.eq(1)
    return seen


class RegistersProperties(QueueProperties):
    """First in, first out: any payload that goes in comes out, once, whole and in its turn. A pair of registers."""

    def insides(self):
        t, spare, spare_valid = self.tracker, self.inside("spare"), self.inside("spare_valid")
        o = self.dut.o
        self.invariant("registers in use", t.held == o.valid + spare_valid)
        self.invariant("output register first", ~spare_valid | o.valid)
        self.invariant("a place for the followed one", ~t.tracking | (t.ahead < t.held))
        self.invariant("the followed one in the output", ~t.at_front | (Value.cast(o.payload) == t.value))
        self.invariant("the followed one in spare", ~(t.tracking & (t.ahead == 1)) | (spare == t.value))


class Inside:
    """What a Fifo with a memory holds: `level` payloads. `path`: of the Fifo in the block, if it is not the block.

    That its pointers belong to its level is an invariant of it.
    """

    def __init__(self, p: Properties, path: str = ""):
        fifo = p.submodule(path)
        self.p, self.o, self.size = p, fifo.o, fifo.depth - 1
        self.path = f"{path}.fifo" if path else "fifo"
        self.produce, self.consume, self.stored = (
            p.inside(f"{self.path}.{name}") for name in ("produce", "consume", "inner_level")
        )
        self.level = self.stored + self.o.valid
        produce, consume, stored, size = self.produce, self.consume, self.stored, self.size
        p.invariant(f"pointers in range {path}", (produce < size) & (consume < size) & (stored <= size))
        apart = produce == wrap(consume + stored - (stored == size) * size, size)
        p.invariant(f"pointers a level apart {path}", apart)

    def at(self, index):
        """The payload with `index` others in front of it, as bits."""
        place = Signal(range(2 * self.size + 1))
        self.p.m.d.comb += place.eq(self.consume + index - self.o.valid)
        stored = self.p.row(f"{self.path}.storage", wrap(place, self.size))
        return Mux(self.o.valid & (index == 0), Value.cast(self.o.payload), stored)

    def all(self, condition):
        """`condition` holds for all payloads that are held."""
        found = [~self.o.valid | condition(self.o.payload)]
        for place in range(self.size):
            behind = wrap(place + self.size - self.consume, self.size)
            payload = self.o.payload.shape()(self.p.row(f"{self.path}.storage", place))
            found.append((behind >= self.stored) | condition(payload))
        return all_of(found)


class BufferedProperties(QueueProperties):
    """First in, first out: any payload that goes in comes out, once, whole and in its turn. Memory, then a register."""

    latency = 2

    def stalls_at(self):
        return self.dut.depth - 1 + self.dut.o.valid

    def insides(self):
        t, inside = self.tracker, Inside(self)
        self.invariant("memory and output in use", t.held == inside.level)
        self.invariant("a place for the followed one", ~t.tracking | (t.ahead < t.held))
        self.invariant("the followed one in its place", ~t.tracking | (inside.at(t.ahead) == t.value))


class RamProperties(QueueProperties):
    """First in, first out: any payload that goes in comes out, once, whole and in its turn. A memory."""

    def insides(self):
        t, dut, head, tail = self.tracker, self.dut, self.inside("head"), self.inside("tail")
        self.always("level is what is held", dut.level == t.held)
        self.invariant("pointers a level apart", head == (tail + dut.level)[: len(tail)])
        self.invariant("a place for the followed one", ~t.tracking | (t.ahead < t.held))
        there = self.row("store", (tail + t.ahead)[: len(tail)]) == t.value
        self.invariant("the followed one in memory", ~t.tracking | there)


FORK = Proof(
    name="common.fork",
    properties=ForkProperties,
    block=Fork,
    arguments=((8, 3), (8, 1), (8, 2), (8, 6)),
    defects=(
        Defect("payloads are those of i", "eq(Value.cast(self.i.payload)),", "eq(Value.cast(self.i.payload) + index),"),
        Defect("no copy twice", "self.i.valid & ~taken[index]", "self.i.valid"),
        Defect("i advances when every output has its copy", "(self.o)).all()", "(self.o)).any()"),
        Defect("no output waits for another", "& ~taken[index]", "& ~taken[index] & taken[:index].all()"),
        Defect("outputs keep the rules of a stream", "taken.eq(taken | taking)", "taken.eq(-1)"),
    ),
)

REGISTERS = Proof(
    name="common.fifo2",
    properties=RegistersProperties,
    block=Fifo,
    arguments=((8, 2),),
    defects=(
        Defect("order and payload", "Mux(spare_valid, spare, i_payload)", "Mux(spare_valid, i_payload, spare)"),
        Defect("nothing comes that was not sent", "                    spare_valid.eq(0),\n", ""),
        Defect("what is held comes out", "[spare.eq(i_payload), spare_valid.eq(1)]", "spare.eq(i_payload)"),
        Defect("never more than depth", "self.i.ready.eq(~spare_valid)", "self.i.ready.eq(1)"),
        Defect("i stalls when full only", "self.i.ready.eq(~spare_valid)", "self.i.ready.eq(~self.o.valid)"),
        Defect("o keeps the rules of a stream", "m.If(self.o.ready | ~self.o.valid)", "m.If(self.i.valid)"),
    ),
)

BUFFERED = Proof(
    name="common.fifo",
    properties=BufferedProperties,
    block=Fifo,
    arguments=tuple((8, depth) for depth in (4, 3, 5, 8, 16, 32, 64, 96, 128, 384, 512)),
    defects=(
        Defect("order and payload", "consume.eq(_incr(consume, inner_depth))", "consume.eq(produce)", fifo),
        Defect("nothing comes that was not sent", "inner_level.eq(inner_level - 1)", "inner_level.eq(1)", fifo),
        Defect("what is held comes out", "inner_r_rdy & (~self.r_rdy | self.r_en)", "inner_r_rdy & self.r_en", fifo),
        Defect("never more than depth", "self.w_rdy.eq(inner_level != inner_depth)", "self.w_rdy.eq(1)", fifo),
        Defect("i stalls when full only", "self.w_rdy.eq(inner_level != inner_depth)", "self.w_rdy.eq(0)", fifo),
        Defect("o keeps the rules of a stream", "inner_r_rdy & (~self.r_rdy | self.r_en)", "inner_r_rdy", fifo),
    ),
)

QUEUE = Proof(
    name="entropy.queue",
    properties=RamProperties,
    block=Queue,
    arguments=((8, 4), (8, 2), (8, 16)),
    defects=(
        Defect("order and payload", "read.addr.eq(tail)", "read.addr.eq(head)"),
        Defect("nothing comes that was not sent", "self.o.valid.eq(self.level != 0)", "self.o.valid.eq(1)"),
        Defect("what is held comes out", "self.o.valid.eq(self.level != 0)", "self.o.valid.eq(self.level > 1)"),
        Defect("never more than depth", "self.i.ready.eq(self.level != self.depth)", "self.i.ready.eq(1)"),
        Defect("i stalls when full only", "self.level != self.depth", "self.level < self.depth - 1"),
        Defect("o keeps the rules of a stream", "tail.eq(tail + take)", "tail.eq(tail + self.o.valid)"),
        Defect("level is what is held", "m.Elif(take & ~put)", "m.Elif(take)"),
    ),
)

PROOFS = (FORK, REGISTERS, BUFFERED, QUEUE)
