"""The write port of the chip: requests of two writers to AW and W, answers on B back to each."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.chip.payloads import BusError, Master, WriteRequest, write_beat
from hdl.common.axi import ADDRESS_BITS, BOUNDARY, BURST_BEATS, OKAY, Axi4Write
from hdl.common.streams import Fifo, connect
from hdl.params import Params

WRITERS = 2  # IDs: 0 the reconstruction, 1 the bitstream


class WriteBurst(data.Struct):
    """What one AW tells, and what its B answers."""

    address: ADDRESS_BITS
    beats: 5
    bytes: 9  # of the request
    last: 1  # of the request


class BurstSplitter(wiring.Component):
    """Splits each request where it crosses a multiple of 4 KB: into one burst, or two.

    Throughput: one burst a cycle. Latency: 1. o.ready leads to i.ready combinationally.
    """

    latency = 1

    def __init__(self, p: Params):
        self.beat_bytes = p.axi_data_width // 8
        super().__init__({"i": In(stream.Signature(WriteRequest)), "o": Out(stream.Signature(WriteBurst))})

    def elaborate(self, platform):
        m = Module()
        request, burst = self.i.payload, self.o.payload
        second = Signal()  # of the two bursts of this request
        page_bits, beat_bits = exact_log2(BOUNDARY), exact_log2(self.beat_bytes)
        page, beat = request.address[page_bits:], request.address[beat_bits:page_bits]
        room = Signal(len(beat) + 1)  # beats up to the boundary
        crosses, last = Signal(), Signal()
        m.d.comb += [
            room.eq(BOUNDARY // self.beat_bytes - beat),
            crosses.eq(request.beats > room),
            last.eq(second | ~crosses),
        ]
        free = self.o.ready | ~self.o.valid
        m.d.comb += self.i.ready.eq(free & last)
        with m.If(free):
            m.d.sync += self.o.valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += [
                    second.eq(~last),
                    burst.address.eq(Mux(second, (page + 1) << page_bits, request.address)),
                    burst.beats.eq(Mux(second, request.beats - room, Mux(crosses, room, request.beats))),
                    burst.bytes.eq(request.bytes),
                    burst.last.eq(last),
                ]
        return m


class BeatQueue(wiring.Component):
    """Beats of one writer, first in, first out: written, promised to a burst, taken.

    `waiting`: beats that are here and not promised. `promise`: that many of them now belong to a burst (0: none).
    `head` is the oldest beat, from the cycle after its promise; `take` goes to the next one: one a cycle.
    `drop` forgets the beats that wait, and what comes meanwhile; promised beats stay.
    """

    def __init__(self, shape, depth: int):
        if depth < BURST_BEATS or depth & (depth - 1):
            raise ValueError(f"depth is {depth}; it must be a power of two and hold a burst of {BURST_BEATS} beats")
        self.depth, self.shape = depth, shape
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "waiting": Out(range(depth + 1)),
                "promise": In(range(BURST_BEATS + 1)),
                "head": Out(shape),
                "take": In(1),
                "drop": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.beats = beats = Memory(
            shape=self.shape, depth=self.depth, init=[], attrs={"ram_style": "block", "no_rw_check": 1}
        )  # a beat is looked at later than in the cycle after it was written
        write, read = beats.write_port(), beats.read_port()
        first, end = Signal(range(self.depth)), Signal(range(self.depth))
        held = Signal(range(self.depth + 1))
        following = Signal.like(first)
        accepted = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(held != self.depth),
            write.addr.eq(end),
            write.data.eq(self.i.payload),
            write.en.eq(accepted),
            following.eq(first + self.take),
            read.addr.eq(following),
            self.head.eq(read.data),
        ]
        m.d.sync += [
            first.eq(following),
            end.eq(end + accepted),
            held.eq(held + accepted - self.take),
            self.waiting.eq(self.waiting + accepted - self.promise),
        ]
        with m.If(self.drop):  # what is accepted now lies behind `end`
            m.d.sync += [
                end.eq(end - self.waiting),
                held.eq(held - self.waiting - self.take),
                self.waiting.eq(0),
            ]
        return m


class WritePort(wiring.Component):
    """AXI4 write master of two writers, whose index is their ID.

    Streams: `i_request[k]`, and on `i_data[k]` the beats of the requests, one after the other; either may come first.
    A request that crosses 4 KB becomes two bursts. AW is raised when all beats of its burst are here, for the writers
    in turn when both could; W follows in the order of AW, without a gap inside a burst and without waiting for AW to
    be taken; B is always taken. `BURSTS` of each writer may be unanswered.
    `o_acknowledged[k]`: `bytes` of a request, for one cycle, once all its bursts are answered with OKAY, unless a burst
    of this writer before was not. `error`: the first answer that is not OKAY, with its writer and the burst's address;
    `error.valid` for one cycle, and not again until `stop` has been high while the port was idle.
    `idle`: no request is held, no AW is raised, no answer is missing; it rises after the last `o_acknowledged` and
    `error`, and falls with the cycle that follows a request's acceptance.
    `stop`: no AW is raised any more. A raised one stays until it is taken, and its W is sent. Everything else is
    dropped, also what comes while `stop` is high, so keep it high until `idle`.
    `stat_bytes`: strobes set in the W beats that went out since `clear_stat`, two cycles late.
    Throughput: one beat and one burst a cycle. Latency in cycles: `latency` from the request to AW, 2 from its last
    beat to AW, 2 from AW to W, 2 from B to `o_acknowledged`. No output of the bus depends on an input combinationally.
    Stalls: `i_data` at `BEATS` beats, `i_request` at `REQUESTS` requests and one in the splitter.
    Reset: nothing held; answers of bursts before it are ignored if they come before the ID's next burst is raised.
    """

    latency = 4
    BURSTS = 16
    BEATS = 32
    REQUESTS = 16

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "bus": Out(Axi4Write(p.axi_data_width)),
                "i_request": In(stream.Signature(WriteRequest)).array(WRITERS),
                "i_data": In(stream.Signature(write_beat(p.axi_data_width))).array(WRITERS),
                "o_acknowledged": Out(9).array(WRITERS),
                "stop": In(1),
                "idle": Out(1),
                "error": Out(BusError),
                "clear_stat": In(1),
                "stat_bytes": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        raised = Signal(WRITERS)  # whose AW is raised at the end of this cycle
        bursts, queues = [], []
        for k in range(WRITERS):
            requests = ResetInserter(self.stop)(Fifo(WriteRequest, self.REQUESTS))
            splitter = ResetInserter(self.stop)(BurstSplitter(self.p))
            queue = BeatQueue(write_beat(self.p.axi_data_width), self.BEATS)
            m.submodules[f"requests_{k}"], m.submodules[f"splitter_{k}"] = requests, splitter
            m.submodules[f"queue_{k}"] = queue
            connect(m, self.i_request[k], requests.i)
            connect(m, requests.o, splitter.i)
            connect(m, self.i_data[k], queue.i)
            m.d.comb += [
                splitter.o.ready.eq(raised[k]),
                queue.promise.eq(Mux(raised[k], splitter.o.payload.beats, 0)),
                queue.drop.eq(self.stop),
            ]
            bursts.append(splitter.o)
            queues.append(queue)
        raised_burst = Mux(raised[1], bursts[1].payload.as_value(), bursts[0].payload.as_value())
        burst = Signal(WriteBurst)
        m.d.comb += burst.eq(raised_burst)

        order = self._data(m, queues, raised, burst)
        answered, failed, trackers = self._answers(m, raised, burst)
        self._raise(m, bursts, queues, trackers, order, raised, burst)

        requests = Signal(range(WRITERS * (self.REQUESTS + 1) + 1))  # held, the one in the splitter too
        missing = Signal(range(WRITERS * self.BURSTS + 1))  # answers
        taken = [port.valid & port.ready for port in self.i_request]
        m.d.sync += [
            requests.eq(Mux(self.stop, 0, requests + sum(taken) - (raised.any() & burst.last))),
            missing.eq(missing + raised.any() - answered),
        ]
        m.d.comb += self.idle.eq((requests == 0) & (missing == 0))
        with m.If(self.stop & self.idle):
            m.d.sync += failed.eq(0)
        return m

    def _raise(self, m, bursts, queues, trackers, order, raised, burst):
        """Chooses the burst whose AW is raised next."""
        aw, turn = self.bus.aw, Signal()
        ready = [
            bursts[k].valid & (queues[k].waiting >= bursts[k].payload.beats) & trackers[k].i.ready
            for k in range(WRITERS)
        ]
        free = Signal()
        m.d.comb += free.eq((aw.ready | ~aw.valid) & order.i.ready & ~self.stop)
        m.d.comb += [raised[0].eq(free & ready[0] & ~(turn & ready[1])), raised[1].eq(free & ready[1] & ~raised[0])]
        with m.If(aw.ready | ~aw.valid):
            m.d.sync += aw.valid.eq(raised.any())
        with m.If(raised.any()):
            m.d.sync += [
                turn.eq(raised[0]),
                aw.payload.id.eq(raised[1]),
                aw.payload.addr.eq(burst.address),
                aw.payload.len.eq(burst.beats - 1),
            ]

    def _data(self, m, queues, raised, burst):
        """Sends the beats of the raised bursts. Returns the queue of the bursts whose beats have not all gone."""
        w, beat = self.bus.w, Signal(range(BURST_BEATS))
        m.submodules.order = order = Fifo(data.StructLayout({"id": 1, "len": range(BURST_BEATS)}), self.BURSTS)
        m.d.comb += [
            order.i.valid.eq(raised.any()),
            order.i.payload.id.eq(raised[1]),
            order.i.payload.len.eq(burst.beats - 1),
        ]
        current, last = order.o.payload, Signal()
        free, heads = w.ready | ~w.valid, [queue.head for queue in queues]
        take = Signal()
        m.d.comb += [
            take.eq(free & order.o.valid),
            last.eq(beat == current.len),
            order.o.ready.eq(free & last),
            *(queues[k].take.eq(take & (current.id == k)) for k in range(WRITERS)),
        ]
        with m.If(free):
            m.d.sync += w.valid.eq(order.o.valid)
        with m.If(take):
            m.d.sync += [
                beat.eq(Mux(last, 0, beat + 1)),
                w.payload.data.eq(Mux(current.id, heads[1].data, heads[0].data)),
                w.payload.strb.eq(Mux(current.id, heads[1].strb, heads[0].strb)),
                w.payload.last.eq(last),
            ]
        strobes = Signal(range(self.p.axi_data_width // 8 + 1))
        m.d.sync += [
            strobes.eq(Mux(w.valid & w.ready, sum(w.payload.strb), 0)),
            self.stat_bytes.eq(Mux(self.clear_stat, 0, self.stat_bytes + strobes)),
        ]
        return order

    def _answers(self, m, raised, burst):
        """Tells the writers what B says. Returns the strobe of an answer told, the IDs that failed, and the queues of
        bursts without an answer."""
        b, error = self.bus.b, self.error
        answer, valid = Signal.like(b.payload), Signal()
        m.d.comb += b.ready.eq(1)
        m.d.sync += [answer.eq(b.payload), valid.eq(b.valid)]

        failed, told, answered = Signal(WRITERS), Signal(WRITERS), Signal()
        bad = answer.resp != OKAY
        trackers = []
        for k in range(WRITERS):
            m.submodules[f"tracker_{k}"] = tracker = Fifo(WriteBurst, self.BURSTS)
            oldest = tracker.o.payload
            m.d.comb += [
                tracker.i.valid.eq(raised[k]),
                tracker.i.payload.eq(burst),
                tracker.o.ready.eq(valid & (answer.id == k)),
                told[k].eq(tracker.o.valid & tracker.o.ready),
            ]
            acknowledges = told[k] & oldest.last & ~bad & ~failed[k]
            m.d.sync += self.o_acknowledged[k].eq(Mux(acknowledges, oldest.bytes, 0))
            trackers.append(tracker)
        wrong = Signal()
        m.d.comb += wrong.eq(told.any() & bad)
        m.d.sync += [
            answered.eq(told.any()),
            failed.eq(failed | Mux(bad, told, 0)),
            error.valid.eq(wrong & ~failed.any()),
        ]
        with m.If(wrong):
            addresses = Cat(tracker.o.payload.address for tracker in trackers).word_select(answer.id, ADDRESS_BITS)
            m.d.sync += [
                error.master.eq(Mux(answer.id, Master.BITSTREAM, Master.RECON)),
                error.resp.eq(answer.resp),
                error.address.eq(addresses),
            ]
        return answered, failed, trackers
