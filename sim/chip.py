"""The Verilated chip with a memory on its bus: a `Bus` for heron.driver, and the memory behind it.

`SimChip(params)` builds the chip on first use (cached under build/sim) and loads it as a shared library.
"""

import ctypes
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hdl.params import Params
from sim.axi_memory import HEADERS, AxiMemory
from sim.harness import cached_library, shared_library
from sim.verilog import export

SOURCE = Path(__file__).with_name("chip.cpp")
COVERAGE = "HERON_COVERAGE"
WAIT_CYCLES = 1 << 12
GIVE_UP_CYCLES = 1 << 26


class BusFault(RuntimeError):
    """A register access was refused, or had no answer."""


class SimChip:
    """A running chip: registers by `read`, `write` and `wait`, and its `memory`.

    Time moves in accesses, `wait` and `run` alone. progress: called now and then with the memory's cycles so far.
    HERON_COVERAGE=FOLDER builds it so that it counts lines and toggles (sim/coverage.py), and leaves a file of them in
    the folder when it ends.
    """

    def __init__(self, params: Params, progress: Callable[[int], Any] | None = None):
        self.params = params
        self.progress = progress
        self._silent = 0  # cycles
        folder = os.environ.get(COVERAGE)
        self._library = _load(library(params, covered=bool(folder)))
        self._chip = self._library.chip_create()
        self.memory = AxiMemory(self._library, self._library.chip_memory(self._chip))
        weakref.finalize(self, _end, self._library, self._chip, Path(folder) if folder else None)

    def read(self, offset: int) -> int:
        """A register; BusFault where there is none."""
        value = ctypes.c_uint32()
        self._answered(self._library.chip_read(self._chip, offset, ctypes.byref(value)), "read", offset)
        return value.value

    def write(self, offset: int, value: int) -> None:
        """A register; BusFault where there is none to be written."""
        self._answered(self._library.chip_write(self._chip, offset, value), "write", offset)

    def wait(self) -> bool:
        """Until the interrupt, or a while; False when there was none for long."""
        if self._library.chip_run(self._chip, WAIT_CYCLES, 1):
            self._silent = 0
        else:
            self._silent += WAIT_CYCLES
        if self.progress is not None:
            self.progress(self.memory.cycles)
        return self._silent < GIVE_UP_CYCLES

    def run(self, cycles: int) -> None:
        """Lets time pass."""
        self._library.chip_run(self._chip, cycles, 0)

    def _answered(self, response: int, what: str, offset: int) -> None:
        if response:
            said = {2: "SLVERR", 3: "DECERR", -1: "no answer"}.get(response, str(response))
            raise BusFault(f"{what} of register {offset:#05x}: {said}")


def library(params: Params, *, covered: bool = False) -> Path:
    """The chip as a shared library, with its Verilog beside it."""

    def make():
        from hdl.chip.chip import Chip

        headers = HEADERS | {"chip_config.inc": f"#define BUS_BYTES {params.axi_data_width // 8}\n"}
        exported = export(Chip(params), "chip", params=params)
        return shared_library(exported, source=SOURCE, headers=headers, covered=covered)

    return cached_library("chip with coverage" if covered else "chip", params, make)


def _end(library: ctypes.CDLL, chip: int, folder: Path | None) -> None:
    """The end of a chip, after which nothing may touch it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        library.chip_coverage(chip, str(folder / f"{os.getpid()}-{chip:x}.dat").encode())
    library.chip_destroy(chip)


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, u32, u64, i32 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32
    signatures = {
        "chip_create": (pointer, []),
        "chip_destroy": (None, [pointer]),
        "chip_memory": (pointer, [pointer]),
        "chip_read": (i32, [pointer, u32, pointer]),
        "chip_write": (i32, [pointer, u32, u32]),
        "chip_run": (i32, [pointer, u64, i32]),
    }
    if hasattr(library, "chip_coverage"):
        signatures["chip_coverage"] = (None, [pointer, ctypes.c_char_p])
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
