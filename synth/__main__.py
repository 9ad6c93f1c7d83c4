"""`python -m synth`: the area of every block on ECP5, its table in docs/area.md, and the check of its growth."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hdl.params import DEFAULT_PRESET, PRESETS
from sim.toolchain import BUILD, ROOT, ToolError
from synth.blocks import BLOCKS, CORE, Block, find
from synth.ecp5 import Area, synthesize, version
from synth.report import COLUMNS, check, limits, page, row

BASELINE = ROOT / "synth" / "baseline.json"
PAGE = ROOT / "docs" / "area.md"
RESULTS = BUILD / "synth"


def measure(blocks: list[Block], preset: str, console: Console) -> tuple[dict[Block, Area], list[str]]:
    """Synthesise one block after the other; areas of those that worked, and a sentence for each that did not."""
    areas, failures = {}, []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(blocks))
        for block in blocks:
            progress.update(task, description=block.name)
            try:
                areas[block] = synthesize(block.component(PRESETS[preset]), RESULTS / preset / block.name)
            except (ToolError, ImportError, ValueError) as error:
                failures.append(f"{block.name}: {error}")
            progress.advance(task)
    return areas, failures


def read_baseline() -> dict[str, Area]:
    if not BASELINE.exists():
        return {}
    return {name: Area(**area) for name, area in json.loads(BASELINE.read_text())["blocks"].items()}


def write_json(path: Path, areas: dict[str, Area]) -> None:
    blocks = {name: area.to_json() for name, area in areas.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(area)}" for name, area in blocks.items())
    head = f' "tool": {json.dumps(version())},\n "preset": {json.dumps(DEFAULT_PRESET)},\n'
    path.write_text(f'{{\n{head} "blocks": {{\n{lines}\n }}\n}}\n')


def show(areas: dict[Block, Area], preset: str, console: Console) -> None:
    table = Table("block", title=f"ECP5, preset {preset}")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for block, area in areas.items():
        table.add_row(*row(block, area))
    console.print(table)
    for block, area in areas.items():
        for title, used, of, there, fits in limits(area) if block.name == CORE else []:
            console.print(f"core: {used:,} of {there:,} {title} ({of})" + ("" if fits else ", [red]too many[/red]"))


def main(
    names: Annotated[
        list[str] | None, typer.Option("--block", metavar="NAME", help="Only this block (may be repeated); no page.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Instead of {DEFAULT_PRESET}; no page.", show_default=False)
    ] = None,
    checked: Annotated[bool, typer.Option("--check", help="Fail when a block grew over the baseline.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Make what there is the baseline.")] = False,
) -> None:
    """Synthesise every block for ECP5 and write docs/area.md; a block whose Verilog is the same is not done again."""
    console = Console()
    if preset and (preset not in PRESETS or checked or update):
        print(f"--preset is one of {', '.join(PRESETS)}, without --check and --update", file=sys.stderr)
        raise typer.Exit(2)
    try:
        blocks = [find(name) for name in names] if names else list(BLOCKS)
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    areas, complaints = measure(blocks, preset or DEFAULT_PRESET, console)
    named = {each.name: area for each, area in areas.items()}
    show(areas, preset or DEFAULT_PRESET, console)
    if not names and not preset:
        write_json(RESULTS / "area.json", named)
        if areas:
            PAGE.write_text(page(areas, version(), DEFAULT_PRESET))
    if update:
        write_json(BASELINE, {**read_baseline(), **named} if names else named)
    if checked:
        complaints += check(named, read_baseline())
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
