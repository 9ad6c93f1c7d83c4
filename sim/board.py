"""The Verilated board behind a pseudo-terminal: whoever opens `SimBoard.path` as a serial port talks to its pins."""

import ctypes
import os
import threading
import tty
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from hdl.board.board import Board
from hdl.params import Params
from sim.harness import cached_library, shared_library
from sim.verilog import export

SOURCE = Path(__file__).with_name("board.cpp")
BAUD = 3_000_000
CLOCK_HZ = 8 * BAUD
"""The slowest clock for this rate: the same gateware in the fewest cycles."""
RUN_CYCLES = 1 << 14


class Faults(ctypes.Structure):
    """What the line does to what it carries, both ways: chances of a flipped bit, a lost byte, a byte too many."""

    _fields_ = [
        ("flip", ctypes.c_double),
        ("lose", ctypes.c_double),
        ("extra", ctypes.c_double),
        ("seed", ctypes.c_uint64),
    ]


class _Counts(ctypes.Structure):
    _fields_ = [
        ("cycles", ctypes.c_uint64),
        ("to_board", ctypes.c_uint64),
        ("from_board", ctypes.c_uint64),
        ("faults", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class Counts:
    """Cycles so far, bytes that were sent each way, and faults of the line."""

    cycles: int
    to_board: int
    from_board: int
    faults: int


class SimBoard:
    """A running board, from construction to `close`; time passes as fast as it can.

    core: what to run in it instead of hdl.core.Core(params), built under `name`.
    """

    def __init__(self, params: Params, *, faults: Faults | None = None, core=None, name: str = "board"):
        self._library = _load(_build(Board(params, CLOCK_HZ, BAUD, core=core), name) if core else library(params))
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._board = self._library.board_create(self._master, CLOCK_HZ / BAUD)
        self._wishes: SimpleQueue[tuple[Callable[[], Any], Future]] = SimpleQueue()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"board {self.path}", daemon=True)
        self._thread.start()
        self.faults(faults or Faults())

    def faults(self, faults: Faults) -> None:
        """Of the line, from now on."""
        self._ask(lambda: self._library.board_faults(self._board, ctypes.byref(faults)))

    def buttons(self, pressed: int) -> None:
        """The level of `i_button`, from now on."""
        self._ask(lambda: self._library.board_buttons(self._board, pressed))

    def leds(self) -> int:
        """`o_led` now."""
        return self._ask(lambda: self._library.board_leds(self._board))

    def counts(self) -> Counts:
        """What happened so far."""
        counts = _Counts()
        self._ask(lambda: self._library.board_counts(self._board, ctypes.byref(counts)))
        return Counts(counts.cycles, counts.to_board, counts.from_board, counts.faults)

    def close(self) -> None:
        """Ends the board, and its port."""
        if not self._end.is_set():
            self._end.set()
            self._thread.join()
            self._library.board_destroy(self._board)
            os.close(self._master)
            os.close(self._slave)

    def __enter__(self) -> "SimBoard":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _ask(self, wish: Callable[[], Any]) -> Any:
        """What `wish` gives, between two steps of the board."""
        future = Future()
        self._wishes.put((wish, future))
        return future.result()

    def _run(self) -> None:
        while not self._end.is_set():
            while not self._wishes.empty():
                wish, future = self._wishes.get()
                future.set_result(wish())
            self._library.board_run(self._board, RUN_CYCLES)


def library(params: Params) -> Path:
    """The board as a shared library."""
    return cached_library("board", params, lambda: _build(Board(params, CLOCK_HZ, BAUD), "board"))


def _build(board: Board, name: str) -> Path:
    return shared_library(export(board, name, params=board.p), source=SOURCE, headers={})


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer = ctypes.c_void_p
    signatures = {
        "board_create": (pointer, [ctypes.c_int, ctypes.c_double]),
        "board_destroy": (None, [pointer]),
        "board_run": (None, [pointer, ctypes.c_uint64]),
        "board_faults": (None, [pointer, pointer]),
        "board_buttons": (None, [pointer, ctypes.c_int]),
        "board_leds": (ctypes.c_int, [pointer]),
        "board_counts": (None, [pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
