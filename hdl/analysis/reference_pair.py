"""Two sets of reference samples for the search: one is prepared while the other is used."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import ROW, Ctu, Place
from hdl.analysis.reference_gather import ReferenceGather
from hdl.intra.angles import is_swapped, needs_projection, needs_smoothing
from hdl.intra.reference_samples import ReferenceArrays, ReferenceSamples
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
    """Gathers, smooths and projects the references of each candidate of `i`, in one of two sets in turn.

    `o` offers the candidates in order when their references stand; `arrays[which]` belongs to it. `release` is a
    strobe: the set of the candidate taken first may be overwritten from the third cycle on.
    `ctu` goes with `i`. Other ports are those of ReferenceGather to the store.
    Cycles from a candidate to its offer: 5 + 2N/8, and 1 + 2N/8 to smooth, 2 + N/8 to project.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "ctu": In(Ctu),
                "i": In(stream.Signature(Candidate)),
                "o": Out(stream.Signature(Candidate)),
                "which": Out(1),
                "arrays": Out(ReferenceArrays).array(2),
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
        m.submodules.gather = gather = ReferenceGather(self.p)
        for port in ("place", "step"):
            m.d.comb += getattr(self, port).eq(getattr(gather, port))
        for port in ("top", "left", "corner"):
            m.d.comb += getattr(gather, port).eq(getattr(self, port))

        entering, loading, leaving, releasing = (
            Signal(name=name) for name in ("entering", "loading", "leaving", "releasing")
        )
        idle, ready = [Signal(name=f"idle_{k}") for k in range(2)], [Signal(name=f"ready_{k}") for k in range(2)]
        accepted, given = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.comb += [
            self.i.ready.eq(~gather.busy & Array(idle)[entering]),
            gather.start.eq(accepted),
            gather.ctu.eq(self.ctu),
            gather.x4.eq(self.i.payload.x4),
            gather.y4.eq(self.i.payload.y4),
            gather.log2_size.eq(self.i.payload.log2_size),
            self.which.eq(leaving),
            self.o.valid.eq(Array(ready)[leaving]),
        ]
        m.d.sync += [
            entering.eq(entering ^ accepted),
            loading.eq(loading ^ (gather.o_valid & gather.o_last)),
            leaving.eq(leaving ^ given),
            releasing.eq(releasing ^ self.release),
        ]
        jobs = []
        for k in range(2):
            m.submodules[f"set_{k}"] = references = ReferenceSamples()
            job = Signal(Candidate, name=f"job_{k}", reset_less=True)
            jobs.append(job)
            with m.If(accepted & (entering == k)):
                m.d.sync += job.eq(self.i.payload)
            swapped = is_swapped(job.mode)
            smooths = needs_smoothing(m, job.mode, job.log2_size, 1, f"set_{k}")
            projects = needs_projection(m, job.mode, job.log2_size, f"set_{k}")
            load = gather.o_valid & (loading == k)
            m.d.comb += [
                references.load.eq(load),
                references.first.eq(gather.o_first),
                references.main.eq(Mux(swapped, gather.o_left, gather.o_top)),
                references.side.eq(Mux(swapped, gather.o_top, gather.o_left)),
                references.corner.eq(gather.o_corner),
                references.log2_size.eq(job.log2_size),
                references.mode.eq(job.mode),
                self.arrays[k].eq(references.arrays),
            ]
            with m.FSM(name=f"set_{k}"):
                with m.State("IDLE"):
                    m.d.comb += idle[k].eq(1)
                    with m.If(accepted & (entering == k)):
                        m.next = "LOAD"
                with m.State("LOAD"):
                    with m.If(load & gather.o_last):
                        with m.If(smooths):
                            m.next = "SMOOTH"
                        with m.Elif(projects):
                            m.next = "PROJECT"
                        with m.Else():
                            m.next = "READY"
                with m.State("SMOOTH"):
                    m.d.comb += references.smooth.eq(1)
                    m.next = "SMOOTHING"
                with m.State("SMOOTHING"):
                    with m.If(~references.busy):
                        m.next = "READY"
                        with m.If(projects):
                            m.next = "PROJECT"
                with m.State("PROJECT"):
                    m.d.comb += references.project.eq(1)
                    m.next = "READY"
                    with m.If(job.log2_size > 3):
                        m.next = "PROJECTING"
                with m.State("PROJECTING"):
                    with m.If(~references.busy):
                        m.next = "READY"
                with m.State("READY"):
                    m.d.comb += ready[k].eq(1)
                    with m.If(given & (leaving == k)):
                        m.next = "USED"
                        with m.If(self.release & (releasing == k)):
                            m.next = "IDLE"
                with m.State("USED"):
                    with m.If(self.release & (releasing == k)):
                        m.next = "IDLE"
        m.d.comb += self.o.payload.eq(Mux(leaving, jobs[1].as_value(), jobs[0].as_value()))
        return m
