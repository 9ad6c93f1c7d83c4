"""Which neighbours of a block exist: inside the picture and earlier in coding order (H.265 6.4.1)."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.reconstruction.ctu_store import CodedSize
from hdl.reconstruction.neighbours import BlockPlace


def z_order(x, y):
    """Position in the z-scan, of coordinates of equal width."""
    return Cat(*(bit for pair in zip(x, y) for bit in pair))


class Availability(wiring.Component):
    """BlockPlace of the block at (x, y), in groups of four samples of its component. Combinational.

    One slice, one tile: the neighbours left and above exist where the picture does; of those above right and below
    left either all N samples come earlier or none, and the picture's edge cuts them.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "size": In(CodedSize),
                "c_idx": In(2),
                "log2_size": In(3),
                "x": In(11),
                "y": In(11),
                "place": Out(BlockPlace),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place, luma = self.place, self.c_idx == 0
        bits = self.p.ctb_log2_size - 2
        across = Signal(bits + 1)  # groups of the CTU in one direction
        width, height, size = Signal(12), Signal(12), Signal(4)
        x, y = Signal(bits), Signal(bits)  # in the CTU
        local = (1 << bits) - 1
        m.d.comb += [
            across.eq(Mux(luma, 1 << bits, 1 << bits >> 1)),
            width.eq(Mux(luma, self.size.width << 1, self.size.width)),
            height.eq(Mux(luma, self.size.height << 1, self.size.height)),
            size.eq(1 << self.log2_size >> 2),
            x.eq(self.x & Mux(luma, local, local >> 1)),
            y.eq(self.y & Mux(luma, local, local >> 1)),
            place.c_idx.eq(self.c_idx),
            place.log2_size.eq(self.log2_size),
            place.x.eq(self.x),
            place.y.eq(y),
            place.has_left.eq(self.x != 0),
            place.has_top.eq(self.y != 0),
        ]
        here = z_order(x, y)
        for name, edge, position, corner, passed, rest in (
            ("right", place.has_top, x, (x + size, y - 1), y == 0, width - self.x - size),
            ("below", place.has_left, y, (x - 1, y + size), x == 0, height - self.y - size),
        ):
            inside, earlier = Signal(name=f"{name}_inside"), Signal(name=f"{name}_earlier")
            m.d.comb += [
                inside.eq(position + size < across),
                earlier.eq(inside & (z_order(corner[0][:bits], corner[1][:bits]) < here)),
            ]
            # Beyond the CTU: everything above it has passed, nothing below it has.
            allowed = edge & (earlier | (passed & (inside if name == "below" else 1)))
            count = Signal(12, name=f"{name}_rest")
            m.d.comb += count.eq(rest)
            m.d.comb += place[name].eq(Mux(allowed, Mux(count < size, count, size), 0))
        return m
