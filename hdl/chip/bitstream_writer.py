"""The bitstream writer of the chip: bytes to the bitstream buffer, to its last byte and no further."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.chip.payloads import Buffer, WriteRequest, write_beat
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params
from hdl.payloads import Byte

REQUEST_BYTES = 64  # a request ends at a multiple of it


class BitstreamWriter(wiring.Component):
    """Bytes of a picture, packed into beats, into the buffer of its `job`, which may begin and end at any byte.

    Streams: `i_byte`, a picture's bytes up to `last`; `o_data`, the beats, strobes set for the picture's bytes alone;
    `o_request`, the requests for them: one at each multiple of REQUEST_BYTES in memory, and one at the picture's end.
    The `job` is taken with `start`, when `busy` is low. `busy`: from `start` until the request for the picture's last
    byte, and its beats, were taken.
    `full`: the buffer is full, all of it was requested, and another byte waits at `i_byte`, which is not taken. It
    stays, with `busy`, until reset. A picture of exactly the buffer's size ends like any other.
    Throughput: one byte a cycle. Latency: 2 cycles from a byte to the beat and the request that it completes.
    Stalls: `i_byte` where a beat is complete and the one before it, or the request before, was not taken.
    Reset: idle.
    """

    latency = 2

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "job": In(Buffer),
                "i_byte": In(stream.Signature(Byte)),
                "o_request": Out(stream.Signature(WriteRequest)),
                "o_data": Out(stream.Signature(write_beat(p.axi_data_width))),
                "busy": Out(1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.p.axi_data_width // 8
        lane_bits = exact_log2(beat_bytes)
        request, i, o_data = self.o_request.payload, self.i_byte, self.o_data
        taking = Signal()  # bytes of the picture are still to come, and there is room for one
        place, left = Signal(ADDRESS_BITS), Signal(32)  # of the next byte; bytes of the buffer
        beat, complete, closes = Signal.like(o_data.payload), Signal(), Signal()  # `closes`: it ends a request
        begin, beats = Signal.like(place), Signal.like(request.beats)  # of the request
        count = Signal.like(request.bytes)

        free, move, accept = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(~o_data.valid & ~self.o_request.valid),
            move.eq(complete & free),
            i.ready.eq(taking & (~complete | free)),
            accept.eq(i.valid & i.ready),
        ]
        with m.If(o_data.ready):
            m.d.sync += o_data.valid.eq(0)
        with m.If(self.o_request.ready):
            m.d.sync += self.o_request.valid.eq(0)

        ends = i.payload.last | (left == 1)  # nothing goes behind this byte
        lane = place[:lane_bits]
        with m.If(move):
            m.d.sync += [
                o_data.payload.eq(beat),
                o_data.valid.eq(1),
                complete.eq(0),
                beat.strb.eq(0),
                beats.eq(beats + 1),
            ]
            with m.If(closes):
                m.d.sync += [
                    request.address.eq(begin),
                    request.beats.eq(beats + 1),
                    request.bytes.eq(count),
                    self.o_request.valid.eq(1),
                    begin.eq(place),  # a multiple of REQUEST_BYTES, or nothing follows
                    beats.eq(0),
                    count.eq(0),
                ]
        with m.If(accept):
            m.d.sync += [
                place.eq(place + 1),
                left.eq(left - 1),
                beat.data.word_select(lane, 8).eq(i.payload.data),
                beat.strb.bit_select(lane, 1).eq(1),
                complete.eq(lane.all() | ends),
                closes.eq(place[: exact_log2(REQUEST_BYTES)].all() | ends),
                count.eq(Mux(move & closes, 0, count) + 1),
                taking.eq(~ends),
            ]
        ended = Signal()  # the last byte was `last`
        with m.If(accept & i.payload.last):
            m.d.sync += ended.eq(1)
        all_taken = self.busy & ~taking & ~complete & free
        with m.If(all_taken & ended):
            m.d.sync += self.busy.eq(0)
        with m.If(all_taken & ~ended & i.valid):
            m.d.sync += self.full.eq(1)

        with m.If(self.start & ~self.busy):
            m.d.sync += [
                self.busy.eq(1),
                taking.eq(1),
                ended.eq(0),
                place.eq(self.job.address),
                left.eq(self.job.size),
                begin.eq(self.job.address & ~(beat_bytes - 1)),
            ]
        return m
