"""Quantisation of a coefficient group in two cycles, with rate-aware decisions and sign data hiding."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.reconstruction.level_cost import ERRORS, LANES, MAGNITUDES
from hdl.reconstruction.scans import POSITIONS

SUBBLOCK = data.ArrayLayout(signed(16), 16)
LEVELS = data.ArrayLayout(signed(16), LANES)

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


class Lane(data.Struct):
    """A rounded coefficient. The level is `high + more`; what it leaves of |c|, in Q8, is `low - 256 * more`."""

    high: 14
    low: 8
    more: 1
    negative: 1
    one: 1  # the level is 1
    some: 1  # the level is not 0
    above: 1  # |c| is above the level

    def odd(self):
        return self.high[0] ^ self.more


LANE_ARRAY = data.ArrayLayout(Lane, LANES)


class Quantizer(wiring.Component):
    """Levels of a coefficient group (TransCoeffLevel) by the encoder's rule; groups of a block come from the last to 0.

    With u = |c| / Qstep in Q8: round to level; in the last group that has levels, cut the run of small levels at the
    end where their squared error costs less than their bits; zero a whole group of small levels on the same grounds;
    then, where a sign is hidden (cu: sign_data_hiding), change the level that costs least to fix the parity.
    Ties: the higher scan position.

    `i_valid` takes `i_block` (raster order in the sub-block) with `i_kind`, at most every second cycle; the block stays
    for the cycle after. Eight lanes work on the upper half of the scan, then on the lower. `latency` cycles after
    `i_valid` comes `o_valid` with `o_coded` (this or an earlier group of the block has levels: it is in the bitstream),
    `o_first` (the first such) and all `o_levels` (scan order). What the lanes hold is the lower half then, the upper
    half in the cycle before: `o_lanes`, the levels; `o_magnitudes`, 15 where it is more; `o_errors`, what the level
    leaves of |c| in sixteenths of Qstep, rounded down. No backpressure.
    Arithmetic: |c| * scale exact in 33 bits, u 22 bits, level at most 13107 + 1.
    """

    latency = 11

    i_valid: In(1)
    i_kind: In(GroupKind)
    i_block: In(SUBBLOCK)
    o_valid: Out(1)
    o_levels: Out(SUBBLOCK)
    o_coded: Out(1)
    o_first: Out(1)
    o_lanes: Out(LEVELS)
    o_magnitudes: Out(MAGNITUDES)
    o_errors: Out(ERRORS)

    def elaborate(self, platform):
        m = Module()
        upper = [self.i_valid]  # by stage: works on the upper half; on the lower one in the cycle after
        kinds = [self.i_kind]
        for stage in range(1, self.latency + 1):
            upper.append(Signal(name=f"upper_{stage}"))
            m.d.sync += upper[stage].eq(upper[stage - 1])
        for stage in range(1, 6):
            kinds.append(Signal(GroupKind, name=f"kind_{stage}", reset_less=True))
            with m.If(upper[stage - 1]):
                m.d.sync += kinds[stage].eq(kinds[stage - 1])
        m.d.comb += self.o_valid.eq(upper[-1])
        working = [upper[stage] | upper[stage + 1] for stage in range(self.latency)]

        scan_idx = Mux(upper[0], kinds[0].scan_idx, kinds[1].scan_idx)
        magnitude, negative = self._magnitudes(m, working[0], upper[0], scan_idx)
        product, fours = self._multiply(m, magnitude, upper[0])
        lanes = {2: self._round(m, working[1], product, negative, fours)}
        for stage in range(3, 10):
            lanes[stage] = Signal(LANE_ARRAY, name=f"lanes_{stage}", reset_less=True)
            with m.If(working[stage - 1]):
                m.d.sync += lanes[stage].eq(lanes[stage - 1])
        cut = self._cut(m, *self._costs(m, working[2], lanes[2], upper[2]))
        left = self._apply(m, lanes[4], lanes[5], cut, kinds[5], upper[5])
        kept = self._parity(m, lanes[5], lanes[6], left, upper[6])
        changed = self._change(m, lanes[7], kept, upper[7], upper[8])
        self._finish(m, working[9], lanes[9], changed, upper[9])
        return m

    def _magnitudes(self, m, working, upper, scan_idx):
        """Stage 0: scan order, magnitude and sign."""
        negative = Signal(LANES, name="negative_1", reset_less=True)
        magnitude = [Signal(16, name=f"magnitude_{k}", reset_less=True) for k in range(LANES)]
        for k in range(LANES):
            ordered = Signal(signed(16), name=f"ordered_{k}")
            with m.Switch(Cat(upper, scan_idx)):
                for index, positions in enumerate(POSITIONS):
                    for half in range(2):
                        with m.Case(half | index << 1):
                            m.d.comb += ordered.eq(self.i_block[positions[LANES * half + k]])
            sign = ordered[15]
            with m.If(working):
                m.d.sync += [magnitude[k].eq((ordered ^ sign.replicate(16))[:16] + sign), negative[k].eq(sign)]
        return magnitude, negative

    def _multiply(self, m, magnitude, upper):
        """Stage 1: the product, shifted left by 0..3 so that the shift right that follows is one of three: by how many
        fours."""
        total = Signal(5)
        m.d.comb += total.eq(self.i_kind.qp_per + 13 - self.i_kind.log2_size)  # 8..19
        scales = [QUANT_SCALE[rem] << (3 - low) for rem in range(6) for low in range(4)]
        scale, fours = Signal(18, reset_less=True), Signal(3, reset_less=True)
        with m.If(upper):
            m.d.sync += [scale.eq(rom(scales, Cat(total[:2], self.i_kind.qp_rem), 18)), fours.eq(total[2:])]
        return [magnitude[k] * scale for k in range(LANES)], fours

    def _round(self, m, working, product, negative, fours):
        """Stage 1: u = 256 * high + low, and the level, which is one more from a threshold of `low` on.

        The threshold is 256 - ROUND_MORE where high is at least 2, else 256 - ROUND_ONE: what ROUND_ONE makes 2 or more
        is at least 2 by ROUND_MORE too, and with high 1 at most 2.
        """
        lanes = Signal(LANE_ARRAY, name="lanes_2", reset_less=True)
        for k in range(LANES):
            u = Signal(22, name=f"u_{k}")
            with m.Switch(fours):
                for value in (2, 3, 4):
                    with m.Case(value):
                        m.d.comb += u.eq(product[k][4 * value + 3 :])
            low, high = u[:8], u[8:]
            several, more = Signal(name=f"several_{k}"), Signal(name=f"more_{k}")
            m.d.comb += several.eq(high[1:].any())
            one, two = (at_least(low, 256 - offset) for offset in (ROUND_ONE, ROUND_MORE))
            m.d.comb += more.eq(Mux(several, two, one))
            with m.If(working):
                m.d.sync += [
                    lanes[k].high.eq(high),
                    lanes[k].low.eq(low),
                    lanes[k].more.eq(more),
                    lanes[k].negative.eq(negative[k]),
                    lanes[k].one.eq(~several & (high[0] ^ more)),
                    lanes[k].some.eq(several | high[0] | more),
                    lanes[k].above.eq(~more & low.any()),
                ]
        return lanes

    def _costs(self, m, working, lanes, upper):
        """Stages 2, 3: what a cut at each position would cost, as a key to order them by; of all; are all levels small.

        A level of 1 that goes costs 2 * u - 256 of squared error and saves COST_ONE.
        """
        carried, total = Signal(COST, reset_less=True), Signal(COST, reset_less=True)  # carried: to the lower half
        some_kept, small_kept = Signal(reset_less=True), Signal(reset_less=True)
        some, small = Signal(), Signal()
        m.d.comb += [some.eq(~upper & some_kept), small.eq(upper | small_kept)]
        shares, allowed = [None] * LANES, [None] * LANES
        for k in reversed(range(LANES)):
            lane = lanes[k]
            shares[k] = Signal(signed(10), name=f"share_{k}")
            with m.If(lane.one):
                offset = (256 + COST_ONE + 1) // 32  # 2 * (u - 176) + 1, the low bits of u as they are
                m.d.comb += shares[k].eq(Cat(Const(1, 1), lane.low[:4], (Cat(lane.low[4:], lane.high[0]) - offset)[:5]))
            with m.Elif(~lane.some & some):
                m.d.comb += shares[k].eq(-COST_ZERO)
            some = some | lane.some
            small = small & (lane.one | ~lane.some)
            allowed[k] = small & lane.one
        # A chain of pairs, which is half as long as one of single positions.
        costs = [Signal(COST, name=f"cost_{k}") for k in range(LANES)]
        above = carried
        for k in range(LANES - 2, -1, -2):
            m.d.comb += [costs[k + 1].eq(above + shares[k + 1]), costs[k].eq(above + (shares[k + 1] + shares[k]))]
            above = costs[k]
        # Only cuts that cost less than nothing count. None is below -1024: ten bits are enough.
        keys = [Signal(11, name=f"key_{k}", reset_less=True) for k in range(LANES)]
        with m.If(working):
            m.d.sync += [keys[k].eq(Cat(costs[k][:10], ~(allowed[k] & costs[k][-1]))) for k in range(LANES)]
        m.d.sync += [carried.eq(Mux(upper, costs[0], 0)), total.eq(costs[0]), some_kept.eq(some), small_kept.eq(small)]
        return keys, total, some_kept & small_kept

    def _cut(self, m, keys, cost, small):
        """Stages 3, 4: the cut that costs least."""
        candidates = [(key, Const(k, 3)) for k, key in enumerate(keys)]
        (low, low_index), (high, high_index) = (
            least(m, half, name) for half, name in ((candidates[:4], "low_cut"), (candidates[4:], "high_cut"))
        )
        best_kept, where_kept = Signal(11, reset_less=True), Signal(3, reset_less=True)
        # The last two rounds at once.
        is_low = low < high
        best, where = Mux(is_low, low, high), Mux(is_low, low_index, high_index)
        lower = Mux(is_low, low < best_kept, high < best_kept)
        m.d.sync += [best_kept.eq(best), where_kept.eq(where)]
        cut = {
            "best": Signal(11, name="cut_best", reset_less=True),
            "where": Signal(4, name="cut_where", reset_less=True),
            "small": Signal(name="cut_small", reset_less=True),
            "all": Signal(COST, name="cut_all", reset_less=True),
        }
        m.d.sync += [
            cut["best"].eq(Mux(lower, best, best_kept)),
            cut["where"].eq(Mux(lower, where, Cat(where_kept, Const(1, 1)))),
            cut["small"].eq(small),
            cut["all"].eq(cost),
        ]
        return cut

    def _apply(self, m, lower, upper, cut, kind, valid):
        """Stage 5: cut; what is left, and whether it may be the last group with levels."""
        left = {
            "removed": Signal(16, name="removed_6", reset_less=True),
            "nonzero": Signal(16, name="nonzero_6", reset_less=True),
            "is_last": Signal(name="is_last_6", reset_less=True),
            "found": Signal(name="found"),  # this or an earlier group of the block has levels
        }
        is_last = Signal()
        m.d.comb += is_last.eq(kind.first | ~left["found"])
        price = Mux(is_last & (kind.index == 0), COST_BLOCK, COST_GROUP)
        drop, some = Signal(), Signal()
        m.d.comb += some.eq(is_last & ~cut["best"][-1])
        saved = Mux(some, Cat(cut["best"][:10], Const(0b1111, 4)), 0)
        m.d.comb += drop.eq(cut["small"] & (((cut["all"] - saved)[:14].as_signed() - price) < 0))
        removed = Signal(16)
        m.d.comb += removed.eq(Cat(drop | (some & (i >= cut["where"])) for i in range(16)))
        with m.If(valid):
            m.d.sync += [
                left["removed"].eq(removed),
                left["nonzero"].eq(Cat(lane.some for half in (lower, upper) for lane in half) & ~removed),
                left["is_last"].eq(is_last),
            ]
        return left

    def _parity(self, m, lower, upper, left, valid):
        """Stage 6: whether the parity is to be fixed, and which levels may not be changed for it."""
        lanes = [lower[k] for k in range(LANES)] + [upper[k] for k in range(LANES)]
        removed, nonzero, is_last, negative = left["removed"], left["nonzero"], left["is_last"], Signal(16)
        m.d.comb += negative.eq(Cat(lane.negative for lane in lanes))
        with m.If(valid):
            m.d.sync += left["found"].eq(~is_last | nonzero.any())

        before, behind = Signal(16), Signal(16)  # a level at a lower position, at a higher one
        m.d.comb += [
            before.eq(Cat(nonzero[:i].any() for i in range(16))),
            behind.eq(Cat(nonzero[i + 1 :].any() for i in range(16))),
        ]
        sign = (nonzero & ~before & negative).any()
        # Hidden where last - first > 3: some level has another at least four positions behind it.
        hidden = (nonzero[:12] & (behind | nonzero)[4:]).any()
        parity = (Cat(lane.odd() for lane in lanes) & ~removed).xor()
        kept = {
            "removed": Signal(16, reset_less=True),
            "barred": Signal(16, reset_less=True),
            "fix": Signal(name="fix", reset_less=True),
            "coded": Signal(name="coded_7", reset_less=True),
            "first": Signal(name="first_7", reset_less=True),
        }
        with m.If(valid):
            m.d.sync += [
                kept["removed"].eq(removed),
                kept["fix"].eq(hidden & (parity != sign)),
                kept["coded"].eq(~is_last | nonzero.any()),
                kept["first"].eq(is_last & nonzero.any()),
            ]
            # A zero behind the last level, or before the first if its sign would be another; the first if it would go.
            m.d.sync += kept["barred"].eq(
                Cat(
                    Mux(
                        nonzero[i],
                        lane.one & ~lane.above & ~before[i],
                        (is_last & ~behind[i]) | (~before[i] & (negative[i] != sign)),
                    )
                    for i, lane in enumerate(lanes)
                )
            )
        return kept

    def _change(self, m, lanes, kept, upper, lower):
        """Stages 7, 8: the level that is changed, by one towards its coefficient.

        168 less half of what a change costs is |u - level|, and SDH_ONE / 2 more where the level is not 0, and as much
        again where it becomes 0. The last level may always be changed.
        """
        gains = []
        removed, barred = half_of(kept["removed"], upper), half_of(kept["barred"], upper)
        for k in range(LANES):
            lane = lanes[k]
            stays, minus = Signal(name=f"stays_{k}"), Signal(name=f"minus_{k}")
            m.d.comb += [stays.eq(lane.some & ~removed[k]), minus.eq(stays & lane.more)]
            goes = Signal(name=f"goes_{k}")
            m.d.comb += goes.eq(stays & lane.one & ~lane.above)
            distance = Cat(lane.low ^ minus.replicate(8), lane.high[0] & ~stays)
            bonus = Mux(goes, SDH_ONE, Mux(stays, SDH_ONE // 2, 0)) | minus
            gain = Signal(9, name=f"gain_{k}")
            m.d.comb += gain.eq(distance + bonus)
            gains.append((Cat(~gain, barred[k]), Const(k, 3)))
        best, where = least(m, gains, "change")
        best_kept, where_kept = Signal(10, reset_less=True), Signal(3, reset_less=True)
        m.d.sync += [best_kept.eq(best), where_kept.eq(where)]
        changed = {
            "best": [Signal(10, name=f"changed_best_{half}", reset_less=True) for half in range(2)],
            "where": [Signal(3, name=f"changed_where_{half}", reset_less=True) for half in range(2)],
            "fix": Signal(name="changed_fix", reset_less=True),
            "removed": Signal(16, name="changed_removed", reset_less=True),
            "coded": Signal(name="coded_9", reset_less=True),
            "first": Signal(name="first_9", reset_less=True),
        }
        with m.If(lower):
            m.d.sync += [kept_best.eq(cost) for kept_best, cost in zip(changed["best"], (best, best_kept))]
            m.d.sync += [kept_where.eq(index) for kept_where, index in zip(changed["where"], (where, where_kept))]
            m.d.sync += [changed[name].eq(kept[name]) for name in ("fix", "removed", "coded", "first")]
        return changed

    def _finish(self, m, working, lanes, changed, upper):
        """Stages 9, 10: make the change, and set the signs."""
        removed = half_of(changed["removed"], upper)
        here, where = Signal(), Signal(3)
        is_lower = changed["best"][0] < changed["best"][1]
        m.d.comb += [
            here.eq(changed["fix"] & (is_lower ^ upper)),
            where.eq(Mux(upper, changed["where"][1], changed["where"][0])),
        ]
        m.d.sync += [self.o_coded.eq(changed["coded"]), self.o_first.eq(changed["first"])]
        m.d.comb += [self.o_levels[k].eq(self.o_lanes[k]) for k in range(LANES)]
        m.d.sync += [self.o_levels[LANES + k].eq(self.o_lanes[k]) for k in range(LANES)]
        for k in range(LANES):
            lane = lanes[k]
            step, high = Signal(signed(2), name=f"step_{k}"), Signal(14, name=f"high_{k}")
            one, more = Signal(name=f"changed_{k}"), lane.more & ~removed[k]
            m.d.comb += [one.eq(here & (where == k)), high.eq(Cat(lane.high[0] & ~removed[k], lane.high[1:]))]
            up = lane.above | ~lane.some | removed[k]
            # What is rounded up is above its coefficient: it never steps up.
            with m.If(more):
                m.d.comb += step.eq(~one)
            with m.Elif(one):
                m.d.comb += step.eq(Mux(up, 1, -1))
            signed_step = Signal(signed(3), name=f"signed_step_{k}")
            m.d.comb += signed_step.eq(Mux(lane.negative, 1 - step, step))
            near = Signal(5, name=f"near_{k}")
            m.d.comb += near.eq(high[:4] + step)
            level = Cat(high ^ lane.negative.replicate(14), lane.negative).as_signed() + signed_step
            with m.If(working):
                m.d.sync += [
                    self.o_lanes[k].eq(level),
                    self.o_magnitudes[k].eq(Mux(high[4:].any() | near[4], 15, near[:4])),
                    self.o_errors[k].eq(Cat(lane.low[4:], ((lane.high[0] & removed[k]) - step)[:2])),
                ]


def at_least(value, threshold: int):
    """Of eight bits and a constant: two nibbles as tables, less than a carry chain takes."""
    high, low = divmod(threshold, 16)
    equal, above = rom([k == high for k in range(16)], value[4:], 1), rom([k > high for k in range(16)], value[4:], 1)
    return above | (equal & rom([k >= low for k in range(16)], value[:4], 1))


def half_of(flags, upper):
    return Mux(upper, flags[LANES:], flags[:LANES])


def least(m, candidates, name: str):
    """(cost, index) of the least of the unsigned costs, the higher position where they are equal: a tree."""
    depth = 0
    while len(candidates) > 1:
        following = []
        for k in range(0, len(candidates), 2):
            (low, low_index), (high, high_index) = candidates[k], candidates[k + 1]
            cost = Signal(len(low), name=f"{name}_least_{depth}_{k}")
            index = Signal(3, name=f"{name}_index_{depth}_{k}")
            lower = Signal(name=f"{name}_lower_{depth}_{k}")
            m.d.comb += [
                lower.eq(low < high),
                cost.eq(Mux(lower, low, high)),
                index.eq(Mux(lower, low_index, high_index)),
            ]
            following.append((cost, index))
        candidates, depth = following, depth + 1
    return candidates[0]
