"""The cost of the winners of the search: transform and coefficient cost, beside the search of later blocks."""

from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.coefficient_cost import CoefficientCost
from hdl.analysis.forward_dct import DctBlock, ForwardDct
from hdl.analysis.residual_store import ResidualStore
from hdl.analysis.subblock_search import RESIDUAL
from hdl.common.streams import Fifo, connect
from hdl.params import Params


class Tag(data.Struct):
    """A node of the coding quadtree."""

    x: 10  # of its coding-tree unit, in units of 8
    y: 10
    z: 4  # its first 8x8 in z-order
    log2_size: 3
    exists: 1  # inside the picture: searched
    is_root: 1
    last_in_picture: 1  # of its coding-tree unit
    qp: 6
    modes: data.ArrayLayout(6, 2)
    bits: 3


class Winner(data.Struct):
    tag: Tag
    buffer: 3


class Costed(data.Struct):
    tag: Tag
    cost: 21  # of the coefficients; 0 when the node does not exist


NODES = 16


class BlockCost(wiring.Component):
    """Gives each node of `i` its cost, in order; nodes that do not exist pass.

    `w_*` writes residuals as in ResidualStore; `free` says when the buffer of a winner has been read.
    Throughput: N * N / 2 cycles a block. `i` takes NODES before it stalls; `taken` says that it
    has room for one more. Cost: see ForwardDct,
    ResidualStore, CoefficientCost.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i": In(stream.Signature(Winner)),
                "o": Out(stream.Signature(Costed)),
                "taken": Out(1),
                "free": Out(1),
                "free_buffer": Out(3),
                "w_valid": In(1),
                "w_buffer": In(3),
                "w_log2_size": In(3),
                "w_x": In(3),
                "w_y": In(3),
                "w_residual": In(RESIDUAL),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = ResidualStore()
        m.submodules.dct = dct = ForwardDct(self.p)
        m.submodules.cost = cost = CoefficientCost()
        m.submodules.queue = queue = Fifo(Winner, NODES)
        m.submodules.tags = tags = Fifo(Tag, 4)
        m.submodules.costs = costs = Fifo(21, 8)  # each has a tag in `tags`, so this never fills
        m.submodules.blocks = blocks = Fifo(DctBlock, 2)  # only cuts the path from ForwardDct to the queues
        connect(m, self.i, queue.i)
        connect(m, blocks.o, dct.i)
        for port in ("w_valid", "w_buffer", "w_log2_size", "w_x", "w_y", "w_residual"):
            m.d.comb += getattr(store, port).eq(getattr(self, port))
        head = queue.o.payload
        may_pass = ~head.tag.exists | blocks.i.ready
        m.d.comb += [
            tags.i.payload.eq(head.tag),
            tags.i.valid.eq(queue.o.valid & may_pass),
            queue.o.ready.eq(tags.i.ready & may_pass),
            self.taken.eq(queue.o.valid & queue.o.ready),
            blocks.i.valid.eq(queue.o.valid & tags.i.ready & head.tag.exists),
            blocks.i.payload.log2_size.eq(head.tag.log2_size),
            blocks.i.payload.buffer.eq(head.buffer),
            blocks.i.payload.qp.eq(head.tag.qp),
            store.r_buffer.eq(dct.r_block.buffer),
            store.r_log2_size.eq(dct.r_block.log2_size),
            store.r_y.eq(dct.r_y),
            store.r_step.eq(dct.r_step),
            dct.samples.eq(store.r_samples),
            self.free.eq(dct.read),
            self.free_buffer.eq(dct.r_block.buffer),
            cost.i_valid.eq(dct.o_valid),
            cost.i_last.eq(dct.o_last),
            cost.i_coefficients.eq(dct.o_coefficients),
            cost.i_column.eq(dct.o_column),
            cost.i_group.eq(dct.o_group),
            cost.log2_size.eq(dct.o_block.log2_size),
            cost.qp.eq(dct.o_block.qp),
            costs.i.valid.eq(cost.o_valid),
            costs.i.payload.eq(cost.cost),
        ]
        exists = tags.o.payload.exists
        m.d.comb += [
            self.o.payload.tag.eq(tags.o.payload),
            self.o.valid.eq(tags.o.valid & (~exists | costs.o.valid)),
            tags.o.ready.eq(self.o.valid & self.o.ready),
            costs.o.ready.eq(self.o.valid & self.o.ready & exists),
        ]
        with m.If(exists):
            m.d.comb += self.o.payload.cost.eq(costs.o.payload)
        return m
