"""Residuals of the candidates of a block: written by 4x4 sub-blocks, read by rows for the transform."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
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
    """Eight buffers of one block of 8x8 to 32x32. Four banks of four memories, a bank for each quarter of a row.

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
            mine = Signal(name=f"mine_{quarter}")
            with m.Switch(self.w_log2_size):
                with m.Case(3):
                    m.d.comb += mine.eq(self.w_x == quarter >> 1)
                with m.Case(4):
                    m.d.comb += mine.eq(self.w_x == quarter)
                with m.Case(5):
                    m.d.comb += mine.eq((self.w_x >> 1) == quarter)
            place, column = Signal(3, name=f"place_{quarter}"), Signal(2, name=f"column_{quarter}")
            eight = self.r_log2_size == 3
            m.d.comb += [
                place.eq(quarter_position(quarter, self.r_step, self.r_log2_size)),
                column.eq(Mux(eight, place[0] + 2 * (quarter & 1), place[:2])),
            ]
            w_address = Cat(self.w_x[0] & (self.w_log2_size == 5), self.w_y, self.w_buffer)
            r_address = Cat(place[2], self.r_y[2:], self.r_buffer)

            # A memory for each row of the sub-blocks: four samples are written at once and one is read.
            rows = Signal(data.ArrayLayout(signed(9), 4), name=f"rows_{quarter}")
            for r in range(4):
                memory = Memory(shape=signed(9), depth=64 * BUFFERS, init=[], attrs={"no_rw_check": 1})
                m.submodules[f"quarter_{quarter}_{r}"] = memory
                read = memory.read_port()
                m.d.comb += [read.addr.eq(Cat(column, r_address)), rows[r].eq(read.data)]
                for c in range(4):
                    write = memory.write_port()
                    m.d.comb += [
                        write.addr.eq(Cat(Const(c, 2), w_address)),
                        write.data.eq(self.w_residual[4 * r + c]),
                        write.en.eq(self.w_valid & mine),
                    ]
            m.d.sync += self.r_samples[quarter].eq(rows[row])
        return m
