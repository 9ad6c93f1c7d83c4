"""The memory agent: the HDL memory behind the chip's AXI4 master, under the environment's control.

It moves no transaction itself and is woken by none: it sets what the memory does, gives the pictures their places, and
collects what the memory saw when a picture has ended.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from cocotb.triggers import ClockCycles
from pyuvm import ConfigDB, uvm_agent, uvm_analysis_port, uvm_monitor

from sim.axi_memory import BEATS_INTERLEAVE, BURSTS_OVERTAKE, IN_ORDER, READ, WRITE, AxiMemory

ADDRESS_END = 1 << 40
MASTERS = {"SOURCE": (READ, 0), "QP_MAP": (READ, 1), "RECON": (WRITE, 0), "BITSTREAM": (WRITE, 1)}
"""Direction and ID of each master of ERROR.master."""
ORDERS = {"in order": IN_ORDER, "bursts overtake": BURSTS_OVERTAKE, "beats interleave": BEATS_INTERLEAVE}


@dataclass(frozen=True)
class Timing:
    """How the memory behaves; see sim.axi_memory.AxiMemory.timing."""

    latency: tuple[int, int] = (1, 1)
    pace: float = 1.0
    order: str = "in order"
    capacity: int = 16

    @classmethod
    def draw(cls, rng: random.Random) -> "Timing":
        """From ideal to 200 cycles and a bus that is mostly busy elsewhere."""
        low = rng.choice((1, 1, 5, 20, 100))
        return cls(
            latency=(low, low + rng.choice((0, 0, 10, 40, 100))),
            pace=rng.choice((1.0, 1.0, 0.9, 0.6, 0.3)),
            order=rng.choice(list(ORDERS)),
            capacity=rng.choice((1, 2, 4, 16, 16)),
        )

    @property
    def patience(self) -> float:
        """Cycles that a burst may take, on the whole."""
        return (20 + self.latency[1]) / self.pace


@dataclass(frozen=True)
class Window:
    """Memory of one purpose: `data` from `address` on, for one master."""

    address: int
    data: np.ndarray
    master: str

    @property
    def end(self) -> int:
        return self.address + self.data.size


class MemoryMonitor(uvm_monitor):
    """Publishes the bursts that have finished, and asserts that the chip kept all rules; `collect` makes it look."""

    def build_phase(self):
        self.ap = uvm_analysis_port("ap", self)

    def collect(self, memory: AxiMemory) -> None:
        for burst in memory.finished_bursts():
            self.ap.write(burst)
        broken = memory.violations()
        assert not broken, f"the chip broke a rule of the bus: {'; '.join(broken)}"

    def check_phase(self):
        memory: Any = ConfigDB().get(self, "", "MEMORY")
        self.collect(memory)
        assert memory.outstanding == (0, 0), f"{memory.outstanding} bursts have no answer at the end"


class MemoryAgent(uvm_agent):
    """Timing, errors and windows of the memory; `ap` has its finished bursts."""

    def build_phase(self):
        super().build_phase()
        self.memory: AxiMemory = ConfigDB().get(self, "", "MEMORY")
        self.dut = ConfigDB().get(self, "", "DUT")
        self.monitor = MemoryMonitor("monitor", self)
        self.timing = Timing()
        self.windows: list[Window] = []

    def connect_phase(self):
        self.ap = self.monitor.ap

    def set_timing(self, timing: Timing) -> None:
        self.timing = timing
        self.memory.timing(
            timing.latency,
            pace=timing.pace,
            order=ORDERS[timing.order],
            capacity=timing.capacity,
            seed=random.getrandbits(32),
        )

    def show(self, windows: list[Window]) -> None:
        """Let the chip reach these windows, and nothing else."""
        self.windows = windows
        self.memory.unmap()
        for window in windows:
            direction, id = MASTERS[window.master]
            readers, writers = ((id,), ()) if direction == READ else ((), (id,))
            self.memory.map(window.address, window.data, readers=readers, writers=writers)

    def place(self, size: int, align: int, rng: random.Random, near: tuple[int, ...] = ()) -> int:
        """An address for `size` bytes that is free: anywhere in 40 bits, at times at their end, around a boundary of
        4 KB, or right behind a window."""
        while True:
            kind = rng.random()
            if near and kind < 0.3:
                address = -(-rng.choice(near) // align) * align
            elif kind < 0.35:
                address = (ADDRESS_END - size) // align * align
            elif kind < 0.5:
                address = (rng.randrange(ADDRESS_END >> 12) << 12) - rng.randrange(size + 1) // align * align
            else:
                address = rng.randrange(ADDRESS_END // align) * align
            if 0 <= address <= ADDRESS_END - size and all(
                address + size <= window.address or window.end <= address for window in self.windows
            ):
                return address

    def inject(self, master: str, resp: int, burst: int = 0, beat: int = 0) -> None:
        """An error for a burst to come of this master."""
        self.memory.inject(*MASTERS[master], resp, burst, beat)

    def struck(self, master: str) -> int | None:
        """Where the error that was injected for this master struck."""
        return self.memory.injected(*MASTERS[master])

    def heal(self) -> None:
        """No more errors, and all channels go on."""
        self.memory.thaw()
        for direction, id in MASTERS.values():
            self.memory.inject(direction, id, 0)

    def traffic(self) -> tuple[int, ...]:
        """How many bursts each master has begun."""
        return tuple(self.memory.bursts(direction, id) for direction, id in MASTERS.values())

    async def cycles(self, count: int) -> None:
        """Let time pass."""
        if count:
            await ClockCycles(self.dut.clk, count)
