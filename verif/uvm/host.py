"""The software's side: a sequencer that knows registers, memory and interrupt, and the base of all chip sequences."""

import random
from collections.abc import Iterable

from cocotb.triggers import First, RisingEdge, Timer
from pyuvm import ConfigDB, uvm_analysis_port, uvm_sequence, uvm_sequencer, uvm_status_e

from hdl.chip.payloads import ErrorCode, Master
from hdl.params import Params
from sim.axi_memory import READ, WRITE
from verif.bench.streams import CLOCK_NS
from verif.uvm.memory_agent import MemoryAgent
from verif.uvm.pictures import Picture
from verif.uvm.register_agent import RegisterItem
from verif.uvm.register_model import Registers
from verif.uvm.scoreboard import Ended

RESULTS = ("ERROR", "RESULT_TAG", "BITSTREAM_POSITION", "CYCLES", "BINS", "BITS", "BYTES_READ", "BYTES_WRITTEN")
WIDE_RESULTS = ("ERROR_ADDRESS", "SSE_Y", "SSE_CB", "SSE_CR")
STALLS = ("FETCH", "ANALYSIS", "RECONSTRUCTION", "ENTROPY", "PACK", "SOURCE", "RECON", "BITSTREAM")
EVENTS = ("finished", "started", "start_lost", "fault")


class ChipSequencer(uvm_sequencer):
    """Where chip sequences run. ended: Ended of each picture that ended; dropped: each Picture that never will."""

    def build_phase(self):
        self.dut = ConfigDB().get(self, "", "DUT")
        self.params: Params = ConfigDB().get(self, "", "PARAMS")
        self.ended = uvm_analysis_port("ended", self)
        self.dropped = uvm_analysis_port("dropped", self)
        self.did = uvm_analysis_port("did", self)  # (fault, state) for coverage
        self.tag = 0
        # set by the environment
        self.registers: Registers
        self.memory: MemoryAgent
        self.bus: uvm_sequencer


class ChipSequence(uvm_sequence):
    """What software does with the chip, step by step; subclasses have the stories."""

    def __init__(self, rng: random.Random):
        super().__init__(type(self).__name__)
        self.rng = rng
        self.running: list[Picture] = []  # submitted and not yet ended, in order
        self.stuck: list[Picture] = []  # ended, but the bus may still owe them answers

    @property
    def chip(self) -> ChipSequencer:
        assert isinstance(self.sequencer, ChipSequencer)
        return self.sequencer

    @property
    def memory(self) -> MemoryAgent:
        return self.chip.memory

    # ---- registers

    async def read(self, name: str) -> dict[str, int]:
        """Fields of a register, through the register model's front door."""
        register = getattr(self.chip.registers, name)
        status, value = await register.read()
        assert status == uvm_status_e.UVM_IS_OK, f"register {name} cannot be read"
        return {f.get_name(): value >> f.get_lsb_pos() & (1 << f.get_n_bits()) - 1 for f in register.get_fields()}

    async def write(self, name: str, **values: int) -> None:
        """Fields that are not named become 0."""
        register = getattr(self.chip.registers, name)
        word = sum(value << getattr(register, field).get_lsb_pos() for field, value in values.items())
        assert await register.write(word) == uvm_status_e.UVM_IS_OK, f"register {name} cannot be written"

    async def access(self, item: RegisterItem) -> RegisterItem:
        """An access that the register model does not know of."""
        sequence = uvm_sequence("raw")
        sequence.sequencer = self.chip.bus
        await sequence.start_item(item)
        await sequence.finish_item(item)
        return item

    # ---- pictures

    def picture(self, **options) -> Picture:
        """A random picture, with a tag of its own."""
        self.chip.tag = self.chip.tag + self.rng.randrange(1, 1 << 20) & 0xFFFF_FFFF
        return Picture(self.chip.params, self.rng, self.chip.tag, **options)

    async def submit(self, picture: Picture, change: dict[str, dict[str, int]] | None = None) -> None:
        """Give the picture its place, write its registers in any order, and start it. change: registers that are told
        something else. Registers that have their value already are written again or not."""
        if not picture.windows:
            picture.place(self.memory)
        registers = picture.registers()
        for name, fields in (change or {}).items():
            registers[name] = registers[name] | fields
        for name in self.rng.sample(sorted(registers), len(registers)):
            register = getattr(self.chip.registers, name)
            word = sum(value << getattr(register, field).get_lsb_pos() for field, value in registers[name].items())
            if register.get_mirrored_value() != word or self.rng.random() < 0.3:
                await self.write(name, **registers[name])
        picture.bytes_before = tuple(self.memory.memory.bytes(direction) for direction in (READ, WRITE))
        picture.alone = not self.running
        for other in self.running:
            other.alone = False
        self.running.append(picture)
        await self.write("CONTROL", start=1)

    async def until_finished(self, limit: float) -> None:
        """Until IRQ_STATUS.finished, by the interrupt; AssertionError after `limit` cycles."""
        await self.write("IRQ_ENABLE", finished=1)
        irq = self.chip.dut.irq
        if not (await self.read("IRQ_STATUS"))["finished"] and not irq.value:
            await First(RisingEdge(irq), Timer(round(limit) * CLOCK_NS, "ns"))
            if not irq.value:
                status = {name: value for name, value in (await self.read("STATUS")).items() if value}
                raise AssertionError(f"no end: {self.running[0]}, {round(limit)} cycles, STATUS {status}")

    def limit(self) -> float:
        """Cycles in which all running pictures must end."""
        total = 30_000.0
        for picture in self.running:
            samples, stream = picture.config.width * picture.config.height, len(picture.expected.data)
            total += 20 * samples + self.memory.timing.patience * (3 * samples + stream) / 16
        return total

    async def end(
        self, allowed: Iterable[ErrorCode] = (ErrorCode.OK,), master: str | None = None, stuck: bool = False
    ) -> Ended:
        """Wait for the next picture to end, tell the scoreboard, clear the event. master: of the error injected; a
        picture that it has struck must say so, unless a stuck channel may have kept it back."""
        await self.until_finished(self.limit())
        return await self.report(allowed, master, stuck)

    async def report(
        self, allowed: Iterable[ErrorCode] = (ErrorCode.OK,), master: str | None = None, stuck: bool = False
    ) -> Ended:
        """As `end`, of a picture that has ended."""
        registers = await self.results()
        picture = next((each for each in self.running if each.tag == registers["RESULT_TAG.tag"]), None)
        assert picture is not None, (
            f"tag {registers['RESULT_TAG.tag']} ended, running: {[str(p) for p in self.running]}"
        )
        assert picture is self.running[0], f"{picture} ended before {self.running[0]}"
        allowed, error = set(allowed), None
        struck = self.memory.struck(master) if master else None
        if master and struck is not None and picture.owns(master, struck):
            error = Master[master].value, self.resp, struck
            shared = any(other.owns(master, struck) for other in self.running[1:])  # a beat of two buffers
            allowed = {ErrorCode.BUS_ERROR, *(allowed if shared or stuck else ())}
        bus_bytes = None
        if picture.alone:
            now = (self.memory.memory.bytes(direction) for direction in (READ, WRITE))
            bus_bytes = tuple(b - a for a, b in zip(picture.bytes_before, now))
        ended = Ended(picture, registers, allowed, error, bus_bytes)
        self.running.remove(picture)
        self.memory.monitor.collect(self.memory.memory)
        self.chip.ended.write(ended)
        if ended.code in (ErrorCode.BUS_ERROR, ErrorCode.WATCHDOG):
            self.stuck.append(picture)
        else:
            picture.remove(self.memory)
        await self.write("IRQ_STATUS", finished=1)
        return ended

    async def results(self) -> dict[str, int]:
        """The result registers, as REGISTER.field; those of two words under their common name."""
        found = {}
        for name in (*RESULTS, *(f"STALL_{stage}" for stage in STALLS)):
            found |= {f"{name}.{field}": value for field, value in (await self.read(name)).items()}
        for name in WIDE_RESULTS:
            (low,), (high,) = [(await self.read(f"{name}_{half}")).values() for half in ("LOW", "HIGH")]
            found[name] = low | high << 32
        return found

    def drop(self) -> None:
        """The pictures that are still running never end, and the bus has drained: tell the scoreboard."""
        self.memory.monitor.collect(self.memory.memory)
        for picture in (*self.running, *self.stuck):
            self.chip.dropped.write(picture)
            picture.remove(self.memory)
        self.running.clear()
        self.stuck.clear()

    async def until_idle(self, allowed: Iterable[ErrorCode]) -> None:
        """Report what ends until nothing runs; what has not ended then was dropped."""
        await self.write("IRQ_ENABLE", finished=1)
        limit = self.limit()
        begin = self.memory.memory.cycles
        while True:
            status = await self.read("STATUS")
            if (await self.read("IRQ_STATUS"))["finished"]:
                await self.report(allowed)
            elif not status["busy"] and not status["queued"]:
                break
            assert self.memory.memory.cycles - begin < limit, f"never idle, STATUS {status}"
            await self.memory.cycles(20)
        self.drop()

    async def soft_reset(self, stuck: bool = False) -> None:
        """Reset, wait until it is done, and see that nothing is left; stuck: the bus will not drain."""
        await self.write("CONTROL", soft_reset=1)
        limit = self.limit() + (await self.read("WATCHDOG"))["cycles"] * stuck
        begin = self.memory.memory.cycles
        while (await self.read("STATUS"))["resetting"]:
            assert self.memory.memory.cycles - begin < limit, "the soft reset does not end"
            await self.memory.cycles(20)
        status = await self.read("STATUS")
        assert status["fault"] == stuck, (
            f"after a soft reset of a {'stuck' if stuck else 'sane'} bus STATUS is {status}"
        )
        if not stuck:
            assert not any(status.values()), f"after a soft reset STATUS is {status}"
            assert not any((await self.read("ERROR")).values()), "a soft reset leaves an error"
            assert self.memory.memory.outstanding == (0, 0), "a soft reset ends before the bus is drained"
            self.drop()
        await self.write("IRQ_STATUS", **dict.fromkeys(EVENTS, 1))

    resp = 0  # of the error that was injected

    def inject(self, master: str, resp: int, burst: int, beat: int) -> None:
        self.resp = resp
        self.memory.inject(master, resp, burst, beat)

    def did(self, fault: str, state: str) -> None:
        """For coverage: a fault of this kind came in this state."""
        self.chip.did.write((fault, state))
