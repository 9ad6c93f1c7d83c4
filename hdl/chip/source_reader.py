"""Planes in memory to groups of eight samples in coding order."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import Planes, ReadRequest
from hdl.chip.walk import PictureWalk, RowPart
from hdl.common.streams import Fifo, Fork, connect
from hdl.params import Params
from hdl.payloads import Samples

WORD_BYTES = 8  # of a group


class RowWords(data.Struct):
    """What comes out of memory for one row of a coding-tree block."""

    words: 4  # 1..8, of 8 bytes
    skip: 1  # words of the first beat that are of another block (a bus of 128 bits)
    interleaved: 1  # Cb and Cr: both come with Cb's row
    kept: 1  # Cr's row of those: not read again


class SourceReader(wiring.Component):
    """The picture of a job, from memory to the core.

    Streams: `o_request` and `i_data` to the read port; `o_source`, groups of the visible picture in the order of
    `Samples` (places past the picture hold whatever is in memory there, or a copy of other samples). `job` is taken
    with `start`, after the last group of the picture before, and need not stay.
    A request is one row of one block: 1..8 beats, whole ones within the row's stride, each of them once; where a block
    has half a beat of a chroma row (CTU 16, 128 bits, I420), the neighbour reads that beat again.
    NV12: Cb goes out as it comes, Cr waits in a queue of one block until Cb is through.
    Throughput: one request a cycle; one group a cycle (NV12 on 64 bits: Cb takes two, its groups being two beats).
    Latency: 2 cycles from `start` to the first request, 1 from `i_data` to `o_source`. Stalls: `i_data` waits for
    `o_source`; `o_request` is at most `ROWS` rows ahead of `o_source`.
    Reset: idle, nothing asked for.
    Cost: the walk's, and a memory of a block's Cr; no multiplier.
    """

    ROWS = 64

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "job": In(Planes),
                "o_request": Out(stream.Signature(ReadRequest)),
                "i_data": In(stream.Signature(p.axi_data_width)),
                "o_source": Out(stream.Signature(Samples)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = PictureWalk(self.p, coded=False)
        m.submodules.parts = parts = Fifo(RowPart, 2)
        m.submodules.fork = fork = Fork(RowPart, 2)
        m.submodules.rows = rows = Fifo(RowWords, self.ROWS)
        nv12 = Signal()
        with m.If(self.start):
            m.d.sync += nv12.eq(self.job.nv12)
        m.d.comb += [walk.start.eq(self.start), walk.job.eq(self.job)]
        connect(m, walk.o, parts.i)
        connect(m, parts.o, fork.i)
        self._request(m, fork, rows, nv12)
        self._unpack(m, rows)
        return m

    def _request(self, m, fork, rows, nv12):
        """A row to its request and to what will come of it."""
        part, words = fork.i.payload, Signal(RowWords)
        to_bus, to_rows = fork.o
        beat_words = self.p.axi_data_width // 64
        beat_bits = (beat_words * WORD_BYTES).bit_length() - 1
        m.d.comb += [
            words.interleaved.eq(nv12 & (part.component != 0)),
            words.kept.eq(nv12 & (part.component == 2)),
            words.words.eq(Mux(words.interleaved, (part.samples + 3) >> 2, (part.samples + 7) >> 3)),
            words.skip.eq(part.address[3:beat_bits]),
            rows.i.payload.eq(words),
            rows.i.valid.eq(to_rows.valid),
            to_rows.ready.eq(rows.i.ready),
            self.o_request.valid.eq(to_bus.valid & ~words.kept),
            to_bus.ready.eq(self.o_request.ready | words.kept),
            self.o_request.payload.address.eq(part.address[beat_bits:] << beat_bits),
            self.o_request.payload.beats.eq((words.skip + words.words + (beat_words - 1)) >> (beat_words - 1)),
        ]

    def _unpack(self, m, rows):
        """Beats to groups, row by row."""
        row, beat, o = rows.o.payload, self.i_data, self.o_source
        wide = self.p.axi_data_width == 128
        m.submodules.cr = cr = Fifo(Samples, self.p.ctb_size**2 // 32)

        word = Signal(4)  # of the row: how many are done
        single, last = Signal(), Signal()  # one word of the row a step, or two
        m.d.comb += [
            single.eq(~row.kept & (~row.interleaved if wide else 1)),
            last.eq(word + Mux(single, 1, 2) >= row.words),
        ]
        # Words of this step: `pair`, of which a row of one component takes `group`.
        if wide:
            pair, second = beat.payload, (word[0] ^ row.skip)
            group = beat.payload.word_select(second, 64)
            emit, pop = 1, last | second | row.interleaved
        else:
            first = Signal(64)
            pair, group = Cat(Mux(word[0], first, beat.payload), beat.payload), beat.payload
            emit, pop = ~row.interleaved | row.kept | word[0] | last, 1
        even, odd = (Cat(pair.word_select(2 * k + offset, 8) for k in range(8)) for offset in (0, 1))

        free, go = Signal(), Signal()
        deinterleave = row.interleaved & ~row.kept
        m.d.comb += [
            free.eq((o.ready | ~o.valid) & (cr.i.ready | ~deinterleave)),
            go.eq(free & rows.o.valid & Mux(row.kept, cr.o.valid, beat.valid)),
            beat.ready.eq(go & ~row.kept & pop),
            cr.o.ready.eq(go & row.kept),
            cr.i.valid.eq(go & deinterleave & emit),
            cr.i.payload.eq(odd),
            rows.o.ready.eq(go & last),
        ]
        with m.If(go):
            m.d.sync += word.eq(Mux(last, 0, word + Mux(single, 1, 2)))
            if not wide:
                m.d.sync += first.eq(beat.payload)
        with m.If(go & emit):
            m.d.sync += [
                o.valid.eq(1),
                o.payload.eq(Mux(row.kept, cr.o.payload.as_value(), Mux(row.interleaved, even, group))),
            ]
        with m.Elif(o.ready):
            m.d.sync += o.valid.eq(0)
        return m
