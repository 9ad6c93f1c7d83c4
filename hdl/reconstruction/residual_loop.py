"""From predicted to reconstructed samples: residual, transform, quantisation, and back."""

from amaranth import Array, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip
from hdl.payloads import CoefficientGroup
from hdl.reconstruction.group_order import GroupOrder
from hdl.reconstruction.prediction import BLOCK, SubblockTag
from hdl.reconstruction.quantizer import SUBBLOCK, GroupKind, Quantizer
from hdl.reconstruction.scaler import Scaler
from hdl.reconstruction.transform4x4 import Transform4x4
from hdl.reconstruction.transform_buffer import TransformBuffer
from hdl.reconstruction.transform_unit import FORWARD_REGION, INVERSE_REGION, TransformUnit


class BlockKind(data.Struct):
    """What the loop must know of the current transform block of a component."""

    log2_size: 3
    scan_idx: 2
    qp_per: 4
    qp_rem: 3


class GroupTag(data.Struct):
    """A coefficient group on its way."""

    place: SubblockTag
    small: 1  # of a 4x4 block
    index: 6
    first: 1


class ResidualLoop(wiring.Component):
    """Two ways from prediction to reconstruction through one quantiser.

    4x4 blocks go straight through, `small_latency` cycles from `p_valid` to `r_valid`; any number may follow each
    other, two cycles apart. Larger blocks are collected in TransformUnit: `start`, in the cycle in which the last
    sub-block of all `blocks` (a bit for each component) enters the predictor (4 cycles before its `p_valid`), runs
    transform, quantisation and back for them together; `done` comes with the last `r_valid`. 4x4 blocks whose
    `p_valid` comes until then at most a few cycles after `start` go through meanwhile; `small_busy` says that some are
    under way and holds back the quantisation of the larger ones.

    `kinds` of a component stay stable while a block of it is here. `q_*`: each group with its levels in order, whether
    in the bitstream (`q_coded`) or not. `r_*`: reconstructed sub-blocks. No backpressure.
    Arithmetic: 9 bit residual, 16 bit coefficients; reconstruction clipped to 8 bits.
    """

    small_latency = Transform4x4.latency * 2 + Quantizer.latency + Scaler.latency

    kinds: In(data.ArrayLayout(BlockKind, 3))
    p_valid: In(1)
    p_tag: In(SubblockTag)
    p_samples: In(BLOCK)
    p_source: In(BLOCK)
    start: In(1)
    blocks: In(3)
    small_busy: In(1)
    done: Out(1)
    q_valid: Out(1)
    q_tag: Out(GroupTag)
    q_coded: Out(1)
    q_group: Out(CoefficientGroup)
    r_valid: Out(1)
    r_tag: Out(SubblockTag)
    r_small: Out(1)
    r_block: Out(BLOCK)

    def elaborate(self, platform):
        m = Module()
        m.submodules.transform = transform = TransformUnit()
        m.submodules.forward4x4 = forward4x4 = Transform4x4(is_inverse=False)
        m.submodules.inverse4x4 = inverse4x4 = Transform4x4(is_inverse=True)
        m.submodules.quantizer = quantizer = Quantizer()
        m.submodules.scaler = scaler = Scaler()
        m.submodules.order = order = GroupOrder()
        self.kind_array = Array(self.kinds[c] for c in range(3))

        # Residual; the prediction waits in a memory.
        residual = Signal(SUBBLOCK)
        m.d.comb += [residual[i].eq(self.p_source[i] - self.p_samples[i]) for i in range(16)]
        p_small = self._is_small(self.p_tag.c_idx)
        m.d.comb += [
            forward4x4.i_valid.eq(self.p_valid & p_small),
            forward4x4.is_dst.eq(self.p_tag.c_idx == 0),
            forward4x4.i_block.eq(residual),
        ]
        m.submodules.predicted = predicted = Memory(shape=unsigned(128), depth=256, init=[])
        predicted_write, predicted_read = predicted.write_port(), predicted.read_port()
        m.d.comb += [
            predicted_write.addr.eq(self.p_tag.as_value()),
            predicted_write.en.eq(self.p_valid),
            predicted_write.data.eq(self.p_samples.as_value()),
        ]

        reading, read_tag, reconstructing, coded = self._sequence(m, transform, order)

        # Into the quantiser: 4x4 blocks after their transform, groups of larger ones from the buffer.
        small_tag, large_tag = Signal(GroupTag), Signal(GroupTag)
        m.d.comb += [small_tag.place.eq(self.p_tag), small_tag.small.eq(1), small_tag.first.eq(1)]
        m.d.comb += large_tag.eq(read_tag)
        small_valid, small_tag = delay(m, "small", Transform4x4.latency, self.p_valid & p_small, small_tag)
        large_valid, large_tag = delay(m, "large", TransformBuffer.latency, reading, large_tag)
        entering = Signal(GroupTag)
        m.d.comb += [
            entering.eq(Mux(small_valid, small_tag.as_value(), large_tag.as_value())),
            quantizer.i_valid.eq(small_valid | large_valid),
        ]
        m.d.comb += self._group_kind(quantizer.i_kind, entering)
        for i in range(16):
            transposed = transform.r_block[4 * (i % 4) + i // 4]
            m.d.comb += quantizer.i_block[i].eq(Mux(small_valid, forward4x4.o_block[i], transposed))

        # Out of it: levels to the bitstream, and scaled back.
        q_valid, q_tag = delay(m, "quantized", Quantizer.latency, quantizer.i_valid, entering)
        m.d.comb += [
            self.q_valid.eq(q_valid),
            self.q_tag.eq(q_tag),
            self.q_coded.eq(quantizer.o_coded),
            self.q_group.level.eq(quantizer.o_levels),
            self.q_group.index.eq(q_tag.index),
            self.q_group.first.eq(quantizer.o_first),
            scaler.i_levels.eq(quantizer.o_levels),
        ]
        m.d.comb += self._group_kind(scaler.i_kind, q_tag)
        with m.If(self.start):
            m.d.sync += coded.eq(0)
        with m.Elif(q_valid & ~q_tag.small & quantizer.o_coded):
            m.d.sync += coded.bit_select(q_tag.place.c_idx, 1).eq(1)
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
            transform.w_place.c_idx.eq(Mux(s_valid, s_tag.place.c_idx, self.p_tag.c_idx)),
            transform.w_place.row.eq(Mux(s_valid, s_tag.place.y, self.p_tag.x) << 2),
            transform.w_place.column.eq(Mux(s_valid, s_tag.place.x, self.p_tag.y) << 2),
        ]
        for i in range(16):
            transposed = residual[4 * (i % 4) + i // 4]
            m.d.comb += transform.w_block[i].eq(Mux(s_valid, scaler.o_block[i], transposed))

        # Reconstruction.
        small_valid, small_tag = delay(m, "small_back", 1, s_valid & s_tag.small, s_tag.place)
        large_valid, large_tag = delay(m, "large_back", 1, reconstructing, read_tag.place)
        early_valid, early_tag, early_small = Signal(), Signal(SubblockTag), Signal()
        m.d.comb += [
            early_valid.eq(small_valid | large_valid),
            early_small.eq(small_valid),
            early_tag.eq(Mux(small_valid, small_tag.as_value(), large_tag.as_value())),
            predicted_read.addr.eq(early_tag.as_value()),
        ]
        m.d.sync += [self.r_valid.eq(early_valid), self.r_tag.eq(early_tag), self.r_small.eq(early_small)]
        uncoded = ~coded.bit_select(self.r_tag.c_idx, 1)
        for i in range(16):
            back, total = Signal(signed(16), name=f"back_{i}"), Signal(signed(17), name=f"total_{i}")
            m.d.comb += [
                back.eq(Mux(self.r_small, inverse4x4.o_block[i], Mux(uncoded, 0, transform.r_block[i]))),
                total.eq(predicted_read.data[8 * i :][:8] + back),
                self.r_block[i].eq(clip(total, 0, 255)),
            ]
        return m

    def _is_small(self, c_idx):
        return self.kind_array[c_idx].log2_size == 2

    def _group_kind(self, out: GroupKind, tag: GroupTag) -> list:
        kind = self.kind_array[tag.place.c_idx]
        shared = [getattr(out, name).eq(getattr(kind, name)) for name in ("log2_size", "scan_idx", "qp_per", "qp_rem")]
        return [*shared, out.first.eq(tag.first), out.index.eq(tag.index)]

    def _sequence(self, m, transform, order):
        """The way of the larger blocks, and the reads of the buffer that it makes."""
        c_idx, count, wait, coded = Signal(2), Signal(6), Signal(4), Signal(3)
        kind = self.kind_array[c_idx]
        last, index = Signal(6), Signal(6)
        m.d.comb += last.eq(Array((0, 3, 15, 63))[(kind.log2_size - 2)[:2]])
        first_block = Mux(self.blocks[0], 0, 1)
        last_block = Mux(self.blocks[1:].any(), c_idx == 2, 1)
        advance, counted, final = Signal(), Signal(), Signal()
        m.d.comb += [counted.eq(count == last), final.eq(counted & last_block)]
        with m.If(advance):
            m.d.sync += count.eq(count + 1)
            with m.If(counted):
                m.d.sync += [count.eq(0), c_idx.eq(Mux(last_block, first_block, c_idx + 1))]
        x, y = Signal(3), Signal(3)
        reading, reconstructing, tag = Signal(), Signal(), Signal(GroupTag, name="read_tag")
        m.d.comb += [
            transform.luma_log2_size.eq(self.kinds[0].log2_size),
            transform.chroma_log2_size.eq(self.kinds[1].log2_size),
            order.log2_size.eq(kind.log2_size),
            order.scan_idx.eq(kind.scan_idx),
            index.eq(last - count),
            order.index.eq(index),
            tag.place.c_idx.eq(c_idx),
            tag.index.eq(index),
            tag.first.eq(count == 0),
            tag.place.x.eq(x),
            tag.place.y.eq(y),
        ]
        with m.If(~reconstructing):
            m.d.comb += [x.eq(order.x), y.eq(order.y)]
        with m.Else():
            with m.Switch(kind.log2_size):
                for log2 in (3, 4, 5):
                    with m.Case(log2):
                        m.d.comb += [x.eq(count[: log2 - 2]), y.eq(count[log2 - 2 : 2 * log2 - 4])]
        # The forward transform leaves the block transposed.
        m.d.comb += [
            transform.r_place.region.eq(Mux(reconstructing, INVERSE_REGION, FORWARD_REGION)),
            transform.r_place.c_idx.eq(c_idx),
            transform.r_place.row.eq(Mux(reconstructing, y, x) << 2),
            transform.r_place.column.eq(Mux(reconstructing, x, y) << 2),
        ]

        with m.FSM(name="large"):
            with m.State("IDLE"):
                m.d.sync += wait.eq(3)  # the last residual is written in the cycle of the start
                with m.If(self.start):
                    m.d.sync += c_idx.eq(first_block)
                    m.next = "PREDICTED"
            with m.State("PREDICTED"):
                m.d.sync += wait.eq(wait - 1)
                m.d.comb += transform.blocks.eq(self.blocks)
                with m.If(wait == 0):
                    m.d.comb += transform.start.eq(1)
                    m.next = "FORWARD"
            with m.State("FORWARD"):
                m.d.comb += transform.blocks.eq(self.blocks)
                with m.If(~transform.busy & ~self.small_busy):
                    m.next = "QUANTIZE"
            with m.State("QUANTIZE"):
                m.d.comb += [reading.eq(1), advance.eq(1)]
                m.d.sync += wait.eq(TransformBuffer.latency + Quantizer.latency + Scaler.latency - 1)
                with m.If(final):
                    m.next = "QUANTIZED"
            with m.State("QUANTIZED"):
                m.d.sync += wait.eq(wait - 1)
                m.d.comb += [transform.inverse.eq(1), transform.blocks.eq(coded)]
                with m.If(wait == 0):
                    m.d.comb += transform.start.eq(coded.any())
                    m.next = "INVERSE"
            with m.State("INVERSE"):
                m.d.comb += transform.blocks.eq(coded)
                with m.If(~transform.busy):
                    m.next = "RECONSTRUCT"
            with m.State("RECONSTRUCT"):
                m.d.comb += [reconstructing.eq(1), advance.eq(1)]
                with m.If(final):
                    m.next = "RECONSTRUCTED"
            with m.State("RECONSTRUCTED"):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return reading, tag, reconstructing, coded


def delay(m, name: str, cycles: int, valid, value):
    """`valid` and the Struct `value`, that many cycles later."""
    for k in range(cycles):
        late_valid = Signal(name=f"{name}_valid_{k}")
        late = Signal(value.shape(), name=f"{name}_tag_{k}", reset_less=True)
        m.d.sync += [late_valid.eq(valid), late.eq(value)]
        valid, value = late_valid, late
    return valid, value
