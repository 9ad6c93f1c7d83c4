"""Residuals of the candidates of a block: written by 4x4 sub-blocks, read by rows for the transform."""

from amaranth import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analysis.subblock_search import RESIDUAL

BUFFERS = 8
FOLDED = data.ArrayLayout(signed(16), 4)


def quarter_position(quarter, step, log2_size):
    """Index in its quarter of the sample of `step`: 0, last, 1, last - 1, ...; odd quarters are read backwards, so
    that all butterflies find their partners in the same step, or in the step before."""
    last = ((1 << log2_size) >> 2) - 1
    near, far = step >> 1, last - (step >> 1)
    return Mux(step[0], near, far) if quarter & 1 else Mux(step[0], far, near)


class ResidualStore(wiring.Component):
    """Eight buffers of one block of 8x8 to 32x32. Four banks, one for each quarter of a row.

    Write: sub-block (`w_x`, `w_y`, in units of 4) of a block of `w_log2_size`, with `w_valid`.
    Read: samples `step` (see quarter_position) of the quarters of row `r_y`; `r_samples` is valid
    `latency` cycles later. Throughput: one of each a cycle; a buffer is not written while it is read.
    Cost on ECP5: 16 EBR.
    """

    latency = 2

    w_valid: In(1)
    w_buffer: In(3)
    w_log2_size: In(3)
    w_x: In(3)
    w_y: In(3)
    w_residual: In(RESIDUAL)
    r_buffer: In(3)
    r_log2_size: In(3)
    r_y: In(5)
    r_step: In(3)
    r_samples: Out(FOLDED)

    def elaborate(self, platform):
        m = Module()
        row = Signal(2, reset_less=True)
        m.d.sync += row.eq(self.r_y[:2])
        for quarter in range(4):
            memory = Memory(shape=unsigned(144), depth=16 * BUFFERS, init=[], attrs={"no_rw_check": 1})
            m.submodules[f"quarter_{quarter}"] = memory
            write, read = memory.write_port(), memory.read_port()
            mine = Signal(name=f"mine_{quarter}")
            with m.Switch(self.w_log2_size):
                with m.Case(3):
                    m.d.comb += mine.eq(self.w_x == quarter >> 1)
                with m.Case(4):
                    m.d.comb += mine.eq(self.w_x == quarter)
                with m.Case(5):
                    m.d.comb += mine.eq((self.w_x >> 1) == quarter)
            m.d.comb += [
                write.addr.eq(Cat(self.w_x[0] & (self.w_log2_size == 5), self.w_y, self.w_buffer)),
                write.data.eq(self.w_residual),
                write.en.eq(self.w_valid & mine),
            ]
            place, column = Signal(3, name=f"place_{quarter}"), Signal(2, name=f"column_{quarter}", reset_less=True)
            m.d.comb += [
                place.eq(quarter_position(quarter, self.r_step, self.r_log2_size)),
                read.addr.eq(Cat(place[2], self.r_y[2:], self.r_buffer)),
            ]
            eight = self.r_log2_size == 3
            m.d.sync += column.eq(Mux(eight, place[0] + 2 * (quarter & 1), place[:2]))
            taken = Array(read.data[9 * k :][:9].as_signed() for k in range(16))[Cat(column, row)]
            m.d.sync += self.r_samples[quarter].eq(taken)
        return m
