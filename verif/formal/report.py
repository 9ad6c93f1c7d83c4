"""What was proven, as a table on the terminal and as docs/formal.md."""

from rich.table import Table

from sim.toolchain import ROOT
from verif.formal.check import Done, unshaken
from verif.formal.proof import Proof
from verif.formal.sby import version

PAGE = ROOT / "docs" / "formal.md"

INTRODUCTION = """# Formal proofs

This page is generated: `python -m verif.formal --update` runs everything with {version}
and writes it. `make formal` runs the same and leaves the page as it is; `make test` has a test for each proof.

Properties are Amaranth beside the block (`verif/formal/properties.py`): inputs and reset do anything in any cycle,
except what is named as assumed. By **induction** a property is proven for runs of any length: it holds in the first k
cycles, and in each cycle that follows k cycles in which all properties held. What that needs to know of the inside of
the block is proven along with them. A **bounded** proof is one of the first cycles and no more.

What the tables call covered is shown to be possible under what is assumed, and each property has a broken version of
the block, for which a counterexample to it is found: so no proof is empty. A failure names the property and a VCD file
with the counterexample; `python -m verif.formal NAME` repeats it.

That **valid never waits for ready** is read off the netlist (`verif/formal/paths.py`): in every block with streams no
combinational path leads from the ready of an output to the valid of an output.

## Proofs

Seconds are CPU time for all runs of a proof: with each of its arguments, what it covers, its broken blocks.
"""


class Results:
    """What ran, proof by proof."""

    def __init__(self, done: list[Done]):
        self.of: dict[Proof, list[Done]] = {}
        for each in done:
            self.of.setdefault(each.task.proof, []).append(each)

    def complaints(self, proof: Proof | None = None) -> list[str]:
        """A sentence for each thing that is wrong."""
        found = []
        for each, runs in self.of.items():
            if proof in (None, each):
                found += [run.complaint for run in runs if run.complaint]
                found += [f"{each.name}: no broken block for: {name}" for name in unshaken(runs)]
        return found

    def rows(self):
        """Proof, seconds, and whether all is well."""
        for proof, runs in self.of.items():
            yield proof, sum(run.outcome.seconds for run in runs), not self.complaints(proof)


def show(results: Results) -> Table:
    table = Table(title="Formal proofs")
    for title in ("proof", "method"):
        table.add_column(title, no_wrap=True)
    for title in ("properties", "defects", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("result")
    for proof, seconds, good in results.rows():
        first = results.of[proof][0].properties
        table.add_row(
            proof.name,
            proof.method,
            str(len(first.proven)),
            str(len(proof.defects)),
            f"{seconds:.0f}",
            "holds" if good else "[red]fails[/red]",
        )
    return table


def page(results: Results) -> str:
    """docs/formal.md."""
    lines = [INTRODUCTION.format(version=version())]
    lines += ["| proof | block | method | seconds | result | assumed |", "|---|---|---|--:|---|---|"]
    for proof, seconds, good in results.rows():
        assumed = "; ".join(results.of[proof][0].properties.assumed) or "nothing"
        name = f"[`{proof.name}`](#{proof.name.replace('.', '')})"
        result = "holds" if good else "**fails**"
        lines.append(f"| {name} | `{_block(proof)}` | {proof.method} | {seconds:.0f} | {result} | {assumed} |")
    lines += ["", "## Properties", ""]
    for proof, runs in results.of.items():
        properties = runs[0].properties
        lines += [f"### {proof.name}", "", _sentence(properties), ""]
        if len(proof.arguments) > 1:
            lines += [f"With the arguments {', '.join(f'`{each}`' for each in proof.arguments)}.", ""]
        lines += ["| property | broken by |", "|---|---|"]
        for name in properties.proven:
            broken = [f"`{_short(each.new)}` for `{_short(each.old)}`" for each in proof.defects if each.breaks == name]
            lines.append(f"| {name} | {', '.join(broken)} |")
        lines += ["", f"Covered: {'; '.join(properties.covered)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _block(proof: Proof) -> str:
    return f"{proof.block.__module__}:{proof.block.__name__}"


def _sentence(properties) -> str:
    return " ".join((type(properties).__doc__ or "").split())


def _short(text: str) -> str:
    """Source on one line, as a cell of a table may hold it."""
    return " ".join(text.split()).replace("|", "\\|") or "nothing"
