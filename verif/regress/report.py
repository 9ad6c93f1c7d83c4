"""What a regression leaves: a table on the terminal, JUnit XML, one page of HTML, and the coverage."""

import html
import json
import re
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from heron.bench.page import page, table_html
from heron.outputs import write_file
from sim.verilog import git_hash
from verif.regress.results import FAILED, Result, groups, merged_coverage, replay_command

SHOWN = 3
"""Replay commands of a group on the terminal; the page has them all."""
COLUMNS = ("suite", "seeds", "passed", "failed", "missing", "kept", "median s", "max s")
_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What neither XML nor UTF-8 can have, as messages with names of files may."""


@dataclass
class Summary:
    """A regression, done or cut short: what was planned, as (suite, seed), and what became of it.

    kept: those of the results that the last run had already.
    """

    clips: Path | None
    planned: list[tuple[str, int]]
    results: list[Result] = field(default_factory=list)
    kept: list[Result] = field(default_factory=list)
    seconds: float = 0.0

    def suites(self) -> dict[str, list[Result]]:
        """Results by suite, by seed."""
        found: dict[str, list[Result]] = {name: [] for name, _ in self.planned}
        for result in sorted(self.results, key=lambda result: result.seed):
            found[result.suite].append(result)
        return found

    def rows(self) -> list[list[str]]:
        """COLUMNS of each suite."""
        rows = []
        for name, results in self.suites().items():
            planned = sum(suite == name for suite, _ in self.planned)
            passed = sum(result.passed for result in results)
            kept = sum(result.suite == name for result in self.kept)
            times = [result.seconds for result in results] or [0.0]
            counts = (planned, passed, len(results) - passed, planned - len(results), kept)
            spans = (statistics.median(times), max(times))
            rows.append([name, *map(str, counts), *(f"{span:.1f}" for span in spans)])
        return rows

    def verdict(self) -> str:
        failed = sum(not result.passed for result in self.results)
        missing = len(self.planned) - len(self.results)
        done = f"{failed} of {len(self.results)} failed" if failed else f"{len(self.results)} passed"
        return done + (f", {missing} did not run" if missing else "")


def _fit(text: str) -> str:
    return _UNFIT.sub("?", text)


def write_reports(summary: Summary, folder: Path) -> None:
    """junit.xml, index.html and, where runs told their coverage, coverage.json."""
    write_file(folder / "junit.xml", junit(summary))
    write_file(folder / "index.html", _fit(html_page(summary)))
    coverage = merged_coverage(summary.results)
    if coverage:
        seeds = {name: len(results) for name, results in summary.suites().items()}
        write_file(folder / "coverage.json", json.dumps({"seeds": seeds, "bins": coverage}, indent=1))
    else:
        (folder / "coverage.json").unlink(missing_ok=True)


def print_report(summary: Summary, folder: Path) -> None:
    """The table, and for each signature how to see it again."""
    console = Console()
    table = Table()
    table.add_column(COLUMNS[0], overflow="fold", min_width=12)
    for column in COLUMNS[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary.rows():
        table.add_row(*row)
    console.print(table)
    for signature, members in groups(summary.results).items():
        console.print(f"[bold]{len(members)} x[/bold] {escape(_fit(signature))}", highlight=False)
        for result in members[:SHOWN]:
            print(f"    {_fit(replay_command(result, summary.clips))}")
        if len(members) > SHOWN:
            print(f"    and {len(members) - SHOWN} more")
    coverage = merged_coverage(summary.results)
    if coverage:
        print(f"coverage: {_coverage(coverage)}")
    print(f"{summary.verdict()}, {summary.seconds:.0f} s; {folder}/index.html")


def _coverage(bins: dict[str, int]) -> str:
    hit = sum(hits > 0 for hits in bins.values())
    return f"{hit} of {len(bins)} bins, {100 * hit / len(bins):.1f} %"


def junit(summary: Summary) -> bytes:
    """The results as build machines read them: a failed check is a failure, all else that went wrong an error, and what
    did not run is skipped."""
    root = ElementTree.Element("testsuites", name="heron regress", time=f"{summary.seconds:.3f}")
    for name, results in summary.suites().items():
        failures = sum(result.status == FAILED for result in results)
        errors = sum(not result.passed for result in results) - failures
        total = sum(result.seconds for result in results)
        done = {result.seed for result in results}
        missing = [seed for planned, seed in summary.planned if planned == name and seed not in done]
        numbers = len(results) + len(missing), failures, errors, len(missing)
        counts = dict(zip(("tests", "failures", "errors", "skipped"), map(str, numbers)))
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, "time": f"{total:.3f}", **counts})
        for result in results:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"regress.{name}", name=f"seed {result.seed}", time=f"{result.seconds:.3f}"
            )
            if not result.passed:
                tag = "failure" if result.status == FAILED else "error"
                bad = ElementTree.SubElement(case, tag, type=result.kind, message=_fit(result.message))
                bad.text = _fit(_story(result, summary.clips))
        for seed in missing:
            case = ElementTree.SubElement(suite, "testcase", classname=f"regress.{name}", name=f"seed {seed}")
            ElementTree.SubElement(case, "skipped")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _story(result: Result, clips: Path | None) -> str:
    """All that is known of a failure."""
    before = f"after seeds {', '.join(map(str, result.before))} in the same process" if result.before else ""
    place = " ".join(filter(None, [f"on {result.host}" if result.host else "", before]))
    return "\n".join(filter(None, [f"replay: {replay_command(result, clips)}", place, result.details]))


STYLE = (
    "<style>pre{background:#f6f6f6;padding:.8em;overflow:auto;font-size:.85em}code{background:#f6f6f6;padding:0 .3em}"
    "details{margin:.8em 0}summary{cursor:pointer;font-weight:bold}.failed{color:#b3261e}.passed{color:#1b7f3b}"
    "svg{display:block;margin:1em 0}svg text{font:12px sans-serif;fill:#333}</style>"
)
COLOURS = {"passed": "#2e9e57", "failed": "#c8372d", "missing": "#c9c9c9"}
WIDTH, LABEL = 720, 150


def html_page(summary: Summary) -> str:
    """The whole report in one file."""
    versions = sorted({result.version for result in summary.results})
    failed = any(not result.passed for result in summary.results)
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    body = [
        STYLE,
        f'<p class="{"failed" if failed else "passed"}">{summary.verdict()}</p>',
        f"<p>{when}, {summary.seconds:.0f} s, commit {git_hash()}, sources {html.escape(', '.join(versions))}</p>",
        outcome_svg(summary),
        table_html(COLUMNS, summary.rows()),
    ]
    found = groups(summary.results)
    if found:
        body.append("<h2>Failures by signature</h2>")
    for signature, members in found.items():
        commands = "\n".join(html.escape(replay_command(result, summary.clips)) for result in members)
        body.append(
            f"<details open><summary>{len(members)} x {html.escape(signature)}</summary><pre>{commands}</pre>"
            f"<details><summary>seed {members[0].seed} in full</summary>"
            f"<pre>{html.escape(_story(members[0], summary.clips))}</pre></details></details>"
        )
    body.append("<h2>Time of a seed</h2>")
    body += [histogram_svg(name, [result.seconds for result in results]) for name, results in summary.suites().items()]
    coverage = merged_coverage(summary.results)
    if coverage:
        holes = html.escape("\n".join(name for name, hits in coverage.items() if not hits)) or "none"
        body.append(f"<h2>Coverage</h2><p>{_coverage(coverage)}</p>")
        body.append(f"<details><summary>bins that no seed hit</summary><pre>{holes}</pre></details>")
    return page("Heron: regression", "\n".join(body))


def outcome_svg(summary: Summary) -> str:
    """A bar for each suite, in the shares of what passed, failed and did not run."""
    parts = []
    rows = summary.rows()
    for index, (name, planned, passed, failed, missing, *_) in enumerate(rows):
        y, x = 26 * index, float(LABEL)
        parts.append(f'<text x="0" y="{y + 15}">{_label(name)}</text>')
        for label, count in (("passed", passed), ("failed", failed), ("missing", missing)):
            width = (WIDTH - LABEL) * int(count) / max(1, int(planned))
            if width:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" fill="{COLOURS[label]}">'
                    f"<title>{count} {label}</title></rect>"
                )
            x += width
    return _svg(parts, 26 * len(rows), "passed, failed and missing, by suite")


def histogram_svg(name: str, times: Iterable[float], bins: int = 24) -> str:
    """How many seeds took how long."""
    times = list(times)
    if not times:
        return ""
    top = max(max(times), 1e-3)
    counts = [0] * bins
    for seconds in times:
        counts[min(bins - 1, int(seconds / top * bins))] += 1
    step = (WIDTH - LABEL) / bins
    parts = [f'<text x="0" y="72">{_label(name)}</text>']
    for index, count in enumerate(counts):
        height = 70 * count / max(counts)
        span = f"{index * top / bins:.2f} to {(index + 1) * top / bins:.2f} s: {count}"
        parts.append(
            f'<rect x="{LABEL + index * step:.1f}" y="{75 - height:.1f}" width="{step - 1:.1f}" '
            f'height="{height:.1f}" fill="#3b6ea8"><title>{span}</title></rect>'
        )
    parts.append(f'<text x="{LABEL}" y="92">0</text>')
    parts.append(f'<text x="{WIDTH}" y="92" text-anchor="end">{top:.1f} s</text>')
    return _svg(parts, 96, f"{name}: seeds by their time")


def _label(name: str) -> str:
    """A suite's name, as far as there is room beside a picture."""
    return html.escape(name.rpartition(".")[2][:20])


def _svg(parts: list[str], height: int, title: str) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(title)}" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">{"".join(parts)}</svg>'
    )
