"""Prediction of whole blocks from reconstructed neighbours: gather, predict."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.angles import DC, angle_of, is_swapped, needs_smoothing
from hdl.intra.reference_samples import ReferenceSamples
from hdl.intra.subblock_predictor import BLOCK, SubblockPredictor
from hdl.params import Params
from hdl.reconstruction.neighbours import BlockPlace, Neighbours


class SubblockTag(data.Struct):
    """A 4x4 sub-block on its way: its component and place in the transform block, in groups of four samples."""

    c_idx: 2
    x: 3
    y: 3
    candidate: 2  # which of the block's modes


class Prediction(wiring.Component):
    """Intra prediction of one block after the other, H.265 8.4.4.2, from what `write` has stored in Neighbours.

    `start`, allowed while `ready`, takes a block's `place`, `mode` and `candidate`; everything the block refers to must
    have been written by then, or be written in that cycle. `again`: the next start is of the same block, with another
    mode. Its sub-blocks come in raster order, one a cycle, without
    backpressure: `o_ahead` two cycles before `o_samples`, `o_valid` and `o_tag`.
    `finishing` is high when the block's last sub-block goes into the predictor, `o_valid` comes 4 cycles later.
    `ready` comes with it, after a 4x4 block a cycle later, or two where it comes again: those are at least four cycles
    apart.
    Cycles from `start` to the first `o_valid`: 8 at N = 4, else 7 + 2N/8 for planar and DC and 8 for angular modes;
    2 + 2N/8 more to smooth at N = 32, one less after `again`.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "ready": Out(1),
                "place": In(BlockPlace),
                "mode": In(6),
                "candidate": In(2),
                "again": In(1),
                "finishing": Out(1),
                "o_ahead": Out(SubblockTag),
                "o_valid": Out(1),
                "o_tag": Out(SubblockTag),
                "o_samples": Out(BLOCK),
                "write": In(1),
                "write_c_idx": In(2),
                "write_x": In(11),
                "write_y": In(4),
                "write_block": In(BLOCK),
            }
        )

    def elaborate(self, platform):
        m = Module()
        strong = self.p.max_tb_log2_size == 5
        m.submodules.neighbours = neighbours = Neighbours(self.p)
        m.submodules.references = references = ReferenceSamples(strong=strong)
        m.submodules.predictor = predictor = SubblockPredictor()

        place, mode, candidate, again = Signal(BlockPlace), Signal(6), Signal(2), Signal()
        is_luma = place.c_idx == 0
        swapped = Signal()
        # What follows from the block's mode and size; smoothing and angle are there when its first row is.
        smoothing, twice, repeated = Signal(), Signal(), Signal()  # twice: a block of 32 is gathered so to be smoothed
        angle, is_angular, last = Signal(signed(7)), Signal(), Signal(3)
        smooths = needs_smoothing(m, mode, place.log2_size, is_luma, "block")
        m.d.sync += smoothing.eq(smooths)
        if strong:
            m.d.sync += twice.eq(smooths & (place.log2_size == 5))
        m.d.sync += angle.eq(angle_of(m, mode, "block"))
        m.d.comb += [
            swapped.eq(is_swapped(mode)),
            *(
                getattr(neighbours, name).eq(getattr(self, name))
                for name in ("write", "write_c_idx", "write_x", "write_y", "write_block")
            ),
            neighbours.place.eq(place),
            neighbours.again.eq(again | (twice & ~repeated)),
            references.valid.eq(neighbours.valid),
            references.first.eq(neighbours.first),
            references.last.eq(neighbours.last),
            references.main.eq(Mux(swapped, neighbours.left.as_value(), neighbours.top.as_value())),
            references.side.eq(Mux(swapped, neighbours.top.as_value(), neighbours.left.as_value())),
            references.corner.eq(neighbours.corner),
            references.log2_size.eq(place.log2_size),
            references.mode.eq(mode),
            references.smooth.eq(smoothing),
            references.read.eq(predictor.read),
            predictor.references.eq(references.references),
        ]

        issue, x, y = Signal(), Signal(3), Signal(3)
        m.d.comb += self.finishing.eq(issue & (x == last) & (y == last))
        with m.If(issue):
            m.d.sync += x.eq(Mux(x == last, 0, x + 1))
            with m.If(x == last):
                m.d.sync += y.eq(Mux(y == last, 0, y + 1))
        m.d.comb += [
            predictor.valid.eq(issue),
            predictor.command.mode.eq(mode),
            predictor.command.angle.eq(angle),
            predictor.command.log2_size.eq(place.log2_size),
            predictor.command.is_luma.eq(is_luma),
            predictor.command.x.eq(x),
            predictor.command.y.eq(y),
        ]

        resting = Signal()
        m.d.sync += resting.eq(self.finishing & (place.log2_size == 2) & again)
        with m.If(self.finishing):
            m.d.comb += self.ready.eq(place.log2_size != 2)
        with m.If(self.start):
            m.d.sync += [place.eq(self.place), mode.eq(self.mode), candidate.eq(self.candidate), again.eq(self.again)]
            m.d.sync += [
                is_angular.eq(self.mode > DC),
                last.eq((1 << self.place.log2_size >> 2) - 1),
            ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.ready.eq(~resting)
                with m.If(self.start):
                    m.d.comb += neighbours.start.eq(again)
                    m.next = "GATHER"
                    with m.If(again):
                        m.next = "LOAD"
            with m.State("GATHER"):
                m.d.comb += neighbours.start.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"):
                # An angular mode begins with what the first two rows hold, and never overtakes the others.
                m.d.comb += issue.eq(is_angular & neighbours.valid & ~neighbours.first & (~twice | repeated))
                with m.If(neighbours.last):
                    m.d.sync += repeated.eq(twice & ~repeated)
                    m.next = "PREDICT"
                    with m.If(twice & ~repeated):
                        m.next = "GATHER"
            with m.State("PREDICT"):
                m.d.comb += issue.eq(1)
                with m.If(self.finishing):
                    m.next = "IDLE"
                    with m.If(self.start):
                        m.d.comb += neighbours.start.eq(again)
                        m.next = "GATHER"
                        with m.If(again):
                            m.next = "LOAD"

        tags = [Signal(SubblockTag, name=f"tag_{k}", reset_less=True) for k in range(predictor.latency + 1)]
        valids = Signal(predictor.latency + 1)
        m.d.comb += [tags[0].c_idx.eq(place.c_idx), tags[0].x.eq(x), tags[0].y.eq(y), valids[0].eq(issue)]
        m.d.comb += tags[0].candidate.eq(candidate)
        m.d.sync += [valids[1:].eq(valids), *(tags[k + 1].eq(tags[k]) for k in range(predictor.latency))]
        m.d.comb += [
            self.o_ahead.eq(tags[-3]),
            self.o_valid.eq(valids[-1]),
            self.o_tag.eq(tags[-1]),
            self.o_samples.eq(predictor.samples),
        ]
        return m
