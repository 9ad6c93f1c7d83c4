"""Initial states of all context variables at the start of a slice (H.265 9.3.2.2)."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.entropy import contexts
from hdl.entropy.context_memory import STATE_BITS
from hdl.entropy.payloads import CONTEXT_BITS


class ContextInit(wiring.Component):
    """After a strobe on `start`, writes the state of every ctxIdx for SliceQpY `qp` (0..51, taken with the strobe).

    write_en, write_ctx, write_state: one context per cycle. busy: from the strobe's next cycle to the last write.
    Takes 131 cycles. Not restarted while busy.
    """

    start: In(1)
    qp: In(6)
    busy: Out(1)
    write_en: Out(1)
    write_ctx: Out(CONTEXT_BITS)
    write_state: Out(STATE_BITS)

    def elaborate(self, platform):
        m = Module()
        qp, running, ctx = Signal(6), Signal(), Signal(CONTEXT_BITS)
        with m.If(self.start & ~self.busy):
            m.d.sync += [running.eq(1), qp.eq(self.qp)]
        with m.If(running):
            m.d.sync += ctx.eq(ctx + 1)
            with m.If(ctx.all()):
                m.d.sync += running.eq(0)

        # initValue; slope and offset of it; their line at the QP; clipped
        valid = [running] + [Signal(name=f"valid{k}") for k in range(1, 4)]
        at = [ctx] + [Signal(CONTEXT_BITS, name=f"ctx{k}") for k in range(1, 4)]
        for k in range(3):
            m.d.sync += [valid[k + 1].eq(valid[k]), at[k + 1].eq(at[k])]
        value, high = Signal(8), Signal(4)
        slope, offset, pre = Signal(signed(7)), Signal(signed(8)), Signal(signed(10))
        delayed_offset = Signal(signed(8))
        product = Signal(signed(13))
        m.d.comb += high.eq(value[4:])
        m.d.sync += [
            value.eq(rom(contexts.INIT_VALUES, ctx, 8)),
            slope.eq(Cat(Const(0, 2), high) + high - 45),
            offset.eq(Cat(Const(0, 3), value[:4]) - 16),
            product.eq(slope * qp),
            delayed_offset.eq(offset),
        ]
        clipped = Signal(7)
        m.d.comb += [
            pre.eq((product >> 4) + delayed_offset),
            clipped.eq(Mux(pre < 1, 1, Mux(pre > 126, 126, pre))),
            self.write_en.eq(valid[3]),
            self.write_ctx.eq(at[3]),
            self.write_state.eq(Cat(clipped[6], Mux(clipped[6], clipped[:6], ~clipped[:6]))),
            self.busy.eq(Cat(valid).any()),
        ]
        return m
