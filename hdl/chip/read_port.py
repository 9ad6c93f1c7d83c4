"""The AXI4 read master: requests of the readers to AR, beats of R back to each."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.chip.payloads import BusError, Master, ReadRequest
from hdl.common.axi import ADDRESS_BITS, BOUNDARY, BURST_BEATS, OKAY, Axi4Read
from hdl.common.streams import Fifo, connect
from hdl.params import Params

MASTERS = (Master.SOURCE, Master.QP_MAP)  # by ID
QUEUE_BYTES = (1024, 64)  # by ID
BURSTS = (32, 4)  # by ID: how many may be without their last beat
PAGE_BITS = exact_log2(BOUNDARY)


class Burst(data.Struct):
    """What is still to be raised of a request."""

    id: 1
    address: ADDRESS_BITS
    beats: 5


class ReadPort(wiring.Component):
    """Two readers on one AXI4 read master, each with its ID: 0 the source, 1 the QP map.

    Streams, by ID: `i_request`, beats to read; `o_data`, those beats in the order of the requests. `bus`: bursts of
    at most 16 beats that do not cross 4 KB (a request that does becomes two); answers of different IDs in any order,
    their beats interleaved or not. When both ask, the QP map goes first.
    Each reader has a queue of `QUEUE_BYTES` and at most `BURSTS` bursts under way; a request is taken when its queue
    has room for all the beats, those on their way counted. So `bus.r` is always ready, and neither reader waits for
    what the other does with its data.
    Throughput: one burst and one beat a cycle. Latency: 2 cycles from `i_request` to `bus.ar`, 2 from `bus.r` to
    `o_data`. Stalls: `i_request` waits for room, and while `bus.ar` is not taken.
    Errors: the first beat that is not OKAY is told in `error` (a strobe, the cycle after the beat) with its own
    address, during `stop` as well; this beat and all that follow are dropped, no burst is raised and no other error
    told, until `stop` and `idle` were high together.
    `stop`, which stays until `idle`: no burst is raised, one that is raised stays; beats are taken and dropped, and
    so are queues and requests. `idle`: nothing is raised, no beat is missing and no error is being told.
    `stat_bytes`: of all beats that came, dropped ones too, since `clear_stat` (that cycle's beat counts).
    Reset: empty and idle; only while the bus is idle. Cost: see docs/blocks/axi_read.md; no multiplier.
    """

    latency = 2

    def __init__(self, p: Params):
        self.p = p
        self.bus_bytes = p.axi_data_width // 8
        self.beat_bits = exact_log2(self.bus_bytes)
        self.depths = tuple(size // self.bus_bytes for size in QUEUE_BYTES)
        super().__init__(
            {
                "bus": Out(Axi4Read(p.axi_data_width)),
                "i_request": In(stream.Signature(ReadRequest)).array(2),
                "o_data": Out(stream.Signature(p.axi_data_width)).array(2),
                "stop": In(1),
                "idle": Out(1),
                "error": Out(BusError),
                "clear_stat": In(1),
                "stat_bytes": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue_0, m.submodules.queue_1 = queues = [
            ResetInserter(self.stop)(Fifo(self.p.axi_data_width, depth)) for depth in self.depths
        ]
        # Addresses of the bursts under way, readable two cycles after they are written: as soon as an answer can come.
        m.submodules.raised_0, m.submodules.raised_1 = raised = [Fifo(ADDRESS_BITS, depth) for depth in BURSTS]
        asked, failed = Signal(range(BURST_BEATS + 1)), Signal()
        self._raise_bursts(m, raised, asked, failed)
        self._take_beats(m, queues, raised, failed)

        in_flight = Signal(range(sum(self.depths) + 1))  # beats
        m.d.comb += self.idle.eq(~self.bus.ar.valid & (in_flight == 0) & ~self.error.valid)
        m.d.sync += [
            in_flight.eq(in_flight + asked - self.bus.r.valid),
            self.stat_bytes.eq(Mux(self.clear_stat, 0, self.stat_bytes) + Mux(self.bus.r.valid, self.bus_bytes, 0)),
        ]
        return m

    def _raise_bursts(self, m, raised, asked, failed):
        """Requests, one at a time, to one or two bursts; `asked`: the beats of the burst that goes to AR now."""
        ar, halt = self.bus.ar, Signal()
        burst, waiting = Signal(Burst), Signal()
        go, whole, free = Signal(), Signal(), Signal()
        m.d.comb += [halt.eq(self.stop | failed), free.eq((~waiting | (go & whole)) & ~halt)]

        # Room for all its beats, and the QP map first.
        has_room, taken = Signal(2), Signal(2)
        held = [Signal(range(depth + 1), name=f"held_{k}") for k, depth in enumerate(self.depths)]  # places of a queue
        m.d.comb += taken.eq(Mux(has_room[1], 0b10, has_room) & free.replicate(2))
        for k, (request, out, depth) in enumerate(zip(self.i_request, self.o_data, self.depths)):
            beats = request.payload.beats
            m.d.comb += [has_room[k].eq(request.valid & (held[k] + beats <= depth)), request.ready.eq(taken[k])]
            m.d.sync += held[k].eq(Mux(self.stop, 0, held[k] + Mux(taken[k], beats, 0) - (out.valid & out.ready)))
            with m.If(taken[k]):
                m.d.sync += [burst.id.eq(k), burst.address.eq(request.payload.address), burst.beats.eq(beats)]
        m.d.sync += waiting.eq(((waiting & ~(go & whole)) | taken.any()) & ~self.stop)

        # To the end of the request or of the 4 KB, whichever is first.
        page, beat = burst.address[PAGE_BITS:], burst.address[self.beat_bits : PAGE_BITS]
        left, beats = Signal(range(BOUNDARY // self.bus_bytes + 1)), Signal(range(BURST_BEATS + 1))
        m.d.comb += [
            left.eq(BOUNDARY // self.bus_bytes - beat),
            whole.eq(burst.beats <= left),
            beats.eq(Mux(whole, burst.beats, left)),
            go.eq(waiting & ~halt & (ar.ready | ~ar.valid) & Mux(burst.id, raised[1].i.ready, raised[0].i.ready)),
            asked.eq(Mux(go, beats, 0)),
        ]
        for k, record in enumerate(raised):
            m.d.comb += [record.i.valid.eq(go & (burst.id == k)), record.i.payload.eq(burst.address)]
        with m.If(go):
            m.d.sync += [
                ar.valid.eq(1),
                ar.payload.id.eq(burst.id),
                ar.payload.addr.eq(burst.address),
                ar.payload.len.eq(beats - 1),
            ]
            with m.If(~whole):
                m.d.sync += [burst.address.eq((page + 1) << PAGE_BITS), burst.beats.eq(burst.beats - left)]
        with m.Elif(ar.ready):
            m.d.sync += ar.valid.eq(0)

    def _take_beats(self, m, queues, raised, failed):
        """Beats of R to the queues, or into the void; the first bad one to `error`."""
        r, error = self.bus.r, self.error
        bad, keep = Signal(), Signal()
        m.d.comb += [
            r.ready.eq(1),
            bad.eq(r.valid & (r.payload.resp != OKAY) & ~failed),
            keep.eq(~bad & ~failed & ~self.stop),
        ]
        m.d.sync += [error.valid.eq(bad), failed.eq((failed | bad) & ~(self.stop & self.idle))]
        came = [Signal(range(BURST_BEATS), name=f"came_{k}") for k in range(2)]  # beats of the oldest burst
        for k, (queue, record) in enumerate(zip(queues, raised)):
            mine = Signal(name=f"mine_{k}")
            m.d.comb += [
                mine.eq(r.valid & (r.payload.id == k)),
                queue.i.payload.eq(r.payload.data),
                queue.i.valid.eq(mine & keep),
                record.o.ready.eq(mine & r.payload.last),
            ]
            connect(m, queue.o, self.o_data[k])
            with m.If(mine):
                m.d.sync += came[k].eq(Mux(r.payload.last, 0, came[k] + 1))
            first = record.o.payload
            within = (first[:PAGE_BITS] + (came[k] << self.beat_bits))[:PAGE_BITS]  # a burst is within its 4 KB
            with m.If(mine & bad):
                m.d.sync += [
                    error.master.eq(MASTERS[k]),
                    error.resp.eq(r.payload.resp),
                    error.address.eq(Cat(within, first[PAGE_BITS:])),
                ]
