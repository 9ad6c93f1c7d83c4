"""The reference samples of prediction blocks: smoothed and extended for negative angles on their way into LUT RAM."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.intra.adders import carried, multiple, sum_tree
from hdl.intra.angles import INTRA_PRED_ANGLE, INVERSE_ANGLE

ROW = data.ArrayLayout(unsigned(8), 8)


class ReferenceRead(data.Struct):
    """What the predictor looks at: which set, from which sample of the main axis, beside which row."""

    which: 1
    first: signed(7)  # window[0] is ref[first + 1]
    y: 3  # in units of 4 samples


class References(data.Struct):
    """The answer. 'main' runs along the prediction's own axis: the top row for planar, DC and the vertical modes, the
    left column for the horizontal modes (loaded exchanged); 'side' is the other one. ref is that of 8.4.4.2.6."""

    window: ROW
    side: data.ArrayLayout(unsigned(8), 4)
    corner: 8
    main_end: 8  # main[N], side[N]
    side_end: 8
    dc_sum: 14  # over main[0..N-1] and side[0..N-1], as loaded


class ReferenceSamples(wiring.Component):
    """Holds `sets` of reference samples of blocks of N = 4..32: smoothing of H.265 8.4.4.2.3, projection of 8.4.4.2.6.

    Loaded by rows of eight samples of both sides, nearest the corner first, 2N/8 rows (one for N = 4), one in each
    cycle with `valid`, without gaps; `first` and `last` are marked. Rows arrive after substitution (8.4.4.2.2) and
    already exchanged for horizontal modes; `corner` goes with the first one, `which`, `log2_size`, `mode` and
    `smooth` (filterFlag) with each.
    A block of N = 32 to be smoothed is loaded twice: the first time decides on the strong filter. Without `strong`
    there are no blocks of 32.
    `read` is answered in the same cycle by `references`, `latency` cycles after the last row at the earliest.
    Throughput: a row a cycle, blocks back to back.
    Arithmetic: unsigned 8 bit samples; rounding as in the standard, exact.
    """

    latency = 2

    def __init__(self, sets: int = 1, strong: bool = True):
        self.sets, self.strong = sets, strong
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "main": In(ROW),
                "side": In(ROW),
                "corner": In(8),
                "which": In(1),
                "log2_size": In(3),
                "mode": In(6),
                "smooth": In(1),
                "read": In(ReferenceRead),
                "references": Out(References),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # One row waits for the first sample of the next.
        held = {
            name: Signal.like(getattr(self, name), name=f"held_{name}", reset_less=True)
            for name in ("first", "last", "main", "side", "which", "log2_size", "smooth")
        }
        m.d.sync += [signal.eq(getattr(self, name)) for name, signal in held.items()]
        held |= {name: Signal(n, name=f"held_{name}") for name, n in (("valid", 1), ("index", 3), ("corner", 8))}
        m.d.sync += [held["valid"].eq(self.valid), held["index"].eq(held["index"] + 1)]
        with m.If(self.valid & self.first):
            m.d.sync += [held["index"].eq(0), held["corner"].eq(self.corner)]

        rows, corner = self._smooth(m, held)
        lanes = self._line(m, held, rows)
        self._rotate(m, lanes)
        self._beside(m, held, rows, corner)
        return m

    def _place(self, index, which):
        return Cat(index, which) if self.sets == 2 else index

    def _smooth(self, m, held):
        """The held rows and the corner, smoothed where they are to be."""
        corner = held["corner"]
        smoothed, bent, strong = {}, {}, Const(0, 1)
        if self.strong:
            bent, strong = self._bend(m, held)
        for axis in ("main", "side"):
            row = held[axis]
            kept, before = Signal(8, name=f"{axis}_kept", reset_less=True), Signal(8, name=f"{axis}_before")
            m.d.comb += before.eq(Mux(held["first"], corner, kept))
            m.d.sync += kept.eq(row[7])
            around = [before, *(row[i] for i in range(8)), getattr(self, axis)[0]]

            smoothed[axis] = Signal(ROW, name=f"{axis}_smoothed")
            m.d.comb += smoothed[axis].eq(row)
            with m.If(held["smooth"]):
                for i in range(8):
                    normal = Signal(10, name=f"{axis}_normal_{i}")
                    m.d.comb += normal.eq(carried(around[i], around[i + 2], 1) + Cat(1, around[i + 1]))
                    value = Mux(strong, bent[axis][i], normal[2:]) if self.strong else normal[2:]
                    m.d.comb += smoothed[axis][i].eq(value)
                with m.If(held["last"]):
                    m.d.comb += smoothed[axis][7].eq(row[7])
        around = carried(held["main"][0], held["side"][0], 1) + Cat(1, corner)
        return smoothed, Mux(held["smooth"] & ~strong, around[2:10], corner)

    def _bend(self, m, held):
        """The row of each axis by the strong filter, and whether the block takes it."""
        corner, index = held["corner"], held["index"]
        strong, level = Signal(), {axis: Signal(name=f"{axis}_level", reset_less=True) for axis in ("main", "side")}
        m.d.comb += strong.eq((held["log2_size"] == 5) & level["main"] & level["side"])
        rows = {}
        for axis in ("main", "side"):
            row = held[axis]
            # ((63 - i) * corner + (i + 1) * end + 32) >> 6 = (64 * corner + 32 + (i + 1) * slope) >> 6.
            middle, slope = Signal(8, name=f"{axis}_middle", reset_less=True), Signal(signed(9), name=f"{axis}_slope")
            base, next_base = Signal(14, name=f"{axis}_base"), Signal(14, name=f"{axis}_next_base", reset_less=True)
            bend = Signal(signed(11), name=f"{axis}_bend")
            m.d.comb += bend.eq(corner + row[7] - (middle << 1))
            with m.If(held["valid"] & (index == 3)):
                m.d.sync += middle.eq(row[7])
            with m.If(held["valid"] & (index == 7)):
                m.d.sync += [slope.eq(row[7] - corner), level[axis].eq((bend < 8) & (bend > -8))]
            m.d.comb += base.eq(Mux(held["first"], (corner << 6) + 32, next_base))
            m.d.sync += next_base.eq(base + (slope << 3))
            bent = [Signal(14, name=f"{axis}_bent_{i}") for i in range(8)]
            m.d.comb += [each.eq(base + multiple(slope, i + 1)) for i, each in enumerate(bent)]
            rows[axis] = [each[6:] for each in bent]
        return rows, strong

    def _line(self, m, held, rows):
        """Main axis in eight banks, by the sample's place in its row; what `read` wants of each bank."""
        shift = self.read.first[:3]
        code, negative = Signal(3, reset_less=True), Signal(reset_less=True)
        with m.Switch(self.mode):
            for mode, angle in enumerate(INTRA_PRED_ANGLE, start=2):
                if angle < 0:
                    with m.Case(mode):
                        m.d.sync += [code.eq(list(INVERSE_ANGLE).index(-angle)), negative.eq(1)]
            with m.Default():
                m.d.sync += negative.eq(0)
        lanes = []
        for lane in range(8):
            main = Memory(shape=8, depth=8 * self.sets, init=[])
            extension = Memory(shape=8, depth=4 * self.sets, init=[])
            m.submodules[f"main_{lane}"], m.submodules[f"extension_{lane}"] = main, extension
            write, scatter = main.write_port(), extension.write_port()
            m.d.comb += [
                write.en.eq(held["valid"]),
                write.addr.eq(self._place(held["index"], held["which"])),
                write.data.eq(rows["main"][lane]),
            ]

            # ref[-distance] is a sample of the side: of each row of it, at most one comes to this bank.
            source, place, wanted = (
                Signal(bits, name=f"{name}_{lane}") for name, bits in (("source", 3), ("place", 2), ("wanted", 1))
            )
            with m.Switch(Cat(held["index"][:2], code)):
                for number, inverse in enumerate(INVERSE_ANGLE.values()):
                    for k in range(4):
                        distance = 8 * k + 7 - lane
                        index = ((distance * inverse + 128) >> 8) - 1
                        if distance > 0 and index < 32:
                            with m.Case(index >> 3 | number << 2):
                                m.d.comb += [source.eq(index & 7), place.eq(k), wanted.eq(1)]
            m.d.comb += [
                scatter.en.eq(held["valid"] & negative & ~held["index"][2] & wanted),
                scatter.addr.eq(self._place(place, held["which"])),
                scatter.data.eq(rows["side"].as_value().word_select(source, 8)),
            ]

            row = Signal(signed(4), name=f"read_row_{lane}")
            near, far = main.read_port(domain="comb"), extension.read_port(domain="comb")
            m.d.comb += [
                row.eq((self.read.first >> 3) + (shift > lane)),
                near.addr.eq(self._place(row[:3], self.read.which)),
                far.addr.eq(self._place(~row[:2], self.read.which)),
            ]
            negative_row = far.data if lane < 7 else Mux(row[:2] == 3, self.references.corner, far.data)
            lanes.append(Mux(row[3], negative_row, near.data))
        return lanes

    def _rotate(self, m, lanes):
        for bit in (2, 1, 0):
            shifted = [Signal(8, name=f"shifted_{bit}_{i}") for i in range(8)]
            for i, out in enumerate(shifted):
                m.d.comb += out.eq(Mux(self.read.first[bit], lanes[(i + (1 << bit)) % 8], lanes[i]))
            lanes = shifted
        m.d.comb += [self.references.window[i].eq(lane) for i, lane in enumerate(lanes)]

    def _beside(self, m, held, rows, corner):
        """Side samples, and what there is one of in each set."""
        first, index, log2_size = held["first"], held["index"], held["log2_size"]
        m.submodules.side = side = Memory(shape=64, depth=4 * self.sets, init=[])
        write, read = side.write_port(), side.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(held["valid"] & ~index[2]),
            write.addr.eq(self._place(index[:2], held["which"])),
            write.data.eq(rows["side"]),
            read.addr.eq(self._place(self.read.y[1:], self.read.which)),
            self.references.side.eq(read.data.word_select(self.read.y[0], 32)),
        ]

        within = Signal()
        m.d.comb += within.eq(index == ((1 << log2_size) >> 3)[:3])  # the row that holds sample N
        near, far = (
            sum_tree([held[axis][i] for axis in ("main", "side") for i in part]) for part in (range(4), range(4, 8))
        )
        added, dc_sum, total = Signal(12), Signal(14), Signal(14, reset_less=True)
        m.d.comb += [
            added.eq(near + Mux(log2_size == 2, 0, far)),
            dc_sum.eq(Mux(first, 0, total) + added),
        ]
        with m.If(held["valid"]):
            m.d.sync += total.eq(dc_sum)
        before_end = index < ((1 << log2_size) >> 3)
        updates = {
            "corner": (first, corner),
            "main_end": (within, Mux(log2_size == 2, rows["main"][4], rows["main"][0])),
            "side_end": (within, Mux(log2_size == 2, rows["side"][4], rows["side"][0])),
            "dc_sum": (first | before_end, dc_sum),
        }
        for name, (changes, value) in updates.items():
            kept = [Signal.like(value, name=f"{name}_{k}", reset_less=True) for k in range(self.sets)]
            for k, each in enumerate(kept):
                with m.If(held["valid"] & changes & (held["which"] == k)):
                    m.d.sync += each.eq(value)
            out = Array(kept)[self.read.which] if self.sets == 2 else kept[0]
            m.d.comb += self.references[name].eq(out)
