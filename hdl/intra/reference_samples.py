"""The reference samples of one prediction block: held, smoothed, and extended for negative angles."""

from amaranth import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.adders import multiple, sum_tree
from hdl.intra.angles import INVERSE_ANGLE, angle_of

ROW = data.ArrayLayout(unsigned(8), 8)
MAX_ROWS = 8  # of 8 samples: 2 * 32 on each side


class ReferenceArrays(data.Struct):
    """What the predictor looks at. 'main' runs along the prediction's own axis: the top row for planar, DC and the
    vertical modes, the left column for the horizontal modes (loaded exchanged); 'side' is the other one.

    main: ref[1..64] of 8.4.4.2.6; row k holds ref[8k+1 .. 8k+8].
    extension: ref[-31..0]; row k holds ref[-8k-7 .. -8k], so extension[0][7] is the corner.
    """

    main: data.ArrayLayout(ROW, MAX_ROWS)
    extension: data.ArrayLayout(ROW, 4)
    side: data.ArrayLayout(ROW, MAX_ROWS)
    corner: 8
    dc_sum: 14  # over main[0..N-1] and side[0..N-1], as loaded


class ReferenceSamples(wiring.Component):
    """Reference samples of one block of N = 4..32, in registers: smoothing of H.265 8.4.4.2.3, projection of 8.4.4.2.6.

    Operations, one at a time; a strobe while `busy` is not allowed:
      load     one row of eight samples a side and cycle, nearest the corner first, 2N/8 rows (one for N = 4);
               `first` goes with the first row and takes `corner`. Rows arrive after substitution (8.4.4.2.2) and
               already exchanged for horizontal modes.
      smooth   [1 2 1] or, at N = 32 luma with flat edges, strong smoothing. 2N/8 cycles, one more at N = 32.
      project  fills ref[-1..-31] from the side for the negative angle of `mode`. max(1, N/8) cycles.
    `log2_size` and `mode` stay stable from the strobe until `busy` falls. `arrays` is valid in the cycle after the
    last one.

    Latency: an operation takes effect at the clock edge. Reset: none needed, `first` starts afresh.
    Arithmetic: unsigned 8 bit samples; rounding as in the standard, exact.
    """

    load: In(1)
    first: In(1)
    main: In(ROW)
    side: In(ROW)
    corner: In(8)
    log2_size: In(3)
    mode: In(6)
    smooth: In(1)
    project: In(1)
    busy: Out(1)
    arrays: Out(ReferenceArrays)

    def elaborate(self, platform):
        m = Module()
        rows = {
            axis: [Signal(ROW, name=f"{axis}_{k}", reset_less=True) for k in range(MAX_ROWS)]
            for axis in ("main", "side")
        }
        extension = [Signal(ROW, name=f"extension_{k}", reset_less=True) for k in range(4)]
        corner = Signal(8, reset_less=True)
        dc_sum = Signal(14, reset_less=True)
        for axis, port in (("main", self.arrays.main), ("side", self.arrays.side)):
            m.d.comb += [port[k].eq(row) for k, row in enumerate(rows[axis])]
        m.d.comb += [
            self.arrays.corner.eq(corner),
            self.arrays.dc_sum.eq(dc_sum),
            self.arrays.extension[0].eq(Cat(extension[0].as_value()[:56], corner)),
            *(self.arrays.extension[k].eq(extension[k]) for k in (1, 2, 3)),
        ]

        step = Signal(range(MAX_ROWS))
        smoothing = Signal()
        projecting = Signal()
        last = Signal(range(MAX_ROWS))  # index of the last row of a side
        large = Signal()
        m.d.comb += [
            last.eq((1 << self.log2_size) // 4 - 1),
            large.eq(self.log2_size == 5),
            self.busy.eq(smoothing | projecting),
        ]

        rotate = Signal()
        m.d.comb += rotate.eq((self.smooth & ~large) | smoothing)
        smoothed = self._smooth(m, rows, corner, step, last, rotate, large)
        for axis, port in (("main", self.main), ("side", self.side)):
            entering = Signal(ROW, name=f"{axis}_entering")
            m.d.comb += entering.eq(Mux(self.load, port.as_value(), smoothed[axis].as_value()))
            with m.If(self.load | rotate):
                for k, row in enumerate(rows[axis]):
                    following = rows[axis][k + 1] if k + 1 < MAX_ROWS else entering
                    m.d.sync += row.eq(Mux(last == k, entering, following) if k in (0, 1, 3) else following)

        with m.If(self.load):
            with m.If(self.first):
                m.d.sync += [corner.eq(self.corner), step.eq(1)]
            with m.Else():
                m.d.sync += step.eq(step + 1)
            self._sum(m, dc_sum, step)
            with m.If(Mux(self.first, 0, step) == last):
                m.d.sync += step.eq(0)
        with m.If(self.smooth):
            m.d.sync += smoothing.eq(1)
        with m.If(rotate):
            m.d.sync += step.eq(step + 1)
            with m.If(step == last):
                m.d.sync += [step.eq(0), smoothing.eq(0)]
        self._project(m, rows["side"], extension, step, projecting)
        return m

    def _sum(self, m, dc_sum, step):
        """Add the loaded row to dc_sum where it is within the first N samples of a side."""
        near, far = (
            sum_tree([port[i] for port in (self.main, self.side) for i in part]) for part in (range(4), range(4, 8))
        )
        added = Signal(12)
        m.d.comb += added.eq(near + Mux(self.log2_size == 2, 0, far))
        with m.If(self.first):
            m.d.sync += dc_sum.eq(added)
        with m.Elif(step < ((1 << self.log2_size) >> 3)):
            m.d.sync += dc_sum.eq(dc_sum + added)

    def _smooth(self, m, rows, corner, step, last, rotate, large):
        """The smoothed form of row 0 of each side: it goes round to the end while the others move down."""
        chosen, strong = Signal(), Signal()
        m.d.comb += strong.eq(chosen & large)
        flat, smoothed = {}, {}
        for axis in ("main", "side"):
            row, following = rows[axis][0], rows[axis][1]
            before = Signal(8, name=f"{axis}_before")
            kept = Signal(8, name=f"{axis}_kept", reset_less=True)
            m.d.comb += before.eq(Mux(step == 0, corner, kept))
            around = [before, *(row[i] for i in range(8)), following[0]]
            normal = [Signal(8, name=f"{axis}_normal_{i}") for i in range(8)]
            m.d.comb += [normal[i].eq((around[i] + (around[i + 1] << 1) + around[i + 2] + 2) >> 2) for i in range(8)]
            with m.If(step == last):
                m.d.comb += normal[7].eq(row[7])

            # Strong: ((63 - i) * corner + (i + 1) * end + 32) >> 6 = (64 * corner + 32 + (i + 1) * slope) >> 6.
            end, middle = rows[axis][7][7], rows[axis][3][7]
            bend = Signal(signed(11), name=f"{axis}_bend")
            slope = Signal(signed(9), name=f"{axis}_slope", reset_less=True)
            base = Signal(signed(17), name=f"{axis}_base", reset_less=True)
            m.d.comb += bend.eq(corner + end - (middle << 1))
            flat[axis] = (bend < 8) & (bend > -8)
            with m.If(self.smooth):
                m.d.sync += [slope.eq(end - corner), base.eq((corner << 6) + 32)]
            with m.If(rotate):
                m.d.sync += [kept.eq(row[7]), base.eq(base + (slope << 3))]
            smoothed[axis] = Signal(ROW, name=f"{axis}_smoothed")
            m.d.comb += [
                smoothed[axis][i].eq(Mux(strong, ((base + multiple(slope, i + 1)) >> 6)[:8], normal[i]))
                for i in range(8)
            ]
        with m.If(self.smooth):
            m.d.sync += chosen.eq(flat["main"] & flat["side"])
        around_corner = rows["main"][0][0] + rows["side"][0][0] + (corner << 1) + 2
        with m.If(rotate & (step == 0) & ~strong):
            m.d.sync += corner.eq(around_corner >> 2)
        return smoothed

    def _project(self, m, side, extension, step, projecting):
        """Row k of the extension, all eight samples at once, through 32-way selects with constant inputs."""
        angle = angle_of(m, self.mode, "projected")
        active = Signal()
        m.d.comb += active.eq(self.project | projecting)
        row = Signal(ROW, name="projected_row")
        with m.Switch(Cat(step[:2], (-angle)[:6])):
            for k in range(4):
                for absolute, inverse in INVERSE_ANGLE.items():
                    with m.Case(k | absolute << 2):
                        for lane in range(8):
                            distance = 8 * k + 7 - lane
                            index = ((distance * inverse + 128) >> 8) - 1
                            if distance > 0 and index < 32:
                                m.d.comb += row[lane].eq(side[index >> 3][index & 7])
        with m.If(active):
            m.d.sync += [Array(extension)[step[:2]].eq(row), step.eq(step + 1), projecting.eq(1)]
            with m.If(step == (((1 << self.log2_size) - 1) >> 3)):
                m.d.sync += [step.eq(0), projecting.eq(0)]
