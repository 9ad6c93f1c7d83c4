"""Proofs of the AXI4 write master and its parts: the rules of AW and W, and that it knows what is under way."""

from amaranth import Cat, Mux, Signal, Value

from hdl.chip.payloads import Master
from hdl.chip.write_port import BeatQueue, BurstSplitter, WritePort
from hdl.common.axi import BOUNDARY, BURST_BEATS, OKAY
from verif.formal.axi import bursts_are_legal, port_of, possible
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, Tracker, first, keeps_rules
from verif.formal.queues import Inside, all_of


def _address(held: Inside, index):
    """Of the WriteBurst at `index`."""
    return held.o.payload.shape()(held.at(index)).address


class SplitterProperties(Properties):
    """A request becomes bursts that end at 4 KB or with it, one after the other."""

    def check(self):
        m, dut, i, o = self.m, self.dut, self.dut.i, self.dut.o
        request, size = i.payload, dut.beat_bytes
        self.assume("valid of `i` stays until ready, and its payload", keeps_rules(self, i))
        legal = ~i.valid | possible(request, size)
        self.assume("requests have 1 to 16 beats at multiples of the bus width", legal)
        done, load = Signal(range(BURST_BEATS + 1), name="done"), Signal(name="load")
        expected = Signal.like(o.payload, name="expected")
        room = (BOUNDARY - (request.address + done * size) % BOUNDARY) // size
        left = request.beats - done
        m.d.comb += [
            load.eq(i.valid & (o.ready | ~o.valid)),
            expected.address.eq(request.address + done * size),
            expected.beats.eq(Mux(left < room, left, room)),
            expected.bytes.eq(request.bytes),
            expected.last.eq(left <= room),
        ]
        with m.If(load):
            m.d.sync += done.eq(Mux(expected.last, 0, done + expected.beats))
        right = Value.cast(o.payload) == self.before(expected)
        self.always("a burst goes to 4 KB or to the end of the request", ~self.before(load) | (o.valid & right))
        self.always("nothing comes that was not sent", ~o.valid | self.before(load | (o.valid & ~o.ready)))
        self.always("i goes with the last burst", (i.valid & i.ready) == (load & expected.last))
        self.always("o keeps the rules of a stream", keeps_rules(self, o))
        second = self.inside("second")
        self.invariant("second after the first", second == (done != 0))
        self.invariant("the first ends at 4 KB", ~second | (i.valid & (done == self.inside("room")) & (left != 0)))
        self.cover("one burst", o.valid & o.payload.last & ~self.before(second))
        self.cover("two bursts", o.valid & o.payload.last & self.before(second))


class BeatQueueProperties(Properties):
    """Beats come out in order and whole, those that were promised in spite of any drop.

    Of what is assumed, the first is a property of chip.write_port.
    """

    def check(self):
        m, dut = self.m, self.dut
        put, waiting, promised = Signal(name="put"), Signal(8, name="waiting"), Signal(8, name="promised")
        self.assume("promised are beats that wait, and none in a drop", dut.promise <= Mux(dut.drop, 0, waiting))
        self.assume("taken are beats that were promised", ~dut.take | (promised != 0))
        m.d.comb += put.eq(dut.i.valid & dut.i.ready)
        m.d.sync += [
            waiting.eq(Mux(dut.drop, 0, waiting + put - dut.promise)),
            promised.eq(promised + dut.promise - dut.take),
        ]
        following, mark = Signal(name="following"), self.any("mark")
        ahead, value = Signal(8, name="ahead"), Signal.like(dut.i.payload, name="value")
        with m.If(following):
            m.d.sync += ahead.eq(ahead - dut.take)
            dropped = dut.drop & (ahead >= promised)
            m.d.sync += following.eq(~dropped & ~(dut.take & (ahead == 0)))
        with m.Elif(put & mark & ~dut.drop):
            m.d.sync += [following.eq(1), ahead.eq(waiting + promised - dut.take), value.eq(dut.i.payload)]
        at_front = following & (ahead == 0)
        same = Value.cast(dut.head) == Value.cast(value)
        self.always("order and payload", ~(at_front & (promised != 0)) | same)
        self.always("waiting are those that are not promised", dut.waiting == waiting)
        self.always("never more than depth", waiting + promised <= dut.depth)
        self.always("i stalls when full only", dut.i.ready | (waiting + promised == dut.depth))
        held, head, end = self.inside("held"), self.inside("first"), self.inside("end")
        bits = len(end)
        self.invariant("held", held == waiting + promised)
        self.invariant("pointers as far apart as what is held", end == (head + held)[:bits])
        self.invariant("a place for the followed one", ~following | (ahead < held))
        there = self.row("beats", (head + ahead)[:bits]) == Value.cast(value)
        self.invariant("the followed one in memory", ~following | there)
        self.cover("full", held == dut.depth)
        self.cover("a promised beat after a drop", at_front & dut.take & self.before(dut.drop & (waiting != 0)))


class WritePortProperties(Properties):
    """AXI4 write master: legal bursts, W with the beats that AW tells, answers counted, errors told and survived."""

    def check(self):
        m, dut = self.m, self.dut
        aw, w, b, size = dut.bus.aw, dut.bus.w, dut.bus.b, dut.p.axi_data_width // 8
        raised = Signal(name="raised")
        m.d.comb += raised.eq(first(self, aw))

        self.assume(
            "requests have 1 to 16 beats at multiples of the bus width",
            all_of(~request.valid | possible(request.payload, size) for request in dut.i_request),
        )
        # What the bus owes: answers, by ID; and W, whose bursts are those of AW.
        self.bursts, answered = [], []
        for k in range(2):
            took, told = (port.valid & port.ready & (port.payload.id == k) for port in (aw, b))
            self.bursts.append(Tracker(self, took, told, aw.payload, dut.BURSTS))
            answered.append(~(b.valid & (b.payload.id == k)) | (self.bursts[k].held != 0))
        counts = [burst.held for burst in self.bursts]
        data = Tracker(self, raised, w.valid & w.ready & w.payload.last, aw.payload, dut.BURSTS + 2)
        sent, whole = Signal(range(BURST_BEATS), name="sent"), Signal(8, name="whole")
        with m.If(w.valid & w.ready):
            m.d.sync += sent.eq(Mux(w.payload.last, 0, sent + 1))
        m.d.sync += whole.eq(whole + data.take - (b.valid & b.ready))
        self.assume("B answers bursts that were taken before, those of an ID in order", all_of(answered))
        self.assume("B comes after the last beat of its burst", ~b.valid | (whole != 0))

        bursts_are_legal(self, aw, size)
        self.always("AW keeps the rules of a stream", keeps_rules(self, aw))
        self.always("W keeps the rules of a stream", keeps_rules(self, w))
        self.always("B is always taken", b.ready)
        self.always("no beat before its burst is on AW", ~w.valid | (data.held != 0))
        length = aw.payload.shape()(data.value).len
        self.always("last is the beat that AW tells", ~(w.valid & data.at_front) | (w.payload.last == (sent == length)))
        self.always("no gap inside a burst", ~self.before(w.valid & w.ready & ~w.payload.last) | w.valid)
        self.always("at most BURSTS of an ID without an answer", all_of(count <= dut.BURSTS for count in counts))
        self.always("no burst is raised in stop", ~raised | ~self.before(dut.stop))
        queues = [self.submodule(f"queue_{k}") for k in range(2)]
        waiting = all_of(queue.promise <= Mux(queue.drop, 0, queue.waiting) for queue in queues)
        self.always("promised are beats that wait, and none in a drop", waiting)
        failed = self._errors()
        quiet = ~aw.valid & ~w.valid & (counts[0] == 0) & (counts[1] == 0)
        self.always("idle when nothing is under way", ~dut.idle | quiet)

        self._requests(size)
        self._order(data, sent)
        answering = [self.inside("valid") & (self.inside("answer").id == k) for k in range(2)]
        levels = []
        for k, follow in enumerate(self.bursts):
            held = Inside(self, f"tracker_{k}")
            on_aw, ahead = aw.valid & (aw.payload.id == k), follow.ahead + answering[k]
            levels.append(held.level)
            self.invariant(f"an entry for each answer of {k}", held.level == follow.held + on_aw + answering[k])
            self.invariant(f"an entry before the answer of {k}", held.o.valid | (follow.held + answering[k] == 0))
            self.invariant(f"a place for the followed burst of {k}", ~follow.tracking | (follow.ahead < follow.held))

            known = ~follow.tracking | (_address(held, ahead) == self._burst(k).addr)
            self.invariant(f"the address of the followed burst of {k}", known)
            known = ~on_aw | (_address(held, follow.held + answering[k]) == aw.payload.addr)
            self.invariant(f"the address on AW of {k}", known)
            known = ~self.answering[k] | (_address(held, 0) == self._burst(k).addr)
            self.invariant(f"the address of the answer to {k}", known)
        missing = self.inside("missing")
        self.invariant("missing answers", missing == levels[0] + levels[1] + self.inside("answered"))
        self.invariant("bursts and answers", data.held + whole == counts[0] + counts[1] + (aw.valid & ~raised))
        self.invariant("failed is what was seen", self.inside("failed").any() == failed)

        self.cover("the beats are through before AW is taken", aw.valid & ~raised & (data.held == 0))
        self.cover("both IDs under way", all_of(count != 0 for count in counts))
        self.cover("two beats without a gap", data.at_front & w.valid & w.payload.last & (sent == 1))
        self.cover("again after an error", self.again & aw.valid)

    def _burst(self, k: int):
        """The followed burst of an ID."""
        return self.dut.bus.aw.payload.shape()(self.bursts[k].value)

    def _requests(self, size: int) -> None:
        """Requests on their way to AW are possible ones."""
        splitters, count = self.inside("bursts"), 0
        for k, splitter in enumerate(splitters):
            queue = Inside(self, f"requests_{k}")
            self.invariant(f"requests of {k} are possible", queue.all(lambda request: possible(request, size)))
            burst, second = splitter.payload, self.inside(f"splitter_{k}.second")
            within = burst.address % BOUNDARY + burst.beats * size <= BOUNDARY
            self.invariant(f"a burst of {k} is possible", ~splitter.valid | (possible(burst, size) & within))
            crossing = queue.o.valid & self.inside(f"splitter_{k}.crosses")
            self.invariant(f"two bursts where a request of {k} crosses", ~second | crossing)
            count = count + queue.level + (splitter.valid & burst.last)
        self.invariant("requests held", self.inside("requests") == count)

    def _order(self, data, sent) -> None:
        """Bursts whose beats have not all gone to W, of which the last beat may wait there."""
        w, queue, beat = self.dut.bus.w, Inside(self, "order"), self.inside("beat")
        waits = w.valid & w.payload.last
        length = self.dut.bus.aw.payload.shape()(data.value).len
        self.invariant("a burst of W for each of AW", queue.level + waits == data.held + first(self, self.dut.bus.aw))
        self.invariant("no beats of a burst that comes to AW now", ~queue.o.valid | (waits < data.held))
        self.invariant("beats of the burst", Mux(waits, beat == 0, beat == sent + w.valid))
        self.invariant("a burst until its last beat", Mux(queue.o.valid, beat <= queue.o.payload.len, beat == 0))
        self.invariant("a beat of a burst", ~w.valid | waits | (beat != 0))
        self.invariant("a place for the followed burst", ~data.tracking | (data.ahead < data.held))
        known = queue.o.payload.shape()(queue.at(data.ahead - waits)).len == length
        self.invariant("the length of the followed burst", ~data.tracking | (data.at_front & waits) | known)
        on_aw = queue.o.payload.shape()(queue.at(data.held - waits)).len == self.dut.bus.aw.payload.len
        self.invariant("the length on AW", ~first(self, self.dut.bus.aw) | on_aw)
        at_last = Mux(waits, sent == length, beat <= length)
        self.invariant("beats of the followed burst", ~data.at_front | at_last)

    def _errors(self):
        """What `error` must tell; whether an error came that `stop` and `idle` have not ended."""
        m, dut, b, error = self.m, self.dut, self.dut.bus.b, self.dut.error
        valid, id_, resp = (self.before(value) for value in (b.valid, b.payload.id, b.payload.resp))
        failed, bad = Signal(name="failed"), Signal(name="bad")  # both a cycle after the answer
        m.d.comb += bad.eq(valid & (resp != OKAY))
        m.d.sync += failed.eq((failed | bad) & ~(dut.stop & dut.idle))
        self.again = Signal(name="again")
        with m.If(failed & dut.stop & dut.idle):
            m.d.sync += self.again.eq(1)
        self.always("the first error is told, and no other", error.valid == self.before(bad & ~failed))
        told, self.answering = [], []
        for k, master in enumerate((Master.RECON, Master.BITSTREAM)):
            now = self.before(self.bursts[k].take & self.bursts[k].at_front)
            expected = Cat(Value.cast(master), resp, self._burst(k).addr)
            right = Cat(error.master, error.resp, error.address) == self.before(expected)
            told.append(~(self.before(now) & error.valid) | right)
            self.answering.append(now)
            self.invariant(f"the answer to the followed burst of {k}", ~now | (valid & (id_ == k)))
        self.always("an error is told with its master and address", all_of(told))
        answer = Cat(self.inside("valid"), self.inside("answer"))
        self.invariant("the last answer", answer == Cat(valid, id_, resp))
        return failed


SPLITTER = Proof(
    name="chip.burst_splitter",
    properties=SplitterProperties,
    block=BurstSplitter,
    arguments=((128,), (64,)),
    make=port_of,
    depth=1,
    defects=(
        Defect("a burst goes to 4 KB or to the end of the request", "request.beats - room", "request.beats"),
        Defect("nothing comes that was not sent", "self.o.valid.eq(self.i.valid)", "self.o.valid.eq(1)"),
        Defect("i goes with the last burst", "self.i.ready.eq(free & last)", "self.i.ready.eq(free)"),
        Defect("o keeps the rules of a stream", "free = self.o.ready | ~self.o.valid", "free = self.i.valid"),
    ),
)

BEATS = Proof(
    name="chip.beat_queue",
    properties=BeatQueueProperties,
    block=BeatQueue,
    arguments=((8, 16), (8, 32)),
    cover_depth=20,
    defects=(
        Defect("order and payload", "read.addr.eq(following)", "read.addr.eq(first)"),
        Defect("waiting are those that are not promised", "self.waiting.eq(0)", "self.waiting.eq(accepted)"),
        Defect("never more than depth", "self.i.ready.eq(held != self.depth)", "self.i.ready.eq(1)"),
        Defect("i stalls when full only", "i.ready.eq(held != self.depth)", "i.ready.eq(held == 0)"),
    ),
)

WRITE = Proof(
    name="chip.write_port",
    properties=WritePortProperties,
    block=WritePort,
    arguments=((128,), (64,)),
    make=port_of,
    depth=1,
    cover_depth=24,
    defects=(
        Defect(
            "a burst has at most 16 beats", "aw.payload.len.eq(burst.beats - 1)", "aw.payload.len.eq(burst.beats - 2)"
        ),
        Defect(
            "addresses are multiples of the bus width",
            "aw.payload.addr.eq(burst.address)",
            "aw.payload.addr.eq(burst.beats)",
        ),
        Defect("no burst crosses 4 KB", "crosses.eq(request.beats > room)", "crosses.eq(request.beats > room + 1)"),
        Defect(
            "AW keeps the rules of a stream", "free.eq((aw.ready | ~aw.valid) & order.i.ready", "free.eq(order.i.ready"
        ),
        Defect(
            "W keeps the rules of a stream",
            "free, heads = w.ready | ~w.valid, ",
            "free, heads = w.ready | w.payload.last, ",
        ),
        Defect("B is always taken", "b.ready.eq(1)", "b.ready.eq(~self.stop)"),
        Defect("no beat before its burst is on AW", "w.valid.eq(order.o.valid)", "w.valid.eq(raised.any())"),
        Defect("last is the beat that AW tells", "last.eq(beat == current.len)", "last.eq(beat >= current.len - 1)"),
        Defect("no gap inside a burst", "order.o.ready.eq(free & last)", "order.o.ready.eq(free)"),
        Defect("at most BURSTS of an ID without an answer", " & trackers[k].i.ready", ""),
        Defect(
            "promised are beats that wait, and none in a drop", " & (queues[k].waiting >= bursts[k].payload.beats)", ""
        ),
        Defect("no burst is raised in stop", "order.i.ready & ~self.stop", "order.i.ready"),
        Defect(
            "the first error is told, and no other", "error.valid.eq(wrong & ~failed.any())", "error.valid.eq(wrong)"
        ),
        Defect(
            "an error is told with its master and address",
            "word_select(answer.id, ADDRESS_BITS)",
            "word_select(b.payload.id, ADDRESS_BITS)",
        ),
        Defect(
            "idle when nothing is under way",
            "missing.eq(missing + raised.any() - answered)",
            "missing.eq(missing - answered)",
        ),
    ),
)

PROOFS = (SPLITTER, BEATS, WRITE)
