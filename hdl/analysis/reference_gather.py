"""Reference samples of a block, from the source store: availability and substitution."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.analysis.ctu import ROW, Ctu, Place, z_order
from hdl.params import Params


class ReferenceGather(wiring.Component):
    """H.265 8.4.4.2.2 on source samples: what is in the coded picture and earlier in z-order is available (6.4.1).

    `start` is a strobe, allowed while `busy` is low, with `ctu`, `x4`, `y4` and `log2_size` (2..5) of the block; they
    are looked at in that cycle. `place` and `step` go to the store, `top`, `left` and `corner` come from it.
    Rows of eight samples a side leave with `o_valid`, nearest the corner first, `o_first` and `o_last` marked: one
    row for N = 4, else N / 4; `o_corner` is right with `o_first`. Outputs hold their value between rows.
    Throughput: one row a cycle, blocks back to back. Latency: 2 cycles from `start` to the first row.
    """

    latency = 2

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "ctu": In(Ctu),
                "x4": In(3),
                "y4": In(3),
                "log2_size": In(3),
                "busy": Out(1),
                "place": Out(Place),
                "step": Out(3),
                "top": In(ROW),
                "left": In(ROW),
                "corner": In(8),
                "o_valid": Out(1),
                "o_first": Out(1),
                "o_last": Out(1),
                "o_top": Out(ROW),
                "o_left": Out(ROW),
                "o_corner": Out(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        here, kept = Signal(Place), Signal(Place)
        step, last_step, wanted = Signal(3), Signal(3), Signal(3)
        m.d.comb += [
            here.slot.eq(self.ctu.slot),
            here.x4.eq(self.x4),
            here.y4.eq(self.y4),
            wanted.eq(((1 << self.log2_size) >> 2) - 1),
            self.place.eq(Mux(self.busy, kept.as_value(), here.as_value())),
            self.step.eq(Mux(self.busy, step, 0)),
        ]
        with m.If(self.busy):
            m.d.sync += step.eq(step + 1)
            with m.If(step == last_step):
                m.d.sync += self.busy.eq(0)
        with m.Elif(self.start):
            m.d.sync += [kept.eq(here), step.eq(1), last_step.eq(wanted), self.busy.eq(wanted != 0)]

        valid, now, last = Signal(), Signal(3), Signal()
        m.d.sync += [
            valid.eq(self.busy | self.start),
            now.eq(self.step),
            last.eq(Mux(self.busy, step == last_step, wanted == 0)),
            self.o_valid.eq(valid),
        ]
        tops, lefts = self._available(m)
        with m.If(valid):
            self._substitute(m, now, tops, lefts)
            m.d.sync += [self.o_first.eq(now == 0), self.o_last.eq(last)]
        return m

    def _available(self, m):
        """Units of 4 available above and to the left, counted from the corner; registered at `start`."""
        x4, y4, ctu, units = self.x4, self.y4, self.ctu, self.p.ctb_size // 4
        size = Signal(4)
        m.d.comb += size.eq((1 << self.log2_size) >> 2)
        own = Signal(6)
        m.d.comb += own.eq(z_order(x4, y4))
        counts = []
        for name, along, across, length, edge in (
            ("top", x4, y4, ctu.columns, ctu.first_row),
            ("left", y4, x4, ctu.rows, ctu.first_column),
        ):
            beyond, before = Signal(4, name=f"{name}_beyond"), Signal(3, name=f"{name}_before")
            m.d.comb += [beyond.eq(along + size), before.eq(across - 1)]
            theirs = z_order(beyond[:3], before) if name == "top" else z_order(before, beyond[:3])
            earlier = Signal(name=f"{name}_earlier")
            m.d.comb += earlier.eq((beyond < units) & (theirs < own))
            with m.If(across == 0):
                m.d.comb += earlier.eq(1 if name == "top" else beyond < units)
            left_over = Signal(5, name=f"{name}_left_over")
            m.d.comb += left_over.eq((length << 1) - along)
            double = size << 1
            count = Signal(5, name=f"{name}_count")
            with m.If(self.start):
                m.d.sync += count.eq(Mux(earlier, Mux(left_over < double, left_over, double), size))
                with m.If((across == 0) & edge):
                    m.d.sync += count.eq(0)
            counts.append(count)
        return counts

    def _substitute(self, m, now, tops, lefts):
        first = now == 0
        no_top, no_left = tops == 0, lefts == 0
        nearest_top, nearest_left = self.top[0], self.left[0]
        for count, row, out, other, none_other in (
            (tops, self.top, self.o_top, nearest_left, no_left),
            (lefts, self.left, self.o_left, nearest_top, no_top),
        ):
            fill = Mux(first, Mux(none_other, 128, other), out[7])
            has = [count > ((now << 1) + k) for k in range(2)]
            for i in range(8):
                rest = fill if i < 4 else Mux(has[0], row[3], fill)
                m.d.sync += out[i].eq(Mux(has[i >> 2], row[i], rest))
        with m.If(first):
            substitute = Mux(no_left, Mux(no_top, 128, nearest_top), nearest_left)
            m.d.sync += self.o_corner.eq(Mux(no_top | no_left, substitute, self.corner))
