"""Two sets of reference samples for the search: one is prepared while the other is used."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import ROW, Ctu, Place, delayed
from hdl.analysis.reference_gather import ReferenceGather
from hdl.intra.angles import is_swapped, needs_smoothing
from hdl.intra.reference_samples import ReferenceRead, References, ReferenceSamples
from hdl.params import Params


class Candidate(data.Struct):
    """A mode to try on a block."""

    x4: 3  # of its top left sample in the coding-tree unit
    y4: 3
    log2_size: 3
    mode: 6
    is_first: 1  # of its block
    is_last: 1
    is_quarter: 1  # one 4x4 of an 8x8 whose transform is split: not ranked
    slot: 2
    qp: 6


class ReferencePair(wiring.Component):
    """Gathers the references of each candidate of `i`, into one of two sets of ReferenceSamples in turn.

    `o` offers the candidates in order when their references are about to stand: `which` set belongs to it and may be
    read in the second cycle after. `release` is a strobe: the set of the candidate taken first is not read any more
    from the fifth cycle on.
    `ctu` goes with `i`. Other ports are those of ReferenceGather to the store, and of
    ReferenceSamples.
    Cycles from a candidate to its offer: 1 + 2N/8, 2N/8 more to smooth at N = 32. Throughput: one in 2N/8 cycles.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "ctu": In(Ctu),
                "i": In(stream.Signature(Candidate)),
                "o": Out(stream.Signature(Candidate)),
                "which": Out(1),
                "read": In(ReferenceRead),
                "references": Out(References),
                "release": In(1),
                "place": Out(Place),
                "step": Out(3),
                "top": In(ROW),
                "left": In(ROW),
                "corner": In(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        strong = self.p.max_tb_log2_size == 5
        m.submodules.gather = gather = ReferenceGather(self.p)
        m.submodules.samples = samples = ReferenceSamples(2, strong)
        for port in ("place", "step"):
            m.d.comb += getattr(self, port).eq(getattr(gather, port))
        for port in ("top", "left", "corner"):
            m.d.comb += getattr(gather, port).eq(getattr(self, port))

        # Blocks of 32 are gathered twice to be smoothed.
        entering, leaving, repeat = Signal(), Signal(), Signal()
        used, ready = Signal(range(3)), Signal(range(3))  # sets
        accepted, given = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        ctu = Signal(Ctu, reset_less=True)
        jobs = [Signal(Candidate, name=f"job_{k}", reset_less=True) for k in range(2)]
        job = Signal(Candidate)
        m.d.comb += [
            self.i.ready.eq(~gather.busy & ~repeat & (used != 2)),
            job.eq(Mux(repeat, Mux(entering, jobs[0].as_value(), jobs[1].as_value()), self.i.payload.as_value())),
            gather.start.eq(accepted | (repeat & ~gather.busy)),
            gather.ctu.eq(Mux(repeat, ctu.as_value(), self.ctu.as_value())),
            gather.x4.eq(job.x4),
            gather.y4.eq(job.y4),
            gather.log2_size.eq(job.log2_size),
        ]
        now = Signal(data.StructLayout({"log2_size": 3, "mode": 6, "which": 1, "again": 1}))
        with m.If(gather.start):
            m.d.sync += [repeat.eq(0), now.log2_size.eq(job.log2_size), now.mode.eq(job.mode), now.again.eq(repeat)]
        with m.If(accepted):
            m.d.sync += [entering.eq(~entering), ctu.eq(self.ctu), now.which.eq(entering)]
            for k in range(2):
                with m.If(entering == k):
                    m.d.sync += jobs[k].eq(self.i.payload)

        # The gather of a block of 32 is busy long enough for a decision a cycle after its start.
        smooths, twice = needs_smoothing(m, now.mode, now.log2_size, 1, "now"), Signal()
        if strong:
            m.d.comb += twice.eq(smooths & (now.log2_size == 5) & ~now.again)
        with m.If(delayed(m, accepted, 1, "accepted", reset_less=False) & twice):
            m.d.sync += repeat.eq(1)
        decided = Signal(data.StructLayout({"log2_size": 3, "mode": 6, "which": 1, "smooth": 1, "final": 1}))
        m.d.comb += [decided[name].eq(now[name]) for name in ("log2_size", "mode", "which")]
        m.d.comb += [decided.smooth.eq(smooths), decided.final.eq(~twice)]
        here = delayed(m, decided, ReferenceGather.latency - 1, "here")
        stands = gather.o_valid & gather.o_last & here.final
        swapped = is_swapped(here.mode)
        m.d.comb += [
            samples.valid.eq(gather.o_valid),
            samples.first.eq(gather.o_first),
            samples.last.eq(gather.o_last),
            samples.main.eq(Mux(swapped, gather.o_left, gather.o_top)),
            samples.side.eq(Mux(swapped, gather.o_top, gather.o_left)),
            samples.corner.eq(gather.o_corner),
            *(getattr(samples, name).eq(here[name]) for name in ("which", "log2_size", "mode", "smooth")),
            samples.read.eq(self.read),
            self.references.eq(samples.references),
            self.which.eq(leaving),
            self.o.valid.eq((ready != 0) | stands),
            self.o.payload.eq(Mux(leaving, jobs[1].as_value(), jobs[0].as_value())),
        ]
        m.d.sync += [
            leaving.eq(leaving ^ given),
            used.eq(used + accepted - self.release),
            ready.eq(ready + stands - given),
        ]
        return m
