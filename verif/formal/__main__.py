"""`python -m verif.formal`: proves what there is to prove, and that the proofs can fail."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sim.toolchain import ToolError
from verif.formal import paths
from verif.formal.catalogue import PROOFS, find
from verif.formal.check import run_all, tasks_of
from verif.formal.report import PAGE, Results, page, show


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Proofs, or the start of their names.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="How many solvers at a time.")] = 2,
    listed: Annotated[bool, typer.Option("--list", help="Name the proofs and do nothing.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Write docs/formal.md.")] = False,
) -> None:
    """Prove all properties, reach all that is covered, and find the fault of every broken block.

    Without NAME also: no valid of a stream waits for a ready, in any block.
    """
    try:
        proofs = [proof for name in names for proof in find(name)] if names else list(PROOFS)
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    if update and names:
        print("--update goes with all proofs", file=sys.stderr)
        raise typer.Exit(2)
    console = Console()
    if listed:
        for proof in proofs:
            console.print(f"{proof.name}: {proof.block.__name__}, {proof.method}, {len(proof.defects)} broken blocks")
        return
    streaming = [] if names else paths.with_streams()
    total = sum(len(list(tasks_of(proof))) for proof in proofs) + len(streaming)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total)
        try:
            done = run_all(proofs, jobs, lambda each: progress.update(bar, advance=1, description=each.task.name))
        except ToolError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(2) from None
        waiting = []
        for name in streaming:
            waiting += [f"{name}: {sentence}" for sentence in paths.look_at(name)]
            progress.update(bar, advance=1, description=name)
    results = Results(done)
    console.print(show(results))
    complaints = results.complaints() + waiting
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        raise typer.Exit(1)
    if update:
        PAGE.write_text(page(results))


if __name__ == "__main__":
    typer.run(main)
