"""Reconstructed neighbours of the blocks to come, and the reference samples gathered from them."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.intra.reference_samples import ROW
from hdl.params import Params

BLOCK = data.ArrayLayout(unsigned(8), 16)
WORD = data.ArrayLayout(unsigned(8), 4)


class BlockPlace(data.Struct):
    """A prediction block and which of its neighbours exist, in groups of four samples of its own component."""

    c_idx: 2
    log2_size: 3
    x: 11  # in the picture
    y: 4  # in the coding-tree block
    has_left: 1
    has_top: 1
    right: 4  # groups available above right, 0..N/4
    below: 4  # groups available below left, 0..N/4


class Neighbours(wiring.Component):
    """Keeps what later blocks predict from, and gathers 8.4.4.2.2: reference samples with substitution.

    Kept for each component, in groups of four samples, always the latest reconstructed in coding order:
      top      the lowest sample of every column of the picture: the line buffer and the current CTU in one;
      left     the right-most sample of every row of the CTU: at its start those of the CTU on the left;
      corner   the lower right sample of the latest sub-block on every diagonal; for blocks at the upper edge of the
               CTU, the top sample over the end of the block before it there.
    Where a neighbour is available at all (`place`), the latest value is the right one, because coding order is z-order.

    `write` stores a reconstructed 4x4 sub-block (raster order within its block). `start` begins to gather for
    `place`, which is stable from the cycle before until `last`: rows of eight samples of both sides, nearest the
    corner first, with `valid`, `first` and `last`, one a cycle from the second cycle after `start`. A gather may start
    in the cycle after a write. `again`, stable as `place`: the same block will be gathered once more.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "write": In(1),
                "write_c_idx": In(2),
                "write_x": In(11),
                "write_y": In(4),
                "write_block": In(BLOCK),
                "start": In(1),
                "place": In(BlockPlace),
                "again": In(1),
                "valid": Out(1),
                "first": Out(1),
                "last": Out(1),
                "top": Out(ROW),
                "left": Out(ROW),
                "corner": Out(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place = self.place
        step, running = Signal(3), Signal()  # pair of groups whose addresses are out
        last_step = Signal(3)
        m.d.comb += last_step.eq((1 << place.log2_size >> 2) - 1)
        reading = Signal()
        m.d.comb += reading.eq(self.start | running)
        with m.If(reading):
            m.d.sync += [running.eq(step != last_step), step.eq(Mux(step == last_step, 0, step + 1))]
        valid, first, last = Signal(), Signal(), Signal()  # of the row that has been read; a cycle later it is complete
        m.d.sync += [valid.eq(reading), first.eq(self.start), last.eq(reading & (step == last_step))]
        m.d.sync += [self.valid.eq(valid), self.first.eq(first), self.last.eq(last)]

        tops = self._side(m, "top", self.write_x, place.x, step, self._top_address, range(12, 16))
        lefts = self._side(m, "left", self.write_y, place.y, step, self._left_address, range(3, 16, 4))
        self._substitute(m, tops, lefts, step, valid)
        return m

    def _top_address(self, c_idx, group):
        """Luma in the lower half of a bank, Cb and Cr in a quarter each."""
        bits = (self.p.max_width // 8 - 1).bit_length()
        pair = group[1 : 1 + bits]
        return Mux(c_idx == 0, pair, Cat(pair[:-1], c_idx == 2, 1))

    def _left_address(self, c_idx, group):
        return Cat(group[1:], c_idx)

    def _side(self, m, name, write_group, place_group, step, address, samples):
        """Even and odd groups in two memories; two consecutive groups, in order, in the cycle after the address."""
        first = Signal(11, name=f"{name}_group")
        m.d.comb += first.eq(place_group + (step << 1))
        swapped = Signal(name=f"{name}_swapped")
        m.d.sync += swapped.eq(first[0])
        words = []
        for odd in (0, 1):
            read_address = address(self.place.c_idx, (first + (1 - odd))[: len(place_group)])
            # What a block refers to has been written before its gather begins.
            memory = Memory(shape=WORD, depth=1 << len(read_address), init=[], attrs={"no_rw_check": 1})
            m.submodules[f"{name}_{'odd' if odd else 'even'}"] = memory
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                read.addr.eq(read_address),
                write.addr.eq(address(self.write_c_idx, write_group)),
                write.en.eq(self.write & (write_group[0] == odd)),
                *(write.data[i].eq(self.write_block[sample]) for i, sample in enumerate(samples)),
            ]
            words.append(read.data)
        out = [Signal(WORD, name=f"{name}_word_{i}") for i in range(2)]
        m.d.comb += [out[0].eq(Mux(swapped, words[1].as_value(), words[0].as_value()))]
        m.d.comb += [out[1].eq(Mux(swapped, words[0].as_value(), words[1].as_value()))]
        return out

    def _corner(self, m, tops, now, valid):
        """The corner's value in the cycle of the first row, were it available."""
        place = self.place
        memory = Memory(shape=unsigned(8), depth=128, init=[])
        m.submodules.corners = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(Cat((self.write_x - self.write_y)[:5], self.write_c_idx)),
            write.en.eq(self.write),
            write.data.eq(self.write_block[15]),
            read.addr.eq(Cat((place.x - place.y)[:5], place.c_idx)),
        ]
        # Over the upper edge: the last sample above the previous block, kept when that was gathered.
        passed = Array(Signal(8, name=f"passed_{c}") for c in range(3))
        end = Signal(3)
        m.d.comb += end.eq((1 << place.log2_size >> 3) - (place.log2_size != 2))
        with m.If(valid & (place.y == 0) & (now == end) & ~self.again):
            m.d.sync += passed[place.c_idx].eq(Mux(place.log2_size == 2, tops[0][3], tops[1][3]))
        return Mux(place.y == 0, passed[place.c_idx], read.data)

    def _substitute(self, m, tops, lefts, step, valid):
        place = self.place
        now = Signal(3)  # pair of groups that has arrived
        m.d.sync += now.eq(step)
        size = Signal(4)
        m.d.comb += size.eq(1 << place.log2_size >> 2)
        for name, words, has, extra, other, has_other, out in (
            ("top", tops, place.has_top, place.right, lefts, place.has_left, self.top),
            ("left", lefts, place.has_left, place.below, tops, place.has_top, self.left),
        ):
            count = Signal(5, name=f"{name}_count", reset_less=True)
            m.d.sync += count.eq(Mux(has, size + extra, 0))
            kept = Signal(8, name=f"{name}_kept", reset_less=True)
            before, half = Signal(8, name=f"{name}_before"), Signal(8, name=f"{name}_half")
            m.d.comb += [
                before.eq(Mux(now == 0, Mux(has_other, other[0][0], 128), kept)),
                half.eq(Mux((now << 1) < count, words[0][3], before)),
            ]
            row = [Mux((now << 1) < count, words[0][i], before) for i in range(4)]
            row += [Mux((now << 1 | 1) < count, words[1][i], half) for i in range(4)]
            m.d.sync += [*(out[i].eq(sample) for i, sample in enumerate(row)), kept.eq(row[7])]
        nearest = Mux(place.has_left, lefts[0][0], Mux(place.has_top, tops[0][0], 128))
        m.d.sync += self.corner.eq(Mux(place.has_left & place.has_top, self._corner(m, tops, now, valid), nearest))
