"""Predicts one 4x4 sub-block of a prediction block per cycle: planar, DC, angular."""

from amaranth import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.arithmetic import clip
from hdl.intra.adders import multiple, product, sum_tree
from hdl.intra.angles import DC, HORIZONTAL, PLANAR, VERTICAL, angle_of, is_swapped
from hdl.intra.reference_samples import ReferenceArrays

BLOCK = data.ArrayLayout(unsigned(8), 16)


class PredictorCommand(data.Struct):
    """Which sub-block: the block's mode and size, and the sub-block's place in it, in units of 4 samples."""

    mode: 6  # IntraPredMode, 0..34
    log2_size: 3  # 2..5
    is_luma: 1  # cIdx is 0: boundary filters of DC and of modes 10 and 26 where N < 32
    x: 3
    y: 3


class SubblockPredictor(wiring.Component):
    """Intra sample prediction of H.265 8.4.4.2.4 (planar), 8.4.4.2.5 (DC) and 8.4.4.2.6 (angular), 16 samples a cycle.

    `command` is taken in every cycle with `valid`. `arrays` is looked at one cycle after the command
    (in that cycle only), so a command may go out while the last reference row is loaded. `samples`
    (raster order in the sub-block) come with `o_valid`, `latency` cycles after the command.
    The horizontal modes are predicted as vertical ones from exchanged arrays and transposed at the end.
    No backpressure. Arithmetic: exact, unsigned 8 bit samples. Throughput: one sub-block a cycle.
    """

    latency = 4

    command: In(PredictorCommand)
    valid: In(1)
    arrays: In(ReferenceArrays)
    samples: Out(BLOCK)
    o_valid: Out(1)

    def elaborate(self, platform):
        m = Module()
        valids = Signal(self.latency)
        m.d.sync += valids.eq(Cat(self.valid, valids))
        m.d.comb += self.o_valid.eq(valids[-1])

        commands = [self.command]
        for stage in range(1, self.latency):
            commands.append(Signal(PredictorCommand, name=f"command_{stage}", reset_less=True))
            m.d.sync += commands[stage].eq(commands[stage - 1])

        where = self._locate(m, commands[0])
        taken = self._select(m, commands[1], where)
        parts = self._interpolate(m, commands[2], taken)
        self._finish(m, commands[3], parts)
        return m

    def _locate(self, m, command):
        """Stage 1: the eight references that the four rows of the sub-block need, and each row's place in them."""
        angle = angle_of(m, command.mode, "command")
        swapped = is_swapped(command.mode)
        x, y = Mux(swapped, command.y, command.x), Mux(swapped, command.x, command.y)
        rows = [Signal(signed(13), name=f"row_position_{r}") for r in range(4)]
        start = Signal(signed(13))
        m.d.comb += start.eq(product(angle, y) << 2)
        m.d.comb += [rows[r].eq(start + multiple(angle, r + 1)) for r in range(4)]
        base = Signal(signed(8))
        m.d.comb += base.eq(Mux(angle < 0, rows[3] >> 5, rows[0] >> 5))

        where = {
            "x": Signal(3, name="where_x", reset_less=True),
            "y": Signal(3, name="where_y", reset_less=True),
            "first": Signal(signed(8), name="where_first", reset_less=True),  # ref[first + 1] is window[0]
            "offset": [Signal(2, name=f"where_offset_{r}", reset_less=True) for r in range(4)],
            "fraction": [Signal(5, name=f"where_fraction_{r}", reset_less=True) for r in range(4)],
        }
        m.d.sync += [where["x"].eq(x), where["y"].eq(y), where["first"].eq(base + (x << 2))]
        m.d.sync += [where["offset"][r].eq((rows[r] >> 5) - base) for r in range(4)]
        m.d.sync += [where["fraction"][r].eq(rows[r][:5]) for r in range(4)]
        return where

    def _select(self, m, command, where):
        """Stage 2: read the references. Rows of the arrays by select, then a shift by 0..7 samples."""
        arrays = self.arrays
        # Rows -4..7 of the main axis, the even and the odd ones apart: two neighbours are one of each.
        index = Signal(4)
        m.d.comb += index.eq((where["first"] >> 3) + 4)
        line = [arrays.extension[k] for k in (3, 2, 1, 0)] + [arrays.main[k] for k in range(8)]
        even, odd = Signal(64), Signal(64)
        m.d.comb += [
            even.eq(Array(line[0::2] + line[10:11])[(index + 1) >> 1]),
            odd.eq(Array(line[1::2])[index >> 1]),
        ]
        pair = Mux(index[0], Cat(odd, even), Cat(even, odd))
        window = Signal(data.ArrayLayout(unsigned(8), 8), reset_less=True)
        shift = where["first"][:3]
        for bit in (2, 1, 0):
            pair = Mux(shift[bit], pair[8 << bit :], pair)[: 8 * (7 + (1 << bit))]
        m.d.sync += window.as_value().eq(pair[:64])

        side = Signal(32, reset_less=True)
        m.d.sync += side.eq(Array(arrays.side[k >> 1].as_value()[32 * (k & 1) :][:32] for k in range(8))[where["y"]])
        ends = {}
        for axis in ("main", "side"):
            array = arrays[axis]
            ends[axis] = Signal(8, name=f"{axis}_end", reset_less=True)
            choices = [array[0][4], array[1][0], array[2][0], array[4][0]]  # ref[N + 1]
            m.d.sync += ends[axis].eq(Array(choices)[(command.log2_size - 2)[:2]])
        corner, dc = Signal(8, reset_less=True), Signal(8, reset_less=True)
        m.d.sync += corner.eq(arrays.corner)
        with m.Switch(command.log2_size):
            for log2 in (2, 3, 4, 5):
                with m.Case(log2):
                    m.d.sync += dc.eq((arrays.dc_sum + (1 << log2)) >> (log2 + 1))

        taken = {"offset": [], "fraction": []}
        for name in taken:
            for r in range(4):
                taken[name].append(Signal.like(where[name][r], name=f"taken_{name}_{r}", reset_less=True))
                m.d.sync += taken[name][r].eq(where[name][r])
        for name in ("x", "y"):
            taken[name] = Signal(3, name=f"taken_{name}", reset_less=True)
            m.d.sync += taken[name].eq(where[name])
        taken |= {"window": window, "side": [side[8 * r :][:8] for r in range(4)], "ends": ends}
        return taken | {"corner": corner, "dc": dc}

    def _interpolate(self, m, command, taken):
        """Stage 3: angular samples with the edge of modes 10 and 26; terms of planar; DC with its edges."""
        window, side, ends, dc = taken["window"], taken["side"], taken["ends"], taken["dc"]
        main = [window[i] for i in range(4)]  # ref[4x + 1 ...] when the angle is 0, as for planar and DC
        filtered = Signal()
        m.d.comb += filtered.eq(command.is_luma & (command.log2_size != 5))
        left_edge, top_edge = Signal(), Signal()
        m.d.comb += [left_edge.eq(filtered & (taken["x"] == 0)), top_edge.eq(filtered & (taken["y"] == 0))]
        straight = (command.mode == HORIZONTAL) | (command.mode == VERTICAL)

        direct = Signal(BLOCK, reset_less=True)  # angular or DC
        for r in range(4):
            row = Signal(data.ArrayLayout(unsigned(8), 5), name=f"row_{r}")
            with m.Switch(taken["offset"][r]):
                for offset in range(4):
                    with m.Case(offset):
                        m.d.comb += [row[i].eq(window[offset + i]) for i in range(min(5, 8 - offset))]
            for c in range(4):
                # (32 - f) * a + f * b = a + the sum over the bits of f of 2^bit times b where it is 1, else a.
                near, far, fraction = row[c], row[c + 1], taken["fraction"][r]
                shares = [Mux(fraction[bit], far, near) << bit for bit in range(5)]
                angular = Signal(8, name=f"angular_{r}_{c}")
                m.d.comb += angular.eq(
                    sum_tree([shares[0], shares[1], shares[2], shares[3], near + 16, shares[4]]) >> 5
                )
                flat = Signal(8, name=f"flat_{r}_{c}")
                m.d.comb += flat.eq(dc)
                if r == 0:
                    with m.If(top_edge):
                        m.d.comb += flat.eq((main[c] + multiple(dc, 3) + 2) >> 2)
                if c == 0:
                    with m.If(left_edge):
                        m.d.comb += flat.eq((side[r] + multiple(dc, 3) + 2) >> 2)
                        with m.If(straight):
                            m.d.comb += angular.eq(clip(main[0] + ((side[r] - taken["corner"]) >> 1), 0, 255))
                if r == 0 and c == 0:
                    with m.If(left_edge & top_edge):
                        m.d.comb += flat.eq((main[0] + side[0] + (dc << 1) + 2) >> 2)
                m.d.sync += direct[4 * r + c].eq(Mux(command.mode == DC, flat, angular))

        # Planar: N*side[y] + (x+1)*(main[N]-side[y]) + N*main[x] + (y+1)*(side[N]-main[x]) + N, the parts of a row
        # and those of a column apart.
        parts = {"direct": direct}
        for name, near, far, place in (("row", side, ends["main"], "x"), ("column", main, ends["side"], "y")):
            slopes = [Signal(signed(9), name=f"{name}_slope_{i}", reset_less=True) for i in range(4)]
            starts = [Signal(signed(15), name=f"{name}_start_{i}", reset_less=True) for i in range(4)]
            for i in range(4):
                slope = Signal(signed(9), name=f"{name}_difference_{i}")
                m.d.comb += slope.eq(far - near[i])
                m.d.sync += slopes[i].eq(slope)
                scaled = Signal(14, name=f"{name}_scaled_{i}")
                with m.Switch(command.log2_size):
                    for log2 in (2, 3, 4, 5):
                        with m.Case(log2):
                            m.d.comb += scaled.eq((near[i] << log2) + ((1 << log2) if name == "row" else 0))
                m.d.sync += starts[i].eq(scaled + (product(slope, taken[place]) << 2))
            parts[name] = (starts, slopes)
        return parts

    def _finish(self, m, command, parts):
        """Stage 4: planar's sum, the choice, and the transpose of the horizontal modes."""
        (row_start, row_slope), (column_start, column_slope) = parts["row"], parts["column"]
        block = Signal(BLOCK)
        for r in range(4):
            for c in range(4):
                total = Signal(signed(17), name=f"total_{r}_{c}")
                m.d.comb += total.eq(
                    (row_start[r] + multiple(row_slope[r], c + 1))
                    + (column_start[c] + multiple(column_slope[c], r + 1))
                )
                planar = Signal(8, name=f"planar_{r}_{c}")
                with m.Switch(command.log2_size):
                    for log2 in (2, 3, 4, 5):
                        with m.Case(log2):
                            m.d.comb += planar.eq(total >> (log2 + 1))
                m.d.comb += block[4 * r + c].eq(Mux(command.mode == PLANAR, planar, parts["direct"][4 * r + c]))
        swapped = is_swapped(command.mode)
        for r in range(4):
            for c in range(4):
                m.d.sync += self.samples[4 * r + c].eq(Mux(swapped, block[4 * c + r], block[4 * r + c]))
