"""The rows of a picture in memory, in the order of the streams: what the source reader and the writer share."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import Planes
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params


class RowPart(data.Struct):
    """What one coding-tree block has of one row: `samples` of the component, in ceil(samples / 8) groups."""

    address: ADDRESS_BITS  # of its first byte; NV12: Cb and Cr alike, of the first of the 2 x samples bytes they share
    samples: 7  # 1..CtbSizeY, those of the picture alone
    component: 2  # 0 Y, 1 Cb, 2 Cr
    last: 1  # the last row of the picture


class PictureWalk(wiring.Component):
    """Walks the rows of a picture in the order of `Samples`: coding-tree blocks in raster order; in each the rows of
    Y from the top, then of Cb, then of Cr, as far as they are in the picture.

    Streams: `o`, a RowPart for each; the `job` is taken with `start`, when `busy` is low, and need not stay.
    `coded`: the picture has the coded size, width and height of the job rounded up to multiples of 8; else it has
    width x height. Addresses are those of the job's planes, I420 or NV12: multiples of 8, NV12 chroma of 16, when
    planes and strides are multiples of the bus width of 16 (64 bit: of 8).
    Throughput: one row a cycle. Latency: `o.valid` the cycle after `start`. Stalls: only where `o` waits.
    Reset: idle; `busy` from `start` until the last row was taken.
    Arithmetic: addresses modulo 2^40, by addition alone. Cost: five registers of 40 bits, two adders; no memory.
    """

    latency = 1

    def __init__(self, p: Params, *, coded: bool):
        self.p, self.coded = p, coded
        super().__init__(
            {"start": In(1), "job": In(Planes), "o": Out(stream.Signature(RowPart)), "busy": Out(1)},
        )

    def elaborate(self, platform):
        m = Module()
        ctb, log2 = self.p.ctb_size, self.p.ctb_log2_size
        job, o = self.job, self.o.payload

        width, height = ((job.width + 7) & ~7, (job.height + 7) & ~7) if self.coded else (job.width, job.height)
        whole_width, nv12 = Signal(14), Signal()
        strides = Array([Signal(16, name="stride_y"), Signal(16, name="stride_c")])
        # Of each plane, the first byte of this row of coding-tree blocks.
        bands = Array(Signal(ADDRESS_BITS, name=f"band_{name}") for name in ("y", "cb", "cr"))
        x = Signal(14)  # of this coding-tree block, luma samples
        columns, rows = Signal(14), Signal(14)  # of luma, left of the picture from this block on
        component, row, address = Signal(2), Signal(log2), Signal(ADDRESS_BITS)

        is_chroma, last_column, last_band = Signal(), Signal(), Signal()
        block_columns, block_rows = Signal(log2 + 1), Signal(log2 + 1)
        last_row = Signal()
        m.d.comb += [
            is_chroma.eq(component != 0),
            last_column.eq(columns <= ctb),
            last_band.eq(rows <= ctb),
            block_columns.eq(Mux(last_column, columns, ctb)),
            block_rows.eq(Mux(last_band, rows, ctb)),
            last_row.eq(row == (block_rows >> is_chroma) - 1),
            self.o.valid.eq(self.busy),
            o.address.eq(address),
            o.samples.eq(block_columns >> is_chroma),
            o.component.eq(component),
            o.last.eq(last_row & (component == 2) & last_column & last_band),
        ]

        # The row that follows: one stride on, or the first of the component that follows.
        next_component, next_x, offset = Signal(2), Signal(14), Signal(14)
        stride = strides[is_chroma]
        m.d.comb += [
            next_component.eq(Mux(component == 2, 0, component + 1)),
            next_x.eq(Mux(last_column, 0, x + ctb)),
            offset.eq(Mux(component == 2, next_x, Mux(nv12, x, x >> 1))),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                row.eq(row + 1),
                address.eq(Mux(last_row, bands[next_component], address) + Mux(last_row, offset, stride)),
            ]
            with m.If(last_row):
                m.d.sync += [row.eq(0), component.eq(next_component)]
                with m.If(last_column):
                    m.d.sync += bands[component].eq(
                        bands[component] + Mux(is_chroma, stride << (log2 - 1), stride << log2)
                    )
                with m.If(component == 2):
                    m.d.sync += [x.eq(next_x), columns.eq(columns - ctb)]
                    with m.If(last_column):
                        m.d.sync += [columns.eq(whole_width), rows.eq(rows - ctb)]
                        with m.If(last_band):
                            m.d.sync += self.busy.eq(0)

        with m.If(self.start & ~self.busy):
            m.d.sync += [
                self.busy.eq(1),
                nv12.eq(job.nv12),
                strides[0].eq(job.stride_y),
                strides[1].eq(job.stride_c),
                bands[0].eq(job.y),
                bands[1].eq(job.cb),
                bands[2].eq(Mux(job.nv12, job.cb, job.cr)),
                address.eq(job.y),
                x.eq(0),
                whole_width.eq(width),
                columns.eq(width),
                rows.eq(height),
            ]
        return m
