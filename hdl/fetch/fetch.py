"""Fetch: source samples in, samples of the coded picture out."""

from amaranth import Array, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.payloads import Picture, Samples

GROUP = 8  # samples of a payload


class Fetch(wiring.Component):
    """Extends the picture to its coded size: the right edge and the last row are repeated.

    Streams: `i_picture` gives the size before the first group; `i_source` the groups of width x height samples in
    the order of `Samples`; `o` the same order over the coded size, width and height rounded up to a multiple of 8.
    In the last group of a row the places past the picture, whatever the source put there, become copies of the
    row's last sample; rows below the picture are copies of its last row. Both sizes have the same number of groups
    in a row, so rows are added and groups only completed. Other fields of `Picture` are not looked at.
    Throughput: one group a cycle, added rows too; one cycle between pictures. Latency: 1.
    Stalls: `i_source` waits while `o` is full, and while rows are added (at most 3 groups of 8 in 32 rows).
    Reset and frame boundary: idle until a picture comes; takes the next one after the last group of this one.
    Cost: the row memory (ctb_size x 8 bits) is in LUTs; no block RAM, no DSP.
    """

    latency = 1

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_source": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Samples)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ctb, log2 = self.p.ctb_size, self.p.ctb_log2_size
        source, o, size = self.i_source, self.o, self.i_picture.payload

        running, width = Signal(), Signal(14)
        columns, rows = Signal(14), Signal(14)  # of luma, left of the picture from this coding-tree block on
        component = Signal(2)
        row, group = Signal(log2), Signal(log2 - 3)

        is_chroma = component != 0
        # The part of this block that is in the picture, in samples of this component.
        inside_columns = Mux(is_chroma, columns >> 1, columns)
        block_rows = Signal(log2 + 1)
        m.d.comb += block_rows.eq(Mux(rows >= ctb, ctb, rows))
        source_rows, coded_rows = Signal(log2 + 1), Signal(log2 + 1)
        whole_rows = ((block_rows + 7) >> 3) << 3
        # A cycle late, which is in time: a component has a row of the source, and more than one coded row.
        m.d.sync += [
            source_rows.eq(block_rows >> is_chroma),
            coded_rows.eq(whole_rows >> is_chroma),
        ]
        left = Signal(14)  # samples of this row from this group on
        m.d.comb += left.eq(inside_columns - (group << 3))
        last_group = Signal()
        last_in_block = Mux(is_chroma, ctb // 16 - 1, ctb // 8 - 1)
        m.d.comb += last_group.eq((left <= GROUP) | (group == last_in_block))
        last_row, added = Signal(), Signal()
        m.d.comb += [last_row.eq(row == coded_rows - 1), added.eq((row != 0) & (row >= source_rows))]

        m.submodules.last_rows = last_rows = Memory(shape=Samples, depth=ctb // GROUP, init=[])
        write, read = last_rows.write_port(), last_rows.read_port(domain="comb")

        # Complete the group: places from `left` on take the last sample that is in the picture.
        completed = Signal(Samples)
        edge = Signal(unsigned(8))
        m.d.comb += edge.eq(Array(source.payload.sample[k] for k in range(GROUP))[(left - 1)[:3]])
        for k in range(GROUP):
            m.d.comb += completed.sample[k].eq(Mux(left > k, source.payload.sample[k], edge))

        free, go = Signal(), Signal()
        m.d.comb += [
            free.eq(running & (o.ready | ~o.valid)),
            source.ready.eq(free & ~added),
            go.eq(free & (added | source.valid)),
            write.addr.eq(group),
            write.data.eq(completed),
            write.en.eq(go & ~added),
            read.addr.eq(group),
        ]
        with m.If(go):
            m.d.sync += [o.valid.eq(1), o.payload.eq(Mux(added, read.data.as_value(), completed.as_value()))]
        with m.Elif(o.ready):
            m.d.sync += o.valid.eq(0)

        with m.If(go):
            m.d.sync += group.eq(group + 1)
            with m.If(last_group):
                m.d.sync += [group.eq(0), row.eq(row + 1)]
                with m.If(last_row):
                    m.d.sync += [row.eq(0), component.eq(component + 1)]
                    with m.If(component == 2):
                        m.d.sync += component.eq(0)
                        self._next_block(m, running, width, columns, rows)

        m.d.comb += self.i_picture.ready.eq(~running)
        with m.If(self.i_picture.valid & self.i_picture.ready):
            m.d.sync += [running.eq(1), width.eq(size.width), columns.eq(size.width), rows.eq(size.height)]
        return m

    def _next_block(self, m, running, width, columns, rows):
        ctb = self.p.ctb_size
        with m.If(columns > ctb):
            m.d.sync += columns.eq(columns - ctb)
        with m.Else():
            m.d.sync += [columns.eq(width), rows.eq(rows - ctb)]
            with m.If(rows <= ctb):
                m.d.sync += running.eq(0)
