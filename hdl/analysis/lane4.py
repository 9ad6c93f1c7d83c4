"""The search over 4x4 blocks."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables as tables
from hdl.analysis.ctu import ROW, Ctu, Place, SourceWrite, delayed
from hdl.analysis.rd4 import Rd4Request
from hdl.analysis.reference_gather import ReferenceGather
from hdl.analysis.rough_cost import DC, MODES, RoughCost
from hdl.analysis.source_store import SourceStore
from hdl.analysis.subblock_search import RESIDUAL, SubblockSearch
from hdl.common.streams import Fifo, connect
from hdl.intra.adders import sum_tree
from hdl.intra.angles import INTRA_PRED_ANGLE, INVERSE_ANGLE, angle_of, is_swapped
from hdl.intra.reference_samples import References
from hdl.params import Params

COARSE = (0, 1, *range(2, 35, 4))
OFFSETS = (-2, -1, 1, 2)
AHEAD = 64  # results that wait for the other lane


class Block(data.Struct):
    """A block on its way."""

    place: Place
    first: 1  # of its coding-tree unit
    first_column: 1  # in the first coding-tree unit of a row
    qp: 6
    parity: 1


class Tag(data.Struct):
    modes: MODES
    bits: 3


def mode_charge(bits):
    """Mode bits in units of J."""
    return Mux(bits == 2, 2 * tables.BIT, Mux(bits == 3, 3 * tables.BIT, 6 * tables.BIT))


class Lane4Result(data.Struct):
    """A 4x4 block: its best modes and the cost J of the first, mode bits included."""

    modes: MODES
    cost: 16


class Lane4(wiring.Component):
    """Best modes of each 4x4 block of the picture, in z-order, coding-tree unit by coding-tree unit.

    Planar, DC and every fourth angular mode are ranked by rough cost; when an angular mode leads, its two neighbours
    on each side as well. The winner's residual goes to `request`, whose cost comes back with `cost_valid`.
    Streams: `i` the units (their samples are written through `write` before), `o` a result for each block inside the
    picture. Throughput: 25 cycles a block (22 when planar or DC leads), 1600 a unit of 32.
    Stalls when AHEAD results wait. Requests must be taken within 15 cycles.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "write": In(SourceWrite),
                "i": In(stream.Signature(Ctu)),
                "o": Out(stream.Signature(Lane4Result)),
                "request": Out(stream.Signature(Rd4Request)),
                "cost_valid": In(1),
                "cost": In(21),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = SourceStore(self.p)
        m.submodules.gather = gather = ReferenceGather(self.p)
        m.submodules.search = search = SubblockSearch(sizes=(2,))
        m.submodules.rank = rank = RoughCost(3)
        m.submodules.results = results = Fifo(Lane4Result, AHEAD)
        m.submodules.tags = tags = Fifo(Tag, 4)
        connect(m, results.o, self.o)
        m.d.comb += [
            store.write.eq(self.write),
            store.line_place.eq(gather.place),
            store.line_step.eq(gather.step),
            gather.top.eq(store.top),
            gather.left.eq(store.left),
            gather.corner.eq(store.corner),
            store.block_place.eq(search.source_place),
            search.source.eq(store.block),
        ]
        held, taken, following = self._fetch(m, gather)

        # Every block in flight has a place for its result.
        ahead = Signal(range(AHEAD + 1))
        m.d.sync += ahead.eq(ahead + taken - (self.o.valid & self.o.ready))

        block = Signal(Block)
        top, left, corner = Signal(ROW), Signal(ROW), Signal(8)
        with m.If(taken):
            m.d.sync += [block.eq(following), block.parity.eq(~block.parity)]
            m.d.sync += [top.eq(gather.o_top), left.eq(gather.o_left), corner.eq(gather.o_corner)]

        valid, mode, index, finish = Signal(), Signal(6), Signal(4), Signal()
        self._sequence(m, held & (ahead != AHEAD), taken, rank, valid, mode, index, finish)
        m.d.comb += [
            search.valid.eq(valid),
            search.command.mode.eq(mode),
            search.command.angle.eq(angle_of(m, mode, "candidate")),
            search.command.log2_size.eq(2),
            search.command.is_luma.eq(1),
            search.place.eq(block.place),
            search.references.eq(self._references(m, mode, top, left, corner, search.read.first)),
        ]

        # Residuals of all candidates of two blocks, until the winner is known.
        m.submodules.residuals = residuals = Memory(shape=RESIDUAL, depth=32, init=[], attrs={"ram_style": "block"})
        write, read = residuals.write_port(), residuals.read_port()
        wait = SubblockSearch.residual_latency
        m.d.comb += [
            write.en.eq(delayed(m, valid, wait, "written", reset_less=False)),
            write.addr.eq(delayed(m, Cat(index, block.parity), wait, "write_index")),
            write.data.eq(search.residual),
        ]

        wait = SubblockSearch.latency
        rank_index = delayed(m, index, wait, "rank_index")
        m.d.comb += [
            rank.i_valid.eq(delayed(m, valid, wait, "ranked", reset_less=False)),
            rank.is_first.eq(rank_index == 0),
            rank.mode.eq(delayed(m, mode, wait, "rank_mode")),
            rank.satd.eq(search.satd),
        ]
        best = Signal(4)
        with m.If(rank.i_valid & rank.is_best):
            m.d.sync += best.eq(rank_index)
        decided = delayed(m, finish, wait + 1, "decided", reset_less=False)
        current = self._neighbours(m, block, delayed(m, valid & (index == 0), wait - 2, "entered"), decided, rank)

        # The winner's residual waits behind the memory's output until it is taken.
        pending = Signal()
        m.d.comb += [read.en.eq(decided), read.addr.eq(Cat(best, current.parity))]
        with m.If(self.request.ready):
            m.d.sync += pending.eq(0)
        with m.If(delayed(m, decided, 1, "read", reset_less=False)):
            m.d.sync += [pending.eq(1), self.request.payload.residual.eq(read.data)]
        with m.If(decided):
            m.d.sync += self.request.payload.qp.eq(current.qp)
        m.d.comb += [
            self.request.valid.eq(pending),
            tags.i.valid.eq(decided),
            tags.i.payload.modes.eq(rank.modes),
            tags.i.payload.bits.eq(rank.bits),
            tags.o.ready.eq(self.cost_valid),
            results.i.valid.eq(self.cost_valid),
            results.i.payload.modes.eq(tags.o.payload.modes),
            results.i.payload.cost.eq(self.cost + mode_charge(tags.o.payload.bits)),
        ]
        return m

    def _fetch(self, m, gather):
        """Walks through the blocks and gathers the references of the next one."""
        last = (self.p.ctb_size // 4) ** 2 - 1
        z, held, taken = Signal(6), Signal(), Signal()
        following = Signal(Block)
        ctu = self.i.payload
        x4, y4 = Cat(z[0], z[2], z[4]), Cat(z[1], z[3], z[5])
        m.d.comb += [gather.ctu.eq(ctu), gather.x4.eq(x4), gather.y4.eq(y4), gather.log2_size.eq(2)]
        exists = ((x4 >> 1) < ctu.columns) & ((y4 >> 1) < ctu.rows)
        next_z = Signal()
        with m.If(next_z):
            m.d.sync += z.eq(Mux(z == last, 0, z + 1))
            m.d.comb += self.i.ready.eq(z == last)
        with m.FSM(name="fetch"):
            with m.State("LOOK"):
                with m.If(self.i.valid):
                    with m.If(exists):
                        m.d.comb += gather.start.eq(1)
                        m.d.sync += [
                            following.place.slot.eq(ctu.slot),
                            following.place.x4.eq(x4),
                            following.place.y4.eq(y4),
                            following.first.eq(z == 0),
                            following.first_column.eq(ctu.first_column),
                            following.qp.eq(ctu.qp),
                        ]
                        m.next = "WAIT"
                    with m.Else():
                        m.d.comb += next_z.eq(1)
            with m.State("WAIT"):
                with m.If(gather.o_valid):
                    m.next = "HELD"
            with m.State("HELD"):
                m.d.comb += held.eq(1)
                with m.If(taken):
                    m.d.comb += next_z.eq(1)
                    m.next = "LOOK"
        return held, taken, following

    def _sequence(self, m, may_start, taken, rank, valid, mode, index, finish):
        """Issues the candidates. The gaps are what the ranking needs, see SubblockSearch and _neighbours."""
        count = Signal(4)
        coarse, refined = Signal(6), Signal(6)
        tables.table(m, count, COARSE, coarse)
        m.d.comb += refined.eq(rank.modes[0] + Array(OFFSETS)[count[:2]])
        inside = (refined >= 2) & (refined <= 34)
        with m.FSM(name="sequence"):
            with m.State("IDLE"):
                m.d.sync += count.eq(0)
                with m.If(may_start):
                    m.d.comb += taken.eq(1)
                    m.next = "COARSE"
            with m.State("COARSE"):
                m.d.comb += [valid.eq(1), mode.eq(coarse), index.eq(count)]
                m.d.sync += count.eq(count + 1)
                with m.If(count == len(COARSE) - 1):
                    m.d.sync += count.eq(0)
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == SubblockSearch.latency - 1):
                    m.d.sync += count.eq(0)
                    m.next = "REFINE"
            with m.State("REFINE"):
                m.d.comb += [mode.eq(refined), index.eq(len(COARSE) + count)]
                m.d.sync += count.eq(count + 1)
                with m.If(rank.modes[0] < 2):
                    m.d.comb += finish.eq(1)
                    m.next = "GAP"
                with m.Else():
                    m.d.comb += valid.eq(inside)
                with m.If(count == len(OFFSETS) - 1):
                    m.d.comb += finish.eq(1)
                    m.next = "GAP"
            with m.State("GAP"):
                m.next = "IDLE"

    def _references(self, m, mode, top, left, corner, first):
        """References in the predictor's order for `mode`, a cycle later."""
        swapped = is_swapped(mode)
        main, side = Signal(ROW), Signal(ROW)
        m.d.comb += [main.eq(Mux(swapped, left, top)), side.eq(Mux(swapped, top, left))]
        projected = [Signal(8, name=f"projected_{distance}") for distance in (3, 2, 1)]
        with m.Switch(mode):
            for number, angle in enumerate(INTRA_PRED_ANGLE, start=2):
                if angle >= 0:
                    continue
                with m.Case(number):
                    for distance, sample in zip((3, 2, 1), projected):
                        index = ((distance * INVERSE_ANGLE[-angle] + 128) >> 8) - 1
                        if index < 4:
                            m.d.comb += sample.eq(side[index])
        held = {
            "line": Cat(*projected, corner, main),  # ref[-3..8]
            "side": side.as_value()[:40],
            "dc_sum": sum_tree([row[i] for row in (top, left) for i in range(4)]),
        }
        for name, value in held.items():
            held[name] = Signal(len(value), name=f"held_{name}", reset_less=True)
            m.d.sync += held[name].eq(value)
        references, line = Signal(References), held["line"]
        m.d.comb += [
            references.window.eq(Mux(first < 0, line, Mux(first[0], line[40:], line[32:]))),
            references.side.eq(held["side"]),
            references.corner.eq(line[24:32]),
            references.main_end.eq(line[64:72]),
            references.side_end.eq(held["side"][32:]),
            references.dc_sum.eq(held["dc_sum"]),
        ]
        return references

    def _neighbours(self, m, block, entered, decided, rank):
        """The modes to the left and above: of the last block decided in the same row, or column, of blocks.

        `entered` is two cycles before the first candidate's cost; the decision before is at the same time at the
        latest. Returns the block that is being ranked."""
        current = Signal(Block)
        left = Array(Signal(6, init=DC, name=f"left_{k}") for k in range(8))
        above = Array(Signal(6, init=DC, name=f"above_{k}") for k in range(8))
        with m.If(decided):
            m.d.sync += [left[current.place.y4].eq(rank.modes[0]), above[current.place.x4].eq(rank.modes[0])]
        with m.If(entered):
            m.d.sync += current.eq(block)
            with m.If(block.first):
                m.d.sync += [each.eq(DC) for each in above]
                with m.If(block.first_column):
                    m.d.sync += [each.eq(DC) for each in left]
        m.d.comb += [rank.left.eq(left[current.place.y4]), rank.above.eq(above[current.place.x4])]
        m.d.comb += rank.qp.eq(current.qp)
        return current
