"""The AXI4 memory of a simulation (sim/axi_model.h) from Python: windows, timing, faults, what it saw.

`with_memory` puts one beside a component that has `m_axi_*` pins; `run_bench(..., memory=True)` builds both, and in
the simulation `AxiMemory()` finds it. Nothing here costs simulated time or wakes Python.
"""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring

FOLDER = Path(__file__).parent
VERILOG = FOLDER / "axi_memory.sv"
SOURCE = FOLDER / "axi_memory.cpp"
HEADERS = {name: (FOLDER / name).read_text() for name in ("axi_model.h", "axi_interface.h")}
PREFIX = "m_axi_"

READ, WRITE = 0, 1
AR, R, AW, W, B = range(5)
IN_ORDER, BURSTS_OVERTAKE, BEATS_INTERLEAVE = range(3)
EVERY_BEAT = 0xFFFFFFFF
IDS = 2
VIOLATIONS = (
    "read outside the windows",
    "write outside the windows",
    "burst crosses 4 KB",
    "burst too long",
    "burst not of whole beats",
    "address or data changed before ready",
    "WLAST at the wrong beat",
    "R had to wait",
)


class _Fault(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint64)] + [(n, ctypes.c_uint32) for n in ("resp", "burst", "beat", "hits")]


class _Note(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ("address", "cycle")] + [(n, ctypes.c_uint32) for n in ("kind", "id")]


class _Control(ctypes.Structure):
    _fields_ = [
        ("seed", ctypes.c_uint64),
        *((n, ctypes.c_uint32) for n in ("latency_min", "latency_max", "pace", "order", "capacity", "max_beats")),
        ("aligned", ctypes.c_uint32),
        ("freeze", ctypes.c_int32 * 5),
        ("outstanding", ctypes.c_uint32 * 2),
        ("fault", _Fault * IDS * 2),
        ("cycles", ctypes.c_uint64),
        ("bursts", ctypes.c_uint64 * IDS * 2),
        ("bytes", ctypes.c_uint64 * 2),
        ("violations", ctypes.c_uint64),
        ("noted", _Note * 16),
    ]


class _Burst(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ("address", "taken", "answered")]
    _fields_ += [(n, ctypes.c_uint32) for n in ("direction", "id", "beats", "resp")]


@dataclass(frozen=True)
class Burst:
    """A finished burst: cycles in which its address was taken and its last answer given, and the worst answer."""

    address: int
    taken: int
    answered: int
    direction: int
    id: int
    beats: int
    resp: int


class AxiMemory:
    """The memory of the simulation that this process is; or of another `library` with sim/axi_interface.h, which
    gave its address `memory`."""

    def __init__(self, library: ctypes.CDLL | None = None, memory: int | None = None):
        self._library = library or ctypes.CDLL(None)
        u64, u32, pointer = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
        if memory is None:
            self._library.axi_memory_of_simulation.restype = pointer
            memory = self._library.axi_memory_of_simulation()
        self._memory = memory
        self._library.axi_memory_control.restype = ctypes.POINTER(_Control)
        self._library.axi_memory_control.argtypes = self._library.axi_memory_unmap.argtypes = [pointer]
        self._library.axi_memory_bursts.restype = u64
        self._library.axi_memory_bursts.argtypes = [pointer, pointer, u64]
        self._library.axi_memory_map.argtypes = [pointer, u64, u64, pointer, u32, u32, u32]
        self._windows: list[np.ndarray] = []
        self._control = self._library.axi_memory_control(memory).contents

    def map(
        self, address: int, data: np.ndarray, *, readers: Iterable[int] = (), writers: Iterable[int] = (), resp: int = 0
    ) -> None:
        """Let the flat uint8 array `data` be the memory from `address` on, for these IDs; it may be looked at and
        changed at any time. resp: every access is answered with this."""
        if data.dtype != np.uint8 or data.ndim != 1 or not data.flags.c_contiguous:
            raise ValueError("a window must be a flat, contiguous array of uint8")
        masks = (sum(1 << k for k in ids) for ids in (readers, writers))
        self._windows.append(data)  # the memory holds a pointer to it
        self._library.axi_memory_map(self._memory, address, data.size, data.ctypes.data, *masks, resp)

    def allow_unaligned(self) -> None:
        """Let bursts begin at any byte, as AXI does and the chip's masters do not."""
        self._control.aligned = 0

    def unmap(self) -> None:
        """Take all windows away."""
        self._library.axi_memory_unmap(self._memory)
        self._windows.clear()

    def timing(
        self,
        latency: tuple[int, int] = (1, 1),
        *,
        pace: float = 1.0,
        order: int = BEATS_INTERLEAVE,
        capacity: int = 16,
        seed: int = 1,
    ) -> None:
        """Answers come latency[0]..latency[1] cycles after what asked for them; in a cycle ready or a due valid is
        given with probability `pace`; `capacity` bursts of each direction may be under way."""
        if not 1 <= latency[0] <= latency[1] or not 0 < pace <= 1 or capacity < 1:
            raise ValueError(f"latency {latency}, pace {pace}, capacity {capacity}: out of range")
        control = self._control
        control.latency_min, control.latency_max = latency
        control.pace, control.order = max(1, round(256 * pace)), order
        control.capacity, control.seed = capacity, seed

    def inject(self, direction: int, id: int, resp: int, burst: int = 0, beat: int = 0) -> None:
        """Answer a coming burst of this direction and ID (0: the next) with `resp`; of a read at that beat, or the
        last if it has fewer, or EVERY_BEAT. resp 0 takes back what has not struck yet."""
        fault = self._control.fault[direction][id]
        fault.burst, fault.beat, fault.hits, fault.address, fault.resp = burst, beat, 0, 0, resp

    def injected(self, direction: int, id: int) -> int | None:
        """The address at which the last injected error struck; None when it has not."""
        fault = self._control.fault[direction][id]
        return fault.address if fault.hits else None

    def freeze(self, channel: int, after: int = 0) -> None:
        """Let a channel (AR, R, AW, W or B) stop after so many handshakes."""
        self._control.freeze[channel] = after

    def thaw(self) -> None:
        """Let all channels go on."""
        self._control.freeze[:] = [-1] * 5

    @property
    def cycles(self) -> int:
        """Cycles outside reset."""
        return self._control.cycles

    @property
    def outstanding(self) -> tuple[int, int]:
        """Bursts read, and written, that have not had their last answer."""
        return tuple(self._control.outstanding)

    def bytes(self, direction: int) -> int:
        """Read: of all beats; written: of all strobes."""
        return self._control.bytes[direction]

    def bursts(self, direction: int, id: int) -> int:
        """How many addresses were taken."""
        return self._control.bursts[direction][id]

    def finished_bursts(self) -> list[Burst]:
        """The bursts that ended since the last call, at most the last 65536."""
        result, room = [], (_Burst * 1024)()
        while count := self._library.axi_memory_bursts(self._memory, room, len(room)):
            result += [Burst(*(getattr(each, name) for name, *_ in _Burst._fields_)) for each in room[:count]]
        return result

    def violations(self) -> list[str]:
        """What the master did that it must not, in words; forgotten with this call."""
        control = self._control
        total, control.violations = control.violations, 0
        words = [
            f"{VIOLATIONS[n.kind]}: ID {n.id}, address {n.address:#x}, cycle {n.cycle}" for n in control.noted[:total]
        ]
        return words + ([f"and {total - len(words)} more"] if total > len(words) else [])


class WithMemory(wiring.Component):
    """`component` with a memory on its `m_axi_*` pins; its other pins are those of this."""

    def __init__(self, component):
        self._component = component
        outer = {n: m for n, m in component.signature.members.items() if not n.startswith(PREFIX)}
        super().__init__(outer)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self._component
        for (_, member, port), (*_, inner_port) in zip(self.signature.flatten(self), self.signature.flatten(inner)):
            ours, theirs = Value.cast(port), Value.cast(inner_port)
            m.d.comb += ours.eq(theirs) if member.flow == wiring.Out else theirs.eq(ours)
        pins = {}
        for name, member in inner.signature.members.items():
            signal = name.removeprefix(PREFIX)
            if name != signal and signal[2:] not in ("lock", "cache", "prot", "qos"):
                pins[f"{'i' if member.flow == wiring.Out else 'o'}_{signal}"] = getattr(inner, name)
        width = len(inner.m_axi_rdata)
        m.submodules.memory = Instance(
            "axi_memory", p_DATA_WIDTH=width, i_clk=ClockSignal(), i_rst=ResetSignal(), **pins
        )
        return m
