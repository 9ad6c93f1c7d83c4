"""Carry resolution of the arithmetic code: tokens to final bytes."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.entropy.payloads import ByteToken
from hdl.payloads import Byte


class ByteOutput(wiring.Component):
    """Holds bytes back until no carry can reach them: one byte and a count of 0xFF bytes after it.

    i: ByteToken. A carry adds one to the held byte and turns the 0xFF run into zeros.
    o: bytes, `last` on the last of the token that carries it; then the block is as after reset.

    Throughput: one byte per cycle in, one per cycle out; a carry into a run costs one cycle more, a run of n comes
    out in n cycles. Outputs do not wait for ready. The run is counted in 24 bits: longer than any coded picture.
    """

    i: In(stream.Signature(ByteToken))
    o: Out(stream.Signature(Byte))

    def elaborate(self, platform):
        m = Module()
        token, out = self.i.payload, self.o
        held, held_valid, run = Signal(8), Signal(), Signal(24)
        drain, fill = Signal(24), Signal()
        finish = Signal()  # only the held byte is left, it is the last
        second = Signal()  # byte[0] of the token is done
        carried = Signal()  # the token's carry is done
        draining = Signal()

        carry, has_byte, final, step = Signal(), Signal(), Signal(), Signal()
        raised, byte = Signal(8), Signal(8)
        m.d.comb += [
            carry.eq(token.carry & ~carried & ~second),
            raised.eq(held + carry),
            byte.eq(Mux(second, token.byte[1], token.byte[0])),
            has_byte.eq(token.count.any()),
            final.eq(token.last & second),
            draining.eq(drain != 0),
        ]
        with m.If(draining):
            m.d.comb += [out.valid.eq(1), out.payload.data.eq(fill.replicate(8))]
            with m.If(out.ready):
                m.d.sync += drain.eq(drain - 1)
        with m.Elif(finish):
            m.d.comb += [out.valid.eq(1), out.payload.data.eq(held), out.payload.last.eq(1)]
            with m.If(out.ready):
                m.d.sync += [finish.eq(0), held_valid.eq(0)]
        with m.Elif(self.i.valid):
            with m.If(carry & (run != 0)):
                # The run becomes zeros, of which the last is held.
                m.d.comb += [out.valid.eq(1), out.payload.data.eq(raised)]
                with m.If(out.ready):
                    m.d.sync += [held.eq(0), drain.eq(run - 1), fill.eq(0), run.eq(0), carried.eq(1)]
            with m.Elif(~has_byte):
                m.d.comb += step.eq(1)
                m.d.sync += held.eq(raised)
            with m.Elif((byte == 0xFF) & ~final):
                m.d.comb += step.eq(1)
                m.d.sync += [held.eq(raised), run.eq(run + 1)]
            with m.Else():
                m.d.comb += [
                    out.valid.eq(held_valid),
                    out.payload.data.eq(raised),
                    step.eq(out.ready | ~held_valid),
                ]
                with m.If(step):
                    m.d.sync += [
                        held.eq(byte),
                        held_valid.eq(1),
                        drain.eq(run),
                        fill.eq(1),
                        run.eq(0),
                        finish.eq(final),
                    ]
        with m.If(step):
            m.d.comb += self.i.ready.eq(~has_byte | second | (token.count == 1))
            m.d.sync += [second.eq(~self.i.ready), carried.eq(0)]
        return m
