"""Source samples of the last coding-tree units, readable as 4x4 blocks and as reference samples."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import BLOCK, ROW, UNIT, Place, SourceWrite
from hdl.params import Params


class SourceStore(wiring.Component):
    """Four slots of one coding-tree unit with the row above; the left neighbours are in the slot before.

    `write` as it comes from `SourceLoader`. Two independent reads, `latency` cycles each, one a cycle:
      block      `block_place` to `block`, the 4x4 block there.
      reference  `line_place` (top left of a block) and `line_step` to `top`, `left` (samples 8 * step .. + 7 of the
                 row above and of the column to the left, from the corner) and `corner`. What is not available holds
                 anything.
    Cost on ECP5: 9 EBR.
    """

    latency = 1

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "write": In(SourceWrite),
                "block_place": In(Place),
                "block": Out(BLOCK),
                "line_place": In(Place),
                "line_step": In(3),
                "top": Out(ROW),
                "left": Out(ROW),
                "corner": Out(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        w = self.write
        in_row = w.valid & ~w.above
        boundary = w.y[:2] == 3  # the row above the next blocks
        last = self.p.ctb_size // 4 - 1
        attrs = {"no_rw_check": 1}  # what is looked at is in other slots than what is written

        for r in range(4):
            memory = Memory(shape=unsigned(32), depth=256, init=[], attrs=attrs)
            m.submodules[f"rows_{r}"] = memory
            write, read = memory.write_port(), memory.read_port()
            place = self.block_place
            m.d.comb += [
                write.addr.eq(Cat(w.x4[:3], w.y[2:], w.slot)),
                write.data.eq(w.samples),
                write.en.eq(in_row & (w.y[:2] == r)),
                read.addr.eq(Cat(place.x4, place.y4, place.slot)),
                *(self.block[4 * r + c].eq(read.data[8 * c :][:8]) for c in range(4)),
            ]

        place = self.line_place
        outside = place.x4 == 0
        left_slot = Mux(outside, place.slot - 1, place.slot)[:2]
        left_column = Mux(outside, last, place.x4 - 1)[:3]
        across, down = Signal(4), Signal(4)
        m.d.comb += [across.eq(place.x4 + (self.line_step << 1)), down.eq(place.y4 + (self.line_step << 1))]
        swap_top, swap_left = Signal(), Signal()
        m.d.sync += [swap_top.eq(across[0]), swap_left.eq(down[0])]

        tops, lefts = [], []
        for parity in range(2):
            memory = Memory(shape=UNIT, depth=256, init=[], attrs=attrs)
            m.submodules[f"top_{parity}"] = memory
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(Cat(w.x4[1:], Mux(w.above, 0, w.y[2:] + 1)[:3], w.slot)),
                write.data.eq(w.samples),
                write.en.eq(w.valid & (w.x4[0] == parity) & Mux(w.above, ~w.corner, boundary & (w.y[2:] != 7))),
                read.addr.eq(Cat(((across + 1 - parity) >> 1)[:3], place.y4, place.slot)),
            ]
            tops.append(read.data)

            memory = Memory(shape=UNIT, depth=128, init=[], attrs=attrs)
            m.submodules[f"left_{parity}"] = memory
            write, read = memory.write_port(granularity=1), memory.read_port()
            m.d.comb += [
                write.addr.eq(Cat(w.y[3:], w.x4[:3], w.slot)),
                *(write.data[k].eq(w.samples[3]) for k in range(4)),
                write.en.eq(Mux(in_row & (w.y[2] == parity), 1 << w.y[:2], 0)),
                read.addr.eq(Cat(((down + 1 - parity) >> 1)[:2], left_column, left_slot)),
            ]
            lefts.append(read.data)
        m.d.comb += [
            self.top.eq(Mux(swap_top, Cat(tops[1], tops[0]), Cat(*tops))),
            self.left.eq(Mux(swap_left, Cat(lefts[1], lefts[0]), Cat(*lefts))),
        ]

        m.submodules.corners = corners = Memory(shape=unsigned(8), depth=512, init=[], attrs=attrs)
        write, read = corners.write_port(), corners.read_port()
        use_left = outside & (place.y4 != 0)
        corner_column = Signal(4)
        m.d.comb += [
            corner_column.eq(Mux(use_left, last + 1, place.x4)),
            write.addr.eq(Cat((w.x4 + 1)[:4], Mux(w.above, 0, w.y[2:] + 1)[:3], w.slot)),
            write.data.eq(w.samples[3]),
            write.en.eq(w.valid & Mux(w.above, w.corner | ~w.x4[3], boundary & (w.y[2:] != 7))),
            read.addr.eq(Cat(corner_column, place.y4, Mux(use_left, place.slot - 1, place.slot)[:2])),
            self.corner.eq(read.data),
        ]
        return m
