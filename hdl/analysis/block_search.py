"""Tries candidates on blocks of 8x8 to 32x32: ranks them, keeps the residual of the best."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import BLOCK, Place, delayed
from hdl.analysis.rd4 import Rd4Request
from hdl.analysis.reference_pair import Candidate
from hdl.analysis.residual_store import BUFFERS
from hdl.analysis.rough_cost import RoughCost
from hdl.analysis.subblock_search import RESIDUAL, SubblockSearch
from hdl.common.streams import Fifo, connect
from hdl.intra.angles import angle_of
from hdl.intra.reference_samples import ReferenceRead, References


class BlockSearch(wiring.Component):
    """SATD of each candidate of `i`, a 4x4 sub-block a cycle, and the ranking.

    `i`, `which`, `read`, `references` and `release` as in ReferencePair. `left`, `above` and `qp` as in RoughCost, of
    the block whose candidates are ranked; `probable` is its list of most probable modes.
    The residual of each candidate is written into a free buffer of a ResidualStore (`w_*`); the best one's stays. After
    the last candidate of a block `decided` is a strobe: `modes`, `bits` and `buffer` are the winner's, in that cycle.
    The buffer is free again after `free` with `free_buffer`. Quarters are not ranked: their residual goes to `request`.
    Stalls while no buffer is free or eight quarters wait.
    """

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(Candidate)),
                "which": In(1),
                "read": Out(ReferenceRead),
                "references": In(References),
                "release": Out(1),
                "source_place": Out(Place),
                "source": In(BLOCK),
                "left": In(6),
                "above": In(6),
                "qp": In(6),
                "probable": Out(data.ArrayLayout(6, 3)),
                "decided": Out(1),
                "modes": Out(data.ArrayLayout(6, 2)),
                "bits": Out(3),
                "buffer": Out(3),
                "free": In(1),
                "free_buffer": In(3),
                "w_valid": Out(1),
                "w_buffer": Out(3),
                "w_log2_size": Out(3),
                "w_x": Out(3),
                "w_y": Out(3),
                "w_residual": Out(RESIDUAL),
                "request": Out(stream.Signature(Rd4Request)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.search = search = SubblockSearch()
        m.submodules.rank = rank = RoughCost(2)
        m.submodules.quarters = quarters = Fifo(Rd4Request, 8)
        connect(m, quarters.o, self.request)

        # One candidate after the other, sub-blocks in raster order.
        kept, running, which = Signal(Candidate), Signal(), Signal()
        angle = Signal(signed(7), reset_less=True)
        x, y, buffer = Signal(3), Signal(3), Signal(3)
        unused = Signal(BUFFERS, init=(1 << BUFFERS) - 1)
        lowest = Signal(3)
        for k in reversed(range(BUFFERS)):
            with m.If(unused[k]):
                m.d.comb += lowest.eq(k)
        waiting = Signal(4)  # quarters on their way
        arrived = delayed(m, self.request.valid & self.request.ready, 1, "answered", reset_less=False)
        begin = Signal()
        last = ((1 << kept.log2_size) >> 2) - 1
        finishing = running & (x == last) & (y == last)
        m.d.comb += [
            self.i.ready.eq((~running | finishing) & (unused != 0) & (waiting != 8)),
            begin.eq(self.i.valid & self.i.ready),
            # The last sub-block's references are read in the fifth cycle from here at the latest.
            self.release.eq(running & (x == (last & 4)) & (y == Mux(last == 1, 0, last))),
        ]
        with m.If(running):
            m.d.sync += x.eq(x + 1)
            with m.If(x == last):
                m.d.sync += [x.eq(0), y.eq(y + 1)]
        with m.If(finishing):
            m.d.sync += running.eq(0)
        with m.If(begin):
            m.d.sync += [kept.eq(self.i.payload), which.eq(self.which), buffer.eq(lowest)]
            m.d.sync += angle.eq(angle_of(m, self.i.payload.mode, "candidate"))
            m.d.sync += [running.eq(1), x.eq(0), y.eq(0)]
        m.d.sync += waiting.eq(waiting + (begin & self.i.payload.is_quarter) - arrived)

        m.d.comb += [
            search.valid.eq(running),
            search.command.mode.eq(kept.mode),
            search.command.angle.eq(angle),
            search.command.log2_size.eq(kept.log2_size),
            search.command.is_luma.eq(1),
            search.command.x.eq(x),
            search.command.y.eq(y),
            search.command.which.eq(which),
            search.place.slot.eq(kept.slot),
            search.place.x4.eq(kept.x4 + x),
            search.place.y4.eq(kept.y4 + y),
            self.read.eq(search.read),
            search.references.eq(self.references),
            self.source_place.eq(search.source_place),
            search.source.eq(self.source),
        ]

        wait = SubblockSearch.residual_latency
        written = delayed(m, running & ~kept.is_quarter, wait, "written", reset_less=False)
        m.d.comb += [
            self.w_valid.eq(written),
            self.w_residual.eq(search.residual),
            Cat(self.w_buffer, self.w_log2_size, self.w_x, self.w_y).eq(
                delayed(m, Cat(buffer, kept.log2_size, x, y), wait, "w_place")
            ),
            quarters.i.valid.eq(delayed(m, running & kept.is_quarter, wait, "quartered", reset_less=False)),
            quarters.i.payload.residual.eq(search.residual),
            quarters.i.payload.qp.eq(delayed(m, kept.qp, wait, "quarter_qp")),
        ]

        wait = SubblockSearch.latency
        summed = delayed(m, running & ~kept.is_quarter, wait, "summed", reset_less=False)
        flags = delayed(m, Cat((x == 0) & (y == 0), finishing), wait, "flags")
        info = delayed(m, Cat(kept.mode, kept.is_first, kept.is_last, buffer), wait + 1, "info")
        total, ended = Signal(20, reset_less=True), Signal()
        with m.If(summed):
            m.d.sync += total.eq(Mux(flags[0], 0, total) + search.satd)
        m.d.sync += ended.eq(summed & flags[1])
        rank_buffer = info[8:11]
        m.d.comb += [
            rank.left.eq(self.left),
            rank.above.eq(self.above),
            rank.qp.eq(self.qp),
            rank.i_valid.eq(ended),
            rank.is_first.eq(info[6]),
            rank.satd.eq(total),
            rank.mode.eq(info[:6]),
            self.probable.eq(rank.probable),
            self.modes.eq(rank.modes),
            self.bits.eq(rank.bits),
        ]
        m.d.sync += self.decided.eq(ended & info[7])

        # The loser's buffer is free a cycle later; before the first candidate there is no loser.
        loser, lost = Signal(3, reset_less=True), Signal()
        m.d.sync += [loser.eq(Mux(rank.is_best, self.buffer, rank_buffer)), lost.eq(ended & ~info[6])]
        with m.If(ended & rank.is_best):
            m.d.sync += self.buffer.eq(rank_buffer)
        taken = Mux(begin & ~self.i.payload.is_quarter, 1 << lowest, 0)
        m.d.sync += unused.eq((unused & ~taken) | Mux(lost, 1 << loser, 0) | Mux(self.free, 1 << self.free_buffer, 0))
        return m
