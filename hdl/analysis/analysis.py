"""Analysis: decides the coding units of a picture from its source samples alone."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import Ctu
from hdl.analysis.lane4 import Lane4
from hdl.analysis.lane_n import LaneN
from hdl.analysis.rd4 import Rd4
from hdl.analysis.source_loader import SourceLoader
from hdl.analysis.tree import Tree
from hdl.common.streams import Fifo, Fork, connect
from hdl.params import Params
from hdl.payloads import CodingUnit, CtuQp, Picture, Samples


class Analysis(wiring.Component):
    """Block sizes, luma modes (with a second and a third choice) and transform splits, by rough cost and by J.

    Streams: `i_picture` before the picture's first group; `i_qp` each unit's QP, with cu_qp_delta_enabled; `i_source`
    the groups of its coded size (see `Samples`), chroma is dropped; `o` the coding units in coding order, chroma_mode
    always 4.
    Two lanes work at once: Lane4 on 4x4 blocks, LaneN behind it on larger ones. References are source samples, so
    nothing waits for reconstruction.
    Throughput: about 1600 cycles a coding-tree unit of 32, 400 of 16. Latency: about two units. Stalls: `o` blocks
    Tree, then the costs, then the search; the source is taken up to two units ahead.
    Frame boundary: pictures follow each other without a gap. Reset: idle.
    Arithmetic: exact, see the blocks. Parameters: ctb_log2_size 4 or 5; max_width sizes the line buffer.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_qp": In(stream.Signature(CtuQp)),
                "i_source": In(stream.Signature(Samples)),
                "o": Out(stream.Signature(CodingUnit)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = SourceLoader(self.p)
        m.submodules.fork = fork = Fork(Ctu, 2)
        m.submodules.small = small = Lane4(self.p)
        m.submodules.large = large = LaneN(self.p)
        m.submodules.rd4 = rd4 = Rd4()
        m.submodules.tree = tree = Tree(self.p)
        connect(m, self.i_picture, loader.i_picture)
        connect(m, self.i_qp, loader.i_qp)
        connect(m, self.i_source, loader.i_source)
        connect(m, loader.o, fork.i)
        for k, lane in enumerate((small, large)):
            queue = Fifo(Ctu, 4)
            m.submodules[f"units_{k}"] = queue
            connect(m, fork.o[k], queue.i)
            connect(m, queue.o, lane.i)
            connect(m, lane.request, rd4.i[k])
            m.d.comb += [lane.write.eq(loader.write), lane.cost_valid.eq(rd4.o_valid[k]), lane.cost.eq(rd4.cost)]
        connect(m, small.o, large.i_small)
        connect(m, large.o, tree.i)
        connect(m, large.o_leaf, tree.leaf)
        connect(m, large.o_quarters, tree.quarters)
        connect(m, tree.o, self.o)
        m.d.comb += loader.done.eq(large.done)
        return m
