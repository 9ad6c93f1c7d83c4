"""`python -m synth.timing BOARD`: the worst paths of the placed design, by the source lines of their ends."""

import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sim.toolchain import ROOT
from synth.bitstream import REPORTS, Build, design_of, folder_of
from synth.boards import find

_NAME = r"((?:\\.|[^\s\\)])+)"
_DELAY = r"\((-?\d+):(-?\d+):(-?\d+)\)"
_WIRE = re.compile(rf"\(INTERCONNECT {_NAME} {_NAME} {_DELAY}")
_THROUGH = re.compile(rf"\(IOPATH (?:\((?:posedge|negedge) )?{_NAME}\)? {_NAME} {_DELAY}")
_SETUP = re.compile(rf"\(SETUPHOLD \((?:posedge|negedge) {_NAME}\) \((?:posedge|negedge) {_NAME}\) {_DELAY}")
_CELL, _INSTANCE = re.compile(r'\(CELLTYPE "([^"]*)"\)'), re.compile(rf"\(INSTANCE {_NAME}\)")


def unescaped(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


@dataclass(frozen=True)
class Hop:
    """A pin on a path and the time, in ps after the clock edge, at which it is reached."""

    pin: tuple[str, str]  # cell, port
    at: int


@dataclass(frozen=True)
class Arrival:
    """The slowest way into a register: its pins, from an output of the first register to an input of the last."""

    delay: int  # ps, with setup
    hops: tuple[Hop, ...]

    @property
    def wires(self) -> int:
        """ps of it that are between cells."""
        return sum(b.at - a.at for a, b in zip(self.hops, self.hops[1:]) if a.pin[0] != b.pin[0])

    @property
    def start(self) -> str:
        return self.hops[0].pin[0]

    @property
    def end(self) -> str:
        return self.hops[-1].pin[0]


def read_sdf(lines) -> tuple[dict, dict, dict]:
    """Of an SDF of nextpnr: edges pin -> [(pin, ps)], clock-to-output {pin: ps}, setup {pin: ps}; slowest corner."""
    edges, outputs, setups, cell = defaultdict(list), {}, {}, ""
    paths, clocks = [], set()
    for line in lines:
        if found := _WIRE.search(line):
            source, sink = (tuple(unescaped(name).rsplit("/", 1)) for name in found.group(1, 2))
            edges[source].append((sink, int(found[5])))
        elif found := _INSTANCE.search(line):
            cell = unescaped(found[1])
        elif found := _THROUGH.search(line):
            paths.append(((cell, unescaped(found[1])), (cell, unescaped(found[2])), int(found[5])))
        elif found := _SETUP.search(line):
            pin, clock = (cell, unescaped(found[1])), (cell, unescaped(found[2]))
            clocks.add(clock)
            setups[pin] = max(setups.get(pin, 0), int(found[5]))
    for source, sink, delay in paths:
        if source in clocks:
            outputs[sink] = max(outputs.get(sink, 0), delay)
        else:
            edges[source].append((sink, delay))
    return edges, outputs, setups


def slowest(edges: dict, outputs: dict, setups: dict) -> list[Arrival]:
    """The slowest path into each register pin, slowest first."""
    waiting = defaultdict(int)
    reached, stack = set(outputs), list(outputs)
    while stack:
        for sink, _ in edges.get(stack.pop(), ()):
            waiting[sink] += 1
            if sink not in reached:
                reached.add(sink)
                stack.append(sink)
    arrival, before = dict(outputs), {}
    ready = [pin for pin in outputs if not waiting[pin]]
    while ready:
        pin = ready.pop()
        for sink, delay in edges.get(pin, ()):
            if arrival[pin] + delay > arrival.get(sink, -1):
                arrival[sink], before[sink] = arrival[pin] + delay, pin
            waiting[sink] -= 1
            if not waiting[sink]:
                ready.append(sink)
    paths = []
    for pin in sorted((pin for pin in setups if pin in arrival), key=lambda pin: -arrival[pin] - setups[pin]):
        hops, here = [], pin
        while here is not None:
            hops.append(Hop(here, arrival[here]))
            here = before.get(here)
        paths.append(Arrival(arrival[pin] + setups[pin], tuple(reversed(hops))))
    return paths


def places(netlist: dict) -> dict[str, str]:
    """Where a cell comes from: its scope, or its name, and the line of the source where there is one."""
    found = {}
    for name, cell in netlist["modules"]["top"]["cells"].items():
        scope = cell["attributes"].get("scopename", name).replace(" ", ".").removeprefix("design.")
        source = cell["attributes"].get("src", "").split("|")[0].removeprefix(f"{ROOT}/")
        found[name] = f"{scope}  {source}" if ".py:" in source else scope
    return found


def distinct(paths: list[Arrival], place: dict[str, str], count: int) -> list[Arrival]:
    """The first `count` that differ in where they begin or end."""
    seen, out = set(), []
    for path in paths:
        ends = tuple(place.get(cell, cell) for cell in (path.start, path.end))
        if ends not in seen:
            seen.add(ends)
            out.append(path)
        if len(out) == count:
            break
    return out


def main(
    name: Annotated[str, typer.Argument(metavar="BOARD")] = "ulx3s_85f",
    count: Annotated[int, typer.Option("--count", help="How many.", min=1)] = 10,
) -> None:
    """Print the worst paths of BOARD's design as `python -m synth.bitstream BOARD` placed it."""
    try:
        board = find(name)
        report = json.loads((REPORTS / f"{name}.json").read_text())
        job = Build(board, design_of(board), folder_of(board))
        sdf = job.file("sdf", report["seed"]).open()
        netlist = json.loads((job.folder / "top.json").read_text())
    except (ValueError, OSError) as error:
        hint = "" if isinstance(error, ValueError) else f"; make bitstream BOARD={name} first"
        print(f"{error}{hint}", file=sys.stderr)
        raise typer.Exit(2) from None
    with sdf:
        paths = slowest(*read_sdf(sdf))
    place = places(netlist)
    table = Table("ns", "of it wire", "cells", "from", "to", title=f"{name}, seed {report['seed']}: the worst paths")
    for path in distinct(paths, place, count):
        cells = len({hop.pin[0] for hop in path.hops}) - 2
        ends = (place.get(cell, cell) for cell in (path.start, path.end))
        table.add_row(f"{path.delay / 1000:.1f}", f"{path.wires / 1000:.1f}", str(cells), *ends)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
