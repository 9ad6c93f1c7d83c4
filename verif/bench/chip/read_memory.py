"""A memory on the read channels of AXI4 (as streams), which checks what the master asks for."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cocotb
from cocotb.triggers import RisingEdge

from hdl.common.axi import BOUNDARY, BURST_BEATS, OKAY, address_layout, read_layout
from verif.bench.payload import Packer
from verif.bench.streams import StreamSink, gaps


@dataclass
class Burst:
    """One that was taken from AR; beats up to `done` were given."""

    id: int
    address: int
    beats: int
    due: int  # cycle of its first beat, at the soonest
    done: int = 0


class ReadMemory:
    """Serves `bus` of `dut`: beats of an ID in order, those of different IDs in any order and interleaved.

    read: the value of the beat at an address; raises where nothing may be read.
    latency: fewest and most cycles from AR to the first beat of its burst. pattern: of AR's ready and of the gaps
    between beats ('none': a beat a cycle). resp: of the beat at an address. bursts: all that were taken.
    Checks the bursts' alignment, length and 4 KB, the rules of AR, and that R is always taken.
    """

    def __init__(
        self,
        dut,
        data_width: int,
        read: Callable[[int], int],
        *,
        latency: tuple[int, int] = (1, 1),
        pattern: str = "none",
        resp: Callable[[int], int] = lambda address: OKAY,
    ):
        self.dut, self.read, self.resp, self.latency = dut, read, resp, latency
        self.bytes = data_width // 8
        self.packer = Packer(read_layout(data_width))
        self.rng = random.Random(random.getrandbits(64))
        self.gaps = gaps(pattern, self.rng)
        self.ar = StreamSink(dut, "bus__ar", address_layout(), pattern)
        self.cycle = 0
        self.bursts: list[Burst] = []
        self.waiting: tuple[deque[Burst], ...] = (deque(), deque())
        self.asked = self.given = 0  # beats
        dut.bus__r__valid.value = 0
        cocotb.start_soon(self._run())

    @property
    def outstanding(self) -> int:
        """Beats that were asked for and not given."""
        return self.asked - self.given

    def _take(self) -> None:
        while self.ar.queue:
            burst = self.ar.packer.unpack(self.ar.queue.popleft())
            address, beats = burst["addr"], burst["len"] + 1
            assert address % self.bytes == 0, f"burst at {address:#x} is not aligned"
            assert beats <= BURST_BEATS, f"burst of {beats} beats"
            end = address + beats * self.bytes - 1
            assert address // BOUNDARY == end // BOUNDARY, f"burst {address:#x}..{end:#x} crosses 4 KB"
            queue = self.waiting[burst["id"]]
            queue.append(Burst(burst["id"], address, beats, self.cycle + self.rng.randint(*self.latency)))
            self.bursts.append(queue[-1])
            self.asked += beats

    def _give(self) -> int | None:
        """The next beat: of any ID whose oldest burst is due."""
        due = [queue for queue in self.waiting if queue and queue[0].due <= self.cycle]
        if not due:
            return None
        queue = self.rng.choice(due)
        burst = queue[0]
        address = burst.address + burst.done * self.bytes
        burst.done += 1
        last = burst.done == burst.beats
        if last:
            queue.popleft()
        self.given += 1
        beat = {"id": burst.id, "data": self.read(address), "resp": self.resp(address), "last": int(last)}
        return self.packer.pack(beat)

    async def _run(self):
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        gap = next(self.gaps)
        while True:
            await edge
            self.cycle += 1
            assert dut.bus__r__ready.value, "R is not ready"
            self._take()
            beat = None
            if gap:
                gap -= 1
            else:
                beat = self._give()
            dut.bus__r__valid.value = int(beat is not None)
            if beat is not None:
                gap = next(self.gaps)
            dut.bus__r__payload.value = self.rng.getrandbits(self.packer.width) if beat is None else beat
