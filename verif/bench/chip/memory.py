"""A memory behind the AXI4 streams of the chip's ports: sparse bytes, and slaves for the read and write channels.

Bursts of an ID are answered in their order; those of different IDs in any order that their latencies give, and beats
of R of different IDs may alternate. Every channel has a pattern of `verif.bench.streams`, and its rules are checked.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Event

from hdl.common.axi import BOUNDARY, BURST_BEATS, OKAY, address_layout, read_layout, response_layout, write_layout
from verif.bench.streams import StreamSink, StreamSource

FOREVER = 1_000_000_000
PAGE = BOUNDARY


class MemoryFault(AssertionError):
    """Something was written where nothing may be, or a burst breaks a rule of AXI."""


class Memory:
    """Bytes of a 40 bit address space, zero at first. Counts how often the bus wrote each of them."""

    def __init__(self):
        self.pages: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(PAGE, np.uint8))
        self.counts: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(PAGE, np.uint8))
        self.bytes_written = 0
        self.allowed: list[range] | None = None

    def allow(self, *ranges: range) -> None:
        """From now on a write to any byte outside `ranges` is a MemoryFault."""
        self.allowed = list(ranges)

    def forget(self) -> None:
        """Nothing was written so far, as to the counts."""
        self.counts.clear()
        self.bytes_written = 0

    def _pieces(self, address: int, size: int):
        end = address + size
        while address < end:
            length = min(PAGE - address % PAGE, end - address)
            yield address // PAGE, slice(address % PAGE, address % PAGE + length)
            address += length

    def load(self, address: int, values: np.ndarray) -> None:
        """Put bytes there, not over the bus."""
        done = 0
        for page, where in self._pieces(address, len(values)):
            length = where.stop - where.start
            self.pages[page][where] = values[done : done + length]
            done += length

    def read(self, address: int, size: int) -> np.ndarray:
        return np.concatenate([self.pages[page][where] for page, where in self._pieces(address, size)])

    def times_written(self, address: int, size: int) -> np.ndarray:
        """How often the bus wrote each of these bytes."""
        return np.concatenate([self.counts[page][where] for page, where in self._pieces(address, size)])

    def write(self, address: int, data: int, strobes: int, size: int) -> None:
        """One beat of the bus, `size` bytes wide."""
        values = np.frombuffer(data.to_bytes(size, "little"), np.uint8)
        lanes = [lane for lane in range(size) if strobes >> lane & 1]
        if self.allowed is not None:
            for lane in lanes:
                if not any(address + lane in each for each in self.allowed):
                    raise MemoryFault(f"a byte was written to {address + lane:#x}, where none may be")
        where = [address % PAGE + lane for lane in lanes]
        self.pages[address // PAGE][where] = values[lanes]
        self.counts[address // PAGE][where] += 1
        self.bytes_written += len(lanes)


def always_okay(_id: int, _address: int) -> int:
    return OKAY


def check_burst(burst: dict, beat_bytes: int) -> None:
    """MemoryFault unless this payload of AR or AW is one that the chip may raise."""
    address, beats = burst["addr"], burst["len"] + 1
    if address % beat_bytes or beats > BURST_BEATS or address % PAGE + beats * beat_bytes > PAGE:
        raise MemoryFault(f"a burst of {beats} beats at {address:#x}")


class _Slave:
    """What both slaves share: the sink of addresses, and the time until a burst is answered."""

    def __init__(self, dut, name, channel, data_width, memory, latency, respond, pattern):
        self.dut, self.memory, self.beat_bytes = dut, memory, data_width // 8
        self.latency, self.respond = latency, respond
        self.rng = random.Random(random.getrandbits(64))
        self.addresses = StreamSink(dut, f"{name}__{channel}", address_layout(), pattern, timeout=FOREVER)
        self.bursts: list[dict] = []
        self._queues: dict[int, deque] = defaultdict(deque)
        self._news: dict[int, Event] = {}

    def _queue(self, burst: dict, answer) -> None:
        """`answer(burst)`, a coroutine, runs after the latency and after those of the ID's earlier bursts."""
        due = Event()

        async def wait():
            await ClockCycles(self.dut.clk, max(1, self.rng.randint(*self.latency)))
            due.set()

        cocotb.start_soon(wait())
        self._queues[burst["id"]].append((due, burst, answer))
        if burst["id"] not in self._news:
            self._news[burst["id"]] = Event()
            cocotb.start_soon(self._answer(burst["id"]))
        self._news[burst["id"]].set()

    async def _answer(self, which: int):
        queue, news = self._queues[which], self._news[which]
        while True:
            while not queue:
                news.clear()
                await news.wait()
            due, burst, answer = queue[0]
            await due.wait()
            await answer(burst)
            queue.popleft()


class WriteSlave(_Slave):
    """Slave of the stream channels `NAME__aw`, `NAME__w` and `NAME__b` of `dut`.

    latency: least and most cycles from a burst's last beat to its B. respond(id, address of the burst): its resp;
    a burst whose answer is not OKAY writes nothing. `bursts`: all whose AW came.
    """

    def __init__(
        self,
        dut,
        name: str,
        data_width: int,
        memory: Memory,
        *,
        latency: tuple[int, int] = (1, 1),
        respond: Callable[[int, int], int] = always_okay,
        patterns: tuple[str, str, str] = ("none", "none", "none"),
    ):
        super().__init__(dut, name, "aw", data_width, memory, latency, respond, patterns[0])
        self.data = StreamSink(dut, f"{name}__w", write_layout(data_width), patterns[1], timeout=FOREVER)
        self.responses = StreamSource(dut, f"{name}__b", response_layout(), patterns[2])
        cocotb.start_soon(self._run())

    async def _run(self):
        while True:
            (burst,) = await self.addresses.receive(1)
            check_burst(burst, self.beat_bytes)
            self.bursts.append(burst)
            beats = await self.data.receive(burst["len"] + 1)
            if [beat["last"] for beat in beats] != [0] * burst["len"] + [1]:
                raise MemoryFault(f"last of W is wrong in {burst}")
            burst["resp"] = self.respond(burst["id"], burst["addr"])
            if burst["resp"] == OKAY:
                for k, beat in enumerate(beats):
                    self.memory.write(burst["addr"] + k * self.beat_bytes, beat["data"], beat["strb"], self.beat_bytes)
            self._queue(burst, self._respond)

    async def _respond(self, burst: dict):
        self.responses.send([{"id": burst["id"], "resp": burst["resp"]}])


class ReadSlave(_Slave):
    """Slave of the stream channels `NAME__ar` and `NAME__r` of `dut`.

    latency: least and most cycles from AR to the burst's first beat. respond(id, address of the beat): its resp.
    """

    def __init__(
        self,
        dut,
        name: str,
        data_width: int,
        memory: Memory,
        *,
        latency: tuple[int, int] = (1, 1),
        respond: Callable[[int, int], int] = always_okay,
        patterns: tuple[str, str] = ("none", "none"),
    ):
        super().__init__(dut, name, "ar", data_width, memory, latency, respond, patterns[0])
        self.data = StreamSource(dut, f"{name}__r", read_layout(data_width), patterns[1])
        cocotb.start_soon(self._run())

    async def _run(self):
        while True:
            (burst,) = await self.addresses.receive(1)
            check_burst(burst, self.beat_bytes)
            self.bursts.append(burst)
            self._queue(burst, self._send)

    async def _send(self, burst: dict):
        for k in range(burst["len"] + 1):
            address = burst["addr"] + k * self.beat_bytes
            data = int.from_bytes(self.memory.read(address, self.beat_bytes).tobytes(), "little")
            beat = {"id": burst["id"], "data": data, "resp": self.respond(burst["id"], address)}
            self.data.send([{**beat, "last": int(k == burst["len"])}])
            if len(self._queues) > 1:  # another ID may come between
                await self.data.drained()
