"""slice_segment_data() down to the transform units (H.265 7.3.8.1 to 7.3.8.10): coding units to syntax steps."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.entropy import contexts
from hdl.entropy.intra_mode import ModeCoder, chroma_pred_mode, scan_index
from hdl.entropy.neighbours import Neighbours
from hdl.entropy.payloads import BinKind, SyntaxStep
from hdl.entropy.queue import Queue
from hdl.params import Params
from hdl.payloads import CodedUnit, Picture


def _qp_suffix(magnitude: int, negative: int) -> tuple[int, int]:
    """(count, value) of the bypass bins of a QP delta: EG0 of what is above 4 (9.3.3.10), then the sign."""
    bits = ""
    if magnitude > 4:
        above = f"{magnitude - 4:b}"
        bits = "1" * (len(above) - 1) + "0" + above[1:]
    bits += str(negative)
    return len(bits), int(bits, 2) << (16 - len(bits))


# By magnitude and sign.
_QP_SUFFIX = tuple(zip(*(_qp_suffix(magnitude, negative) for magnitude in range(27) for negative in range(2))))


class Syntax(wiring.Component):
    """All syntax elements of the slice data but the residuals, whose places are marked.

    i_picture: the coded size and the fields of QP count. i: CodedUnit in coding order, of one picture up to
    last_in_picture.
    o: SyntaxStep in the order of the bitstream: split_cu_flag, part_mode, intra modes, transform tree, a residual
    step for each transform block whose cbf is 1, end_of_slice_segment_flag after each coding-tree unit.
    With cu_qp_delta_enabled, cu_qp_delta_abs and cu_qp_delta_sign_flag are in a coding-tree unit's first transform unit
    that has a coded block. The predictor is QpY of the coding-tree unit before (8.6.1): that of the last one with a
    coded block, or SliceQpY.

    Throughput: a unit takes 2 cycles, 1 per quadtree level above it, 3 (four parts: 6) to look up the modes and 1 for
    each payload sent: about 10 for a unit with one transform block of each component, 35 for an 8x8 with twelve. A QP
    delta is 1 to 4 payloads.
    Latency: 3 cycles and more. Backpressure on `o` stalls `i`, after a queue of 16.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i": In(stream.Signature(CodedUnit)),
                "o": Out(stream.Signature(SyntaxStep)),
            }
        )
        self._unit = Signal(CodedUnit)
        self._width, self._height = Signal(11), Signal(11)  # of the coded picture, in units of 8
        self._rest_x, self._rest_y = Signal(11), Signal(11)  # from the unit on
        self._ctb_start = Signal()
        self._size = Signal(3)  # log2 of the quadtree node
        self._part = Signal(3)
        self._prev = Signal(4)
        self._value = [Signal(5, name=f"mode_value{k}") for k in range(4)]
        self._tree = Signal(2)  # transform block, z-order
        self._qp_predictor, self._has_qp_delta = Signal(6), Signal()  # qPY_PRED, cu_qp_delta_enabled_flag
        self._qp_coded = Signal()  # IsCuQpDeltaCoded

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = self._queue = Queue(SyntaxStep)
        m.submodules.neighbours = self._neighbours = Neighbours(self.p)
        m.submodules.mode_coder = self._mode_coder = ModeCoder()
        wiring.connect(m, self._queue.o, wiring.flipped(self.o))
        cu = self._unit.cu
        m.d.comb += [self._neighbours.cu.eq(cu), self._neighbours.ctb_start.eq(self._ctb_start)]
        ready = self._queue.i.ready

        with m.FSM(name="element"):
            with m.State("PICTURE"):
                picture = self.i_picture.payload
                m.d.comb += self.i_picture.ready.eq(1)
                m.d.sync += [
                    self._width.eq((picture.width + 7) >> 3),
                    self._height.eq((picture.height + 7) >> 3),
                    self._ctb_start.eq(1),
                    self._qp_predictor.eq(picture.qp),
                    self._has_qp_delta.eq(picture.cu_qp_delta_enabled),
                ]
                with m.If(self.i_picture.valid):
                    m.next = "UNIT"
            with m.State("UNIT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += self._unit.eq(self.i.payload)
                with m.If(self.i.valid):
                    m.next = "START"
            with m.State("START"):
                # One cycle with cu.x steady for the line memory, one to use what it gave.
                m.d.sync += [self._rest_x.eq(self._width - cu.x), self._rest_y.eq(self._height - cu.y)]
                m.next = "EDGES"
            with m.State("EDGES"):
                m.d.comb += self._neighbours.start.eq(1)
                m.d.sync += [
                    self._ctb_start.eq(cu.last_in_ctu),
                    self._size.eq(self.p.ctb_log2_size),
                    self._part.eq(0),
                    self._tree.eq(0),
                ]
                m.next = "SPLIT_CU"
            with m.State("SPLIT_CU"):
                self._split_cu(m)
            with m.State("MODES"):
                self._modes(m)
            with m.State("PART_MODE"):
                self._regular(m, (contexts.PART_MODE, 0), (~cu.part_nxn, 0), 0)
                with m.If(ready):
                    m.next = "PREV_FLAGS"
            with m.State("PREV_FLAGS"):
                self._prev_flags(m)
            with m.State("MODE_VALUE"):
                self._mode_value(m)
            with m.State("CHROMA_MODE"):
                coded = cu.chroma_mode != 4
                self._regular(m, (contexts.INTRA_CHROMA_PRED_MODE, 0), (coded, 0), 0)
                with m.If(ready):
                    with m.If(coded):
                        m.next = "CHROMA_VALUE"
                    with m.Else():
                        m.next = "SPLIT_TRANSFORM"
            with m.State("CHROMA_VALUE"):
                self._bins(m, BinKind.BYPASS, 2, Cat(Const(0, 14), cu.chroma_mode[:2]))
                with m.If(ready):
                    m.next = "SPLIT_TRANSFORM"
            self._transform_tree(m, ready)
            with m.State("END_OF_CTU"):
                self._bins(m, BinKind.TERMINATE, 1, cu.last_in_picture << 15)
                with m.If(ready):
                    m.d.sync += self._qp_coded.eq(0)
                    with m.If(cu.last_in_picture):
                        m.next = "PICTURE"
                    with m.Else():
                        m.next = "UNIT"
        return m

    def _bins(self, m, kind, count, value, ctx=(0, 0)):
        bins = self._queue.i.payload.bins
        m.d.comb += [
            bins.kind.eq(kind),
            bins.count.eq(count),
            bins.value.eq(value),
            bins.ctx[0].eq(ctx[0]),
            bins.ctx[1].eq(ctx[1]),
            self._queue.i.valid.eq(1),
        ]

    def _regular(self, m, ctx, bins, two):
        self._bins(m, BinKind.REGULAR, Mux(two, 2, 1), Cat(Const(0, 14), bins[1] & two, bins[0]), ctx)

    def _split_cu(self, m):
        """One node of the quadtree: its split_cu_flag is sent when this unit is the first in it and it is inside."""
        cu, size, near = self._unit.cu, self._size, self._neighbours
        units = Signal(4)
        m.d.comb += units.eq(Const(1, 4) << (size - 3)[:2])
        aligned = ((cu.x | cu.y)[:3] & (units - 1)[:3]) == 0
        fits = (self._rest_x >= units) & (self._rest_y >= units)
        depth = (self.p.ctb_log2_size - size)[:2]
        ctx = contexts.SPLIT_CU_FLAG + (near.left_depth > depth) + (near.above_depth > depth)
        sent = aligned & fits & (size != 3)
        with m.If(sent):
            self._regular(m, (ctx, 0), (size != cu.log2_size, 0), 0)
        with m.If(~sent | self._queue.i.ready):
            m.d.sync += size.eq(size - 1)
            with m.If((size == cu.log2_size) | (size == 4)):
                m.next = "MODES"

    def _modes(self, m):
        """A part's neighbours are looked up in one cycle; its mode is coded in the next and kept in the third."""
        cu, near, coder, part = self._unit.cu, self._neighbours, self._mode_coder, self._part
        luma_mode = cu.luma_mode
        lefts = Cat(near.left_mode[0], luma_mode[0], near.left_mode[1], luma_mode[2])
        aboves = Cat(near.above_mode[0], near.above_mode[1], luma_mode[0], luma_mode[1])
        m.d.sync += [
            coder.mode.eq(luma_mode.as_value().word_select(part[:2], 6)),
            coder.left.eq(lefts.word_select(part[:2], 6)),
            coder.above.eq(aboves.word_select(part[:2], 6)),
            part.eq(part + 1),
        ]
        for k in range(4):
            with m.If(part == k + 2):
                m.d.sync += [self._prev[k].eq(coder.prev), self._value[k].eq(coder.value)]
        with m.If(part == Mux(cu.part_nxn, 5, 2)):
            m.d.comb += near.store.eq(1)
            m.d.sync += part.eq(0)
            with m.If(cu.log2_size == 3):
                m.next = "PART_MODE"
            with m.Else():
                m.next = "PREV_FLAGS"

    def _prev_flags(self, m):
        cu, part = self._unit.cu, self._part
        ctx = contexts.PREV_INTRA_LUMA_PRED_FLAG
        flags = [self._prev.bit_select((part + i)[:2], 1) for i in range(2)]
        self._regular(m, (ctx, ctx), flags, cu.part_nxn)
        with m.If(self._queue.i.ready):
            m.d.sync += part.eq(part + 2)
            with m.If(part[1] | ~cu.part_nxn):
                m.d.sync += part.eq(0)
                m.next = "MODE_VALUE"

    def _mode_value(self, m):
        """mpm_idx as truncated unary of up to 2 bins, or rem_intra_luma_pred_mode in 5."""
        cu, part = self._unit.cu, self._part
        value = Cat(self._value).word_select(part[:2], 5)
        index = Cat(Const(0, 14), value[1], value[:2].any())
        with m.If(self._prev.bit_select(part[:2], 1)):
            self._bins(m, BinKind.BYPASS, Mux(value[:2].any(), 2, 1), index)
        with m.Else():
            self._bins(m, BinKind.BYPASS, 5, Cat(Const(0, 11), value))
        with m.If(self._queue.i.ready):
            m.d.sync += part.eq(part + 1)
            with m.If((part[:2] == 3) | ~cu.part_nxn):
                m.next = "CHROMA_MODE"

    def _cu_qp_delta(self, m, done):
        """States from the difference to the last bypass bin of its code; then what `done` says."""
        cu, ready = self._unit.cu, self._queue.i.ready
        difference, wrapped = Signal(signed(7)), Signal(signed(6))
        magnitude, negative = Signal(5), Signal()
        m.d.comb += [
            difference.eq(cu.qp - self._qp_predictor),
            wrapped.eq(difference + Mux(difference < -26, 52, Mux(difference > 25, -52, 0))),
        ]
        coded, rest = Signal(3), Signal(5)  # bins of the prefix that are sent; the magnitude less those

        def end():
            m.d.sync += [self._qp_coded.eq(1), self._qp_predictor.eq(cu.qp)]
            done()

        with m.State("QP_DELTA"):
            m.d.sync += [
                negative.eq(wrapped < 0),
                magnitude.eq(abs(wrapped)),
                rest.eq(abs(wrapped)),
                coded.eq(0),
            ]
            m.next = "QP_PREFIX"
        with m.State("QP_PREFIX"):
            first, second = contexts.CU_QP_DELTA_ABS, contexts.CU_QP_DELTA_ABS + 1
            two = (rest != 0) & (coded != 4)
            self._regular(m, (Mux(coded == 0, first, second), second), (rest != 0, rest > 1), two)
            with m.If(ready):
                m.d.sync += [coded.eq(coded + 2), rest.eq(rest - 2)]
                with m.If(magnitude == 0):
                    end()
                with m.Elif((coded == 4) | (rest < 2)):
                    m.next = "QP_SUFFIX"
        with m.State("QP_SUFFIX"):
            count, value = (rom(table, Cat(negative, magnitude), bits) for table, bits in zip(_QP_SUFFIX, (5, 16)))
            self._bins(m, BinKind.BYPASS, count, value)
            with m.If(ready):
                end()

    def _transform_tree(self, m, ready):
        """States from the root's split_transform_flag to the last residual of the unit."""
        unit, tree = self._unit, self._tree
        cu, split = unit.cu, unit.cu.split_transform
        size = Signal(3)  # log2 of the luma transform blocks
        large = Signal()  # each luma block has its own chroma blocks
        any_cb, any_cr = Signal(), Signal()
        own = [Signal(name=f"cbf_{name}_here") for name in ("y", "cb", "cr")]
        coded = [Signal(name=f"residual_{name}_here") for name in ("y", "cb", "cr")]
        last = Signal(name="last_block")
        used = Mux(split & large, 0b1111, 1)
        m.d.comb += [
            size.eq(cu.log2_size - split),
            large.eq(size != 2),
            any_cb.eq((unit.cbf_cb & used).any()),
            any_cr.eq((unit.cbf_cr & used).any()),
            last.eq(~split | (tree == 3)),
            own[0].eq(unit.cbf_luma.bit_select(tree, 1)),
            own[1].eq(unit.cbf_cb.bit_select(tree, 1)),
            own[2].eq(unit.cbf_cr.bit_select(tree, 1)),
            coded[0].eq(own[0]),
            coded[1].eq(Mux(large, own[1], any_cb & last)),
            coded[2].eq(Mux(large, own[2], any_cr & last)),
        ]

        def residuals():
            with m.If(Cat(coded).any()):
                m.next = "RESIDUALS"
            with m.Else():
                block_done()

        def block_done():
            with m.If(~last):
                m.d.sync += tree.eq(tree + 1)
                with m.If(large & (any_cb | any_cr)):
                    m.next = "CBF_CHROMA"
                with m.Else():
                    m.next = "CBF_LUMA"
            with m.Elif(cu.last_in_ctu):
                m.next = "END_OF_CTU"
            with m.Else():
                m.next = "UNIT"

        with m.State("SPLIT_TRANSFORM"):
            with m.If((cu.log2_size <= 5) & ~cu.part_nxn):
                ctx = (contexts.SPLIT_TRANSFORM_FLAG + 5 - cu.log2_size)[:7]
                self._regular(m, (ctx, 0), (split, 0), 0)
            with m.If(ready):
                m.next = "CBF_ROOT"
        with m.State("CBF_ROOT"):
            self._regular(m, (contexts.CBF_CHROMA, contexts.CBF_CHROMA), (any_cb, any_cr), 1)
            with m.If(ready):
                with m.If(split & large & (any_cb | any_cr)):
                    m.next = "CBF_CHROMA"
                with m.Else():
                    m.next = "CBF_LUMA"
        with m.State("CBF_CHROMA"):
            ctx = contexts.CBF_CHROMA + 1
            self._regular(m, (ctx, ctx), (Mux(any_cb, own[1], own[2]), own[2]), any_cb & any_cr)
            with m.If(ready):
                m.next = "CBF_LUMA"
        with m.State("CBF_LUMA"):
            self._regular(m, (contexts.CBF_LUMA + ~split, 0), (own[0], 0), 0)
            with m.If(ready):
                # cbfChroma of 4x4 luma blocks is that of their parent.
                cbf = own[0] | Mux(large, own[1] | own[2], any_cb | any_cr)
                with m.If(self._has_qp_delta & ~self._qp_coded & cbf):
                    m.next = "QP_DELTA"
                with m.Else():
                    residuals()
        self._cu_qp_delta(m, residuals)
        with m.State("RESIDUALS"):
            # The first of the three components that has a residual and was not sent yet.
            sent = Signal(3)
            left = Cat(coded) & ~sent
            chroma = ~left[0]
            block = self._queue.i.payload.block
            chroma_size = Mux(large, size - 1, 2)
            luma_mode = cu.luma_mode.as_value().word_select(tree, 6)
            luma_scan = Mux(size <= 3, scan_index(luma_mode), 0)
            mode_c = Signal(6)
            m.d.comb += mode_c.eq(chroma_pred_mode(cu.chroma_mode, cu.luma_mode[0]))
            m.d.comb += [
                self._queue.i.valid.eq(1),
                self._queue.i.payload.residual.eq(1),
                block.log2_size.eq(Mux(chroma, chroma_size, size)),
                block.chroma.eq(chroma),
                block.scan.eq(Mux(chroma, Mux(chroma_size == 2, scan_index(mode_c), 0), luma_scan)),
            ]
            first = left & (~left + 1)[:3]
            with m.If(ready):
                m.d.sync += sent.eq(sent | first)
                with m.If((left & ~first) == 0):
                    m.d.sync += sent.eq(0)
                    block_done()
