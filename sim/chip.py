"""The Verilated chip with a memory on its bus: a `Bus` for heron.driver, and the memory behind it.

`SimChip(params)` builds the chip on first use (cached under build/sim) and loads it as a shared library.
"""

import ctypes
from pathlib import Path

import numpy as np

from hdl.params import Params
from sim.harness import cached_library, shared_library

SOURCE = Path(__file__).with_name("chip.cpp")
WAIT_CYCLES = 1 << 17
GIVE_UP_CYCLES = 1 << 26


class BusFault(RuntimeError):
    """A register access was refused, or had no answer."""


class SimChip:
    """A running chip. Registers: `read`, `write`, `wait`. Memory: `map`, `fault`, `timing`, `counts`.

    Time moves only in accesses, `wait` and `run`. progress: called now and then with the cycles so far.
    """

    def __init__(self, params: Params, progress=None):
        self.params = params
        self.progress = progress
        self._library = _load(_build(params))
        self._chip = self._library.chip_create()

    def __del__(self):
        if getattr(self, "_chip", None):
            self._library.chip_destroy(self._chip)
            self._chip = None

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        return self._library.chip_cycles(self._chip)

    def read(self, offset: int) -> int:
        """A register; BusFault where there is none."""
        value = ctypes.c_uint32()
        self._answered(self._library.chip_read(self._chip, offset, ctypes.byref(value)), "read", offset)
        return value.value

    def write(self, offset: int, value: int) -> None:
        """A register; BusFault where there is none to be written."""
        self._answered(self._library.chip_write(self._chip, offset, value), "write", offset)

    def wait(self) -> bool:
        """Until the interrupt; False when there is none for long."""
        for _ in range(GIVE_UP_CYCLES // WAIT_CYCLES):
            if self._library.chip_run(self._chip, WAIT_CYCLES, 1):
                return True
            if self.progress is not None:
                self.progress(self.cycles)
        return False

    def run(self, cycles: int) -> None:
        """Lets time pass."""
        self._library.chip_run(self._chip, cycles, 0)

    def map(self, base: int, size: int, *, writable: bool) -> np.ndarray:
        """A window of memory at `base`: its bytes, zero at first. The chip may touch nothing else."""
        address = self._library.chip_map(self._chip, base, size, writable)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def unmap(self) -> None:
        """Takes all windows away; arrays that `map` gave are then dead."""
        self._library.chip_unmap(self._chip)

    def fault(self, address: int, length: int, *, write: bool, resp: int) -> None:
        """From now on beats that touch these bytes are answered with `resp`; `heal` ends it."""
        self._library.chip_fault(self._chip, address, length, write, resp)

    def heal(self) -> None:
        self._library.chip_heal(self._chip)

    def timing(
        self, least: int = 0, most: int = 0, *, stalls: int = 0, depth: int = 64, stuck: bool = False, seed: int = 0
    ) -> None:
        """How the memory behaves. least, most: cycles to an answer. stalls: percent of the cycles in which a channel
        pauses. depth: bursts under way, of reads and of writes. stuck: nothing is taken or answered any more."""
        self._library.chip_timing(self._chip, least, most, stalls, depth, stuck, seed)

    @property
    def memory_idle(self) -> bool:
        """Whether the memory owes no answer."""
        return bool(self._library.chip_memory_idle(self._chip))

    def counts(self) -> dict[str, int]:
        """Since the start: bytes read and written, accesses outside the windows and the first one's address, bursts
        that break a rule of AXI."""
        values = (ctypes.c_uint64 * 5)()
        self._library.chip_counts(self._chip, values)
        return dict(zip(("read_bytes", "written_bytes", "violations", "first_violation", "bad_bursts"), values))

    def _answered(self, response: int, what: str, offset: int) -> None:
        if response:
            said = {2: "SLVERR", 3: "DECERR", -1: "no answer"}.get(response, str(response))
            raise BusFault(f"{what} of register {offset:#05x}: {said}")


def _build(params: Params) -> Path:
    def make():
        from hdl.chip.chip import Chip

        return shared_library(
            Chip(params),
            "chip",
            params,
            source=SOURCE,
            headers={
                "chip_config.inc": f"#define BUS_BYTES {params.axi_data_width // 8}\n",
                "axi_memory.h": SOURCE.with_name("axi_memory.h").read_text(),
            },
        )

    return cached_library("chip", params, make)


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, u32, u64, i32 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32
    signatures = {
        "chip_create": (pointer, []),
        "chip_destroy": (None, [pointer]),
        "chip_read": (i32, [pointer, u32, pointer]),
        "chip_write": (i32, [pointer, u32, u32]),
        "chip_run": (i32, [pointer, u64, i32]),
        "chip_cycles": (u64, [pointer]),
        "chip_map": (pointer, [pointer, u64, u64, i32]),
        "chip_unmap": (None, [pointer]),
        "chip_fault": (None, [pointer, u64, u64, i32, i32]),
        "chip_heal": (None, [pointer]),
        "chip_timing": (None, [pointer, u32, u32, u32, u32, i32, u64]),
        "chip_memory_idle": (i32, [pointer]),
        "chip_counts": (None, [pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
