"""Two-dimensional transforms of 8x8 to 32x32 blocks: the buffer, the engine, and the passes between them."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.reconstruction.transform_buffer import SUBBLOCK, Place, TransformBuffer
from hdl.reconstruction.transform_engine import Step, TransformEngine

FORWARD_REGION, INVERSE_REGION = 0, 1  # where a block must be before the transform, and is after it


class TransformUnit(wiring.Component):
    """Transforms up to four blocks (Y, Cb, Cr, Y again) together, so that the latency of a pass counts once.

    While idle (`busy` low) sub-blocks are written and read through `w_*` and `r_*` as in TransformBuffer, with
    `vector` 0. Sub-blocks may still be written until the first results come, 7 cycles and N/8 of the first block after
    `start`, if they are there before they are read: rows of a block follow each other from the cycle after `start`.

    `start` runs the forward (rows first) or the `inverse` (columns first) transform over the blocks whose bit in
    `blocks` is 1; sizes are `luma_log2_size` (3..MaxTbLog2SizeY) and `chroma_log2_size` (3..4), stable until
    `busy` falls.
    Forward: from and to region 0, both transposed: element (r, c) is residual or coefficient of column r, row c.
    Inverse: from and to region 1, not transposed.

    Cycles of a transform: 2 * (sum of N*N/8 + 6 + N/8 of the last block), luma last; 6 + N/8 less for two blocks of one
    size, whose passes follow each other without a gap. Arithmetic: TransformEngine.
    """

    w_valid: In(1)
    w_place: In(Place)
    w_block: In(SUBBLOCK)
    r_place: In(Place)
    r_block: Out(SUBBLOCK)
    start: In(1)
    inverse: In(1)
    blocks: In(4)
    luma_log2_size: In(3)
    chroma_log2_size: In(3)
    busy: Out(1)

    def __init__(self, p: Params):
        self.p = p
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = TransformBuffer()
        m.submodules.engine = engine = TransformEngine(self.p)

        second, inverse, issuing = Signal(), Signal(), Signal()
        c_idx, vector, step = Signal(2), Signal(5), Signal(2)
        log2_size, last_step, last_vector = Signal(3), Signal(2), Signal(5)

        def turn_to(block):
            size = Mux((block == 0) | (block == 3), self.luma_log2_size, self.chroma_log2_size)
            return [c_idx.eq(block), log2_size.eq(size)]

        m.d.comb += [
            last_vector.eq((1 << log2_size[:3]) - 1),
            last_step.eq(last_vector >> 3),
        ]
        # Chroma goes first: results of a vector leave within the time of the next only if that is not shorter.
        following, first_block, last_block, chained = Signal(2), Signal(2), Signal(), Signal()
        luma, blocks = Mux(self.blocks[0], 0, 3), self.blocks
        m.d.comb += [
            first_block.eq(Mux(blocks[1], 1, Mux(blocks[2], 2, luma))),
            following.eq(Mux(c_idx == 0, 3, Mux((c_idx == 1) & blocks[2], 2, luma))),
            chained.eq((blocks == 0b1001) | (blocks == 0b0110)),
        ]
        with m.Switch(c_idx):
            for c, later in enumerate((0b1000, 0b1101, 0b1001, 0b0000)):
                with m.Case(c):
                    m.d.comb += last_block.eq(~(blocks & later).any())

        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), issuing.eq(1), second.eq(0), inverse.eq(self.inverse), *turn_to(first_block)]
        with m.If(issuing):
            m.d.sync += step.eq(step + 1)
            with m.If(step == last_step):
                m.d.sync += [step.eq(0), vector.eq(vector + 1)]
                with m.If(vector == last_vector):
                    m.d.sync += [vector.eq(0), *turn_to(following)]
                    with m.If(last_block):
                        m.d.sync += issuing.eq(0)
                        with m.If(chained & ~second):
                            m.d.sync += [issuing.eq(1), second.eq(1), *turn_to(first_block)]

        region = Signal()
        m.d.comb += region.eq(second ^ inverse)
        with m.If(self.busy):
            m.d.comb += [
                buffer.r_place.region.eq(region),
                buffer.r_place.c_idx.eq(c_idx),
                buffer.r_place.vector.eq(1),
                buffer.r_place.column.eq(vector),
                buffer.r_place.folded.eq(~inverse),
                buffer.r_place.log2_size.eq(log2_size),
                buffer.r_place.step.eq(step),
            ]
        with m.Else():
            m.d.comb += buffer.r_place.eq(self.r_place)
        m.d.comb += self.r_block.eq(buffer.r_block)

        # The step travels with the data; `last` marks the end of the pass.
        valid, now, last = issuing, Signal(Step), issuing & last_block & (vector == last_vector)
        m.d.comb += [
            now.log2_size.eq(log2_size),
            now.inverse.eq(inverse),
            now.second.eq(second),
            now.index.eq(step),
            now.last.eq(last),
            now.destination.region.eq(~region),
            now.destination.c_idx.eq(c_idx),
            now.destination.row.eq(vector),
        ]
        for stage in range(buffer.latency):
            delayed, later = Signal(name=f"valid_{stage}"), Signal(Step, name=f"step_{stage}")
            m.d.sync += [delayed.eq(valid), later.eq(now)]
            valid, now = delayed, later
        m.d.comb += [engine.i_valid.eq(valid), engine.i_step.eq(now), engine.i_lanes.eq(buffer.r_lanes)]

        # `giving` is o_valid once more: one chooses the place, the other the data, far apart. It has no reset, as
        # Yosys makes one register of two that are equal.
        done, giving = engine.o_step, Signal(reset_less=True)
        m.d.sync += giving.eq(engine.o_ahead)
        m.d.comb += [buffer.w_lanes.eq(engine.o_lanes), buffer.w_block.eq(self.w_block)]
        with m.If(giving):
            m.d.comb += [
                buffer.w_valid.eq(1),
                buffer.w_place.region.eq(done.destination.region),
                buffer.w_place.c_idx.eq(done.destination.c_idx),
                buffer.w_place.row.eq(done.destination.row),
                buffer.w_place.folded.eq(done.inverse),
                buffer.w_place.log2_size.eq(done.log2_size),
                buffer.w_place.step.eq(done.index),
            ]
        with m.Else():
            m.d.comb += [buffer.w_valid.eq(self.w_valid), buffer.w_place.eq(self.w_place)]
        m.d.comb += buffer.w_place.vector.eq(engine.o_valid)
        with m.If(self.busy & engine.o_valid & done.last & (done.index == ((1 << done.log2_size[:3]) - 1)[3:5])):
            with m.If(done.second):
                m.d.sync += self.busy.eq(0)
            with m.Elif(~chained):
                m.d.sync += [second.eq(1), issuing.eq(1), *turn_to(first_block)]
        return m
