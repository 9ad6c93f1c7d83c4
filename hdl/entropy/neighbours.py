"""What the syntax needs of the coding units left of and above the one at hand: their depth and their modes."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.modes import ModeEdges
from hdl.params import Params
from hdl.payloads import CodingUnit


class Neighbours(wiring.Component):
    """CtDepth and IntraPredModeY along the left and the upper edge of what is coded next.

    cu: the unit at hand, steady. Strobes, in this order:
    start: with ctb_start, the unit is the first of its coding-tree block, whose edges are set up (the depths above
    come from a line memory, so cu.x must be steady one cycle before);
    store: the unit is done, its depth and modes become edges; with cu.last_in_ctu the depths go to the line memory.

    left_depth, above_depth: CtDepth of the neighbours of cu's top left sample, 0 where not available.
    left_mode, above_mode: candIntraPredModeA of the parts 0 and 2, candIntraPredModeB of the parts 0 and 1 when
    the unit has four; DC where not available or, above, in another row of coding-tree blocks.

    A line memory of max_width >> ctb_log2_size words; the rest is registers.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "cu": In(CodingUnit),
                "start": In(1),
                "ctb_start": In(1),
                "store": In(1),
                "left_depth": Out(2),
                "above_depth": Out(2),
                "left_mode": Out(data.ArrayLayout(6, 2)),
                "above_mode": Out(data.ArrayLayout(6, 2)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, cu = self.p, self.cu
        log2_units = p.ctb_log2_size - 3  # of 8 samples in a coding-tree block
        units = 1 << log2_units
        columns = -(-p.max_width // p.ctb_size)
        m.submodules.line = line = memory.Memory(shape=2 * units, depth=columns, init=[])
        write, read = line.write_port(), line.read_port()

        m.submodules.modes = modes = ModeEdges(p)
        m.d.comb += [
            modes.cu.eq(cu),
            modes.start.eq(self.start & self.ctb_start),
            modes.store.eq(self.store),
            self.left_mode.eq(modes.left),
            self.above_mode.eq(modes.above),
        ]
        depths = {edge: [Signal(2, name=f"{edge}_depth{k}") for k in range(units)] for edge in ("left", "above")}
        inside = {"left": cu.y[:log2_units], "above": cu.x[:log2_units]}
        m.d.comb += [
            read.addr.eq(cu.x >> log2_units),
            read.en.eq(1),
            write.data.eq(Cat(depths["above"])),
        ]
        with m.If(self.start & self.ctb_start):
            for k in range(units):
                m.d.sync += depths["above"][k].eq(Mux(cu.y == 0, 0, read.data.word_select(k, 2)))
            with m.If(cu.x == 0):
                m.d.sync += [depth.eq(0) for depth in depths["left"]]

        depth = (p.ctb_log2_size - cu.log2_size)[:2]
        span = (cu.log2_size - 3)[:2]
        for edge in ("left", "above"):
            for k in range(units):
                covered = ((inside[edge] ^ k) >> span) == 0
                with m.If(self.store & covered):
                    m.d.sync += depths[edge][k].eq(depth)
        # The line is written a cycle later, with this unit's depth in it.
        stored = Signal()
        m.d.sync += stored.eq(self.store & cu.last_in_ctu)
        line_column = Signal.like(write.addr)
        m.d.sync += line_column.eq(cu.x >> log2_units)
        m.d.comb += [write.en.eq(stored), write.addr.eq(line_column)]

        m.d.comb += [
            self.left_depth.eq(Cat(depths["left"]).word_select(inside["left"], 2)),
            self.above_depth.eq(Cat(depths["above"]).word_select(inside["above"], 2)),
        ]
        return m
