"""Drivers and checkers of Amaranth streams for cocotb: StreamSource, StreamSink, StreamMonitor.

Ports are found by their flattened names: stream `i` of a component is `i__payload`, `i__valid`, `i__ready`.
Payloads are dicts (Struct), lists (array) or ints, see `verif.bench.payload`.

Idle and backpressure patterns, `PATTERNS`: 'none' never waits; 'random' waits 0..4 cycles before a payload;
'bursty' lets up to 32 payloads pass, then waits 8..64 cycles. A sink that is not 'none' also withholds ready
until it has seen valid, now and then: valid that waits for ready then hangs, and the bench times out.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, First, RisingEdge, Timer

from sim.runner import bench_inputs
from verif.bench.payload import Packer

PATTERNS = ("none", "random", "bursty")
CLOCK_NS = 10
UPSET_CYCLES = 60


class StreamError(AssertionError):
    """A rule of streams was broken, or nothing moved for too long."""


async def start(dut, upset: int = UPSET_CYCLES) -> None:
    """Start the clock and reset the design; call first, and make what watches its ports after that.

    upset: in so many cycles before the reset, and in its only one, inputs are random, so that the reset has something
    to do. Afterwards they are again what they were before. With 0 the inputs are left alone, and it lasts three.
    """
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    dut.rst.value = int(not upset)
    if not upset:
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
        return
    await Timer(1, "ns")
    inputs = [getattr(dut, name) for name in bench_inputs()]
    before = [port.value for port in inputs]
    for _ in range(upset):
        for port in inputs:
            if random.random() < 0.3:
                port.value = random.getrandbits(len(port))
        await ClockCycles(dut.clk, 1)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    for port, value in zip(inputs, before):
        port.value = value


def gaps(pattern: str, rng: random.Random) -> Iterator[int]:
    """Cycles to wait before each payload."""
    if pattern == "none":
        while True:
            yield 0
    elif pattern == "random":
        while True:
            yield rng.choice((0, 0, 0, 1, 2, 3, 4))
    elif pattern == "bursty":
        while True:
            yield rng.randint(8, 64)
            for _ in range(rng.randint(0, 31)):
                yield 0
    raise ValueError(f"{pattern} is not one of {', '.join(PATTERNS)}")


class _Port:
    def __init__(self, dut, name: str, shape, pattern: str, timeout: int):
        self.name, self.timeout = name, timeout
        self.clk = dut.clk
        self.edge = RisingEdge(dut.clk)
        self.payload, self.valid, self.ready = (
            getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready")
        )
        self.packer = Packer(shape)
        if len(self.payload) != self.packer.width:
            raise StreamError(f"{name}: payload of {len(self.payload)} bits, {self.packer.width} expected")
        self.rng = random.Random(random.getrandbits(64))  # cocotb seeds `random` for each test
        self.gaps = gaps(pattern, self.rng)
        self.pattern = pattern


class StreamSource(_Port):
    """Drives stream `name` of `dut` with what `send` queues; payload is random while valid is low."""

    def __init__(self, dut, name: str, shape, idle: str = "none", timeout: int = 10_000):
        super().__init__(dut, name, shape, idle, timeout)
        self.queue: deque[int] = deque()
        self.sent = 0
        self._more, self._drained = Event(), Event()
        self._drained.set()
        self.valid.value = 0
        self._task = cocotb.start_soon(self._run())

    def send(self, payloads: Iterable) -> None:
        """Queue payloads; returns at once."""
        self.queue.extend(map(self.packer.pack, payloads))
        if self.queue:
            self._drained.clear()
            self._more.set()

    def reset(self) -> None:
        """Forget what is queued and take back what is offered, as a sender does that is reset."""
        self._task.cancel()
        self.queue.clear()
        self._drained.set()
        self.valid.value = 0
        self._task = cocotb.start_soon(self._run())

    async def drained(self) -> None:
        """Wait until everything queued was accepted; StreamError when nothing is, for `timeout` cycles."""
        while not self._drained.is_set():
            before = self.sent
            await First(self._drained.wait(), Timer(self.timeout * CLOCK_NS, "ns"))
            if self.sent == before and not self._drained.is_set():
                raise StreamError(f"{self.name}: nothing accepted for {self.timeout} cycles ({self.sent} were)")

    async def _run(self):
        while True:
            if not self.queue:
                self._drained.set()
                self._more.clear()
                await self._more.wait()
            gap = next(self.gaps)
            if gap:
                await ClockCycles(self.clk, gap)
            self.payload.value = self.queue.popleft()
            self.valid.value = 1
            await self.edge
            while not self.ready.value:
                await self.edge
            self.sent += 1
            self.valid.value = 0
            self.payload.value = self.rng.getrandbits(self.packer.width)


class _Rules:
    """Valid stays and payload stays until ready; fed with every cycle in which valid was seen high."""

    def __init__(self, name: str):
        self.name, self.pending = name, None

    def cycle(self, valid: bool, payload, ready: bool) -> None:
        if self.pending is not None and not valid:
            raise StreamError(f"{self.name}: valid fell before ready")
        if self.pending is not None and payload != self.pending:
            raise StreamError(f"{self.name}: payload changed before ready: {self.pending:#x} to {payload:#x}")
        self.pending = payload if valid and not ready else None


class StreamMonitor(_Port):
    """Checks the rules of a stream that others drive, and keeps what passed in `seen`. Wakes every cycle."""

    def __init__(self, dut, name: str, shape):
        super().__init__(dut, name, shape, "none", 0)
        self.seen: list = []
        cocotb.start_soon(self._run())

    async def _run(self):
        rules = _Rules(self.name)
        while True:
            await self.edge
            valid, ready = bool(self.valid.value), bool(self.ready.value)
            bits = self.payload.value.to_unsigned() if valid else 0
            rules.cycle(valid, bits, ready)
            if valid and ready:
                self.seen.append(self.packer.unpack(bits))


class StreamSink(_Port):
    """Accepts the payloads of stream `name` of `dut` and checks the rules of streams on the way."""

    def __init__(self, dut, name: str, shape, backpressure: str = "none", timeout: int = 10_000):
        super().__init__(dut, name, shape, backpressure, timeout)
        self.queue: deque[int] = deque()
        self.received = 0
        self._wanted = 1
        self._arrived = Event()
        self.ready.value = 0
        self._task = cocotb.start_soon(self._run())

    async def receive(self, count: int) -> list:
        """The next `count` payloads; StreamError when none arrives for `timeout` cycles."""
        while len(self.queue) < count:
            before = self.received
            self._wanted = count
            self._arrived.clear()
            await First(self._arrived.wait(), Timer(self.timeout * CLOCK_NS, "ns"))
            if self.received == before:
                came = f"{len(self.queue)} of {count} payloads came"
                raise StreamError(f"{self.name}: nothing for {self.timeout} cycles, {came}")
        return [self.packer.unpack(self.queue.popleft()) for _ in range(count)]

    async def nothing_more(self, cycles: int = 50) -> None:
        """StreamError if anything arrives in the next cycles, or arrived and was not asked for."""
        await ClockCycles(self.clk, cycles)
        if self.queue or self.valid.value:
            raise StreamError(f"{self.name}: more payloads than expected")

    def close(self) -> None:
        """Take nothing more, and look no longer: the design is about to be reset."""
        self._task.cancel()
        self.ready.value = 0

    async def _run(self):
        rules = _Rules(self.name)
        valid_rises = RisingEdge(self.valid)
        ready = False

        async def cycle() -> bool:
            await self.edge
            valid = bool(self.valid.value)
            bits = self.payload.value.to_unsigned() if valid else 0
            rules.cycle(valid, bits, ready)
            if valid and ready:
                self.queue.append(bits)
                self.received += 1
                if len(self.queue) >= self._wanted:
                    self._arrived.set()
            return valid

        while True:
            gap = next(self.gaps)
            wait_for_valid = self.pattern != "none" and self.rng.random() < 0.2
            if gap or wait_for_valid:
                self.ready.value, ready = 0, False
                for _ in range(gap):
                    await cycle()
                while wait_for_valid and not await cycle():
                    pass
            self.ready.value, ready = 1, True
            while not await cycle():
                if not self.valid.value:
                    await valid_rises
