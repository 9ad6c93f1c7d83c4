"""Predicts one 4x4 sub-block of a prediction block after the other: planar, DC, angular."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.adders import multiple, product, weighted
from hdl.intra.angles import DC, HORIZONTAL, PLANAR, VERTICAL, is_swapped
from hdl.intra.reference_samples import ReferenceRead, References

BLOCK = data.ArrayLayout(unsigned(8), 16)
SIZES = (2, 3, 4, 5)


class PredictorCommand(data.Struct):
    """Which sub-block: the block's mode and size, and the place in it."""

    mode: 6  # IntraPredMode, 0..34
    angle: signed(7)  # its intraPredAngle, 0 for planar and DC
    log2_size: 3  # 2..5
    is_luma: 1  # cIdx is 0: boundary filters of DC and of modes 10 and 26 where N < 32
    x: 3  # of the sub-block, in units of 4 samples
    y: 3
    which: 1  # set of references


class SubblockPredictor(wiring.Component):
    """Intra sample prediction of H.265 8.4.4.2.4 (planar), 8.4.4.2.5 (DC) and 8.4.4.2.6 (angular), 16 samples a
    cycle, of blocks of log2 size `sizes`.

    `command` is taken in every cycle with `valid`.
    `references` answer `read` in the same cycle, one after the command. With `sizes` of 2 alone window[0] is ref[-3],
    ref[1] or ref[2]. `samples` (raster order in the sub-block) come with `o_valid`, `latency` cycles after the
    command.
    The horizontal modes are predicted as vertical ones from exchanged arrays and transposed at the end.
    No backpressure. Arithmetic: exact, unsigned 8 bit samples. Throughput: a sub-block a cycle.
    """

    latency = 4

    def __init__(self, sizes: tuple = SIZES):
        self.sizes = sizes
        super().__init__(
            {
                "command": In(PredictorCommand),
                "valid": In(1),
                "read": Out(ReferenceRead),
                "references": In(References),
                "samples": Out(BLOCK),
                "o_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valids, commands = [self.valid], [self.command]
        for stage in range(1, self.latency):
            valids.append(Signal(name=f"valid_{stage}"))
            commands.append(Signal(PredictorCommand, name=f"command_{stage}", reset_less=True))
            m.d.sync += [valids[stage].eq(valids[stage - 1]), commands[stage].eq(commands[stage - 1])]
        m.d.sync += self.o_valid.eq(valids[-1])

        where = self._locate(m, commands[0], valids[0])
        taken = self._select(m, commands[1], valids[1], where)
        parts = self._interpolate(m, commands[2], valids[2], taken)
        self._finish(m, commands[3], valids[3], parts)
        return m

    def _scale(self, command):
        """5 - log2(N)."""
        return 3 if self.sizes == (2,) else Cat(~command.log2_size[0], command.log2_size[1])

    def _locate(self, m, command, valid):
        """Stage 1: the references that the rows of the sub-block need, and each row's place in them."""
        angle = command.angle
        swapped = is_swapped(command.mode)
        x, y = Mux(swapped, command.y, command.x), Mux(swapped, command.x, command.y)
        rows = [Signal(signed(12), name=f"row_position_{r}") for r in range(4)]
        start = Signal(signed(12))
        m.d.comb += start.eq(product(angle, y) << 2)
        m.d.comb += [rows[r].eq(start + multiple(angle, r + 1)) for r in range(4)]
        base = Signal(signed(7))
        if self.sizes == (2,):  # the eight samples on either side of the corner hold all, but at 45 degrees
            m.d.comb += base.eq(Mux(angle < 0, -4, angle[5]))
        else:
            m.d.comb += base.eq(Mux(angle < 0, rows[-1] >> 5, rows[0] >> 5))

        where = {
            "x": Signal(3, name="where_x", reset_less=True),
            "y": Signal(3, name="where_y", reset_less=True),
            "first": Signal(signed(7), name="where_first", reset_less=True),  # ref[first + 1] is window[0]
            "offset": [Signal(range(4), name=f"where_offset_{r}", reset_less=True) for r in range(4)],
            "fraction": [Signal(5, name=f"where_fraction_{r}", reset_less=True) for r in range(4)],
        }
        with m.If(valid):
            m.d.sync += [where["x"].eq(x), where["y"].eq(y), where["first"].eq(base + (x << 2))]
            m.d.sync += [where["offset"][r].eq((rows[r] >> 5) - base) for r in range(4)]
            m.d.sync += [where["fraction"][r].eq(rows[r][:5]) for r in range(4)]
        return where

    def _select(self, m, command, valid, where):
        """Stage 2: the references, and what they are weighted with."""
        references, read = self.references, self.read
        m.d.comb += [read.which.eq(command.which), read.first.eq(where["first"]), read.y.eq(where["y"])]
        taken = {
            "window": Signal(data.ArrayLayout(unsigned(8), 8), name="window", reset_less=True),
            "side": Signal(data.ArrayLayout(unsigned(8), 4), name="side", reset_less=True),
        }
        taken |= {name: Signal(8, name=name, reset_less=True) for name in ("corner", "main_end", "side_end")}
        with m.If(valid):
            m.d.sync += [Value.cast(signal).eq(Value.cast(references[name])) for name, signal in taken.items()]
        taken["dc"] = Signal(8, name="dc", reset_less=True)
        doubled = ((references.dc_sum << self._scale(command)) >> 5)[:9]
        m.d.sync += taken["dc"].eq((doubled + 1) >> 1)

        # Of planar: the far end's weight, of 32, before the first column and row, in units of 4.
        for name in ("x", "y"):
            taken[name] = Signal.like(where[name], name=f"taken_{name}", reset_less=True)
            m.d.sync += taken[name].eq(where[name] << self._scale(command))
        for name in ("offset", "fraction"):
            taken[name] = [
                Signal.like(value, name=f"taken_{name}_{r}", reset_less=True) for r, value in enumerate(where[name])
            ]
            m.d.sync += [out.eq(value) for out, value in zip(taken[name], where[name])]
        return taken

    def _interpolate(self, m, command, valid, taken):
        """Stage 3: angular samples with the edge of modes 10 and 26; DC with its edges; terms of planar.

        Samples of a mode that is not `command`'s are 0."""
        window, side, dc = taken["window"], taken["side"], taken["dc"]
        is_dc, is_angular = command.mode == DC, command.mode > DC
        filtered, left_edge, top_edge = Signal(), Signal(), Signal()
        m.d.comb += [
            filtered.eq(command.is_luma & (command.log2_size != 5)),
            left_edge.eq(filtered & (taken["x"] == 0)),
            top_edge.eq(filtered & (taken["y"] == 0)),
        ]
        straight = left_edge & ((command.mode == HORIZONTAL) | (command.mode == VERTICAL))

        parts = {"angular": [], "flat": [], "row": [], "column": []}
        triple = Signal(10)
        m.d.comb += triple.eq(multiple(dc, 3) + 2)
        inner = Signal(8, name="flat", reset_less=True)
        m.d.sync += inner.eq(Mux(is_dc, dc, 0))
        for r in range(4):
            row = window.as_value()
            for bit in reversed(range(len(taken["offset"][r]))):
                row = Mux(taken["offset"][r][bit], row[8 << bit :], row)[: 8 * (4 + (1 << bit))]
            row = [row[8 * i :][:8] for i in range(5)]
            for c in range(4):
                angular, flat = Signal(8, name=f"angular_{r}_{c}", reset_less=True), inner
                with m.If(valid):
                    m.d.sync += angular.eq(weighted(row[c], row[c + 1], taken["fraction"][r]))
                if c == 0:
                    bent = Signal(signed(10), name=f"bent_{r}")
                    m.d.comb += bent.eq(window[0] + ((side[r] - taken["corner"]) >> 1))
                    with m.If(valid & straight):
                        m.d.sync += angular.eq((bent[:8] | bent[8].replicate(8)) & ~bent[9].replicate(8))
                with m.If(valid & ~is_angular):
                    m.d.sync += angular.eq(0)
                if c == 0 or r == 0:
                    flat = Signal(8, name=f"flat_{r}_{c}", reset_less=True)
                    m.d.sync += flat.eq(dc)
                    with m.If(left_edge if r else top_edge):
                        m.d.sync += flat.eq(((side[r] if r else window[c]) + triple) >> 2)
                    if r == c:
                        with m.If(left_edge):
                            m.d.sync += flat.eq((side[0] + Mux(top_edge, window[0] + (dc << 1) + 2, triple)) >> 2)
                    with m.If(~is_dc):
                        m.d.sync += flat.eq(0)
                parts["angular"].append(angular)
                parts["flat"].append(flat)

        # Planar, of 64 units: (32 - v) * near + v * far + 16 for the row and for the column, v being far's weight.
        for name, near, far, weight in (
            ("row", side, taken["main_end"], taken["x"]),
            ("column", window, taken["side_end"], taken["y"]),
        ):
            end = Signal(8, name=f"{name}_end", reset_less=True)
            m.d.sync += end.eq(far)
            for i in range(4):
                slope = Signal(signed(9), name=f"{name}_slope_{i}")
                m.d.comb += slope.eq(far - near[i])
                step = Signal(signed(12), name=f"{name}_step_{i}", reset_less=True)
                start = Signal(13, name=f"{name}_start_{i}", reset_less=True)
                first = Cat(Const(4, 3), near[i])
                with m.If(valid):
                    m.d.sync += [
                        step.eq(slope << self._scale(command)),
                        start.eq(product(slope, weight, first) << 2),
                    ]
                parts[name].append((start, step, end))
        return parts

    def _finish(self, m, command, valid, parts):
        """Stage 4: planar's sum, the choice, and the transpose of the horizontal modes."""
        lines = {"row": [], "column": []}
        for name, line in lines.items():
            for k, (start, step, end) in enumerate(parts[name]):
                terms = [Signal(13, name=f"{name}_term_{k}_{i}") for i in range(4)]
                for i, term in enumerate(terms):
                    before, shift = (terms[0], 1) if i == 2 else (start, (0, 1, 0, 2)[i])
                    m.d.comb += term.eq(before + (step << shift))
                if self.sizes == (2,):  # the far end itself
                    m.d.comb += terms[3].eq((end << 5) + 16)
                line.append(terms)
        is_planar, swapped = command.mode == PLANAR, is_swapped(command.mode)
        angular, straight = list(parts["angular"]), []
        for r in range(4):
            for c in range(4):
                planar = Signal(14, name=f"planar_{r}_{c}")
                m.d.comb += planar.eq(lines["row"][r][c] + lines["column"][c][r])
                straight.append(parts["flat"][4 * r + c] | Mux(is_planar, planar[6:], 0))
        for r in range(4):
            for c in range(4):
                turned = Mux(swapped, angular[4 * c + r], angular[4 * r + c])
                with m.If(valid):
                    m.d.sync += self.samples[4 * r + c].eq(turned | straight[4 * r + c])
