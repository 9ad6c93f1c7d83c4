"""`python -m synth.silicon`: what every block takes in standard cells, docs/silicon.md, and the clock for each rate."""

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from hdl.params import DEFAULT_PRESET, PRESETS
from sim.toolchain import BUILD, ROOT, ToolError
from synth import blocks
from synth.asap7 import GATE, TARGET_PS, Library, Mapped, map_cells
from synth.blocks import CORE, Block, find
from synth.ecp5 import version

BLOCKS = [block for block in blocks.BLOCKS if block.name.split(".")[0] != "board"]
REPORT = ROOT / "synth" / "reports" / "silicon.json"
PAGE = ROOT / "docs" / "silicon.md"
RESULTS = BUILD / "silicon"
CYCLES_PER_SAMPLE = 1.69
"""Of the default preset, QP 22 to 37, mean of `heron bench cycles`; from the README's table of presets."""
RATES = {"1080p60": (1920, 1080, 60), "4K30": (3840, 2160, 30), "4K60": (3840, 2160, 60)}
REGISTER_PS = 60
"""Taken for a register's own delay and set-up."""
COLUMNS = ("gates", "area, um2", "registers", "path, ps", "RAM, bit", "register files, bit", "ROM, bit")


def parts(block: Block, measured: dict[str, Mapped]) -> list[str] | None:
    """The block if it was measured, else the outermost measured ones inside it that make it up; None if some lack."""
    if block.name in measured:
        return [block.name]
    position = BLOCKS.index(block)
    if block.name == CORE:
        inside = [each for each in BLOCKS if not each.depth and each != block and not each.name.startswith("chip.")]
    else:
        inside = []
        for each in BLOCKS[position + 1 :]:
            if each.depth <= block.depth:
                break
            inside.append(each)
        inside = [each for each in inside if each.depth == block.depth + 1]
    found = [parts(each, measured) for each in inside]
    if not inside or None in found:
        return None
    return [name for names in found for name in names or ()]


def summed(those: list[Mapped]) -> Mapped:
    """All of them, and the longest path of any."""
    total = {field: sum(getattr(each, field) for each in those) for field in Mapped.__dataclass_fields__}
    return Mapped(**total | {"area": round(total["area"], 2), "delay": max(each.delay for each in those)})


def megahertz(delay: int) -> int:
    """The clock that a path of so many ps allows."""
    return int(1e6 / (delay + REGISTER_PS))


def rates(core: Mapped) -> list[list[str]]:
    """Rate, luma samples a second, MHz that one core needs, how many cores at its own clock, and their gates."""
    rows = []
    for name, (width, height, frames) in RATES.items():
        samples = width * height * frames
        clock = samples * CYCLES_PER_SAMPLE / 1e6
        cores = math.ceil(clock / megahertz(core.delay))
        rows.append([name, f"{samples / 1e6:.1f} M", f"{clock:.0f}", f"{cores}", f"{cores * core.gates / 1e3:,.0f} k"])
    return rows


def row(mapped: Mapped) -> list[str]:
    numbers = (mapped.gates, round(mapped.area), mapped.registers, mapped.delay, mapped.ram, mapped.file, mapped.rom)
    return [f"{number:,}" for number in numbers]


def page(measured: dict[str, Mapped], tool: str) -> str:
    """docs/silicon.md."""
    lines = [
        "# Silicon estimate",
        "",
        "This page is generated: `make silicon PDK=DIR`, which calls `python -m synth.silicon --pdk DIR --update`.",
        f"Preset {DEFAULT_PRESET}, {tool} with `synth/asap7.ys` on the ASAP7 cells, a predictive 7 nm library: RVT,",
        "typical corner, 0.7 V, 25 C. **Before layout: no wires, no clock tree, no test logic**; all of them cost",
        "area, wires and a slower corner cost clock, and how much is not estimated here.",
        "",
        f"Gates are the area of all cells in {GATE}. The path is the longest one through gates between registers,",
        f"memories and ports, after sizing for {TARGET_PS} ps (ABC); a memory's own time is not in it. Yosys maps",
        "products to Booth multipliers. Memories are not mapped, small ones neither: their bits are counted apart, as",
        "RAM those with registered reads, as register files those that are read at once, as ROM those never written.",
        "Indented rows are parts of others; a block is mapped alone.",
        "",
    ]
    core = parts(find(CORE), measured)
    if core is not None:
        total = summed([measured[name] for name in core])
        clock = megahertz(total.delay)
        how = "mapped as one" if core == [CORE] else f"the sum of {', '.join(f'`{name}`' for name in core)}, no glue"
        lines += [
            "## The core by rate",
            "",
            f"The core ({how}): {total.gates:,} gates, {total.ram:,} bits of RAM, {total.file:,} of register files,",
            f"{total.rom:,} of ROM; longest path {total.delay:,} ps: with {REGISTER_PS} ps for a register a clock of",
            f"{clock:,} MHz before layout. {CYCLES_PER_SAMPLE} cycles a luma sample are the mean of QP 22 to 37",
            "(`heron bench cycles`, in the README's table of presets).",
            "",
            "| rate | luma samples/s | MHz of one core | cores at its clock | gates |",
            "|---|--:|--:|--:|--:|",
            *(f"| {' | '.join(each)} |" for each in rates(total)),
            "",
        ]
    lines += ["## Blocks", "", f"| block | {' | '.join(COLUMNS)} |", "|---|" + "--:|" * len(COLUMNS)]
    for block in BLOCKS:
        if block.name in measured:
            lines.append(f"| {'&emsp;' * block.depth}`{block.name}` | {' | '.join(row(measured[block.name]))} |")
    missing = [f"`{block.name}`" for block in BLOCKS if block.name not in measured]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def read_report() -> dict[str, Mapped]:
    if not REPORT.exists():
        return {}
    return {name: Mapped(**mapped) for name, mapped in json.loads(REPORT.read_text())["blocks"].items()}


def write_report(measured: dict[str, Mapped]) -> None:
    lines = [
        f"  {json.dumps(block.name)}: {json.dumps(measured[block.name].to_json())}"
        for block in BLOCKS
        if block.name in measured
    ]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    head = f' "tool": {json.dumps(version())},\n "preset": {json.dumps(DEFAULT_PRESET)},\n'
    REPORT.write_text(f'{{\n{head} "blocks": {{\n' + ",\n".join(lines) + "\n }\n}\n")


def main(
    pdk: Annotated[
        Path | None, typer.Option(metavar="DIR", envvar="HERON_PDK", help="Folder of the library's Liberty files.")
    ] = None,
    names: Annotated[list[str] | None, typer.Option("--block", metavar="NAME", help="Only this (repeatable).")] = None,
    update: Annotated[bool, typer.Option("--update", help="Write docs/silicon.md and synth/reports.")] = False,
) -> None:
    """Map every block to ASAP7 cells: gates, area, longest path, memory bits. A block that is the same is kept."""
    try:
        library = Library(pdk)
        wanted = [find(name) for name in names] if names else BLOCKS
    except (ToolError, ValueError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    measured, failed = {}, False
    for block in wanted:
        folder = RESULTS / DEFAULT_PRESET / block.name
        try:
            measured[block.name] = map_cells(block.component(PRESETS[DEFAULT_PRESET]), folder, library)
        except ToolError as error:
            print(f"{block.name}: {error}", file=sys.stderr)
            failed = True
        else:
            numbers = (f"{value} {title}" for value, title in zip(row(measured[block.name]), COLUMNS))
            print(f"{block.name}: {'; '.join(numbers)}", flush=True)
    if update:
        measured = read_report() | measured
        write_report(measured)
        PAGE.write_text(page(measured, version()))
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
