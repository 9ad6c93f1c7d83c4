"""The coding quadtree from the bottom up, and its units in coding order."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis import cost_tables as tables
from hdl.analysis.block_cost import Costed
from hdl.analysis.lane4 import mode_charge
from hdl.analysis.rough_cost import MODES
from hdl.params import Params
from hdl.payloads import CodingUnit

SUM = 24


class Leaf(data.Struct):
    """The four 4x4 blocks of an 8x8."""

    modes: data.ArrayLayout(MODES, 4)
    cost: 18


class Decision(data.Struct):
    """What was decided for an 8x8, if no larger block is kept."""

    exists: 1
    part_nxn: 1
    split_transform: 1
    modes: data.ArrayLayout(MODES, 4)


class Unit(data.Struct):
    """The fields of a CodingUnit that are decided here."""

    x: 10
    y: 10
    log2_size: 3
    part_nxn: 1
    split_transform: 1
    luma_mode: data.ArrayLayout(6, 4)
    luma_second: data.ArrayLayout(6, 4)
    luma_third: data.ArrayLayout(6, 4)


class Tree(wiring.Component):
    """Keeps each block or its quarters, whichever costs less; ties keep the block.

    Streams: `i` the nodes of a coding-tree unit in z-order, a block after its quarters; for each existing 8x8 one
    `leaf` (its four 4x4) and one `quarters` (its cost with the transform split). `o` the coding units after the
    unit's last node. Throughput: a node a cycle, then 3 + one cycle an 8x8 or kept block; no input meanwhile.
    Frame boundary: none, `last_in_picture` comes with the nodes. Reset: at the start of a unit.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i": In(stream.Signature(Costed)),
                "leaf": In(stream.Signature(Leaf)),
                "quarters": In(stream.Signature(SUM)),
                "o": Out(stream.Signature(CodingUnit)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.decisions = decisions = Memory(shape=Decision, depth=16, init=[])
        write, read = decisions.write_port(), decisions.read_port(domain="comb")
        i = self.i.payload
        taken, node = Signal(), Signal.like(i.tag, name="node", reset_less=True)
        leaf_modes = Signal.like(self.leaf.payload.modes, name="leaf_modes", reset_less=True)
        kept_16, modes_16 = Signal(4), [Signal(data.ArrayLayout(6, 2), name=f"modes_{k}") for k in range(4)]
        kept_32, modes_32 = Signal(), Signal(data.ArrayLayout(6, 2))
        below_16, below_32 = Signal(SUM), Signal(SUM)  # sums of the four quarters so far

        # 8x8: the whole block, the block with its transform split, four 4x4.
        whole, split, small = (Signal(SUM, name=name, reset_less=True) for name in ("whole", "split", "small"))
        charge, one, best_8 = (Signal(SUM, name=name) for name in ("charge", "one", "best_8"))
        m.d.comb += charge.eq(mode_charge(i.tag.bits))
        with m.If(self.i.valid):
            m.d.sync += [
                node.eq(i.tag),
                leaf_modes.eq(self.leaf.payload.modes),
                whole.eq(i.cost + charge),
                split.eq(self.quarters.payload + charge + tables.BIT * tables.SPLIT_TRANSFORM_BITS),
                small.eq(self.leaf.payload.cost + tables.BIT * tables.NXN_BITS),
            ]
        m.d.comb += [
            write.addr.eq(node.z),
            write.data.exists.eq(node.exists),
            write.data.split_transform.eq((split < whole) | write.data.part_nxn),
            one.eq(Mux(split < whole, split, whole)),
            write.data.part_nxn.eq(small < one),
            best_8.eq(Mux(small < one, small, one)),
        ]
        with m.If(write.data.part_nxn):
            m.d.comb += write.data.modes.eq(leaf_modes)
        with m.Else():
            m.d.comb += write.data.modes.eq(Cat(Cat(node.modes, node.modes[1]) for _ in range(4)))

        # Larger: against the sum of the quarters.
        split_16, split_32 = Signal(SUM), Signal(SUM)
        m.d.comb += [
            split_16.eq(below_16 + tables.BIT * tables.SPLIT_16_BITS),
            split_32.eq(below_32 + tables.BIT * tables.SPLIT_32_BITS),
        ]
        keep = node.exists & (whole <= Mux(node.log2_size == 4, split_16, split_32))

        x, y, qp, last_in_picture = Signal(10), Signal(10), Signal(6), Signal()
        emitting = Signal()
        ready, has_leaf = Signal(), Signal()
        m.d.comb += [
            has_leaf.eq((i.tag.log2_size == 3) & i.tag.exists),
            ready.eq(~emitting & ~(taken & node.is_root) & (~has_leaf | (self.leaf.valid & self.quarters.valid))),
            self.i.ready.eq(ready),
            self.leaf.ready.eq(self.i.valid & ready & has_leaf),
            self.quarters.ready.eq(self.i.valid & ready & has_leaf),
        ]
        m.d.sync += taken.eq(self.i.valid & ready)
        z = Signal(5)
        with m.If(taken):
            with m.If(node.log2_size == 3):
                m.d.comb += write.en.eq(1)
                with m.If(node.exists):
                    m.d.sync += below_16.eq(below_16 + best_8)
            with m.Elif(node.log2_size == 4):
                m.d.sync += [kept_16.bit_select(node.z >> 2, 1).eq(keep), below_16.eq(0)]
                m.d.sync += below_32.eq(below_32 + Mux(keep, whole, split_16))
                for k in range(4):
                    with m.If(node.z >> 2 == k):
                        m.d.sync += modes_16[k].eq(node.modes)
                if self.p.ctb_log2_size == 4:
                    m.d.sync += [kept_32.eq(0), below_32.eq(0)]
            with m.Else():
                m.d.sync += [kept_32.eq(keep), modes_32.eq(node.modes), below_32.eq(0)]
            with m.If(node.is_root):
                m.d.sync += [x.eq(node.x), y.eq(node.y), qp.eq(node.qp), last_in_picture.eq(node.last_in_picture)]
                m.d.sync += [emitting.eq(1), z.eq(0)]
        m.d.comb += self.o.payload.qp.eq(qp)
        self._emit(m, read, emitting, z, (x, y, last_in_picture), (kept_16, modes_16), (kept_32, modes_32))
        return m

    def _emit(self, m, read, emitting, z, place, sixteen, thirty_two):
        """Walks through the 8x8; a unit is sent when the next one, or the end, is found, to mark the last."""
        (x, y, last_in_picture), (kept_16, modes_16), (kept_32, modes_32) = place, sixteen, thirty_two
        nodes = (self.p.ctb_size // 8) ** 2
        found, held = Signal(Unit), Signal(Unit)
        has, have = Signal(), Signal()
        step = Signal(5)
        decision = read.data
        is_16, which = kept_16.bit_select(z[2:4], 1), z[2:4]
        modes = Signal(data.ArrayLayout(6, 2))
        m.d.comb += [
            read.addr.eq(z[:4]),
            found.x.eq(x + Cat(z[0], z[2])),
            found.y.eq(y + Cat(z[1], z[3])),
        ]
        with m.Switch(which):
            for k in range(4):
                with m.Case(k):
                    m.d.comb += modes.eq(modes_16[k])
        with m.If(kept_32 | is_16):
            chosen = [Mux(kept_32, modes_32[k], modes[k]) for k in range(2)]
            m.d.comb += [has.eq(1), found.log2_size.eq(Mux(kept_32, 5, 4)), step.eq(Mux(kept_32, nodes, 4))]
            for k in range(4):
                m.d.comb += [
                    found.luma_mode[k].eq(chosen[0]),
                    found.luma_second[k].eq(chosen[1]),
                    found.luma_third[k].eq(chosen[1]),
                ]
        with m.Else():
            m.d.comb += [
                has.eq(decision.exists),
                found.log2_size.eq(3),
                found.part_nxn.eq(decision.part_nxn),
                found.split_transform.eq(decision.split_transform),
                step.eq(1),
            ]
            for k in range(4):
                m.d.comb += [
                    found.luma_mode[k].eq(decision.modes[k][0]),
                    found.luma_second[k].eq(decision.modes[k][1]),
                    found.luma_third[k].eq(decision.modes[k][2]),
                ]
        at_end = z == nodes
        m.d.comb += [
            *(self.o.payload[field].eq(held[field]) for field, _ in data.Layout.cast(Unit)),
            self.o.payload.chroma_mode.eq(4),
            self.o.payload.last_in_ctu.eq(at_end),
            self.o.payload.last_in_picture.eq(at_end & last_in_picture),
            self.o.valid.eq(emitting & have & (has | at_end)),
        ]
        with m.If(emitting):
            with m.If(at_end):
                with m.If(self.o.ready):
                    m.d.sync += [have.eq(0), emitting.eq(0)]
            with m.Elif(~self.o.valid | self.o.ready):
                m.d.sync += z.eq(z + step)
                with m.If(has):
                    m.d.sync += [held.eq(found), have.eq(1)]
        return m
