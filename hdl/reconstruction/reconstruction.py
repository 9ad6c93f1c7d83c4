"""The closed loop: every transform block of the decided coding units, from source samples to levels and back."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.streams import Fifo, connect
from hdl.intra.modes import ModeEdges, most_probable_modes
from hdl.params import Params
from hdl.payloads import CodedUnit, CodingUnit, CoefficientGroup, Picture, Samples
from hdl.reconstruction.availability import Availability
from hdl.reconstruction.ctu_store import CodedSize, ReconstructionStore, SourceStore
from hdl.reconstruction.group_order import scan_index
from hdl.reconstruction.mode_choice import CHOICES, mode_cost
from hdl.reconstruction.neighbours import BlockPlace
from hdl.reconstruction.prediction import Prediction
from hdl.reconstruction.residual_loop import BlockKind, ResidualLoop

# QpC of table 8-10 for ChromaArrayType 1, by qPi.
QP_CHROMA = (*range(30), 29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37, *range(38, 46))
# intra_chroma_pred_mode 0..3; the entry that equals the luma mode becomes 34 (table 8-3).
CHROMA_MODES = (0, 26, 10, 1)


class BlockContext(data.Struct):
    """Where the current transform block of a component is."""

    x: 11  # in the picture, in groups of four samples of the component
    y: 4  # in the coding-tree block
    part: 2  # its bit in the coded block flags
    kind: BlockKind


class Reconstruction(wiring.Component):
    """Predict, residual, transform, quantise, scale, inverse, add (H.265 8.4.4 and 8.6, and their counterparts).

    Streams: `i_picture`, one before the picture's first payload on any other; `i_source`, the picture at its coded
    size; `i_cu`, in coding order; `o_cg` and `o_cu`, in the order of the bitstream, a unit after its groups; `o_recon`.
    Orders are those of hdl/payloads.py. The next Picture is taken when the last of `o_recon` is gone.
    Source CTUs and reconstructed CTUs are double buffered, groups queue in a FIFO of 512, as deep
    as a block RAM.
    Stalls: before a coding unit while its source is incomplete or no reconstruction buffer is free, before a batch of
    blocks while the FIFO has no room for the groups of the largest one. No stall inside a block.

    Of a luma prediction block that is one transform block, as many of luma_mode, luma_second, luma_third are tried as
    `choices` says for its size, and the one of least cost (ModeChoice) becomes its luma_mode in `o_cu`.

    Schedule: the blocks Y, Cb, Cr of one index are independent and go as a batch: 4x4 blocks one after the other in a
    straight pipeline, larger ones together through TransformUnit, 4x4 chroma beside 8x8 luma. Where modes are tried,
    chroma follows the choice. Blocks without levels skip the inverse transform.
    `stat_busy`: a coding unit is being worked on.
    """

    PENDING = 67  # groups of the block before that may still be on their way into the queue
    LARGEST = 64 + 32  # groups of a batch

    def __init__(self, p: Params, choices: tuple = CHOICES):
        if choices[2] not in (1, 2, 3) or any(count not in (1, 2) for count in choices[3:6]):
            raise ValueError(f"choices is {choices}; at log2 size 2 it must be 1..3, at 3 to 5 it must be 1 or 2")
        self.p = p
        self.choices = choices
        self.fifo_depth = 512  # more than the 384 groups of a 64x64 unit, and no more block RAM than less would take
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_source": In(stream.Signature(Samples)),
                "i_cu": In(stream.Signature(CodingUnit)),
                "o_cu": Out(stream.Signature(CodedUnit)),
                "o_cg": Out(stream.Signature(CoefficientGroup)),
                "o_recon": Out(stream.Signature(Samples)),
                "stat_busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.source = source = SourceStore(self.p)
        m.submodules.store = store = ReconstructionStore(self.p)
        m.submodules.availability = availability = Availability(self.p)
        m.submodules.prediction = prediction = Prediction(self.p)
        m.submodules.loop = loop = ResidualLoop(self.p)

        m.submodules.edges = edges = ModeEdges(self.p)

        size, coming = Signal(CodedSize), Signal(CodedSize)
        qp = Signal(data.ArrayLayout(data.StructLayout({"per": 4, "rem": 3}), 2))  # luma, chroma
        unit = Signal(CodingUnit)
        part = Signal(2)
        contexts = Array(Signal(BlockContext, name=f"context_{c}") for c in range(3))
        busy = Signal(3)  # a 4x4 block of the component is under way
        m.d.comb += [
            coming.width.eq((self.i_picture.payload.width + 7) >> 3),
            coming.height.eq((self.i_picture.payload.height + 7) >> 3),
            source.size.eq(coming),
            store.size.eq(coming),
            availability.size.eq(size),
            self.stat_busy.eq(~store.idle),
            *(loop.kinds[c].eq(contexts[c].kind) for c in range(3)),
        ]
        connect(m, self.i_source, source.i)
        connect(m, store.o, self.o_recon)

        # The batch of index `part`.
        luma_log2, chroma_log2 = Signal(3), Signal(3)
        has_chroma, chroma_mode, last_part = Signal(), Signal(6), Signal()
        candidates = Signal(2)  # modes to try for a luma block
        m.d.comb += [
            luma_log2.eq(unit.log2_size - unit.split_transform),
            chroma_log2.eq(Mux(luma_log2 == 2, 2, luma_log2 - 1)),
            has_chroma.eq((luma_log2 != 2) | (part == 1)),  # of 4x4 when the mode of part 0 is settled
            candidates.eq(1),
            last_part.eq(~unit.split_transform | (part == 3)),
            chroma_mode.eq(unit.luma_mode[0]),
        ]
        for index, mode in enumerate(CHROMA_MODES):
            with m.If(unit.chroma_mode == index):
                m.d.comb += chroma_mode.eq(Mux(unit.luma_mode[0] == mode, 34, mode))

        for log2 in (2, 3, 4, 5):
            with m.If((luma_log2 == log2) & (unit.part_nxn | ~unit.split_transform)):
                m.d.comb += candidates.eq(self.choices[log2])

        # The block of component `c_idx` in it, with the mode of this `candidate`.
        c_idx, candidate, log2_size, mode = Signal(2), Signal(2), Signal(3), Signal(6)
        luma = c_idx == 0
        context = Signal(BlockContext)
        quantiser = Signal(qp[0].shape())
        m.d.comb += quantiser.eq(Mux(luma, qp[0].as_value(), qp[1].as_value()))
        x, y = Signal(11), Signal(11)
        inside = Signal(4)  # groups from the unit's start to the part's, where the part is not the first
        block_part, again = Signal(2), Signal()
        place = Signal(BlockPlace, reset_less=True)  # a cycle after what it follows from
        m.d.sync += place.eq(availability.place)
        tried_modes = Array((unit.luma_mode, unit.luma_second, unit.luma_third))[candidate]
        m.d.comb += [
            log2_size.eq(Mux(luma, luma_log2, chroma_log2)),
            mode.eq(Mux(luma, tried_modes.as_value().word_select(part, 6), chroma_mode)),
            block_part.eq(Mux(luma | (luma_log2 != 2), part, 0)),
            again.eq(luma & (candidate + 1 != candidates)),
            inside.eq(1 << log2_size >> 2),
            x.eq(Mux(luma, unit.x << 1, unit.x) + Mux(block_part[0], inside, 0)),
            y.eq(Mux(luma, unit.y << 1, unit.y) + Mux(block_part[1], inside, 0)),
            availability.c_idx.eq(c_idx),
            availability.log2_size.eq(log2_size),
            availability.x.eq(x),
            availability.y.eq(y),
            prediction.place.eq(place),
            prediction.mode.eq(mode),
            prediction.candidate.eq(candidate),
            prediction.again.eq(again),
            context.x.eq(x),
            context.y.eq(availability.place.y),
            context.part.eq(block_part),
            context.kind.log2_size.eq(log2_size),
            context.kind.candidates.eq(Mux(luma, candidates, 1)),
            context.kind.scan_idx.eq(contexts[c_idx].kind.scan_idx),
            context.kind.scan_idx[candidate].eq(scan_index(mode, log2_size, luma)),
            context.kind.qp_per.eq(quantiser.per),
            context.kind.qp_rem.eq(quantiser.rem),
        ]
        with m.If(prediction.start):
            m.d.sync += contexts[c_idx].eq(context)

        self._settle(m, edges, loop, unit, contexts[0], candidate, mode, prediction.start & luma)
        self._samples(m, source, store, prediction, loop, contexts)
        written = Signal(3)  # the 4x4 block of a component leaves the loop
        m.d.comb += written.eq(Mux(loop.r_valid & loop.r_small, 1 << loop.r_tag.c_idx, 0))
        m.d.sync += busy.eq(busy & ~written | Mux(prediction.start & (log2_size == 2), 1 << c_idx, 0))
        early = Signal(3)
        m.d.sync += early.eq(early & ~loop.ending | Mux(prediction.start & (log2_size == 2), 1 << c_idx, 0))
        m.d.comb += [loop.small_busy.eq(busy.any()), loop.small_early.eq(early.any())]

        flags, room, flush, send, emitting = self._groups(m, loop, contexts, unit)
        roomy = Signal()
        m.d.sync += roomy.eq(room >= self.LARGEST + self.PENDING)

        # Blocks above 4x4 go together once the last of them has been predicted; candidates of luma before chroma.
        tried = candidates > 1
        large, large_busy, closing = Signal(4), Signal(), Signal()
        with m.If(luma):
            m.d.comb += large.eq(Mux(tried, 0b1001, 0b0001))
        with m.Else():
            m.d.comb += large.eq(Mux(tried, 0b0110, 0b0111))
        with m.If(prediction.start):
            m.d.sync += loop.blocks.eq(large)
            m.d.sync += closing.eq(
                (log2_size != 2) & Mux(luma, Mux(luma_log2 == 3, candidate == 0, tried & ~again), c_idx == 2)
            )
        m.d.comb += loop.start.eq(prediction.finishing & closing)
        m.d.sync += large_busy.eq(large_busy & ~loop.done | prediction.start & (log2_size != 2))
        small_idle, idle = ~(busy & ~written).any(), Signal()
        m.d.comb += idle.eq((~large_busy | loop.done) & small_idle)

        fresh = Signal()  # the unit is the first of its coding-tree block
        m.d.sync += edges.store.eq(send)
        with m.FSM():
            with m.State("PICTURE"):
                m.d.comb += self.i_picture.ready.eq(1)
                m.d.sync += size.eq(coming)
                with m.If(self.i_picture.valid):
                    m.d.comb += [source.restart.eq(1), store.restart.eq(1)]
                    m.d.sync += fresh.eq(1)
                    m.next = "UNIT"
            with m.State("UNIT"):
                m.d.comb += self.i_cu.ready.eq(source.full & store.ready)
                m.d.sync += [unit.eq(self.i_cu.payload), part.eq(0), flags.eq(0)]
                with m.Switch(self.i_cu.payload.qp):
                    for value in range(52):
                        with m.Case(value):
                            for k, of in enumerate((value, QP_CHROMA[value])):
                                m.d.sync += [qp[k].per.eq(of // 6), qp[k].rem.eq(of % 6)]
                with m.If(self.i_cu.valid & self.i_cu.ready):
                    m.next = "PLACE"
            with m.State("PLACE"):
                m.next = "BLOCK"
            with m.State("BLOCK"):
                m.d.comb += edges.start.eq(fresh)
                m.d.sync += fresh.eq(0)
                first = (c_idx == 0) & (candidate == 0)
                waits = Mux(first, ~roomy, 0) | ((candidate == 0) & (busy & ~written).bit_select(c_idx, 1))
                with m.If(prediction.ready & ~waits):
                    m.d.comb += prediction.start.eq(1)
                    with m.If(again):
                        m.d.sync += candidate.eq(candidate + 1)
                    with m.Elif(has_chroma & (c_idx != 2)):
                        m.d.sync += [c_idx.eq(c_idx + 1), candidate.eq(0)]
                        with m.If(luma & tried & (luma_log2 != 2)):
                            m.next = "CHOICE"
                    with m.Else():
                        m.d.sync += [c_idx.eq(0), candidate.eq(0)]
                        m.next = "END"
            with m.State("CHOICE"):
                with m.If(loop.chosen):
                    m.next = "BLOCK"
            with m.State("END"):
                with m.If((luma_log2 == 2) & ~last_part):
                    m.d.sync += part.eq(part + 1)
                    m.next = "PLACE"
                with m.Elif(idle & ~emitting):
                    m.d.comb += flush.eq(1)
                    m.d.sync += part.eq(part + 1)
                    m.next = "PLACE"
                    with m.If(last_part):
                        m.d.comb += send.eq(1)
                        m.next = "UNIT"
                        with m.If(unit.last_in_ctu):
                            m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += [source.release.eq(1), store.finish.eq(1)]
                m.d.sync += fresh.eq(1)
                m.next = "UNIT"
                with m.If(unit.last_in_picture):
                    m.next = "SENT"
            with m.State("SENT"):
                with m.If(store.idle & ~emitting):
                    m.next = "PICTURE"
        return m

    def _settle(self, m, edges, loop, unit, context, candidate, mode, starting):
        """What the candidates of a luma block cost by their modes, and its mode once it is chosen."""
        modes = Signal(data.ArrayLayout(6, 3))
        with m.If(starting):
            m.d.sync += modes[candidate].eq(mode)
        part, settled = context.part, unit.luma_mode
        left = Cat(edges.left[0], settled[0], edges.left[1], settled[2]).word_select(part, 6)
        above = Cat(edges.above[0], edges.above[1], settled[0], settled[1]).word_select(part, 6)
        probable = [Signal(6, name=f"probable_{k}") for k in range(3)]
        m.d.sync += [p.eq(value) for p, value in zip(probable, most_probable_modes(left, above))]
        m.d.comb += edges.cu.eq(unit)
        m.d.sync += [loop.mode_costs[k].eq(mode_cost(m, modes[k], probable, f"mode_cost_{k}")) for k in range(3)]
        for k in range(4):
            with m.If(loop.chosen & (~unit.part_nxn | (part == k))):
                m.d.sync += settled[k].eq(modes[loop.outcome.candidate])

    def _samples(self, m, source, store, prediction, loop, contexts):
        """Source to the loop, reconstruction to the neighbours and out."""
        ahead = contexts[prediction.o_ahead.c_idx]
        m.d.comb += [
            source.r_c_idx.eq(prediction.o_ahead.c_idx),
            source.r_x.eq(ahead.x + prediction.o_ahead.x),
            source.r_y.eq(ahead.y + prediction.o_ahead.y),
            loop.p_valid.eq(prediction.o_valid),
            loop.p_tag.eq(prediction.o_tag),
            loop.p_samples.eq(prediction.o_samples),
            loop.p_source.eq(source.r_block),
        ]
        done = contexts[loop.r_tag.c_idx]
        m.d.comb += [
            prediction.write.eq(loop.r_valid),
            prediction.write_c_idx.eq(loop.r_tag.c_idx),
            prediction.write_x.eq(done.x + loop.r_tag.x),
            prediction.write_y.eq(done.y + loop.r_tag.y),
            prediction.write_block.eq(loop.r_block),
            store.w_valid.eq(loop.r_valid),
            store.w_c_idx.eq(loop.r_tag.c_idx),
            store.w_x.eq(prediction.write_x),
            store.w_y.eq(prediction.write_y),
            store.w_block.eq(loop.r_block),
        ]

    def _groups(self, m, loop, contexts, unit):
        """Coded groups and coding units out, in the order of the bitstream.

        4x4 chroma comes before the luma that precedes it there: it is held until `flush`. `send` with the last
        `flush` of a unit sends the unit too. `room` counts the FIFO's free places.
        """
        m.submodules.groups = fifo = Fifo(CoefficientGroup, self.fifo_depth)
        connect(m, fifo.o, self.o_cg)
        flags = Signal(data.ArrayLayout(4, 3))  # coded block flags
        held = [Signal(CoefficientGroup, name=f"held_{c}", reset_less=True) for c in (1, 2)]
        holds = Signal(2)
        flush, send, emitting = Signal(), Signal(), Signal()

        q_c_idx, chroma = loop.q_tag.place.c_idx, loop.q_tag.place.c_idx != 0
        coming, kept = Signal(), Signal()
        m.d.comb += [
            coming.eq(loop.q_valid & loop.q_coded),
            kept.eq(coming & loop.q_tag.small & chroma),
            fifo.i.valid.eq((coming & ~kept) | loop.e_valid),
            fifo.i.payload.eq(Mux(loop.e_valid, loop.e_group.as_value(), loop.q_group.as_value())),
        ]
        with m.If(coming):
            for c in range(3):
                with m.If(q_c_idx == c):
                    m.d.sync += flags[c].eq(flags[c] | 1 << contexts[c].part)
        with m.If(loop.chosen & loop.outcome.coded):
            m.d.sync += flags[0].eq(flags[0] | 1 << contexts[0].part)
        for k in range(2):
            with m.If(kept & (q_c_idx == k + 1)):
                m.d.sync += [held[k].eq(loop.q_group), holds[k].eq(1)]

        sending, sent = Signal(), Signal()  # sent: the unit is complete a cycle after its last block
        offering = Signal()  # the unit waits to be taken; what is held by now is of the next one
        m.d.sync += sent.eq(send)
        with m.If(flush):
            m.d.sync += [emitting.eq(1), sending.eq(send)]
        with m.If(emitting & ~loop.emitting & ~sent):
            with m.If(holds.any()):
                m.d.comb += [
                    fifo.i.valid.eq(1),
                    fifo.i.payload.eq(Mux(holds[0], held[0].as_value(), held[1].as_value())),
                ]
                m.d.sync += holds.eq(Mux(holds[0], holds & 0b10, 0))
            with m.Else():
                m.d.sync += [emitting.eq(0), offering.eq(sending)]
        m.d.comb += self.o_cu.valid.eq(offering)
        with m.If(self.o_cu.valid & self.o_cu.ready):
            m.d.sync += offering.eq(0)
        with m.If(sent):
            m.d.sync += [
                self.o_cu.payload.cu.eq(unit),
                *(getattr(self.o_cu.payload, f"cbf_{n}").eq(flags[c]) for c, n in enumerate(("luma", "cb", "cr"))),
            ]

        # One place less than there is: the FIFO takes one less while its output register is empty.
        room = Signal(range(self.fifo_depth), init=self.fifo_depth - 1)
        m.d.sync += room.eq(room - (fifo.i.valid & fifo.i.ready) + (fifo.o.valid & fifo.o.ready))
        return flags, room, flush, send, emitting | offering
