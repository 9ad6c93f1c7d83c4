"""Samples of two coding-tree units: the source that comes in rows and the reconstruction that leaves in rows."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.payloads import Samples

BLOCK = data.ArrayLayout(unsigned(8), 16)


class CodedSize(data.Struct):
    """Size of the coded picture in units of 8 luma samples."""

    width: 11
    height: 11


class SampleWalk(wiring.Component):
    """The order of Samples in a picture of the coded size: position of the current group; `next` goes to the following.

    `x`, `y`: of its CTU in the picture, in units of 8 luma samples; `row`, `group`: in its coding-tree block.

    `restart` goes to the start of a picture of `size`, which is looked at in that cycle.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "size": In(CodedSize),
                "restart": In(1),
                "next": In(1),
                "x": Out(11),
                "y": Out(11),
                "c_idx": Out(2),
                "row": Out(6),
                "group": Out(3),
                "last_in_ctu": Out(1),
                "last_in_picture": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        across = self.p.ctb_size // 8
        x, y = self.x, self.y
        width, rest_x, rest_y = Signal(11), Signal(11), Signal(11)  # of the picture, from the CTU on
        columns, rows = Signal(4), Signal(4)  # of the CTU, in units of 8
        last_x, last_y = Signal(), Signal()  # it is the last of its row, of its column

        def move_to(left_x, left_y):
            return [
                *(rest_x.eq(left_x), last_x.eq(left_x <= across), columns.eq(Mux(left_x > across, across, left_x))),
                *(rest_y.eq(left_y), last_y.eq(left_y <= across), rows.eq(Mux(left_y > across, across, left_y))),
            ]

        luma = self.c_idx == 0
        last_group, last_row = Signal(3), Signal(6)
        m.d.comb += [
            last_group.eq(Mux(luma, columns, (columns + 1) >> 1) - 1),
            last_row.eq(Mux(luma, rows << 3, rows << 2) - 1),
        ]
        end_of_row, end_of_block = self.group == last_group, self.row == last_row
        m.d.comb += [
            self.last_in_ctu.eq(end_of_row & end_of_block & (self.c_idx == 2)),
            self.last_in_picture.eq(self.last_in_ctu & last_x & last_y),
        ]
        with m.If(self.next):
            m.d.sync += self.group.eq(self.group + 1)
            with m.If(end_of_row):
                m.d.sync += [self.group.eq(0), self.row.eq(self.row + 1)]
                with m.If(end_of_block):
                    m.d.sync += [self.row.eq(0), self.c_idx.eq(self.c_idx + 1)]
            with m.If(self.last_in_ctu):
                m.d.sync += [self.c_idx.eq(0), x.eq(x + across), *move_to((rest_x - across)[:11], rest_y)]
                with m.If(last_x):
                    m.d.sync += [x.eq(0), y.eq(y + across), *move_to(width, (rest_y - across)[:11])]
        with m.If(self.restart):
            m.d.sync += [x.eq(0), y.eq(0), self.c_idx.eq(0), self.row.eq(0), self.group.eq(0)]
            m.d.sync += [width.eq(self.size.width), *move_to(self.size.width, self.size.height)]
        return m


class CtuStore:
    """Four banks by row modulo 4, eight samples a word: a row of eight, or half the words of all banks, a 4x4 block."""

    def __init__(self, m: Module, p: Params, name: str):
        self.p = p
        shape = data.ArrayLayout(unsigned(32), 2)
        # One half is written while the other is read.
        depth, attrs = 1 << len(self.address(*(Signal(7),) * 4)), {"no_rw_check": 1}
        self.memories = [Memory(shape=shape, depth=depth, init=[], attrs=attrs) for _ in range(4)]
        for k, memory in enumerate(self.memories):
            m.submodules[f"{name}_{k}"] = memory

    def address(self, half, c_idx, y, x):
        """Word of rows 4y .. 4y + 3, samples 8x .. 8x + 7 of the component."""
        bits = self.p.ctb_log2_size
        luma = Cat(x[: bits - 3], y[: bits - 2])
        chroma = Cat(x[: bits - 4], y[: bits - 3], c_idx[1])
        return Cat(Mux(c_idx == 0, luma, chroma)[: len(luma)], c_idx != 0, half[0])


class SourceStore(wiring.Component):
    """Double buffer of the source: takes the Samples of a CTU while the one before is read in 4x4 sub-blocks.

    `full`: the current CTU is complete; `release` gives it up. Read: `r_block` is valid two cycles after the
    address, in groups of four samples in the CTU. `restart` starts a picture of `size` (of that cycle). Between
    pictures, after its last sample, `i` stalls until `restart`. Throughput: one Samples and one sub-block a cycle.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "size": In(CodedSize),
                "restart": In(1),
                "i": In(stream.Signature(Samples)),
                "full": Out(1),
                "release": In(1),
                "r_c_idx": In(2),
                "r_x": In(4),
                "r_y": In(4),
                "r_block": Out(BLOCK),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = SampleWalk(self.p)
        store = CtuStore(m, self.p, "bank")
        active, filling, reading, fulls = Signal(), Signal(), Signal(), Signal(2)
        m.d.comb += [
            walk.size.eq(self.size),
            walk.restart.eq(self.restart),
            self.i.ready.eq(active & ~fulls.bit_select(filling, 1)),
            walk.next.eq(self.i.ready & self.i.valid),
            self.full.eq(fulls.bit_select(reading, 1)),
        ]
        with m.If(self.restart):
            m.d.sync += active.eq(1)
        with m.If(walk.next & walk.last_in_ctu):
            m.d.sync += [fulls.bit_select(filling, 1).eq(1), filling.eq(~filling)]
            with m.If(walk.last_in_picture):
                m.d.sync += active.eq(0)
        with m.If(self.release):
            m.d.sync += [fulls.bit_select(reading, 1).eq(0), reading.eq(~reading)]
        right = Signal()
        m.d.sync += right.eq(self.r_x[0])
        for k, memory in enumerate(store.memories):
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(store.address(filling, walk.c_idx, walk.row[2:], walk.group)),
                write.data.eq(self.i.payload.sample.as_value()),
                write.en.eq(walk.next & (walk.row[:2] == k)),
                read.addr.eq(store.address(reading, self.r_c_idx, self.r_y, self.r_x[1:])),
            ]
            m.d.sync += self.r_block.as_value()[32 * k :][:32].eq(Mux(right, read.data[1], read.data[0]))
        return m


class ReconstructionStore(wiring.Component):
    """Double buffer of the reconstruction: takes the 4x4 sub-blocks of a CTU while the one before leaves as Samples.

    `ready`: sub-blocks may be written; `finish` hands the CTU over to be sent. `restart` starts a picture of `size`;
    `idle`: all that was handed over is sent. Throughput: one sub-block and one Samples a cycle.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "size": In(CodedSize),
                "restart": In(1),
                "ready": Out(1),
                "finish": In(1),
                "w_valid": In(1),
                "w_c_idx": In(2),
                "w_x": In(4),
                "w_y": In(4),
                "w_block": In(BLOCK),
                "o": Out(stream.Signature(Samples)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = SampleWalk(self.p)
        store = CtuStore(m, self.p, "bank")
        writing, sending, fulls = Signal(), Signal(), Signal(2)
        bank, take = Signal(2), Signal()
        m.d.comb += [
            walk.size.eq(self.size),
            walk.restart.eq(self.restart),
            walk.next.eq(take),
            self.ready.eq(~fulls.bit_select(writing, 1)),
            self.idle.eq(~fulls.any() & ~self.o.valid),
            take.eq(fulls.bit_select(sending, 1) & (self.o.ready | ~self.o.valid)),
        ]
        with m.If(take):
            m.d.sync += [self.o.valid.eq(1), bank.eq(walk.row[:2])]
            with m.If(walk.last_in_ctu):
                m.d.sync += [fulls.bit_select(sending, 1).eq(0), sending.eq(~sending)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.finish):
            m.d.sync += [fulls.bit_select(writing, 1).eq(1), writing.eq(~writing)]

        words = []
        for k, memory in enumerate(store.memories):
            write, read = memory.write_port(granularity=1), memory.read_port()
            half_row = self.w_block.as_value()[32 * k :][:32]
            m.d.comb += [
                write.addr.eq(store.address(writing, self.w_c_idx, self.w_y, self.w_x[1:])),
                write.data.eq(Cat(half_row, half_row)),
                write.en.eq(Mux(self.w_valid, Mux(self.w_x[0], 0b10, 0b01), 0)),
                read.addr.eq(store.address(sending, walk.c_idx, walk.row[2:], walk.group)),
                read.en.eq(take),
            ]
            words.append(read.data.as_value())
        m.d.comb += self.o.payload.eq(Array(words)[bank])
        return m
