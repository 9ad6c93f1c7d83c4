"""The reconstruction writer of the chip: groups of samples in coding order to planes in memory."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.chip.payloads import Planes, WriteRequest, write_beat
from hdl.chip.walk import PictureWalk
from hdl.common.streams import Fifo
from hdl.params import Params
from hdl.payloads import Samples

GROUP = 8  # samples of a payload


class ReconWriter(wiring.Component):
    """The reconstruction of a picture into the planes of its `job`, I420 or NV12, in the coded size.

    Streams: `i_recon`, groups in the order of Samples over the coded size; `o_data` and `o_request`, the beats of each
    row of a coding-tree block and, with its last beat, a request for them, in the same order. NV12 has no rows of Cb:
    its groups wait here and are interleaved with those of Cr. Strobes are set for samples of the coded picture alone: a
    row may begin and end in half a beat, a chroma row may end in half a group.
    `job` and `enable` are taken with `start`, when `busy` is low. Not enabled: the groups are dropped.
    `busy`: from `start` until the last request and its beats were taken; not enabled: until the last group was dropped.
    Throughput: one group a cycle while both outputs are ready; NV12 on 64 bits: a group of Cr takes two cycles, as it
    is two beats. Latency: 1. o_data.ready and o_request.ready lead to i_recon.ready combinationally.
    Stalls: only where an output waits. Reset: idle.
    """

    latency = 1

    def __init__(self, p: Params):
        self.p = p
        self.beat_bits = exact_log2(p.axi_data_width // 8)  # of an address, within a beat
        super().__init__(
            {
                "start": In(1),
                "job": In(Planes),
                "enable": In(1),
                "i_recon": In(stream.Signature(Samples)),
                "o_request": Out(stream.Signature(WriteRequest)),
                "o_data": Out(stream.Signature(write_beat(p.axi_data_width))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        o_data, o_request = self.o_data, self.o_request
        m.submodules.walk = walk = PictureWalk(self.p, coded=True)
        m.submodules.cb = cb = Fifo(unsigned(8 * GROUP), self.p.ctb_size**2 // 4 // GROUP)  # of one block
        enable, nv12 = Signal(), Signal()
        begin = self.start & ~self.busy
        with m.If(begin):
            m.d.sync += [enable.eq(self.enable), nv12.eq(self.job.nv12)]
        m.d.comb += [
            walk.start.eq(begin),
            walk.job.eq(self.job),
            self.busy.eq(walk.busy | o_data.valid | o_request.valid),
        ]

        row, samples = walk.o.payload, self.i_recon.payload.as_value()
        group = Signal(range(self.p.ctb_size // GROUP))  # of this row
        last_group, half = Signal(), Signal()  # of the row; it ends in the middle of this group
        store, interleave = Signal(), Signal()  # the row is Cb, or Cr, of NV12
        m.d.comb += [
            last_group.eq(row.samples <= (group + 1) * GROUP),
            half.eq(last_group & row.samples[2]),
            store.eq(enable & nv12 & (row.component == 1)),
            interleave.eq(enable & nv12 & (row.component == 2)),
        ]
        pairs = Cat(Cat(cb.o.payload[k : k + 8], samples[k : k + 8]) for k in range(0, 8 * GROUP, 8))
        make = self._beats_of_64 if self.p.axi_data_width == 64 else self._beats_of_128
        beat, step, consumed = Signal.like(o_data.payload), Signal(), Signal()
        data, strobes, completes, consumes = make(m, samples, pairs, row, group, last_group, half, interleave, step)
        m.d.comb += [beat.data.eq(data), beat.strb.eq(strobes)]

        lane = row.address[: self.beat_bits]
        count, request = Signal(range(2 * self.p.ctb_size + 1)), Signal(WriteRequest)
        m.d.comb += [
            count.eq(row.samples << interleave),
            request.address.eq(row.address - lane),
            request.beats.eq((lane + count + (1 << self.beat_bits) - 1) >> self.beat_bits),
            request.bytes.eq(count),
        ]

        free, writes, possible = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq((o_data.ready | ~o_data.valid) & (o_request.ready | ~o_request.valid)),
            writes.eq(enable & ~store & completes),
            possible.eq(walk.o.valid & (free | ~writes) & (cb.o.valid | ~interleave)),
            step.eq(possible & self.i_recon.valid),
            consumed.eq(step & consumes),
            self.i_recon.ready.eq(possible & consumes),
            walk.o.ready.eq(consumed & last_group),
            cb.i.payload.eq(samples),
            cb.i.valid.eq(step & store),  # there is room for all of a block
            cb.o.ready.eq(consumed & interleave),
        ]
        with m.If(consumed):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(o_data.ready):
            m.d.sync += o_data.valid.eq(0)
        with m.If(o_request.ready):
            m.d.sync += o_request.valid.eq(0)
        with m.If(step & writes):
            m.d.sync += [o_data.valid.eq(1), o_data.payload.eq(beat)]
            with m.If(consumes & last_group):
                m.d.sync += [o_request.valid.eq(1), o_request.payload.eq(request)]
        return m

    def _beats_of_64(self, m, samples, pairs, row, group, last_group, half, interleave, step):
        """Data and strobes of a beat of 64 bits, whether it is complete, and whether the group is used up."""
        second = Signal()  # of the two beats of a group of pairs
        consumes = ~interleave | half | second
        with m.If(step):
            m.d.sync += second.eq(~consumes)
        data = Mux(interleave, pairs.word_select(second, 64), samples)
        return data, Mux(half & ~interleave, 0x0F, 0xFF), 1, consumes

    def _beats_of_128(self, m, samples, pairs, row, group, last_group, half, interleave, step):
        """The same for 128 bits."""
        lower = Signal(8 * GROUP)  # the group before
        upper = row.address[3] ^ group[0]  # the group belongs into the upper half of the beat
        with m.If(step):
            m.d.sync += lower.eq(samples)
        strobes = Mux(half, 0x0F, 0xFF)
        below = Mux(upper, Mux(group == 0, 0, 0xFF), strobes)
        planar_data, planar_strobes = Cat(Mux(upper, lower, samples), samples), Cat(below, Mux(upper, strobes, 0))
        return (
            Mux(interleave, pairs, planar_data),
            Mux(interleave, Mux(half, 0x00FF, 0xFFFF), planar_strobes),
            interleave | upper | last_group,
            1,
        )
