"""The entropy stage: coded units and levels to the bytes of the slice data."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.streams import Fork, connect
from hdl.entropy.arithmetic_coder import ArithmeticCoder
from hdl.entropy.residual import Residual
from hdl.entropy.syntax import Syntax
from hdl.params import Params
from hdl.payloads import Byte, CodedUnit, CoefficientGroup, Picture


class Entropy(wiring.Component):
    """slice_segment_data() with its trailing bits (H.265 7.3.8, 9.3): Syntax -> Residual -> ArithmeticCoder.

    i_picture: one before each picture; the next is taken when all of this picture was accepted.
    i_cu, i_cg: the units and their groups. A unit is read before its groups, and comes after them: the queue of
    groups in front must hold all groups of one unit (384 for a 64x64, 96 for a 32x32).
    o: bytes before emulation prevention, `last` on the last of the picture.
    stat_bins: bins of the picture that was last finished.

    Throughput: the slowest of: 1 payload of bins per cycle, the cycles that Residual gives, 1 byte per cycle.
    Latency: some 20 cycles, then bytes leave when no carry can reach them; 132 cycles at the start of a picture.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_cu": In(stream.Signature(CodedUnit)),
                "i_cg": In(stream.Signature(CoefficientGroup)),
                "o": Out(stream.Signature(Byte)),
                "stat_bins": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fork = fork = Fork(Picture, 2)
        m.submodules.syntax = syntax = Syntax(self.p)
        m.submodules.residual = residual = Residual()
        m.submodules.coder = coder = ArithmeticCoder()
        connect(m, self.i_picture, fork.i)
        connect(m, fork.o[0], syntax.i_picture)
        connect(m, fork.o[1], coder.i_picture)
        connect(m, self.i_cu, syntax.i)
        connect(m, syntax.o, residual.i)
        connect(m, self.i_cg, residual.i_cg)
        connect(m, residual.o, coder.i)
        connect(m, coder.o, self.o)
        m.d.comb += self.stat_bins.eq(coder.stat_bins)
        return m
