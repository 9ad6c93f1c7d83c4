"""From predicted to reconstructed samples: residual, transform, quantisation, and back."""

from amaranth import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip
from hdl.params import Params
from hdl.payloads import CoefficientGroup
from hdl.reconstruction.group_order import GroupOrder
from hdl.reconstruction.mode_choice import MODE_COSTS, GroupTag, ModeChoice, Outcome
from hdl.reconstruction.prediction import BLOCK, SubblockTag
from hdl.reconstruction.quantizer import GroupKind, Quantizer
from hdl.reconstruction.scaler import Scaler
from hdl.reconstruction.transform4x4 import RESIDUAL, Transform4x4
from hdl.reconstruction.transform_buffer import TransformBuffer
from hdl.reconstruction.transform_unit import FORWARD_REGION, INVERSE_REGION, TransformUnit


class BlockKind(data.Struct):
    """What the loop must know of the current transform block of a component."""

    log2_size: 3
    scan_idx: data.ArrayLayout(2, 3)  # for each candidate mode
    qp_per: 4
    qp_rem: 3
    candidates: 2  # modes that are tried, 1..3 (4x4) or 1..2


class ResidualLoop(wiring.Component):
    """Two ways from prediction to reconstruction through one quantiser.

    4x4 blocks go straight through, `small_latency` cycles from `p_valid` to `r_valid`; any number may follow each
    other, four cycles apart. Larger blocks are collected in TransformUnit: `start`, in the cycle in which the last
    sub-block of all `blocks` (bit 0..2 for Y, Cb, Cr, bit 3 for a second candidate of Y) enters the predictor (4 cycles
    before its `p_valid`), or that of the first of two 8x8 candidates where the second ends at most 7 cycles later, runs
    transform, quantisation and back for them together; `done` comes a cycle before the last `r_valid`. 4x4 blocks whose
    `p_valid` comes until then at most a few cycles after `start`, or after `chosen`, go through meanwhile; `small_busy`
    says that some are under way and holds back the quantisation of the larger ones, `small_early` that some are not
    `ending` yet (by component, 3 cycles before `r_valid`) and holds back their reconstruction.

    Luma blocks with more than one of `kinds[0].candidates` come once for each, tagged with its number, one right after
    the other. Then `chosen` says that ModeChoice has decided for `outcome`; of 4x4 blocks that comes before `r_valid`.
    Larger luma blocks start alone. At 8x8 their way back follows; else their chroma starts after `chosen`, and all
    go back together.

    `kinds` of a component stay stable while a block of it is here. `q_*`: each group with its levels in order, whether
    in the bitstream (`q_coded`) or not, of blocks without candidates; `e_*`: the coded groups of the chosen candidate;
    `emitting` while there are more. `r_*`: reconstructed sub-blocks. No backpressure.
    Arithmetic: 9 bit residual, 16 bit coefficients; reconstruction clipped to 8 bits.
    """

    small_latency = Transform4x4.latency * 2 + Quantizer.latency + Scaler.latency

    kinds: In(data.ArrayLayout(BlockKind, 3))
    p_valid: In(1)
    p_tag: In(SubblockTag)
    p_samples: In(BLOCK)
    p_source: In(BLOCK)
    start: In(1)
    blocks: In(4)
    mode_costs: In(MODE_COSTS)
    small_busy: In(1)
    small_early: In(1)
    ending: Out(3)
    done: Out(1)
    chosen: Out(1)
    outcome: Out(Outcome)
    e_valid: Out(1)
    e_group: Out(CoefficientGroup)
    emitting: Out(1)
    q_valid: Out(1)
    q_tag: Out(GroupTag)
    q_coded: Out(1)
    q_group: Out(CoefficientGroup)
    r_valid: Out(1)
    r_tag: Out(SubblockTag)
    r_small: Out(1)
    r_block: Out(BLOCK)

    def __init__(self, p: Params):
        self.p = p
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.transform = transform = TransformUnit(self.p)
        m.submodules.forward4x4 = forward4x4 = Transform4x4(is_inverse=False)
        m.submodules.inverse4x4 = inverse4x4 = Transform4x4(is_inverse=True)
        m.submodules.quantizer = quantizer = Quantizer()
        m.submodules.scaler = scaler = Scaler()
        m.submodules.order = order = GroupOrder()
        m.submodules.choice = choice = ModeChoice()
        self.kind_array = Array(self.kinds[c] for c in range(3))

        # Residual; the prediction waits in a memory, whose places are read before those of the next block are written.
        residual = Signal(RESIDUAL)
        m.d.comb += [residual[i].eq(self.p_source[i] - self.p_samples[i]) for i in range(16)]
        p_small = self._is_small(self.p_tag.c_idx)
        m.d.comb += [
            forward4x4.i_valid.eq(self.p_valid & p_small),
            forward4x4.is_dst.eq(self.p_tag.c_idx == 0),
            forward4x4.i_block.eq(residual),
        ]
        m.submodules.predicted = predicted = Memory(shape=unsigned(128), depth=256, init=[], attrs={"no_rw_check": 1})
        predicted_write, predicted_read = predicted.write_port(), predicted.read_port()
        m.d.comb += [
            predicted_write.addr.eq(prediction_address(self.p_tag)),
            predicted_write.en.eq(self.p_valid),
            predicted_write.data.eq(self.p_samples.as_value()),
        ]

        reading, read_tag, reconstructing, coded = self._sequence(m, transform, order, choice)

        # Into the quantiser: 4x4 blocks after their transform, groups of larger ones from the buffer.
        small_tag, large_tag = Signal(GroupTag), Signal(GroupTag)
        m.d.comb += [small_tag.place.eq(self.p_tag), small_tag.small.eq(1), small_tag.first.eq(1)]
        m.d.comb += large_tag.eq(read_tag)
        small_valid, small_tag = delay(m, "small", Transform4x4.latency - 1, self.p_valid & p_small, small_tag)
        large_valid, large_tag = delay(m, "large", TransformBuffer.latency - 1, reading, large_tag)
        early, entering, kind = Signal(GroupTag, name="early_entering"), Signal(GroupTag), Signal(GroupKind)
        m.d.comb += early.eq(Mux(small_valid, small_tag.as_value(), large_tag.as_value()))
        m.d.comb += self._group_kind(kind, early)
        small_now, small_before = Signal(), Signal()  # the block stays for a second cycle
        m.d.sync += [
            small_before.eq(small_valid),
            small_now.eq(small_valid | small_before),
            quantizer.i_valid.eq(small_valid | large_valid),
            quantizer.i_kind.eq(kind),
            entering.eq(early),
        ]
        for i in range(16):
            transposed = transform.r_block[4 * (i % 4) + i // 4]
            m.d.comb += quantizer.i_block[i].eq(Mux(small_now, forward4x4.o_block[i], transposed))

        # Out of it: levels to the bitstream, and scaled back.
        coming, coming_tag = delay(m, "quantized", Quantizer.latency - 2, quantizer.i_valid, entering)
        q_upper, q_valid, q_tag = Signal(), Signal(), Signal(GroupTag, reset_less=True)  # of both halves
        m.d.sync += [q_upper.eq(coming), q_valid.eq(q_upper)]
        with m.If(coming):
            m.d.sync += q_tag.eq(coming_tag)
        m.d.comb += [
            self.q_valid.eq(q_valid & ~self._is_tried(q_tag.place)),
            self.q_tag.eq(q_tag),
            self.q_coded.eq(quantizer.o_coded),
            self.q_group.level.eq(quantizer.o_levels),
            self.q_group.index.eq(q_tag.index),
            self.q_group.first.eq(quantizer.o_first),
            scaler.i_start.eq(coming),
            scaler.i_levels.eq(quantizer.o_lanes),
        ]
        m.d.comb += self._group_kind(scaler.i_kind, coming_tag)
        with m.If(q_valid & ~q_tag.small & quantizer.o_coded):
            m.d.sync += coded.bit_select(slot_of(q_tag.place), 1).eq(1)
        self._choose(m, choice, quantizer, q_valid, q_tag)
        s_valid, s_tag = delay(m, "scaled", Scaler.latency, q_valid, q_tag)
        m.d.comb += [
            inverse4x4.i_valid.eq(s_valid & s_tag.small),
            inverse4x4.is_dst.eq(s_tag.place.c_idx == 0),
            inverse4x4.i_block.eq(scaler.o_block),
        ]

        # Writes into the buffer: residuals, transposed, or scaled groups.
        m.d.comb += [
            transform.w_valid.eq((self.p_valid & ~p_small) | (s_valid & ~s_tag.small)),
            transform.w_place.region.eq(Mux(s_valid, INVERSE_REGION, FORWARD_REGION)),
            transform.w_place.c_idx.eq(Mux(s_valid, slot_of(s_tag.place), slot_of(self.p_tag))),
            transform.w_place.row.eq(Mux(s_valid, s_tag.place.y, self.p_tag.x) << 2),
            transform.w_place.column.eq(Mux(s_valid, s_tag.place.x, self.p_tag.y) << 2),
        ]
        for i in range(16):
            transposed = residual[4 * (i % 4) + i // 4]
            m.d.comb += transform.w_block[i].eq(Mux(s_valid, scaler.o_block[i], transposed))

        # Reconstruction.
        small_valid, small_tag = delay(m, "small_ending", 1, s_valid & s_tag.small, s_tag.place)
        m.d.comb += self.ending.eq(Mux(small_valid, 1 << small_tag.c_idx, 0))
        small_valid, small_tag = delay(m, "small_back", Transform4x4.latency - 2, small_valid, small_tag)
        large_valid, large_tag = delay(m, "large_back", 1, reconstructing, read_tag.place)
        early_valid, early_tag, early_small = Signal(), Signal(SubblockTag), Signal()
        m.d.comb += [
            early_valid.eq(small_valid | large_valid),
            early_small.eq(small_valid),
            early_tag.eq(Mux(small_valid, small_tag.as_value(), large_tag.as_value())),
            predicted_read.addr.eq(prediction_address(early_tag)),
        ]
        back_valid, large_coded = Signal(), Signal()
        candidate = Signal()  # one of several of a 4x4 block
        tried = early_small & self._is_tried(early_tag)
        m.d.sync += [
            back_valid.eq(early_valid),
            self.r_tag.eq(early_tag),
            self.r_small.eq(early_small),
            large_coded.eq(coded.bit_select(slot_of(early_tag), 1)),
            candidate.eq(tried),
            self.r_valid.eq(early_valid & (~tried | self._is_final(early_tag))),
        ]
        total, best = Signal(BLOCK), Signal(BLOCK, reset_less=True)
        for i in range(16):
            back = Signal(signed(16), name=f"back_{i}")
            m.d.comb += [
                back.eq(Mux(self.r_small, inverse4x4.o_block[i], Mux(large_coded, transform.r_block[i], 0))),
                total[i].eq(clip(predicted_read.data[8 * i :][:8] + back, 0, 255)),
            ]
        # The cost of a 4x4 block is known before it is reconstructed.
        better = choice.better
        for k in range(Scaler.latency + Transform4x4.latency - ModeChoice.latency):
            before, better = better, Signal(name=f"better_{k}")
            m.d.sync += better.eq(before)
        m.d.comb += self.r_block.eq(Mux(candidate & ~better, best.as_value(), total.as_value()))
        with m.If(back_valid & candidate):
            m.d.sync += best.eq(self.r_block)
        return m

    def _choose(self, m, choice, quantizer, q_valid, q_tag):
        """The candidates' groups to ModeChoice."""
        m.d.comb += [
            choice.q_valid.eq(q_valid & self._is_tried(q_tag.place)),
            choice.q_final.eq(self._is_final(q_tag.place)),
            choice.q_tag.eq(q_tag),
            choice.q_coded.eq(quantizer.o_coded),
            choice.q_group.eq(self.q_group),
            choice.q_log2_size.eq(self.kinds[0].log2_size),
            choice.q_scan_idx.eq(scan_of(self.kinds[0], q_tag.place)),
            choice.q_magnitudes.eq(quantizer.o_magnitudes),
            choice.q_errors.eq(quantizer.o_errors),
            choice.mode_costs.eq(self.mode_costs),
            self.chosen.eq(choice.chosen),
            self.outcome.eq(choice.outcome),
            self.e_valid.eq(choice.e_valid),
            self.e_group.eq(choice.e_group),
            self.emitting.eq(choice.busy),
        ]

    def _is_tried(self, tag):
        return (tag.c_idx == 0) & (self.kinds[0].candidates > 1)

    def _is_final(self, tag):
        return tag.candidate == self.kinds[0].candidates - 1

    def _is_small(self, c_idx):
        return self.kind_array[c_idx].log2_size == 2

    def _group_kind(self, out: GroupKind, tag: GroupTag) -> list:
        kind = self.kind_array[tag.place.c_idx]
        shared = [getattr(out, name).eq(getattr(kind, name)) for name in ("log2_size", "qp_per", "qp_rem")]
        return [*shared, out.scan_idx.eq(scan_of(kind, tag.place)), out.first.eq(tag.first), out.index.eq(tag.index)]

    def _sequence(self, m, transform, order, choice):
        """The way of the larger blocks, and the reads of the buffer that it makes, two cycles later."""
        slot, count, wait, again = Signal(2), Signal(6), Signal(range(32)), Signal()
        batch, back, coded = Signal(4), Signal(4), Signal(4)  # slots to work on now, to reconstruct, with levels
        luma = (slot == 0) | (slot == 3)
        kind = self.kind_array[Mux(luma, 0, slot)]
        last, index = Signal(6), Signal(6)
        m.d.comb += last.eq(Array((0, 3, 15, 63))[(kind.log2_size - 2)[:2]])

        def first_of(slots):
            return Mux(slots[0], 0, Mux(slots[3], 3, 1))

        # Slots are walked in the order 0, 3, 1, 2.
        last_block, following = Signal(), Signal(2)
        m.d.comb += [
            following.eq(Mux((slot == 0) & batch[3], 3, Mux(slot == 1, 2, 1))),
            last_block.eq((slot == 2) | (~batch[1] & ((slot == 3) | ~batch[3]))),
        ]
        advance, counted, final = Signal(), Signal(), Signal()
        m.d.comb += [counted.eq(count == last), final.eq(counted & last_block)]
        with m.If(advance):
            m.d.sync += count.eq(count + 1)
            with m.If(counted):
                m.d.sync += [count.eq(0), slot.eq(following)]
        # Whose turn it is, a cycle later its place, in the cycle after that it is read.
        reading, reconstructing, tag = Signal(), Signal(), Signal(GroupTag, name="turn_tag")
        log2_size, scan_idx = Signal(3), Signal(2)
        m.d.comb += [
            transform.luma_log2_size.eq(self.kinds[0].log2_size),
            transform.chroma_log2_size.eq(self.kinds[1].log2_size),
            transform.blocks.eq(batch),
            index.eq(last - count),
            tag.place.c_idx.eq(Mux(luma, 0, slot)),
            tag.place.candidate.eq(slot == 3),
            tag.index.eq(index),
            tag.first.eq(count == 0),
        ]
        placed_reading, placed_reconstructing = Signal(), Signal()
        placed_tag, placed = Signal(GroupTag, name="placed_tag", reset_less=True), Signal(GroupTag, name="read_tag")
        placed_slot, placed_count = Signal(2, reset_less=True), Signal(6, reset_less=True)
        m.d.sync += [
            placed_reading.eq(reading),
            placed_reconstructing.eq(reconstructing),
            placed_tag.eq(tag),
            placed_slot.eq(slot),
            placed_count.eq(count),
            log2_size.eq(kind.log2_size),
            scan_idx.eq(Mux(slot == 3, kind.scan_idx[1], kind.scan_idx[0])),
        ]
        x, y = Signal(3), Signal(3)
        m.d.comb += [
            order.log2_size.eq(log2_size),
            order.scan_idx.eq(scan_idx),
            order.index.eq(placed_tag.index),
            placed.eq(placed_tag),
            placed.place.x.eq(x),
            placed.place.y.eq(y),
        ]
        with m.If(~placed_reconstructing):
            m.d.comb += [x.eq(order.x), y.eq(order.y)]
        with m.Else():
            with m.Switch(log2_size):
                for log2 in (3, 4, 5):
                    with m.Case(log2):
                        m.d.comb += [x.eq(placed_count[: log2 - 2]), y.eq(placed_count[log2 - 2 : 2 * log2 - 4])]
        # The forward transform leaves the block transposed.
        m.d.sync += [
            transform.r_place.region.eq(Mux(placed_reconstructing, INVERSE_REGION, FORWARD_REGION)),
            transform.r_place.c_idx.eq(placed_slot),
            transform.r_place.row.eq(Mux(placed_reconstructing, y, x) << 2),
            transform.r_place.column.eq(Mux(placed_reconstructing, x, y) << 2),
        ]

        chosen, still_coded = Mux(choice.outcome.candidate == 0, 0b0001, 0b1000), Signal(4)
        m.d.comb += still_coded.eq(coded & chosen)
        with m.FSM(name="large"):
            with m.State("IDLE"):
                m.d.sync += self.done.eq(0)
                # Rows are read from then on, and results come when the last residual, 3 cycles later, has been written.
                # At 8x8 the first row needs the block's last but two, and a second candidate follows in time.
                m.d.sync += wait.eq(Mux(self.kinds[0].log2_size == 3, 3, 0))
                with m.If(self.start):
                    m.d.sync += [coded.eq(0), batch.eq(self.blocks), back.eq(self.blocks)]
                    m.next = "PREDICTED"
            with m.State("PREDICTED"):
                m.d.sync += [wait.eq(wait - 1), slot.eq(first_of(batch))]
                with m.If(wait == 0):
                    m.d.comb += transform.start.eq(1)
                    m.next = "FORWARD"
            with m.State("FORWARD"):
                with m.If(~transform.busy & ~self.small_busy):
                    m.d.comb += reading.eq(1)
                    m.d.sync += again.eq(1)
                    m.next = "QUANTIZE"
            with m.State("QUANTIZE"):
                # A group every second cycle; its place stays for both.
                m.d.comb += [reading.eq(~again), advance.eq(again)]
                m.d.sync += again.eq(~again)
                m.d.sync += wait.eq(TransformBuffer.latency + Quantizer.latency + Scaler.latency)
                with m.If(final & again):
                    m.next = "QUANTIZED"
                    with m.If(batch[3]):
                        m.next = "CHOICE"
            with m.State("CHOICE"):
                m.d.sync += wait.eq(0)
                m.d.comb += [transform.inverse.eq(1), transform.blocks.eq(still_coded)]
                with m.If(choice.chosen):
                    m.d.sync += [coded.eq(still_coded), batch.eq(still_coded), back.eq(chosen)]
                    m.next = "CHROMA"
                    with m.If(self.kinds[0].log2_size == 3):
                        m.d.comb += transform.start.eq(still_coded.any())
                        m.next = "INVERSE"
            with m.State("CHROMA"):
                with m.If(self.start):
                    m.d.sync += [batch.eq(self.blocks), back.eq(back | self.blocks)]
                    m.next = "PREDICTED"
            with m.State("QUANTIZED"):
                m.d.sync += [wait.eq(wait - 1), batch.eq(coded)]
                m.d.comb += [transform.inverse.eq(1), transform.blocks.eq(coded)]
                with m.If(wait == 0):
                    m.d.comb += transform.start.eq(coded.any())
                    m.next = "INVERSE"
            with m.State("INVERSE"):
                m.d.sync += slot.eq(first_of(back))
                with m.If(~transform.busy & ~self.small_early):
                    m.d.sync += batch.eq(back)
                    m.next = "RECONSTRUCT"
            with m.State("RECONSTRUCT"):
                m.d.comb += [reconstructing.eq(1), advance.eq(1)]
                with m.If(final):
                    m.next = "RECONSTRUCTED"
            with m.State("RECONSTRUCTED"):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.sync += self.done.eq(1)
                m.next = "IDLE"
        late_reading, late_reconstructing = Signal(), Signal()
        late_tag = Signal(GroupTag, name="late_tag", reset_less=True)
        m.d.sync += [
            late_reading.eq(placed_reading),
            late_reconstructing.eq(placed_reconstructing),
            late_tag.eq(placed),
        ]
        return late_reading, late_tag, late_reconstructing, coded


def slot_of(tag: SubblockTag):
    """Where a large block is in the buffer: by its component, a second candidate in the fourth place."""
    return Mux(tag.candidate != 0, 3, tag.c_idx)


def prediction_address(tag: SubblockTag):
    """Where the prediction of a sub-block waits; a third candidate is only of a 4x4 block."""
    return Cat(tag.x[0] | tag.candidate[1], tag.x[1:], tag.y, slot_of(tag))


def scan_of(kind: BlockKind, tag: SubblockTag):
    return Array(kind.scan_idx[k] for k in range(3))[tag.candidate]


def delay(m, name: str, cycles: int, valid, value):
    """`valid` and the Struct `value`, that many cycles later."""
    for k in range(cycles):
        late_valid = Signal(name=f"{name}_valid_{k}")
        late = Signal(value.shape(), name=f"{name}_tag_{k}", reset_less=True)
        m.d.sync += [late_valid.eq(valid), late.eq(value)]
        valid, value = late_valid, late
    return valid, value
