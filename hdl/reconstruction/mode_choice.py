"""The choice between the candidate modes of a luma block, by what their levels cost."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.payloads import CoefficientGroup
from hdl.reconstruction.level_cost import BIT, COST, ERRORS, MAGNITUDES, LevelCost
from hdl.reconstruction.prediction import SubblockTag

# Candidates of a luma prediction block that is one transform block, by its log2 size; at most 3 for 4x4, else 2.
CHOICES = (0, 0, 3, 2, 2, 1)

# Cost of each candidate's mode in the syntax.
MODE_COSTS = data.ArrayLayout(unsigned(8), 3)


def mode_cost(m, mode, probable, name: str):
    """Of prev_intra_luma_pred_flag and mpm_idx or rem_intra_luma_pred_mode: 2, 3 or 6 bits."""
    cost = Signal(8, name=name)
    m.d.comb += cost.eq(6 * BIT)
    with m.If((mode == probable[1]) | (mode == probable[2])):
        m.d.comb += cost.eq(3 * BIT)
    with m.If(mode == probable[0]):
        m.d.comb += cost.eq(2 * BIT)
    return cost


class GroupTag(data.Struct):
    """A coefficient group on its way."""

    place: SubblockTag
    small: 1  # of a 4x4 block
    index: 6
    first: 1


class Outcome(data.Struct):
    """A candidate and what its levels came to."""

    candidate: 2
    coded: 1
    last: 6  # its last group with levels


class ModeChoice(wiring.Component):
    """Compares the candidates of a block and sends the groups of the best.

    Takes each quantised group of the candidates, a block after the other, with `q_valid`; `q_final` marks the last
    candidate. `latency` cycles after the last group of a candidate `better` says that it costs less than all before
    it; when it was the last one, `chosen` is high and `outcome` is the best of them, the earlier one on ties.
    From two cycles later the coded groups of that one come out with `e_valid`, one a cycle; `busy` until then.
    `mode_costs` is looked at with the groups. A memory of 128 groups.
    """

    latency = LevelCost.latency

    q_valid: In(1)
    q_final: In(1)
    q_tag: In(GroupTag)
    q_coded: In(1)
    q_group: In(CoefficientGroup)
    q_log2_size: In(3)
    q_scan_idx: In(2)
    q_magnitudes: In(MAGNITUDES)
    q_errors: In(ERRORS)
    mode_costs: In(MODE_COSTS)
    better: Out(1)
    chosen: Out(1)
    outcome: Out(Outcome)
    e_valid: Out(1)
    e_group: Out(CoefficientGroup)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.cost = cost = LevelCost()
        tag = self.q_tag
        m.d.comb += [
            cost.i_valid.eq(self.q_valid),
            cost.i_first.eq(tag.first),
            cost.i_log2_size.eq(self.q_log2_size),
            cost.i_scan_idx.eq(self.q_scan_idx),
            cost.i_x.eq(tag.place.x),
            cost.i_y.eq(tag.place.y),
            cost.i_magnitudes.eq(self.q_magnitudes),
            cost.i_errors.eq(self.q_errors),
            cost.i_extra.eq(self.mode_costs[tag.place.candidate]),
        ]

        # At the end of each candidate, what it came to; until its cost is known.
        ending = data.StructLayout({"valid": 1, "final": 1, "outcome": Outcome})
        last = Signal(6, reset_less=True)
        now = Signal(ending, name="ending_0")
        m.d.comb += [
            now.valid.eq(self.q_valid & (tag.index == 0)),
            now.final.eq(self.q_final),
            now.outcome.candidate.eq(tag.place.candidate),
            now.outcome.coded.eq(self.q_coded),
            now.outcome.last.eq(last),
        ]
        with m.If(self.q_group.first):
            m.d.comb += now.outcome.last.eq(tag.index)
            with m.If(self.q_valid):
                m.d.sync += last.eq(tag.index)
        for stage in range(1, self.latency + 1):
            later = Signal(ending, name=f"ending_{stage}")
            m.d.sync += later.eq(now)
            now = later

        least, best = Signal(COST, reset_less=True), Signal(Outcome, reset_less=True)
        m.d.comb += [
            self.better.eq((now.outcome.candidate == 0) | (cost.o_cost < least)),
            self.chosen.eq(now.valid & now.final),
            self.outcome.eq(best),
        ]
        with m.If(self.better):
            m.d.comb += self.outcome.eq(now.outcome)
            with m.If(now.valid):
                m.d.sync += [least.eq(cost.o_cost), best.eq(now.outcome)]

        # A large block has two candidates, a 4x4 block three of one group each. They have left before the next come.
        shape = self.q_group.level.shape()
        m.submodules.groups = groups = Memory(shape=shape, depth=128, init=[], attrs={"no_rw_check": 1})
        write, read = groups.write_port(), groups.read_port()

        def address(candidate, index):
            return Cat(index[0] | candidate[1], index[1:], candidate.any())

        sending, candidate, index, first = Signal(), Signal(2), Signal(6), Signal()
        m.d.comb += [
            write.en.eq(self.q_valid),
            write.addr.eq(address(tag.place.candidate, tag.index)),
            write.data.eq(self.q_group.level),
            read.addr.eq(address(candidate, index)),
            self.e_group.level.eq(read.data),
            self.busy.eq(sending | self.e_valid),
        ]
        m.d.sync += [self.e_valid.eq(sending), self.e_group.index.eq(index), self.e_group.first.eq(first)]
        with m.If(self.chosen):
            m.d.sync += [sending.eq(self.outcome.coded), first.eq(1)]
            m.d.sync += [candidate.eq(self.outcome.candidate), index.eq(self.outcome.last)]
        with m.Elif(sending):
            m.d.sync += [index.eq(index - 1), first.eq(0), sending.eq(index != 0)]
        return m
