"""The search over blocks of 8x8 to 32x32, from the bottom up."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.block_cost import NODES, BlockCost, Costed, Tag
from hdl.analysis.block_search import BlockSearch
from hdl.analysis.ctu import Ctu, SourceWrite
from hdl.analysis.lane4 import Lane4Result
from hdl.analysis.rd4 import Rd4Request
from hdl.analysis.reference_pair import ReferencePair
from hdl.analysis.rough_cost import DC
from hdl.analysis.source_store import SourceStore
from hdl.analysis.tree import SUM, Leaf
from hdl.common.streams import Fifo, connect
from hdl.params import Params


class Node(data.Struct):
    """A node of the quadtree on its way through the search."""

    tag: Tag
    slot: 2
    first_column: 1


class LaneN(wiring.Component):
    """Best modes of each block, and their cost, in z-order with a block after its quarters.

    Candidates: planar, DC, the best modes of the four quarters, the first most probable mode, each once; the least
    rough cost wins. Winners are transformed for their cost; the winner of an 8x8 is tried on its 4x4 blocks as well.
    Streams: `i` units whose samples were written through `write`; `i_small` the results of Lane4; `o` all nodes of a
    unit, also those outside the picture; `o_leaf` and `o_quarters` as Tree wants them. `done` is a strobe: the unit
    taken first is not looked at any more. Quarters go to `request`, their costs come back with `cost_valid`.
    Throughput: 1536 cycles a unit of 32 for the costs; the search is beside it and takes less when candidates coincide.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "write": In(SourceWrite),
                "i": In(stream.Signature(Ctu)),
                "i_small": In(stream.Signature(Lane4Result)),
                "done": Out(1),
                "request": Out(stream.Signature(Rd4Request)),
                "cost_valid": In(1),
                "cost": In(21),
                "o": Out(stream.Signature(Costed)),
                "o_leaf": Out(stream.Signature(Leaf)),
                "o_quarters": Out(stream.Signature(SUM)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = SourceStore(self.p)
        m.submodules.references = references = ReferencePair(self.p)
        m.submodules.search = search = BlockSearch()
        m.submodules.costs = costs = BlockCost(self.p)
        m.submodules.leaves = leaves = Fifo(Leaf, 16)
        m.submodules.quarters = quarters = Fifo(SUM, 2 * NODES)  # each has a node behind `costs`: never full
        connect(m, references.o, search.i)
        connect(m, search.request, self.request)
        connect(m, costs.o, self.o)
        connect(m, leaves.o, self.o_leaf)
        connect(m, quarters.o, self.o_quarters)
        for port in ("w_valid", "w_buffer", "w_log2_size", "w_x", "w_y", "w_residual"):
            m.d.comb += getattr(costs, port).eq(getattr(search, port))
        m.d.comb += [
            store.write.eq(self.write),
            store.line_place.eq(references.place),
            store.line_step.eq(references.step),
            references.top.eq(store.top),
            references.left.eq(store.left),
            references.corner.eq(store.corner),
            references.ctu.eq(self.i.payload),
            search.which.eq(references.which),
            references.read.eq(search.read),
            search.references.eq(references.references),
            references.release.eq(search.release),
            store.block_place.eq(search.source_place),
            search.source.eq(store.block),
            search.free.eq(costs.free),
            search.free_buffer.eq(costs.free_buffer),
        ]
        self._sum_quarters(m, quarters)
        leaf, leaf_held, leaf_taken = self._collect(m)
        m.d.comb += [leaves.i.payload.eq(leaf), leaves.i.valid.eq(leaf_taken)]

        node, following = self._node(m)
        ranked, undecided = Signal(Node), Signal()
        free = Signal()  # the block before is decided
        m.d.comb += free.eq(~undecided | search.decided)
        with m.If(search.decided):
            m.d.sync += undecided.eq(0)
        enter = Signal()
        quarter_modes, modes_8, modes_16, split = self._neighbours(m, node, ranked, enter, search)

        open_nodes, opened = Signal(range(NODES + 1)), Signal()
        m.d.sync += open_nodes.eq(open_nodes + opened - costs.taken)
        room = open_nodes != NODES

        # The winner of a block, or a node that does not exist, goes on to its cost.
        winner, skip = costs.i, Signal()
        m.d.comb += [
            winner.valid.eq(search.decided | skip),
            winner.payload.tag.eq(Mux(skip, node.tag.as_value(), ranked.tag.as_value())),
            winner.payload.buffer.eq(search.buffer),
        ]
        with m.If(~skip):
            m.d.comb += [winner.payload.tag.modes.eq(search.modes), winner.payload.tag.bits.eq(search.bits)]
        m.d.comb += self.done.eq(Mux(skip, node.tag.is_root, search.decided & ranked.tag.is_root))

        job = references.i
        x8, y8 = Cat(node.tag.z[0], node.tag.z[2]), Cat(node.tag.z[1], node.tag.z[3])
        m.d.comb += [
            job.payload.x4.eq(x8 << 1),
            job.payload.y4.eq(y8 << 1),
            job.payload.log2_size.eq(node.tag.log2_size),
            job.payload.slot.eq(node.slot),
            job.payload.qp.eq(node.tag.qp),
        ]
        children = [Signal(6, name=f"child_{k}") for k in range(4)]
        for k in range(4):
            larger = Mux(node.tag.log2_size == 4, modes_8[k], modes_16[k])
            m.d.comb += children[k].eq(Mux(node.tag.log2_size == 3, quarter_modes[k], larger))
        listed = [DC, *children, search.probable[0]]
        todo, quarter = Signal(6), Signal(2)
        with m.FSM(name="search"):
            with m.State("NODE"):
                with m.If(self.i.valid & room):
                    with m.If(~node.tag.exists):
                        m.next = "SKIP"
                    with m.Elif((node.tag.log2_size != 3) | (leaf_held & leaves.i.ready)):
                        m.d.comb += [job.valid.eq(1), job.payload.mode.eq(0), job.payload.is_first.eq(1)]
                        m.d.comb += opened.eq(job.ready)
                        with m.If(job.ready):
                            m.d.comb += leaf_taken.eq(node.tag.log2_size == 3)
                            m.d.sync += [quarter_modes[k].eq(leaf.modes[k][0]) for k in range(4)]
                            m.next = "DECISION"
            with m.State("DECISION"):
                with m.If(free):
                    m.d.comb += enter.eq(1)
                    m.d.sync += [ranked.eq(node), undecided.eq(1)]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "LIST"
                with m.If(split["pending"]):
                    m.next = "SPLIT"
            with m.State("SPLIT"):
                m.d.comb += [
                    job.valid.eq(1),
                    job.payload.x4.eq(split["x4"] + quarter[0]),
                    job.payload.y4.eq(split["y4"] + quarter[1]),
                    job.payload.log2_size.eq(2),
                    job.payload.mode.eq(split["mode"]),
                    job.payload.is_quarter.eq(1),
                ]
                with m.If(job.ready):
                    m.d.sync += quarter.eq(quarter + 1)
                    with m.If(quarter == 3):
                        m.d.sync += split["pending"].eq(0)
                        m.next = "LIST"
                        with m.If(~node.tag.exists):
                            m.next = "SKIP"
            with m.State("LIST"):
                for k, mode in enumerate(listed):
                    known = [mode == other for other in listed[1:k]]
                    m.d.sync += todo[k].eq(((mode >= 2) & ~Cat(known).any()) if k else 1)
                m.next = "CANDIDATES"
            with m.State("CANDIDATES"):
                rest = todo & (todo - 1)[:6]
                m.d.comb += [job.valid.eq(1), job.payload.is_last.eq(rest == 0)]
                for k in reversed(range(6)):
                    with m.If(todo[k]):
                        m.d.comb += job.payload.mode.eq(listed[k])
                with m.If(job.ready):
                    m.d.sync += todo.eq(rest)
                    with m.If(rest == 0):
                        m.d.comb += following.eq(1)
                        m.next = "NODE"
            with m.State("SKIP"):
                with m.If(split["pending"]):
                    m.next = "SPLIT"
                with m.Elif(~undecided):
                    m.d.comb += [skip.eq(1), opened.eq(1), following.eq(1)]
                    m.next = "NODE"
        return m

    def _node(self, m):
        """The node that is searched, and a strobe to go on to the next."""
        z, log2_size, following = Signal(4), Signal(3, init=3), Signal()
        top = self.p.ctb_log2_size
        node, ctu = Signal(Node), self.i.payload
        x8, y8 = Cat(z[0], z[2]), Cat(z[1], z[3])
        size = ((1 << log2_size) >> 3)[:3]
        m.d.comb += [
            node.tag.x.eq(ctu.x),
            node.tag.y.eq(ctu.y),
            node.tag.z.eq(z),
            node.tag.log2_size.eq(log2_size),
            node.tag.exists.eq((x8 + size <= ctu.columns) & (y8 + size <= ctu.rows)),
            node.tag.is_root.eq(log2_size == top),
            node.tag.last_in_picture.eq(ctu.last_in_picture),
            node.tag.qp.eq(ctu.qp),
            node.slot.eq(ctu.slot),
            node.first_column.eq(ctu.first_column),
            self.i.ready.eq(following & node.tag.is_root),
        ]
        with m.If(following):
            with m.If(node.tag.is_root):
                m.d.sync += [z.eq(0), log2_size.eq(3)]
            with m.Elif((log2_size == 3) & (z[:2] != 3)):
                m.d.sync += z.eq(z + 1)
            with m.Elif(log2_size == 3):
                m.d.sync += [z.eq(Cat(0, 0, z[2:])), log2_size.eq(4)]
            with m.Elif(z[2:] != 3):
                m.d.sync += [z.eq(z + 4), log2_size.eq(3)]
            with m.Else():
                m.d.sync += [z.eq(0), log2_size.eq(5)]
        return node, following

    def _collect(self, m):
        """Four results of Lane4 to a leaf, ahead of the search."""
        leaf, held, taken, count = Signal(Leaf), Signal(), Signal(), Signal(2)
        small = self.i_small
        m.d.comb += small.ready.eq(~held)
        with m.If(small.valid & ~held):
            m.d.sync += [count.eq(count + 1), held.eq(count == 3)]
            m.d.sync += leaf.cost.eq(Mux(count == 0, 0, leaf.cost) + small.payload.cost)
            for k in range(4):
                with m.If(count == k):
                    m.d.sync += leaf.modes[k].eq(small.payload.modes)
        with m.If(taken):
            m.d.sync += held.eq(0)
        return leaf, held, taken

    def _sum_quarters(self, m, quarters):
        total, count = Signal(SUM), Signal(2)
        now = Mux(count == 0, 0, total) + self.cost
        with m.If(self.cost_valid):
            m.d.sync += [total.eq(now), count.eq(count + 1)]
        m.d.comb += [quarters.i.valid.eq(self.cost_valid & (count == 3)), quarters.i.payload.eq(now)]

    def _neighbours(self, m, node, ranked, enter, search):
        """Modes decided: of the quarters, to the left and above, and of the 8x8 that is to be tried split."""
        quarter_modes = [Signal(6, name=f"quarter_mode_{k}") for k in range(4)]
        modes_8 = [Signal(6, name=f"mode_8_{k}") for k in range(4)]
        modes_16 = [Signal(6, name=f"mode_16_{k}") for k in range(4)]
        left, above = (
            {
                3: [Signal(6, init=DC, name=f"{side}_8_{k}") for k in range(4)],
                4: [Signal(6, init=DC, name=f"{side}_16_{k}") for k in range(2)],
                5: [Signal(6, init=DC, name=f"{side}_32")],
            }
            for side in ("left", "above")
        )
        split = {"pending": Signal(name="split_pending"), "mode": Signal(6, name="split_mode")}
        split |= {axis: Signal(3, name=f"split_{axis}") for axis in ("x4", "y4")}
        mode, z = search.modes[0], ranked.tag.z
        x8, y8 = Cat(z[0], z[2]), Cat(z[1], z[3])
        with m.If(search.decided):
            with m.Switch(ranked.tag.log2_size):
                with m.Case(3):
                    m.d.sync += [Array(modes_8)[z[:2]].eq(mode), Array(left[3])[y8].eq(mode)]
                    m.d.sync += Array(above[3])[x8].eq(mode)
                    m.d.sync += [split["pending"].eq(1), split["mode"].eq(mode)]
                    m.d.sync += [split["x4"].eq(x8 << 1), split["y4"].eq(y8 << 1)]
                with m.Case(4):
                    m.d.sync += [Array(modes_16)[z[2:]].eq(mode), Array(left[4])[z[3]].eq(mode)]
                    m.d.sync += Array(above[4])[z[2]].eq(mode)
                with m.Case(5):
                    m.d.sync += left[5][0].eq(mode)
        with m.If(enter & (node.tag.log2_size == 3) & (node.tag.z == 0)):
            m.d.sync += [each.eq(DC) for size in above.values() for each in size]
            with m.If(node.first_column):
                m.d.sync += [each.eq(DC) for size in left.values() for each in size]
        with m.Switch(ranked.tag.log2_size):
            with m.Case(3):
                m.d.comb += [search.left.eq(Array(left[3])[y8]), search.above.eq(Array(above[3])[x8])]
            with m.Case(4):
                m.d.comb += [search.left.eq(Array(left[4])[z[3]]), search.above.eq(Array(above[4])[z[2]])]
            with m.Default():
                m.d.comb += [search.left.eq(left[5][0]), search.above.eq(DC)]
        m.d.comb += search.qp.eq(ranked.tag.qp)
        return quarter_modes, modes_8, modes_16, split
