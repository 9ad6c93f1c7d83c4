"""Points of Verilator to the table of blocks, the largest holes, and docs/rtl-coverage.md."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sim.coverage import LINE, TOGGLE, Point
from verif.rtl_coverage.netlist import Nets

AIMS = {LINE: 0.95, TOGGLE: 0.85}
RULES = {
    "block": "lines that are reached whenever the simulation runs: initial values, heads of `always`",
    "constant": "bits that are constant by construction: Yosys's constant folding of the whole chip finds them so",
    "alias": "bits that are wired to one counted in the same instance: a field of a struct and the struct, a port and "
    "the signal behind it",
}
"""What is no point of the table, and why."""
CONSTANT = "0", "1", "x"
LARGEST = 40
_ASSIGNED = re.compile(r"\s+(?:assign )?(?P<name>\S+?)(?: *\[[\d:]+\])? *(?:<= (?P<next>\\\$\d+) ;|<?= )")

INTRODUCTION = """\
A **line** point is an arm: of `if` and `else` (one that is not written too), of `case`, of `?:`. Amaranth and Yosys
write one `always` for each signal, with the `m.If` and `m.Switch` of the source that lead to it; so an arm of the
source is counted once for each signal that it drives. What the source says with operators has no arms. A **toggle**
point is a change of a bit, up or down apart, of a signal that the source names or that a port has. Everything is
counted in each instance by itself. Queues and other things of `hdl/common` count to the block that uses them.

Yosys's temporaries (`$1`: what an operator gives inside an expression) and the `if` that it writes at the head of each
`always`, which never holds, are not built into the model. Of the rest these are left out: see below.""".splitlines()
COUNTER = "upper bits of a counter: a picture that sets them takes too long to simulate"
UNCHOSEN = "analysis never chooses these chroma modes, nor such transform trees; the bench of entropy has them"
CLIPS = "clipping of what overflows 16 bits: no coefficient of these pictures does; the block's bench has some"
REASONS = {
    r"sse_|squared_error\.": "upper bits of a sum in 64 bits: that of the largest picture has 40, of these fewer",
    r"(stall_\w+|cycles|bytes_\w+|bins|bits|position\w*|stat_\w+|control\.(quiet|count))(_count|_bytes)?$": COUNTER,
    r"coder\.output\.run": "upper bits of the count of outstanding bytes: longer runs than any content here makes",
    r"transform\.engine\.\$\d+$|scaler\.clipped|inverse4x4\.\$\d+$": CLIPS,
    r"predictor\.\$\d+$": "the fraction at every other row is even, whatever the angle (8.4.4.2.6): no bit to add",
    r"analysis\.(rd4|large\.costs)\.cost": "upper bits of coefficients: the block is made for those of all sizes",
    r"analysis\.small\.gather\.": "blocks that take several steps: Lane4 has those of 4x4 alone, which take one",
    r"entropy\.syntax\.": UNCHOSEN,
    r"qp_reader|read_port\..*1__payload|queue_1|raised_1": "the QP map: few bytes, hardly one of 64 or more",
}
"""Signals whose holes have a reason, by a pattern of instance and name. They count as missing all the same."""


@dataclass
class Tally:
    """Points hit, and points, by kind."""

    hit: Counter = field(default_factory=Counter)
    all: Counter = field(default_factory=Counter)

    def add(self, kind: str, hit: bool) -> None:
        self.hit[kind] += hit
        self.all[kind] += 1

    def share(self, kind: str) -> float:
        return self.hit[kind] / self.all[kind] if self.all[kind] else 1.0


@dataclass
class Report:
    """Coverage by block; `holes` are signals (instance and name) with points that were never hit, `left_out` counts by
    rule."""

    blocks: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    holes: dict[str, Counter] = field(default_factory=lambda: {LINE: Counter(), TOGGLE: Counter()})
    left_out: Counter = field(default_factory=Counter)

    def add(self, block: str, point: Point, signal: str, count: int) -> None:
        """A point that was hit `count` times."""
        self.blocks[block].add(point.kind, count > 0)
        if not count:
            self.holes[point.kind][signal] += 1

    @property
    def total(self) -> Tally:
        total = Tally()
        for tally in self.blocks.values():
            total.hit.update(tally.hit)
            total.all.update(tally.all)
        return total


def summarise(hits: dict[Point, int], nets: Nets, blocks: dict[str, str], verilog: str) -> Report:
    """The report of all points; `verilog` is the text that they are of."""
    report = Report()
    driven = _driven(verilog)

    def add(point: Point, signal: str, count: int) -> None:
        # a submodule with the name of a signal has a number behind it
        report.add(blocks[re.sub(r"\$\d+", "", point.instance)], point, f"{point.instance}.{signal}", count)

    bits: dict[tuple, list] = {}
    for point, count in hits.items():
        if point.kind == TOGGLE:
            found = nets.get(f"{point.instance}.{point.name}")
            net = found[point.bit] if found else f"{point.name}[{point.bit}]"
            key = point.instance, net, point.what
            if net in CONSTANT:
                report.left_out["constant"] += 1
            elif key in bits:
                report.left_out["alias"] += 1
                bits[key][1] += count
            else:
                bits[key] = [point, count]
        elif point.what == "block":
            report.left_out["block"] += 1
        else:
            add(point, driven[int(point.name)], count)
    for point, count in bits.values():
        add(point, point.name, count)
    return report


def _driven(verilog: str) -> list[str]:
    """Of each line of the Verilog, counted from one: the signal that its `always` or `assign` drives; of what a
    register takes next, the register."""
    names, begin, name, registers = [""], 0, "", {}
    for number, line in enumerate(verilog.splitlines(), 1):
        if line.startswith(("module", "  always", "  assign")):
            begin, name = number, ""
        if line.startswith("module"):
            registers = {}
        match = _ASSIGNED.match(line)
        if match and match["next"]:
            registers[match["next"]] = match["name"]
        if match and not name:
            name = registers.get(match["name"], match["name"]).removeprefix("\\")
            names[begin:] = [name] * (number - begin)
        names.append(name)
    return names


def rows(report: Report) -> list[tuple[str, Tally]]:
    """Blocks by name, and all of them."""
    return [*sorted(report.blocks.items()), ("all", report.total)]


def page(report: Report, run: str, versions: str) -> str:
    """docs/rtl-coverage.md; `run` says what was run, and on what."""
    lines = [
        "# Coverage of the RTL",
        "",
        "This page is generated: `python -m verif.rtl_coverage --update` runs the chip and writes it.",
        "`make rtl-coverage` runs the same and leaves the page as it is.",
        "",
        f"{run} {versions}",
        "",
        *INTRODUCTION,
        "",
        "## Blocks",
        "",
        f"Aims: {AIMS[LINE]:.0%} of the arms, {AIMS[TOGGLE]:.0%} of the toggles.",
        "",
        "| block | arms | hit | toggles | hit |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, tally in rows(report):
        cells = (f"{tally.all[kind]:,} | {tally.share(kind):.1%}" for kind in (LINE, TOGGLE))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", "## Left out", "", "| points | what they are |", "|--:|---|"]
    lines += [f"| {report.left_out[rule]:,} | {reason} |" for rule, reason in RULES.items()]
    for kind, title in ((LINE, "arms of the logic of"), (TOGGLE, "toggles of")):
        holes = report.holes[kind]
        lines += ["", f"## The largest holes: {title} a signal", ""]
        lines += [
            f"{sum(holes.values()):,} of {report.total.all[kind]:,} were not hit; {len(holes):,} signals have some."
        ]
        lines += ["", "| not hit | signal | |", "|--:|---|---|"]
        lines += [f"| {count} | `{name}` | {reason_of(name)} |" for name, count in holes.most_common(LARGEST)]
    return "\n".join(lines) + "\n"


def reason_of(signal: str) -> str:
    """Why a signal has holes, where that is known."""
    return next((reason for pattern, reason in REASONS.items() if re.search(pattern, signal)), "")
