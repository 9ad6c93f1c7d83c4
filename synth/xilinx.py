"""`python -m synth.xilinx`: what a block takes of an UltraScale+, as Yosys maps it; nothing is placed."""

import json
import subprocess
import sys
from collections import Counter
from typing import Annotated

import typer

from hdl.params import DEFAULT_PRESET, PRESETS
from sim.toolchain import BUILD, yosys
from sim.verilog import export
from synth.blocks import CORE, find

SCRIPT = (
    "read_verilog top.v; synth_xilinx -family xcup -flatten -noiopad -top top -run :check; "
    "select top; write_json -selected mapped.json"
)
KINDS = {
    "LUT": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6"),
    "LUT RAM": ("RAM32M16", "RAM64M8", "RAM32X1D", "RAM64X1D", "RAM128X1D", "SRL16E", "SRLC32E"),
    "FF": ("FDRE", "FDSE", "FDCE", "FDPE"),
    "CARRY4": ("CARRY4",),
    "RAMB36": ("RAMB36E2",),
    "RAMB18": ("RAMB18E2",),
    "DSP48E2": ("DSP48E2",),
}


def count(cells: dict[str, int]) -> dict[str, int]:
    """Cells of each kind."""
    return {kind: sum(cells.get(cell, 0) for cell in names) for kind, names in KINDS.items()}


def main(
    name: Annotated[str, typer.Option("--block", metavar="NAME", help="As python -m synth has them.")] = CORE,
    preset: Annotated[str, typer.Option(metavar="NAME")] = DEFAULT_PRESET,
) -> None:
    """Count the cells of a block on UltraScale+ (synth_xilinx -family xcup)."""
    try:
        component = find(name).component(PRESETS[preset])
    except (KeyError, ValueError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    folder = BUILD / "xilinx" / preset / name
    export(component).write(folder)
    run = subprocess.run(
        [str(yosys()), "-q", "-l", "yosys.log", "-p", SCRIPT], cwd=folder, capture_output=True, text=True
    )
    if run.returncode:
        print(f"Yosys failed, see {folder / 'yosys.log'}", file=sys.stderr)
        raise typer.Exit(1)
    netlist = json.loads((folder / "mapped.json").read_text())
    cells = Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())
    print(f"{name}, preset {preset}: {', '.join(f'{used:,} {kind}' for kind, used in count(cells).items())}")


if __name__ == "__main__":
    typer.run(main)
