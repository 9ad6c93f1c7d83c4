"""Proofs of the AXI4 read master: the rules of AR, and that it knows what is under way."""

from amaranth import Cat, Mux, Signal, Value

from hdl.chip.read_port import BURSTS, MASTERS, ReadPort
from hdl.common.axi import ADDRESS_BITS, BURST_BEATS, OKAY
from verif.formal.axi import bursts_are_legal, crosses, port_of, possible
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties, Tracker, first, keeps_rules
from verif.formal.queues import Inside, all_of


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

PROOFS = (READ,)
