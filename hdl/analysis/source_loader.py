"""Takes the source stream apart: luma into the source stores, a descriptor for each coding-tree unit."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import SLOTS, UNIT, Ctu, SourceWrite
from hdl.params import Params
from hdl.payloads import CtuQp, Picture, Samples


class SourceLoader(wiring.Component):
    """Writes each coding-tree unit and the row above it into a slot of the source stores.

    Streams: `i_picture`, then the groups of its coded size on `i_source` (see `Samples`); chroma is dropped. `i_qp`,
    with cu_qp_delta_enabled, is taken before a unit's first group; else the QP is the picture's. `o` gets a `Ctu` as
    soon as its luma is written. `write` has no backpressure; all stores listen to it.
    The row above, up to one unit to the right, is copied from a line buffer before the unit overwrites its part.
    Slots are used in turn. A unit is only started while fewer than SLOTS - 1 are not `done`: the previous one, whose
    right column are the left neighbours, stays.
    Throughput: two cycles a luma group, one a chroma group, and about ctb_size / 2 + 4 a unit: 360 for a unit of 32.
    Frame boundary: takes the next picture after the last group. Reset: idle, all slots free.
    """

    def __init__(self, p: Params):
        if p.ctb_log2_size > 5:
            raise ValueError(f"ctb_log2_size is {p.ctb_log2_size}; analysis works on 16 and 32")
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_qp": In(stream.Signature(CtuQp)),
                "i_source": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Ctu)),
                "write": Out(SourceWrite),
                "done": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ctb, units = self.p.ctb_size, self.p.ctb_size // 4
        step = ctb // 8  # units of 8 in a coding-tree block
        picture, source, o, write = self.i_picture.payload, self.i_source, self.o, self.write
        m.submodules.line = line = Memory(shape=UNIT, depth=self.p.max_width // 4, init=[])
        line_write, line_read = line.write_port(), line.read_port()

        width, x, y = Signal(11), Signal(11), Signal(11)  # in units of 8
        columns, rows = Signal(11), Signal(11)  # from this unit on
        qp, qp_of_ctu, slot = Signal(6), Signal(), Signal(range(SLOTS))
        here_columns, here_rows = Signal(4), Signal(4)
        m.d.comb += [
            here_columns.eq(Mux(columns > 15, 15, columns)),
            here_rows.eq(Mux(rows > 15, 15, rows)),
        ]
        inside_columns, inside_rows = Signal(3), Signal(3)  # of the unit, in units of 8
        m.d.comb += [
            inside_columns.eq(Mux(columns > step, step, columns)),
            inside_rows.eq(Mux(rows > step, step, rows)),
        ]
        last_column, last_row = columns <= step, rows <= step

        pending = Signal(range(SLOTS))
        begin = Signal()
        m.d.sync += pending.eq(pending + begin - self.done)

        m.d.comb += [
            o.payload.x.eq(x),
            o.payload.y.eq(y),
            o.payload.columns.eq(here_columns),
            o.payload.rows.eq(here_rows),
            o.payload.first_column.eq(x == 0),
            o.payload.first_row.eq(y == 0),
            o.payload.last_in_picture.eq(last_column & last_row),
            o.payload.qp.eq(qp),
            o.payload.slot.eq(slot),
            write.slot.eq(slot),
        ]

        count, row, group, half = Signal(6), Signal(5), Signal(3), Signal()
        above_left, next_above_left = Signal(8), Signal(8)
        halves = Signal(data.ArrayLayout(UNIT, 2))
        m.d.comb += halves.eq(source.payload)
        x4 = Signal(3)
        m.d.comb += x4.eq((group << 1) + half)
        m.d.comb += [
            line_read.addr.eq((x << 1) + count),
            line_write.addr.eq((x << 1) + x4),
            line_write.data.eq(halves[half]),
        ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_picture.ready.eq(1)
                with m.If(self.i_picture.valid):
                    m.d.sync += [
                        width.eq((picture.width + 7) >> 3),
                        columns.eq((picture.width + 7) >> 3),
                        rows.eq((picture.height + 7) >> 3),
                        qp.eq(picture.qp),
                        qp_of_ctu.eq(picture.cu_qp_delta_enabled),
                        x.eq(0),
                        y.eq(0),
                    ]
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += count.eq(0)
                free = pending != SLOTS - 1
                m.d.comb += self.i_qp.ready.eq(qp_of_ctu & free)
                with m.If(self.i_qp.valid & self.i_qp.ready):
                    m.d.sync += qp.eq(self.i_qp.payload.qp)
                with m.If(free & (self.i_qp.valid | ~qp_of_ctu)):
                    m.d.comb += begin.eq(1)
                    m.next = "LUMA"
                    with m.If(y != 0):
                        m.next = "ABOVE"
            with m.State("ABOVE"):
                # Count 1..2 * units: the row above comes from the line buffer; after it the sample to its left.
                last = count == 2 * units + 1
                m.d.sync += count.eq(count + 1)
                m.d.comb += [
                    write.valid.eq(count != 0),
                    write.above.eq(1),
                    write.corner.eq(last),
                    write.x4.eq(Mux(last, 15, count - 1)),
                    write.samples.eq(line_read.data),
                ]
                with m.If(count == units):
                    m.d.sync += next_above_left.eq(line_read.data[3])
                with m.If(last):
                    m.d.comb += write.samples[3].eq(above_left)
                    m.d.sync += above_left.eq(next_above_left)
                    m.next = "LUMA"
            with m.State("LUMA"):
                m.d.comb += [
                    write.valid.eq(source.valid),
                    write.x4.eq(x4),
                    write.y.eq(row),
                    write.samples.eq(halves[half]),
                    line_write.en.eq(source.valid & (row == ctb - 1)),
                    source.ready.eq(half),
                ]
                with m.If(source.valid):
                    m.d.sync += half.eq(~half)
                with m.If(source.valid & half):
                    m.d.sync += group.eq(group + 1)
                    with m.If(group == inside_columns - 1):
                        m.d.sync += [group.eq(0), row.eq(row + 1)]
                        with m.If(row == (inside_rows << 3) - 1):
                            m.d.sync += row.eq(0)
                            m.next = "DESCRIBE"
            with m.State("DESCRIBE"):
                m.d.comb += o.valid.eq(1)
                m.d.sync += count.eq(0)
                with m.If(o.ready):
                    m.d.sync += slot.eq(slot + 1)
                    m.next = "CHROMA"
            with m.State("CHROMA"):
                # Both components: as many rows as luma in all, half as many groups, rounded up.
                m.d.comb += source.ready.eq(1)
                with m.If(source.valid):
                    m.d.sync += group.eq(group + 1)
                    with m.If(group == ((inside_columns + 1) >> 1) - 1):
                        m.d.sync += [group.eq(0), row.eq(row + 1)]
                        with m.If(row == (inside_rows << 3) - 1):
                            m.d.sync += row.eq(0)
                            m.d.sync += [x.eq(x + step), columns.eq(columns - step)]
                            m.next = "BEGIN"
                            with m.If(last_column):
                                m.d.sync += [x.eq(0), y.eq(y + step), columns.eq(width), rows.eq(rows - step)]
                                with m.If(last_row):
                                    m.next = "IDLE"
        return m
