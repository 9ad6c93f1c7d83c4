"""The commands of `heron board`."""

import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table
from serial.tools import list_ports

from heron.board.client import BoardClient
from heron.board.ports import BOARDS, SIM, BoardError, open_port
from heron.board.vectors import VECTORS
from heron.job import Job, Witness, encode_file
from verif.reference.encoder import encode_picture

TABLE = {"show_header": False, "box": None}


def list_boards() -> None:
    """The serial ports there are, and the simulated boards."""
    table = Table("port", "")
    for port in list_ports.comports():
        table.add_row(port.device, port.description)
    for name, preset in BOARDS.items():
        table.add_row(f"{SIM}{name}", f"in simulation, preset {preset}")
    Console().print(table)


def info(port_name: str) -> None:
    """Who is on a port; BoardError where this tool cannot drive it."""
    with open_port(port_name) as port:
        board = BoardClient(port)
        _show_identity(board)
        board.require_known()


def self_test(port_name: str) -> bool:
    """Runs the built-in test and the stored vectors; whether all is right."""
    with open_port(port_name) as port:
        board = BoardClient(port)
        _show_identity(board)
        params = board.require_known()
        table = Table("test", "CRC-32", "wanted", "")

        def row(name: str, got: int, wanted: int) -> bool:
            table.add_row(name, f"{got:08x}", f"{wanted:08x}", "passed" if got == wanted else "FAILED")
            return got == wanted

        result = board.self_test()
        passed = row("built in", result.crc, result.expected) and result.passed
        board.open()
        for vector in VECTORS:
            data, _, _ = board.encode_picture(vector.config(params.ctb_log2_size), vector.planes())
            passed &= row(vector.name, zlib.crc32(data), vector.crc[params.ctb_log2_size])
        Console().print(table)
        _show_line(board)
        return passed


def encode(port_name: str, job: Job, checked: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Encodes a clip on a board; `job` needs no preset. checked: against the reference codec. Returns the report."""
    job.check_names()
    with open_port(port_name) as port:
        board = BoardClient(port)
        _show_identity(board)
        board.require_known()
        board.open()
        begin = time.monotonic()
        pictures = 0

        def rate() -> float:
            return board.sent / 1.5 / (time.monotonic() - begin)

        def check(config, planes, data) -> None:
            nonlocal pictures
            if checked and (expected := encode_picture(config, *planes).data) != data:
                place = next(
                    (k for k, (a, b) in enumerate(zip(data, expected)) if a != b), min(len(data), len(expected))
                )
                raise BoardError(
                    f"{port.name}: picture {pictures}: the board's bytes are not the reference codec's from byte "
                    f"{place} on; docs/bring-up.md says what to try"
                )
            pictures += 1

        witness = Witness(
            note=lambda: f"{rate():,.0f} samples/s, {board.link.counters.repeated} repeated",
            check=check,
            report=lambda: {
                "samples_per_second": round(rate()),
                "damaged": board.link.counters.damaged,
                "repeated": board.link.counters.repeated,
                "checked": checked,
            },
        )
        preset = board.identity.preset
        assert preset is not None  # require_known has seen to it
        report = encode_file(replace(job, preset=preset), say, board, witness)
        _show_line(board)
        if checked:
            say(f"{pictures} pictures, the same bytes as the reference codec's")
        return report


def _show_identity(board: BoardClient) -> None:
    table = Table(**TABLE)
    table.add_row("port", board.port.name)
    for name, value in board.identity.lines().items():
        table.add_row(name, value)
    Console().print(table)


def _show_line(board: BoardClient) -> None:
    counters = board.link.counters
    Console().print(f"line: {counters.damaged} frames damaged, {counters.repeated} requests repeated")
