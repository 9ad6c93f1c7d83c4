"""Sums of squared errors between the source and the reconstruction, while the reconstruction passes."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.intra.adders import product, sum_tree
from hdl.params import Params
from hdl.payloads import Picture, Samples
from hdl.reconstruction.ctu_store import SampleWalk

LANES = 4
_SQUARES = [k * k for k in range(16)]


def sse_width(p: Params) -> int:
    """Bits of the largest sum of a component."""
    return (p.max_width * p.max_height * 255**2).bit_length()


class SquaredError(wiring.Component):
    """Passes the reconstruction through and sums up (source - reconstruction)^2 of each component.

    Streams: `i_picture` before each picture; `i_source` and `i` its groups of the coded size, in the order of
    `Samples`; `o` those of `i`, unchanged, combinational.
    Only samples of width x height count, not those that make up the coded size. `stat_sse_y`, `stat_sse_cb`,
    `stat_sse_cr`: of the picture that last left; they change when its last group is taken from `o`, and stay until the
    next picture's is.
    Throughput: a group in 2 cycles, 7 for a picture's last; a cycle between pictures. Latency: 1 cycle, the last 6.
    Stalls: `i` while `o` or the source is behind, `i_source` while the reconstruction is.
    Reset: between pictures, sums are 0. Arithmetic: exact; `sse_width` bits hold the largest picture's sum.
    """

    def __init__(self, p: Params):
        self.p = p
        self.width = sse_width(p)
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_source": In(stream.Signature(Samples)),
                "i": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Samples)),
                **{f"stat_sse_{name}": Out(self.width) for name in ("y", "cb", "cr")},
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = SampleWalk(self.p)
        width, height = Signal(14), Signal(14)
        running, here, left = Signal(), Signal(), Signal()
        last = Signal()  # of the picture; known from count 1 on
        m.d.sync += last.eq(walk.last_in_picture)
        count = Signal(3)  # cycles that the group has been here: its halves enter in 0 and 1, are summed up by 6
        picture = self.i_picture.payload
        m.d.comb += [
            self.i_picture.ready.eq(~running),
            walk.size.width.eq((picture.width + 7) >> 3),
            walk.size.height.eq((picture.height + 7) >> 3),
            walk.restart.eq(self.i_picture.valid & ~running),
            walk.next.eq(left),
            here.eq(running & self.i.valid & self.i_source.valid),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(here & Mux(last, count == 6, count != 0)),
            left.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(left),
            self.i_source.ready.eq(left),
        ]
        with m.If(walk.restart):
            m.d.sync += [running.eq(1), width.eq(picture.width), height.eq(picture.height)]
        with m.If(left):
            m.d.sync += [count.eq(0), running.eq(~last)]
        with m.Elif(here & (count != 6)):
            m.d.sync += count.eq(count + 1)

        visible = self._visible(m, walk, width, height)
        entering, second = Signal(), count[0]
        m.d.comb += entering.eq(here & (count < 2))
        errors = Signal(data.ArrayLayout(unsigned(8), LANES), reset_less=True)
        for k in range(LANES):
            a, b, counts = (
                Mux(second, each[k + LANES], each[k])
                for each in (self.i_source.payload.sample, self.i.payload.sample, visible)
            )
            difference = Signal(signed(9), name=f"difference_{k}", reset_less=True)
            counted = Signal(name=f"counted_{k}", reset_less=True)
            m.d.sync += [difference.eq(a - b), counted.eq(counts)]
            m.d.sync += errors[k].eq(Mux(counted, abs(difference), 0))
        squares = Signal(data.ArrayLayout(unsigned(16), LANES), reset_less=True)
        m.d.sync += [squares[k].eq(square(errors[k])) for k in range(LANES)]
        total = Signal(16 + 2, reset_less=True)
        m.d.sync += total.eq(sum_tree(list(squares)))

        valid, c_idx = entering, walk.c_idx
        for stage in range(4):
            later_valid, later = Signal(name=f"valid_{stage}"), Signal(2, name=f"c_idx_{stage}", reset_less=True)
            m.d.sync += [later_valid.eq(valid), later.eq(c_idx)]
            valid, c_idx = later_valid, later
        for k, name in enumerate(("y", "cb", "cr")):
            so_far = Signal(self.width, name=f"sum_{name}")
            with m.If(walk.restart):
                m.d.sync += so_far.eq(0)
            with m.Elif(valid & (c_idx == k)):
                m.d.sync += so_far.eq(so_far + total)
            with m.If(left & last):
                m.d.sync += getattr(self, f"stat_sse_{name}").eq(so_far)
        return m

    def _visible(self, m, walk, width, height):
        """Which samples of the group are inside the conformance window."""
        luma = walk.c_idx == 0
        columns, rows = Signal(14), Signal(14)  # of the component
        group, row = Signal(11), Signal(14)  # in it
        last, inside = Signal(), Signal()
        visible = Signal(8)
        m.d.comb += [
            columns.eq(Mux(luma, width, width >> 1)),
            rows.eq(Mux(luma, height, height >> 1)),
            group.eq(Mux(luma, walk.x, walk.x >> 1) + walk.group),
            row.eq(Mux(luma, Cat(Const(0, 3), walk.y), Cat(Const(0, 2), walk.y)) + walk.row),
            last.eq(group == columns[3:]),
            inside.eq(row < rows),
            *(visible[k].eq(inside & (~last | (k < columns[:3]))) for k in range(8)),
        ]
        return visible


def square(value):
    """The square of 8 bits, without a multiplier."""
    low, high = value[:4], value[4:]
    return Cat(rom(_SQUARES, low, 8), rom(_SQUARES, high, 8)) + (product(low, high)[:8] << 5)
