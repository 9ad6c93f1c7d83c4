"""Checksum of the decoded picture (H.265 D.3.19, hash_type 2) while its samples pass."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pack.payloads import Checksum
from hdl.params import Params
from hdl.payloads import Picture, Samples


class PictureChecksum(wiring.Component):
    """Passes the samples of the reconstruction through and sums them up: sample ^ xorMask(x, y), modulo 2^32.

    i_picture: one before each picture. i, o: Samples of the coded size in their order, unchanged, combinational.
    o_checksum: one after the last samples of a picture with write_hash, none for others.

    Throughput: 1 group of 8 samples per cycle; 2 cycles between pictures. Latency: 0; the checksum 4 cycles after
    the last group. Backpressure on `o` stalls `i`; a checksum not yet taken stalls only the end of the next picture.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(Samples)),
                "o_checksum": Out(stream.Signature(Checksum)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        picture = self.i_picture.payload
        running, write_hash = Signal(), Signal()
        go, last = Signal(), Signal()
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & running),
            self.i.ready.eq(self.o.ready & running),
            go.eq(self.i.valid & self.i.ready),
        ]
        start = Signal()
        component, x, y, half = self._walk(m, start, go, last)

        # The mask of a group is that of its first sample, with the place in the group exclusive-ored in.
        mask, samples, whole, into, valid = Signal(8), Signal(Samples), Signal(), Signal(2), Signal()
        m.d.sync += [
            mask.eq((x >> 5) ^ Cat(Const(0, 3), x[:5]) ^ y[:8] ^ (y >> 8)),
            samples.eq(self.i.payload),
            whole.eq(~half),
            into.eq(component),
            valid.eq(go),
        ]
        masked = [samples.sample[k] ^ mask ^ k for k in range(8)]
        pairs = [masked[k] + masked[k + 1] for k in (0, 2, 4, 6)]
        left, right = pairs[0] + pairs[1], pairs[2] + pairs[3]
        total, total_into, total_valid = Signal(11), Signal(2), Signal()
        m.d.sync += [
            total.eq(left + Mux(whole, right, 0)),
            total_into.eq(into),
            total_valid.eq(valid),
        ]
        sums = [Signal(32, name=f"sum_{name}") for name in ("y", "cb", "cr")]
        for k, each in enumerate(sums):
            with m.If(start):
                m.d.sync += each.eq(0)
            with m.Elif(total_valid & (total_into == k)):
                m.d.sync += each.eq(each + total)

        with m.If(self.o_checksum.valid & self.o_checksum.ready):
            m.d.sync += self.o_checksum.valid.eq(0)
        with m.FSM(name="picture"):
            with m.State("PICTURE"):
                m.d.comb += [self.i_picture.ready.eq(1), start.eq(self.i_picture.valid)]
                m.d.sync += write_hash.eq(picture.write_hash)
                with m.If(self.i_picture.valid):
                    m.next = "SAMPLES"
            with m.State("SAMPLES"):
                m.d.comb += running.eq(1)
                with m.If(go & last):
                    m.next = "SUM"
            with m.State("SUM"):
                with m.If(~valid & ~total_valid):
                    with m.If(~write_hash):
                        m.next = "PICTURE"
                    with m.Elif(~self.o_checksum.valid):
                        m.d.sync += [
                            self.o_checksum.valid.eq(1),
                            self.o_checksum.payload.component.eq(Cat(sums)),
                        ]
                        m.next = "PICTURE"
        return m

    def _walk(self, m, start, go, last):
        """Follow the order of `Samples`: component, x in groups, y, and whether only half of the group counts."""
        p, picture = self.p, self.i_picture.payload
        log2_units = p.ctb_log2_size - 3  # of 8 luma samples
        units = 1 << log2_units
        width, columns, rows = Signal(11), Signal(11), Signal(11)  # in units; left from this block on
        component, row, group = Signal(2), Signal(p.ctb_log2_size), Signal(log2_units)
        block_x, block_y = Signal(10), Signal(10)  # in units
        chroma = component != 0
        here_columns, here_rows = (Signal(log2_units + 1, name=name) for name in ("here_columns", "here_rows"))
        end_of_row, end_of_component, end_of_block = Signal(), Signal(), Signal()
        m.d.comb += [
            here_columns.eq(Mux(columns > units, units, columns)),
            here_rows.eq(Mux(rows > units, units, rows)),
            end_of_row.eq(group + 1 == Mux(chroma, (here_columns + 1) >> 1, here_columns)),
            end_of_component.eq(end_of_row & (row + 1 == Mux(chroma, here_rows << 2, here_rows << 3))),
            end_of_block.eq(end_of_component & (component == 2)),
            last.eq(end_of_block & (columns <= units) & (rows <= units)),
        ]
        with m.If(go):
            m.d.sync += group.eq(Mux(end_of_row, 0, group + 1))
            with m.If(end_of_row):
                m.d.sync += row.eq(Mux(end_of_component, 0, row + 1))
            with m.If(end_of_component):
                m.d.sync += component.eq(Mux(end_of_block, 0, component + 1))
            with m.If(end_of_block):
                m.d.sync += [columns.eq(columns - units), block_x.eq(block_x + units)]
                with m.If(columns <= units):
                    m.d.sync += [
                        columns.eq(width),
                        block_x.eq(0),
                        rows.eq(rows - units),
                        block_y.eq(block_y + units),
                    ]
        with m.If(start):
            coded_width, coded_height = (picture.width + 7) >> 3, (picture.height + 7) >> 3
            m.d.sync += [
                width.eq(coded_width),
                columns.eq(coded_width),
                rows.eq(coded_height),
                block_x.eq(0),
                block_y.eq(0),
            ]
        x, y, half = Signal(10), Signal(13), Signal()
        m.d.comb += [
            x.eq((block_x >> chroma) + group),
            y.eq((Cat(Const(0, 3), block_y) >> chroma) + row),
            half.eq(chroma & end_of_row & here_columns[0]),
        ]
        return component, x, y, half
