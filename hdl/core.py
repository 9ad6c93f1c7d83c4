"""The core: streams in and out, the stages in between."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.analysis import Analysis
from hdl.common.streams import Fifo, Fork, connect
from hdl.entropy.entropy import Entropy
from hdl.fetch.fetch import Fetch
from hdl.pack.pack import Pack
from hdl.pack.picture_checksum import PictureChecksum
from hdl.params import Params
from hdl.payloads import Byte, CodedUnit, CodingUnit, CtuQp, Picture, Samples
from hdl.reconstruction.reconstruction import Reconstruction
from hdl.reconstruction.squared_error import SquaredError, sse_width


class Core(wiring.Component):
    """Pictures to the bytes of a playable H.265 stream: fetch, analysis, reconstruction, entropy, pack.

    Streams: `i_picture`, one before each picture's samples; `i_qp`, with cu_qp_delta_enabled one for each coding-tree
    unit in raster order; `i_source`, the picture in groups of eight samples (order in hdl/payloads.py); `o_byte`,
    Annex B with `last` on a picture's last byte; `o_recon`, the reconstruction at the coded size. Every stage works on
    another coding-tree unit; the queues between them make it elastic, so the bytes do not depend on who waits when.
    Throughput: the slowest stage's (docs/architecture.md has the table). Latency: about three coding-tree units.
    Stalls: `i_source` when analysis is behind, or waits for `i_qp`; everything when `o_byte` or `o_recon` is not taken.
    Picture boundary: the next Picture is taken once every stage has taken the last one, so stages overlap pictures.
    `stat_bins`: bins of the picture that was last finished. `stat_sse_y`, `stat_sse_cb`, `stat_sse_cr`: squared error
    between source and reconstruction inside width x height, of the picture whose last group left `o_recon` last.
    `stat_stall_<stage>`, cleared when a Picture is taken: the cycles in which a payload waited at the stage's input
    because the stage was busy.
    """

    SSE = ("stat_sse_y", "stat_sse_cb", "stat_sse_cr")
    STAGES = ("fetch", "analysis", "reconstruction", "entropy", "pack")

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_qp": In(stream.Signature(CtuQp)),
                "i_source": In(stream.Signature(Samples)),
                "o_recon": Out(stream.Signature(Samples)),
                "o_byte": Out(stream.Signature(Byte)),
                "stat_bins": Out(32),
                **{name: Out(sse_width(p)) for name in self.SSE},
                **{f"stat_stall_{stage}": Out(32) for stage in self.STAGES},
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fork_picture = fork_picture = Fork(Picture, 7)
        m.submodules.fetch = fetch = Fetch(self.p)
        m.submodules.fork_source = fork_source = Fork(Samples, 2)
        m.submodules.analysis = analysis = Analysis(self.p)
        # analysis reads two CTUs ahead of reconstruction: their source waits here, so that neither holds up the other
        m.submodules.source_queue = source_queue = Fifo(Samples, 2 * 3 * self.p.ctb_size**2 // 16)
        m.submodules.fork_compared = fork_compared = Fork(Samples, 2)
        # the source waits to be compared: two CTUs and two thirds, which leave, are in the loop, and come
        m.submodules.compared = compared = Fifo(Samples, self.p.ctb_size**2 // 2)
        m.submodules.units = units = Fifo(CodingUnit, 2 * (self.p.ctb_size // 8) ** 2)
        m.submodules.reconstruction = reconstruction = Reconstruction(self.p)
        m.submodules.recon = recon = Fifo(Samples, 2)  # only cuts the path from its memory to o_recon and back
        m.submodules.squared_error = squared_error = SquaredError(self.p)
        m.submodules.coded_units = coded_units = Fifo(CodedUnit, 2 * (self.p.ctb_size // 8) ** 2)
        m.submodules.entropy = entropy = Entropy(self.p)
        m.submodules.slice_data = slice_data = Fifo(Byte, 64)
        m.submodules.checksum = checksum = PictureChecksum(self.p)
        m.submodules.pack = pack = Pack(self.p)

        connect(m, self.i_picture, fork_picture.i)
        for k, stage in enumerate((fetch, analysis, reconstruction, squared_error, entropy, checksum, pack)):
            connect(m, fork_picture.o[k], stage.i_picture)

        connect(m, self.i_source, fetch.i_source)
        connect(m, fetch.o, fork_source.i)
        connect(m, fork_source.o[0], analysis.i_source)
        connect(m, fork_source.o[1], source_queue.i)
        connect(m, source_queue.o, fork_compared.i)
        connect(m, fork_compared.o[0], reconstruction.i_source)
        connect(m, fork_compared.o[1], compared.i)
        connect(m, self.i_qp, analysis.i_qp)
        connect(m, analysis.o, units.i)
        connect(m, units.o, reconstruction.i_cu)
        connect(m, reconstruction.o_cu, coded_units.i)
        connect(m, coded_units.o, entropy.i_cu)
        connect(m, reconstruction.o_cg, entropy.i_cg)
        connect(m, entropy.o, slice_data.i)
        connect(m, slice_data.o, pack.i_slice_data)
        connect(m, compared.o, squared_error.i_source)
        connect(m, reconstruction.o_recon, recon.i)
        connect(m, recon.o, squared_error.i)
        connect(m, squared_error.o, checksum.i)
        connect(m, checksum.o, self.o_recon)
        connect(m, checksum.o_checksum, pack.i_checksum)
        connect(m, pack.o, self.o_byte)

        m.d.comb += self.stat_bins.eq(entropy.stat_bins)
        m.d.comb += [getattr(self, name).eq(getattr(squared_error, name)) for name in self.SSE]
        inputs = (fetch.i_source, analysis.i_source, reconstruction.i_cu, entropy.i_cu, pack.i_slice_data)
        start = Signal()
        m.d.comb += start.eq(self.i_picture.valid & self.i_picture.ready)
        for stage, port in zip(self.STAGES, inputs):
            count = getattr(self, f"stat_stall_{stage}")
            with m.If(start):
                m.d.sync += count.eq(0)
            with m.Elif(port.valid & ~port.ready):
                m.d.sync += count.eq(count + 1)
        return m
