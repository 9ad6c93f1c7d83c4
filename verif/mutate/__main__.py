"""`python -m verif.mutate`: do the benches notice when a block is changed? Mutants of every block, and their score."""

import os
import sys
from typing import Annotated

import typer
from amaranth.hdl import Fragment
from rich.console import Console
from rich.table import Table

from heron.progress import progress
from sim.toolchain import ROOT, ToolError
from verif.mutate.benches import Bench, find_benches
from verif.mutate.blocks import Judge, all_blocks, fragments, judges
from verif.mutate.design import FOLDER, Mutated, mutated
from verif.mutate.judge import SURVIVED, Judgement, Record, records
from verif.mutate.page import COLUMNS, command, page, row, total
from verif.mutate.simulation import replay

PAGE = ROOT / "docs" / "mutation.md"


def chosen(names: list[str], blocks: list[str]) -> list[str]:
    """The blocks that are called so, by their whole name or its last part; all without names."""
    found = {name: [block for block in blocks if block == name or block.endswith(f".{name}")] for name in names}
    for name, matches in found.items():
        if len(matches) != 1:
            raise ValueError(f"'{name}' is {len(matches)} blocks of {', '.join(blocks)}")
    return [matches[0] for matches in found.values()] or blocks


def design_of(bench: Bench, known: dict[str, Judge], count: int, seed: int) -> Mutated:
    """The design of `bench` with the mutants of all blocks that it judges, whichever are wanted."""
    blocks = [block for block, judge in known.items() if judge.bench == bench]
    return mutated(bench.component, bench.name, blocks, count, seed)


def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BLOCK]...", help="Which blocks; all if none.")] = None,
    count: Annotated[int, typer.Option("--mutants", help="How many in each block.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 1,
    jobs: Annotated[int, typer.Option(help="Mutants at a time.")] = 1,
    formal_seconds: Annotated[int, typer.Option(help="Time for each proof.")] = 30,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what is known of these blocks.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Write docs/mutation.md.")] = False,
    mutant: Annotated[int | None, typer.Option(help="Only run this one of BLOCK, and show its log.")] = None,
    waves: Annotated[bool, typer.Option("--waves", help="With --mutant, leave a wave file.")] = False,
):
    """Judge mutants of hdl/ by the benches; what verif/mutate/records tells is not done again."""
    for variable in ("HERON_SEED", "HERON_TESTS", "HERON_WAVES"):
        os.environ.pop(variable, None)
    known, complaints = judges(find_benches())
    try:
        blocks = chosen(names or [], all_blocks())
        if mutant is not None:
            raise typer.Exit(_replay(blocks, known, count, seed, mutant, waves))
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    judged = [block for block in blocks if block in known]
    if fresh:
        for block in judged:
            Record.path(block).unlink(missing_ok=True)
    complaints += _run(judged, known, count, seed, jobs, formal_seconds)
    results = records(blocks)
    _show(results, Console())
    if update:
        unjudged = [block for block in all_blocks() if block not in known]
        PAGE.write_text(page(records(all_blocks()), all_blocks(), unjudged, seed, count))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        raise typer.Exit(1)


def _run(blocks: list[str], known: dict[str, Judge], count: int, seed: int, jobs: int, formal_seconds: int) -> list:
    """Judge the blocks, small designs first; a sentence for each bench that could not be used."""
    benches = {known[block].bench.name: known[block].bench for block in blocks}
    complaints = []
    for bench in sorted(benches.values(), key=lambda each: fragments(Fragment.get(each.component, None))):
        stages = {block: known[block].stage for block in blocks if known[block].bench == bench}
        try:
            judgement = Judgement(design_of(bench, known, count, seed), bench, stages, formal_seconds)
            todo = len(judgement.open())
            for _ in progress(judgement.run(jobs) if todo else (), bench.name, todo):
                pass
        except (RuntimeError, ToolError) as error:
            complaints.append(f"{bench.name}: {error}")
    return complaints


def _show(results: dict[str, Record], console: Console) -> None:
    table = Table(*COLUMNS)
    for record in results.values():
        table.add_row(*row(record))
    console.print(table)
    for record in results.values():
        for verdict in record.verdicts:
            if verdict.outcome == SURVIVED:
                print(f"{record.block} {verdict.mutant.number}: {verdict.mutant}")
                print(f"    {command(verdict.mutant)}")
    print(total(results.values()))


def _replay(blocks: list[str], known: dict[str, Judge], count: int, seed: int, number: int, waves: bool) -> int:
    """Run one mutant of one block and show the end of its log; 0 when the bench notices it."""
    if len(blocks) != 1 or blocks[0] not in known:
        raise ValueError("--mutant needs one block, and one that a bench judges")
    bench = known[blocks[0]].bench
    design = design_of(bench, known, count, seed)
    if not 0 <= number <= len(design.mutants):
        raise ValueError(f"{bench.name} has mutants 1 to {len(design.mutants)}, and 0 for none")
    os.environ["HERON_WAVES"] = "1" if waves else "0"
    folder = FOLDER / "runs" / bench.name / "replay"
    print(f"{design.mutants[number - 1] if number else 'no mutant'}, in {folder}")
    try:
        replay(design, bench, number, folder)
    except AssertionError as error:
        print(error)
        return 0
    print("survived")
    return 1


if __name__ == "__main__":
    typer.run(main)
