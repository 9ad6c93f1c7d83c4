"""Proofs of the AXI4 masters: the rules of AR, AW and W, and that the masters know what is under way."""

from dataclasses import replace

from amaranth import Cat, Mux, Signal, Value

from hdl.chip.payloads import Master
from hdl.chip.read_port import BURSTS, MASTERS, ReadPort
from hdl.chip.write_port import BeatQueue, BurstSplitter, WritePort
from hdl.common.axi import ADDRESS_BITS, BOUNDARY, BURST_BEATS, OKAY
from hdl.params import DEFAULT_PRESET, PRESETS
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, Tracker, first, keeps_rules
from verif.formal.queues import Inside, all_of


def port_of(block, width: int):
    """The port for a bus of `width` bits."""
    return block(replace(PRESETS[DEFAULT_PRESET], axi_data_width=width))


def possible(request, size: int):
    """The request is as ReadRequest and WriteRequest have it, on a bus of `size` bytes."""
    return (request.beats != 0) & (request.beats <= BURST_BEATS) & (request.address % size == 0)


def crosses(burst, size: int):
    """The burst crosses 4 KB."""
    return burst.addr % BOUNDARY + (burst.len + 1) * size > BOUNDARY


def bursts_are_legal(p: Properties, channel, size: int) -> None:
    """Properties of AR or AW, with the size and the type that the pins always have (hdl/common/axi.py)."""
    burst = channel.payload
    p.always("a burst has at most 16 beats", ~channel.valid | (burst.len < BURST_BEATS))
    p.always("addresses are multiples of the bus width", ~channel.valid | (burst.addr % size == 0))
    p.always("no burst crosses 4 KB", ~(channel.valid & crosses(burst, size)))


class ReadPortProperties(Properties):
    """AXI4 read master: legal bursts, which are the requests; room for what was asked for; errors told and survived."""

    def check(self):
        m, dut = self.m, self.dut
        ar, r, size = dut.bus.ar, dut.bus.r, dut.bus_bytes
        requests = [request.valid & request.ready for request in dut.i_request]
        queues = [self.submodule(f"queue_{k}") for k in range(2)]
        asked = Signal(range(BURST_BEATS + 1), name="asked_on_ar")
        m.d.comb += asked.eq(Mux(ar.valid, ar.payload.len + 1, 0))
        was_stop, was_idle = self.before(dut.stop), self.before(dut.idle)

        self.assume(
            "requests have 1 to 16 beats at multiples of the bus width",
            all_of(~request.valid | possible(request.payload, size) for request in dut.i_request),
        )
        self.assume("`stop` stays until `idle`", ~(was_stop & ~was_idle) | dut.stop)

        # What the bus owes, by ID: bursts that were taken, and their beats.
        self.bursts, owed, came = [], [], []
        answered, lasts = [], []
        for k in range(2):
            mine = Signal(name=f"answer_{k}")
            m.d.comb += mine.eq(r.valid & r.ready & (r.payload.id == k))
            took = ar.valid & ar.ready & (ar.payload.id == k)
            self.bursts.append(Tracker(self, took, mine & r.payload.last, ar.payload, BURSTS[k]))
            owed.append(Signal(12, name=f"owed_{k}"))
            came.append(Signal(range(BURST_BEATS), name=f"came_{k}"))
            m.d.sync += owed[k].eq(owed[k] + Mux(took, asked, 0) - mine)
            with m.If(mine):
                m.d.sync += came[k].eq(Mux(r.payload.last, 0, came[k] + 1))
            answered.append(~(r.valid & (r.payload.id == k)) | ((owed[k] != 0) & (self.bursts[k].held != 0)))
            followed = mine & self.bursts[k].at_front
            length = self._burst(k).len
            lasts.append(~followed | (r.payload.last == (came[k] == length)))
        self.assume("R answers bursts that were taken before, those of an ID in order", all_of(answered))
        self.assume("`last` comes with the last beat of a burst", all_of(lasts))

        bursts_are_legal(self, ar, size)
        self.always("AR keeps the rules of a stream", keeps_rules(self, ar))
        self.always("R is always taken", r.ready)
        self._requests(requests, asked)
        counts = [burst.held for burst in self.bursts]
        self.always("at most BURSTS of an ID under way", all_of(count <= n for count, n in zip(counts, BURSTS)))
        self.always("a beat finds room", all_of(~queue.i.valid | queue.i.ready for queue in queues))
        failed = self._errors(came)
        self.always("no burst is raised in stop or after an error", ~first(self, ar) | ~self.before(dut.stop | failed))
        quiet = ~ar.valid & (owed[0] == 0) & (owed[1] == 0) & ~dut.error.valid
        self.always("idle when nothing is under way", dut.idle == quiet)
        dropped = dut.stop | failed | (r.payload.resp != OKAY)
        self.always("a beat is dropped in stop or from an error on", ~dropped | all_of(~q.i.valid for q in queues))

        self.invariant("failed is what was seen", self.inside("failed") == failed)
        self.invariant("stop ends in idle", ~(was_stop & was_idle) | ((self.inside("in_flight") == 0) & ~ar.valid))
        self.invariant("beats in flight", self.inside("in_flight") == owed[0] + owed[1] + asked)
        waits, waiting, held = self.inside("burst"), self.inside("waiting"), self.inside("held")
        self.invariant("what waits can be raised", ~waiting | possible(waits, size))
        for k, queue in enumerate(queues):
            stored, addresses = self.inside(f"queue_{k}.fifo.inner_level") + queue.o.valid, Inside(self, f"raised_{k}")
            on_ar = ar.valid & (ar.payload.id == k)
            missing = owed[k] + Mux(on_ar, asked, 0)
            wanted = stored + missing + Mux(waiting & (waits.id == k), waits.beats, 0)
            self.invariant(f"places are kept for {k}", Mux(was_stop, stored == 0, wanted <= held[k]))
            self.invariant(f"stop clears {k}", ~was_stop | ((held[k] == 0) & ~waiting))
            self.invariant(f"places that are there for {k}", (held[k] <= queue.depth) & (missing <= queue.depth))
            follow = self.bursts[k]
            self.invariant(f"beats of the burst of {k}", self.inside("came")[k] == came[k])
            self.invariant(f"no beats without a burst of {k}", (follow.held != 0) | (came[k] == 0))
            self.invariant(f"an address for each burst of {k}", addresses.level == follow.held + on_ar)
            self.invariant(f"an address before the answer of {k}", addresses.o.valid | (follow.held == 0))
            self.invariant(f"a place for the followed burst of {k}", ~follow.tracking | (follow.ahead < follow.held))
            burst = self._burst(k)
            within = ~crosses(burst, size) & (~follow.at_front | (came[k] <= burst.len))
            self.invariant(f"the followed burst of {k} ends in its page", ~follow.tracking | within)
            known = addresses.at(follow.ahead) == burst.addr
            self.invariant(f"the address of the followed burst of {k}", ~follow.tracking | known)
            self.invariant(f"the address on AR of {k}", ~on_ar | (addresses.at(follow.held) == ar.payload.addr))

        self.cover("a request becomes two bursts", self.before(ar.valid & ar.ready) & self.two & ar.valid)
        self.cover("both IDs under way", all_of(count != 0 for count in counts))
        self.cover("an error in the second beat", dut.error.valid & (self.before(self.before(r.valid) & r.valid)))
        self.cover("again after an error", self.again & ar.valid)

    def _burst(self, k: int):
        """The followed burst of an ID."""
        return self.dut.bus.ar.payload.shape()(self.bursts[k].value)

    def _requests(self, taken, asked) -> None:
        """Follows one request, any one, with the beats in front of it that are still to go to AR."""
        m, dut, ar = self.m, self.dut, self.dut.bus.ar
        pending, before, left = (Signal(7, name=f"{name}_beats") for name in ("pending", "before", "left"))
        following, mark = Signal(name="following"), self.any("mark")
        id_, address = Signal(name="id"), Signal(ADDRESS_BITS, name="address")
        request = Signal.like(dut.i_request[0].payload, name="request")
        m.d.comb += request.eq(Mux(taken[1], dut.i_request[1].payload.as_value(), dut.i_request[0].payload.as_value()))
        gone = Signal.like(asked, name="gone")
        m.d.comb += gone.eq(Mux(ar.ready, asked, 0))
        now = following & (before == 0)
        with m.If(dut.stop):
            m.d.sync += [pending.eq(asked - gone), following.eq(0)]
        with m.Else():
            m.d.sync += pending.eq(pending + Mux(Cat(taken).any(), request.beats, 0) - gone)
            with m.If(now):
                m.d.sync += [left.eq(left - gone), address.eq(address + gone * dut.bus_bytes)]
                m.d.sync += following.eq(left != gone)
            with m.Elif(following):
                m.d.sync += before.eq(before - gone)
            with m.Elif(Cat(taken).any() & mark):
                m.d.sync += [following.eq(1), before.eq(pending - gone), left.eq(request.beats)]
                m.d.sync += [id_.eq(taken[1]), address.eq(request.address)]
        mine = (ar.payload.id == id_) & (ar.payload.addr == address) & (asked <= left)
        self.always("bursts are the beats of the requests in their order", ~(now & ar.valid) | mine)

        burst, waiting = self.inside("burst"), self.inside("waiting")
        self.invariant("beats to be raised", pending == asked + Mux(waiting, burst.beats, 0))
        self.two = now & ar.valid & (asked < left)
        rest = waiting & (burst.id == id_)
        behind = (address + asked * dut.bus_bytes)[:ADDRESS_BITS]
        second = (burst.address == behind) & (burst.beats == left - asked)
        whole = waiting & (burst.id == id_) & (burst.address == address) & (burst.beats == left) & (before == asked)
        split = now & mine & ar.valid & (left > asked) & rest & second
        raised = now & mine & ar.valid & (left == asked)
        self.invariant("where the followed request is", ~following | whole | split | raised)

    def _errors(self, came):
        """What `error` must tell; whether an error came that `stop` and `idle` have not ended."""
        m, dut, r, error = self.m, self.dut, self.dut.bus.r, self.dut.error
        failed, bad = Signal(name="failed"), Signal(name="bad")
        m.d.comb += bad.eq(r.valid & r.ready & (r.payload.resp != OKAY) & ~failed)
        m.d.sync += failed.eq((failed | bad) & ~(dut.stop & dut.idle))
        again = Signal(name="again")
        with m.If(failed & dut.stop & dut.idle):
            m.d.sync += again.eq(1)
        self.again = again
        self.always("the first error is told, and no other", error.valid == self.before(bad))
        told = []
        for k in range(2):
            address = self._burst(k).addr + came[k] * dut.bus_bytes
            expected = Cat(Value.cast(MASTERS[k]), r.payload.resp, address[:ADDRESS_BITS])
            followed = bad & self.bursts[k].at_front & (r.payload.id == k)
            right = Cat(error.master, error.resp, error.address) == self.before(expected)
            told.append(~self.before(followed) | right)
        self.always("an error is told with its master and address", all_of(told))
        return failed


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
    """Beats come out in order and whole, those that were promised in spite of any drop."""

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


READ = Proof(
    name="chip.read_port",
    properties=ReadPortProperties,
    block=ReadPort,
    arguments=((128,), (64,)),
    make=port_of,
    depth=1,
    defects=(
        Defect("a burst has at most 16 beats", "ar.payload.len.eq(beats - 1)", "ar.payload.len.eq(beats - 2)"),
        Defect(
            "addresses are multiples of the bus width", "ar.payload.addr.eq(burst.address)", "ar.payload.addr.eq(beats)"
        ),
        Defect("no burst crosses 4 KB", "whole.eq(burst.beats <= left)", "whole.eq(burst.beats <= left + 1)"),
        Defect("AR keeps the rules of a stream", "& (ar.ready | ~ar.valid) &", "&"),
        Defect("R is always taken", "r.ready.eq(1)", "r.ready.eq(~self.stop)"),
        Defect(
            "bursts are the beats of the requests in their order",
            "burst.address.eq((page + 1) << PAGE_BITS), ",
            "",
        ),
        Defect("at most BURSTS of an ID under way", "record.o.ready.eq(mine & r.payload.last)", "record.o.ready.eq(1)"),
        Defect("a beat finds room", "held[k] + Mux(taken[k], beats, 0)", "held[k] + taken[k]"),
        Defect("no burst is raised in stop or after an error", "halt.eq(self.stop | failed)", "halt.eq(self.stop)"),
        Defect("idle when nothing is under way", "in_flight + asked - self.bus.r.valid", "in_flight + asked"),
        Defect("a beat is dropped in stop or from an error on", "~bad & ~failed & ~self.stop", "~bad & ~self.stop"),
        Defect(
            "the first error is told, and no other", "(r.payload.resp != OKAY) & ~failed", "(r.payload.resp != OKAY)"
        ),
        Defect(
            "an error is told with its master and address",
            "first[:PAGE_BITS] + (came[k] << self.beat_bits)",
            "first[:PAGE_BITS] + came[k]",
        ),
    ),
)

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

PROOFS = (READ, SPLITTER, BEATS, WRITE)
