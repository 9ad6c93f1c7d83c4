"""The table of areas, its comparison with the device, and the check against the baseline."""

from synth.blocks import BLOCKS, CORE, Block
from synth.ecp5 import ECP5_85F, Area

AIM_LUT4 = 50_000
GROWTH = 0.05
"""How much a block may grow over its baseline."""
COLUMNS = {"lut4": "LUT4", "ff": "FF", "ebr": "EBR", "dsp": "DSP"}


def row(block: Block, area: Area) -> list[str]:
    """Cells of the table: the name, indented by its depth, and the numbers."""
    return ["   " * block.depth + block.name, *(f"{getattr(area, field):,}" for field in COLUMNS)]


def check(areas: dict[str, Area], baseline: dict[str, Area]) -> list[str]:
    """One sentence for each block that grew by more than GROWTH, or that the baseline lacks."""
    complaints = []
    for name, area in areas.items():
        if name not in baseline:
            complaints.append(f"{name} is not in the baseline; accept it with --update")
            continue
        for field, title in COLUMNS.items():
            now, before = getattr(area, field), getattr(baseline[name], field)
            if now > before * (1 + GROWTH):
                share = f"{now / before - 1:+.1%}" if before else "from none"
                complaints.append(f"{name} grew from {before:,} to {now:,} {title} ({share}, allowed {GROWTH:.0%})")
    return complaints


def limits(core: Area) -> list[tuple[str, int, str, int, bool]]:
    """Of each resource: its name, what the core takes, of what, how many there are, and whether that is enough."""
    device = [(title, getattr(core, field), "ECP5-85F", getattr(ECP5_85F, field)) for field, title in COLUMNS.items()]
    return [(*each, each[1] <= each[3]) for each in [*device, ("LUT4", core.lut4, "aim", AIM_LUT4)]]


def page(areas: dict[Block, Area], tool: str, preset: str) -> str:
    """docs/area.md; blocks of the registry that `areas` lacks are named at its end."""
    lines = [
        "# Area on ECP5",
        "",
        "This page is generated: `make synth`, which calls `python -m synth`, synthesises every block and writes it.",
        f"Preset {preset}, {tool} with `synth/ecp5.ys`, before placement; gates and the ends of carry",
        "chains are moved into carry cells (`synth/fold.py`, `synth/chains.py`), registers of products into",
        "multipliers (`synth/products.py`), and each multiplier gets coefficients of its own (`synth/copies.py`).",
        "A block is synthesised alone, so its parts do not add up to it exactly; indented rows are parts of others.",
        "",
        "LUT4 counts what no other logic can use: one for a LUT4, two for a carry cell (CCU2C), six for 16x4 bits of",
        "RAM in LUTs (TRELLIS_DPR16X4: four hold the bits, the write port takes the two of another slice).",
        "EBR are DP16KD and PDPW16KD of 18 kbit, DSP are MULT18X18D.",
        "",
        f"`python -m synth --check` fails when a block grows by more than {GROWTH:.0%} over `synth/baseline.json`;",
        "`--update` accepts what there is, `--block NAME` measures one.",
        "",
    ]
    core = next((area for block, area in areas.items() if block.name == CORE), None)
    if core is not None:
        lines += ["## The core and its limits", "", "| | core | limit | | used | fits |", "|---|--:|--:|---|--:|---|"]
        for title, used, of, there, fits in limits(core):
            lines.append(
                f"| {title} | {used:,} | {there:,} | {of} | {used / there:.0%} | {'yes' if fits else '**no**'} |"
            )
        lines.append("")
    lines += ["## Blocks", "", "| block | " + " | ".join(COLUMNS.values()) + " |", "|---|--:|--:|--:|--:|"]
    for block, area in areas.items():
        name, *numbers = row(block, area)
        indent = "&emsp;" * block.depth
        lines.append(f"| {indent}`{name.strip()}` | {' | '.join(numbers)} |")
    missing = [f"`{block.name}`" for block in BLOCKS if block not in areas]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"
