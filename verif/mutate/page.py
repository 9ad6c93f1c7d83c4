"""The table of scores, docs/mutation.md, from what is kept of each block."""

from collections.abc import Iterable

from verif.mutate.design import Mutant, yosys_version
from verif.mutate.judge import EQUIVALENT, INSPECTED, KILLED, SURVIVED, Record

AIM = 0.95
COLUMNS = ("block", "bench", "mutants", "killed", "equivalent", "by inspection", "survived", "score")


def row(record: Record) -> list[str]:
    """Cells of one block under COLUMNS; the stage stands beside a bench that is not the block's own."""
    bench = record.bench + (f" (of {record.stage})" if record.stage else "")
    counts = [record.count(outcome) for outcome in (KILLED, EQUIVALENT, INSPECTED, SURVIVED)]
    run = len(record.verdicts)
    mutants = str(run) if run == record.planned else f"{run} of {record.planned}"
    score = "" if record.score is None else f"{record.score:.0%}" + ("" if record.score >= AIM else " (below)")
    return [record.block, bench, mutants, *map(str, counts), score]


def total(records: Iterable[Record]) -> str:
    """One sentence about all of them."""
    records = list(records)
    killed, survived = (sum(record.count(outcome) for record in records) for outcome in (KILLED, SURVIVED))
    equivalent = sum(record.count(EQUIVALENT, INSPECTED) for record in records)
    score = f"{killed / (killed + survived):.1%}" if killed + survived else "none"
    below = sum(record.score is not None and record.score < AIM for record in records)
    return (
        f"{killed + survived + equivalent} mutants in {len(records)} blocks: {killed} killed, {equivalent} equivalent, "
        f"{survived} survived; score {score}, {below} blocks below {AIM:.0%}."
    )


def command(mutant: Mutant) -> str:
    """What runs this mutant again."""
    return f"python -m verif.mutate {mutant.block} --mutant {mutant.number} --waves"


def page(records: dict[str, Record], blocks: Iterable[str], unjudged: Iterable[str], seed: int, count: int) -> str:
    """docs/mutation.md. blocks: all there are; unjudged: those in no bench."""
    lines = [
        "# Mutation",
        "",
        "This page is generated: `make mutate`, which calls `python -m verif.mutate --update`, judges every block and",
        f"writes it. Yosys' `mutate` ({yosys_version()}, seed {seed}) samples {count} mutants a block: one bit of a",
        "cell's port inverted, stuck at 0 or 1, or inverted when another bit of it is 0 or 1. All mutants of the",
        "blocks that a bench judges are in one simulation, and an input chooses one. A mutant is killed when the bench",
        "fails or does not end. When it survives, formal proof (`verif/mutate/formal.py`) or inspection, with reasons",
        "(`verif/mutate/inspection.json`), may show that it changes nothing. Score: killed, of all that are not shown",
        "equivalent. A block without a bench of its own is judged by that of the stage around it, which is named.",
        "`python -m verif.mutate BLOCK` judges one. What is kept of a block holds until its design changes, survivors",
        "also only until its bench does: then they are judged again, so the page may be older than the last commits.",
        "",
        total(records.values()),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---|---|" + "--:|" * (len(COLUMNS) - 2),
        *(f"| {' | '.join(row(record))} |" for record in records.values()),
    ]
    for title, names in (("In no bench", unjudged), ("Not judged yet", set(blocks) - set(records) - set(unjudged))):
        names = [f"`{name}`" for name in sorted(names)]
        lines += ["", f"{title}: {', '.join(names)}."] if names else []
    survivors = [each for record in records.values() for each in record.verdicts if each.outcome == SURVIVED]
    if survivors:
        lines += ["", "## Survivors", "", "`python -m verif.mutate BLOCK --mutant K --waves` runs one.", ""]
        lines += [f"- `{each.mutant.block}` {each.mutant.number}: `{each.mutant}`" for each in survivors]
    return "\n".join(lines) + "\n"
