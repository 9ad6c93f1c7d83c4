"""Quantisation of one coefficient group a cycle, with rate-aware decisions and sign data hiding."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.intra.adders import sum_tree
from hdl.reconstruction.level_cost import ERRORS, MAGNITUDES
from hdl.reconstruction.scans import permuted

SUBBLOCK = data.ArrayLayout(signed(16), 16)

# The encoder's reciprocal 2^20 / levelScale, by QP modulo 6.
QUANT_SCALE = (26214, 23302, 20560, 18396, 16384, 14564)

# Constants of the decisions in Q8: rounding offsets of levels up to 1 and above; costs, where 256 is the squared
# error of one quantiser step: of a level of 1, of a zero before it, of a group with levels, of a block with levels;
# and what a parity fix that makes or removes a level of 1 costs or gains.
ROUND_ONE, ROUND_MORE = 105, 115
COST_ONE, COST_ZERO, COST_GROUP, COST_BLOCK = 95, 18, 40, 110
SDH_ONE = 80

COST = signed(14)


class GroupKind(data.Struct):
    """What the quantiser must know of a group beside its coefficients."""

    log2_size: 3  # of the transform block
    scan_idx: 2
    qp_per: 4  # QP / 6
    qp_rem: 3  # QP modulo 6
    first: 1  # the first group sent of its block: the one of the highest index
    index: 6  # i of the group


class Quantizer(wiring.Component):
    """Levels of a coefficient group (TransCoeffLevel) by the encoder's rule; groups of a block come from the last to 0.

    With u = |c| / Qstep in Q8: round to level; in the last group that has levels, cut the run of small levels at the
    end where their squared error costs less than their bits; zero a whole group of small levels on the same grounds;
    then, where a sign is hidden (cu: sign_data_hiding), change the level that costs least to fix the parity.
    Ties: the higher scan position.

    `i_valid` takes `i_block` (raster order in the sub-block) with `i_kind`. `latency` cycles later `o_valid` comes with
    `o_levels` (scan order), `o_coded` (this or an earlier group of the block has levels: it is in the bitstream) and
    `o_first` (the first such); beside each level `o_magnitudes`, 15 where it is more, and `o_errors`, what the level
    leaves of |c| in sixteenths of Qstep, rounded down. One group a cycle, no backpressure.
    Arithmetic: |c| * scale exact in 33 bits, u 22 bits, level at most 13107 + 1.
    """

    latency = 8

    i_valid: In(1)
    i_kind: In(GroupKind)
    i_block: In(SUBBLOCK)
    o_valid: Out(1)
    o_levels: Out(SUBBLOCK)
    o_coded: Out(1)
    o_first: Out(1)
    o_magnitudes: Out(MAGNITUDES)
    o_errors: Out(ERRORS)

    def elaborate(self, platform):
        m = Module()
        valids = Signal(self.latency)
        m.d.sync += valids.eq(Cat(self.i_valid, valids))
        m.d.comb += self.o_valid.eq(valids[-1])
        kinds = [self.i_kind]
        for stage in range(1, 6):
            kinds.append(Signal(GroupKind, name=f"kind_{stage}", reset_less=True))
            m.d.sync += kinds[stage].eq(kinds[stage - 1])

        magnitude, negative = self._magnitudes(m, kinds[0])
        product = self._multiply(m, magnitude, kinds[1])
        level, delta = self._round(m, product, kinds[2])
        costs = self._costs(m, level, delta)
        cut = self._cut(m, level, costs, kinds[4])

        negatives = [negative]
        for stage in range(2, 8):
            negatives.append(Signal(16, name=f"negative_{stage}", reset_less=True))
            m.d.sync += negatives[-1].eq(negatives[-2])
        levels, deltas = level, delta
        for stage in (4, 5):
            levels = self._delayed(m, levels, f"level_{stage}")
            deltas = self._delayed(m, deltas, f"delta_{stage}")
        kept = self._apply(m, levels, deltas, negatives[4], cut, kinds[5], valids[4])
        self._hide(m, kept, negatives[6])
        return m

    def _delayed(self, m, signals, name):
        out = [Signal(s.shape(), name=f"{name}_{i}", reset_less=True) for i, s in enumerate(signals)]
        m.d.sync += [o.eq(s) for o, s in zip(out, signals)]
        return out

    def _magnitudes(self, m, kind):
        """Stage 1: scan order, magnitude and sign."""
        ordered = permuted(m, SUBBLOCK, self.i_block, kind.scan_idx, "ordered")
        magnitude = [Signal(16, name=f"magnitude_{i}", reset_less=True) for i in range(16)]
        negative = Signal(16, name="negative_1", reset_less=True)
        m.d.sync += [magnitude[i].eq(Mux(ordered[i] < 0, -ordered[i], ordered[i])) for i in range(16)]
        m.d.sync += negative.eq(Cat(ordered[i] < 0 for i in range(16)))
        return magnitude, negative

    def _multiply(self, m, magnitude, kind):
        """Stage 2: the product, shifted left by 0..2 so that the shift right that follows is one of four."""
        scale = Signal(17)
        base, ahead = Signal(15), Signal(2)
        m.d.comb += base.eq(Array(Const(value, 15) for value in QUANT_SCALE)[kind.qp_rem])
        total = Signal(5)
        m.d.comb += total.eq(kind.qp_per + 13 - kind.log2_size)  # 8..19
        with m.Switch(total):
            for value in range(8, 20):
                with m.Case(value):
                    m.d.comb += ahead.eq(-(value - 10) % 3)
        m.d.comb += scale.eq(base << ahead)
        product = [Signal(33, name=f"product_{i}", reset_less=True) for i in range(16)]
        m.d.sync += [product[i].eq(magnitude[i] * scale) for i in range(16)]
        return product

    def _round(self, m, product, kind):
        """Stage 3: u, the level, and what is left of u."""
        total = Signal(5)
        m.d.comb += total.eq(kind.qp_per + 13 - kind.log2_size)
        level = [Signal(14, name=f"level_3_{i}", reset_less=True) for i in range(16)]
        delta = [Signal(signed(10), name=f"delta_3_{i}", reset_less=True) for i in range(16)]
        for i in range(16):
            u = Signal(22, name=f"u_{i}")
            with m.If(total <= 10):
                m.d.comb += u.eq(product[i] >> 10)
            with m.Elif(total <= 13):
                m.d.comb += u.eq(product[i] >> 13)
            with m.Elif(total <= 16):
                m.d.comb += u.eq(product[i] >> 16)
            with m.Else():
                m.d.comb += u.eq(product[i] >> 19)
            one, more = Signal(14, name=f"rounded_one_{i}"), Signal(14, name=f"rounded_more_{i}")
            m.d.comb += [one.eq((u + ROUND_ONE) >> 8), more.eq((u + ROUND_MORE) >> 8)]
            rounded = Signal(14, name=f"rounded_{i}")
            m.d.comb += rounded.eq(Mux(one > 1, Mux(more == 0, 1, more), one))
            m.d.sync += [level[i].eq(rounded), delta[i].eq(Cat(u[:8], (u[8:10] - rounded[:2])[:2]).as_signed())]
        return level, delta

    def _costs(self, m, level, delta):
        """Stage 4: what it costs to keep everything from scan position i on, as far as that is small."""
        share = []
        for i in range(16):
            value = Signal(signed(11), name=f"share_{i}")
            later = Cat(level[j].any() for j in range(i + 1, 16)).any()
            with m.If(level[i] == 1):
                m.d.comb += value.eq((delta[i] << 1) + (256 - COST_ONE))
            with m.Elif((level[i] == 0) & later):
                m.d.comb += value.eq(-COST_ZERO)
            share.append(value)
        costs = [Signal(COST, name=f"cost_{i}", reset_less=True) for i in range(16)]
        pairs = [share[i] + share[i + 1] for i in range(0, 16, 2)]
        quads = [pairs[i] + pairs[i + 1] for i in range(0, 8, 2)]
        after = [sum_tree(quads[k:]) if k < 4 else None for k in range(1, 5)]
        for i in range(16):
            within = [share[i]] if i % 2 else [pairs[i // 2]]
            within += [pairs[i // 2 + 1]] if i % 4 < 2 else []
            rest = [after[i // 4]] if i < 12 else []
            m.d.sync += costs[i].eq(sum_tree([sum_tree(within), *rest]))
        return costs

    def _cut(self, m, level_3, costs, kind):
        """Stage 5: the best cut in the last group, and whether the group goes as a whole."""
        level = self._delayed(m, level_3, "level_4")
        candidates = []
        for i in range(16):
            small = ~Cat(level[j][1:].any() for j in range(i, 16)).any()
            cost = Signal(COST, name=f"candidate_{i}")
            with m.If(small & level[i][0] & (costs[i] < 0)):
                m.d.comb += cost.eq(costs[i])
            candidates.append((cost, Const(i, 4)))
        best, where = minimum(m, candidates, "cut")
        cut = {
            "best": Signal(COST, name="cut_best", reset_less=True),
            "where": Signal(4, name="cut_where", reset_less=True),
            "small": Signal(name="cut_small", reset_less=True),
            "all": Signal(COST, name="cut_all", reset_less=True),
        }
        any_level = Cat(l.any() for l in level).any()
        m.d.sync += [
            cut["best"].eq(best),
            cut["where"].eq(where),
            cut["small"].eq(any_level & ~Cat(l[1:].any() for l in level).any()),
            cut["all"].eq(costs[0]),
        ]
        return cut

    def _apply(self, m, level, delta, negative, cut, kind, valid):
        """Stage 6: cut, then the cost of changing each level by one towards its coefficient."""
        found, is_last = Signal(), Signal()
        m.d.comb += is_last.eq(kind.first | ~found)
        price = Mux(is_last & (kind.index == 0), COST_BLOCK, COST_GROUP)
        drop, some = Signal(), Signal()
        m.d.comb += some.eq(is_last & (cut["best"] < 0))
        m.d.comb += drop.eq(cut["small"] & (cut["all"] - price < Mux(is_last, cut["best"], 0)))
        value = [Signal(14, name=f"cut_level_{i}") for i in range(16)]
        rest = [Signal(signed(10), name=f"cut_delta_{i}") for i in range(16)]
        for i in range(16):
            removed = drop | (some & (i >= cut["where"]))
            m.d.comb += value[i].eq(Mux(removed, 0, level[i]))
            m.d.comb += rest[i].eq(Mux(removed & (level[i] == 1), delta[i] + 256, delta[i]))
        nonzero = Signal(16)
        m.d.comb += nonzero.eq(Cat(v.any() for v in value))
        with m.If(valid):
            m.d.sync += found.eq(~is_last | nonzero.any())

        before = [nonzero[:i].any() for i in range(16)]  # a level at a lower position
        behind = [nonzero[i + 1 :].any() for i in range(16)]
        sign = Cat(nonzero[i] & ~before[i] & negative[i] for i in range(16)).any()
        # Hidden where last - first > 3: some level has another at least four positions behind it.
        hidden = Cat(nonzero[i] & nonzero[i + 4 :].any() for i in range(12)).any()
        parity = Cat(v[0] for v in value).xor()
        kept = {
            "level": self._delayed(m, value, "level_6"),
            "error": [Signal(signed(6), name=f"error_6_{i}", reset_less=True) for i in range(16)],
            "up": Signal(16, name="up", reset_less=True),
            "cost": [Signal(signed(12), name=f"change_{i}", reset_less=True) for i in range(16)],
            "fix": Signal(name="fix", reset_less=True),
            "coded": Signal(name="coded_6", reset_less=True),
            "first": Signal(name="first_6", reset_less=True),
        }
        m.d.sync += [
            kept["fix"].eq(hidden & (parity != sign)),
            kept["coded"].eq(~is_last | nonzero.any()),
            kept["first"].eq(is_last & nonzero.any()),
        ]
        for i in range(16):
            up = rest[i] > 0
            m.d.sync += [kept["up"][i].eq(up), kept["error"][i].eq(rest[i] >> 4)]
            magnitude = Mux(up, rest[i], -rest[i])[:10]
            extra = Signal(signed(9), name=f"extra_{i}")
            barred = Signal(name=f"barred_{i}")
            with m.If(value[i] == 0):
                m.d.comb += extra.eq(SDH_ONE)
                m.d.comb += barred.eq((is_last & ~behind[i]) | (~before[i] & (negative[i] != sign)))
            with m.Elif((value[i] == 1) & ~up):
                m.d.comb += [extra.eq(-SDH_ONE), barred.eq(~before[i])]
            change = Mux(barred, 2047, 256 + extra - (magnitude << 1))
            m.d.sync += kept["cost"][i].eq(change)
        return kept

    def _hide(self, m, kept, negative):
        """Stage 7: the cheapest change. Stage 8: make it, and set the signs."""
        _, where = minimum(m, [(cost, Const(i, 4)) for i, cost in enumerate(kept["cost"])], "change")
        changed = Signal(16, name="changed", reset_less=True)
        m.d.sync += changed.eq(Mux(kept["fix"], 1 << where, 0))
        up, coded, first = (Signal(w, reset_less=True) for w in (16, 1, 1))
        m.d.sync += [up.eq(kept["up"]), coded.eq(kept["coded"]), first.eq(kept["first"])]
        level = self._delayed(m, kept["level"], "level_7")
        error = self._delayed(m, kept["error"], "error_7")
        m.d.sync += [self.o_coded.eq(coded), self.o_first.eq(first)]
        for i in range(16):
            step = Mux(changed[i], Mux(up[i], Const(1, signed(2)), Const(-1, signed(2))), Const(0, signed(2)))
            final = Signal(signed(16), name=f"final_{i}")
            m.d.comb += final.eq(level[i] + step)
            m.d.sync += [
                self.o_levels[i].eq(Mux(negative[i], -final, final)),
                self.o_magnitudes[i].eq(Mux(final[4:].any(), 15, final[:4])),
                self.o_errors[i].eq(error[i] - (step << 4)),
            ]


def minimum(m, candidates, name: str):
    """(cost, index) of the least of sixteen costs, the higher position where they are equal: a tree."""
    depth = 0
    while len(candidates) > 1:
        following = []
        for k in range(0, len(candidates), 2):
            (low, low_index), (high, high_index) = candidates[k], candidates[k + 1]
            cost = Signal.like(low, name=f"{name}_least_{depth}_{k}")
            index = Signal(4, name=f"{name}_index_{depth}_{k}")
            lower = Signal(name=f"{name}_lower_{depth}_{k}")
            m.d.comb += [
                lower.eq(low < high),
                cost.eq(Mux(lower, low, high)),
                index.eq(Mux(lower, low_index, high_index)),
            ]
            following.append((cost, index))
        candidates, depth = following, depth + 1
    return candidates[0]
