"""The tables of docs/verification-plan.md from the coverage that a regression left.

`python -m verif.uvm.plan [COVERAGE.json]`; by default build/regress/coverage.json.
"""

import json
import sys
from pathlib import Path

from sim.toolchain import BUILD, ROOT
from verif.uvm import chip_coverage, code_coverage
from verif.uvm.coverage import Coverage

PAGE = ROOT / "docs" / "verification-plan.md"
COVERAGE = BUILD / "regress" / "coverage.json"
BEGIN, END = "<!-- begin of what python -m verif.uvm.plan writes -->", "<!-- end -->"
AIM = 0.95
GOALS = (*code_coverage.GOALS, *chip_coverage.GOALS)
SHOWN = 12  # bins without a hit that are named, of a goal


def tables(coverage: Coverage, measured_on: str) -> str:
    """The goals and how far they are covered; then what is missing, with reasons where there are any."""
    hit, bins = coverage.covered()
    lines = [f"{measured_on}: {hit} of {bins} bins, {hit / bins:.1%} (aim: {AIM:.0%}).", ""]
    lines += ["| goal | what | bins | hit | % |", "|---|---|--:|--:|--:|"]
    for name, goal in coverage.goals.items():
        hit, bins = coverage.covered(name)
        lines.append(f"| `{name}` | {goal.title} | {bins} | {hit} | {100 * hit / bins:.0f} |")
    lines += ["", "| missing in | bins | why |", "|---|---|---|"]
    for name, goal in coverage.goals.items():
        reasons: dict[str, list[str]] = {}
        for bin in coverage.missing(name):
            reasons.setdefault(goal.holes.get(bin, "not hit yet"), []).append(bin)
        for reason, missing in reasons.items():
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            lines.append(f"| `{name}` | {', '.join(missing[:SHOWN])}{more} | {reason} |")
    return "\n".join(lines)


def updated(page: str, generated: str) -> str:
    """The page with its generated part replaced."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{generated}\n{END}{tail}"


def main(path: Path) -> None:
    content = json.loads(path.read_text())
    coverage = Coverage(GOALS)
    coverage.merge(content["bins"])
    seeds = ", ".join(f"{number} seeds of `{suite}`" for suite, number in content["seeds"].items())
    PAGE.write_text(updated(PAGE.read_text(), tables(coverage, f"`heron regress`, {seeds}")))
    hit, bins = coverage.covered()
    print(f"{hit} of {bins} bins, {hit / bins:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else COVERAGE)
