"""What may happen to the chip, each a sequence; `RandomStory` strings them together from a seed.

Every sequence leaves an idle chip and a sane bus, so that the next one shows whether it has recovered.
"""

import random

import cocotb
from cocotb.triggers import ClockCycles

from hdl.chip.payloads import ErrorCode
from sim.axi_memory import EVERY_BEAT
from verif.uvm.host import ChipSequence, ChipSequencer
from verif.uvm.memory_agent import ADDRESS_END, Timing
from verif.uvm.register_agent import DECERR, OKAY, SLVERR, RegisterItem
from verif.uvm.register_model import REGISTERS

CHANNELS = ("AR", "R", "AW", "W", "B")
WATCHDOG_RESET = 0x0010_0000


class Encode(ChipSequence):
    """Pictures one after the other, or with the next one queued while one runs; geometry, format and modes change."""

    count = (1, 3)
    largest = 96

    async def body(self):
        left, depth = self.rng.randint(*self.count), self.rng.choice((1, 2))
        while left or self.running:
            if left and len(self.running) < depth and not (await self.read("STATUS"))["queued"]:
                await self.submit(self.picture(largest=self.largest))
                left -= 1
            else:
                await self.end()


class Refused(ChipSequence):
    """An impossible configuration: its code, at once, and no traffic."""

    def wrong(self, picture) -> tuple[ErrorCode, dict[str, dict[str, int]]]:
        """A reason and the registers that make it true."""
        rng, align = self.rng, picture.align
        width, height = picture.config.width, picture.config.height
        planes = ["SOURCE"] + ["RECON"] * picture.wants_recon

        def unaligned(name: str, field: str) -> dict[str, dict[str, int]]:
            value = picture.registers()[name][field]
            return {name: {field: value | rng.randrange(1, align)}}

        def short_stride() -> dict[str, dict[str, int]]:
            name, chroma = rng.choice(planes), rng.random() < 0.5
            coded = name == "RECON"
            row = picture.config.coded_width if coded else width
            row = row // 2 if chroma and not picture.nv12 else row
            return {f"{name}_STRIDE_{'C' if chroma else 'Y'}": {"bytes": (row - 1) // align * align}}

        def beyond() -> dict[str, dict[str, int]]:
            """A plane or the QP map from where it does not end within the address space."""
            sets = [("SOURCE", picture.source), ("RECON", picture.recon)]
            sizes = {f"{name}_{k}": plane.size for name, set_ in sets for k, plane in zip(("Y", "CB", "CR"), set_)}
            if picture.qp_map is not None:
                sizes["QP_MAP"] = picture.qp_map.size
            name, size = rng.choice([(name, size) for name, size in sizes.items() if size > align])
            address = ADDRESS_END - rng.choice((align, -(-size // align) * align - align))
            return {f"{name}_LOW": {"address": address & 0xFFFF_FFFF}, f"{name}_HIGH": {"address": address >> 32}}

        size = [{"width": w} for w in (0, 2, 14, width | 1, self.chip.params.max_width + 2, 0x3FFE)]
        size += [{"height": h} for h in (0, 14, height | 1, self.chip.params.max_height + 2)]
        addresses = [f"{name}_{plane}_LOW" for name in planes for plane in ("Y", "CB", *["CR"] * (not picture.nv12))]
        addresses += ["QP_MAP_LOW"] * (picture.qp_map is not None)
        strides = [f"{name}_STRIDE_{plane}" for name in planes for plane in "YC"]
        return rng.choice(
            (
                (ErrorCode.BAD_SIZE, {"SIZE": rng.choice(size)}),
                (ErrorCode.BAD_QP, {"QP": {"qp": rng.choice((52, 53, 64, 128, 255))}}),
                (ErrorCode.BAD_ALIGNMENT, unaligned(rng.choice(addresses), "address")),
                (ErrorCode.BAD_ALIGNMENT, unaligned(rng.choice(strides), "bytes")),
                (ErrorCode.BAD_STRIDE, short_stride()),
                (ErrorCode.BAD_BUFFER, beyond()),
                (ErrorCode.BAD_BUFFER, {"BITSTREAM_SIZE": {"bytes": 0}}),
                (
                    ErrorCode.BAD_BUFFER,
                    {
                        "BITSTREAM_LOW": {"address": 0xFFFF_FFF0},
                        "BITSTREAM_HIGH": {"address": 0xFF},
                        "BITSTREAM_SIZE": {"bytes": rng.choice((17, 0xFFFF_FFFF))},
                    },
                ),
            )
        )

    async def body(self):
        busy = self.rng.random() < 0.4
        if busy:
            await self.submit(self.picture())
            while (await self.read("STATUS"))["queued"]:
                pass
        picture = self.picture()
        picture.place(self.memory)
        code, change = self.wrong(picture)
        self.did(code.name, "while one runs" if busy else "idle")
        if busy:
            await self.submit(picture, change)
            await self.end()
        before = self.memory.traffic()
        if not busy:
            await self.submit(picture, change)
        await self.end({code})
        assert self.memory.traffic() == before, f"{code.name}, but there was traffic"


class SmallBuffer(ChipSequence):
    """Too few bytes for the stream: full to the last byte; and exactly enough: well."""

    async def body(self):
        picture = self.picture()
        length = len(picture.expected.data)
        rng = self.rng
        picture.room = rng.choice((1, 2, length - 1, length, rng.randrange(1, 64), rng.randrange(1, length)))
        picture.room = min(picture.room, length)
        await self.submit(picture)
        queued = await self.maybe_queue()
        full = picture.room < length
        if full:
            self.did("BITSTREAM_FULL", "next queued" if queued else "alone")
        await self.end({ErrorCode.BITSTREAM_FULL if full else ErrorCode.OK})
        if queued:
            await self.end()

    async def maybe_queue(self, chance: float = 0.4) -> bool:
        """Queue another picture behind the one that runs; whether it is there."""
        if self.rng.random() >= chance:
            return False
        while (await self.read("STATUS"))["queued"]:
            pass
        await self.submit(self.picture(largest=48))
        return True


class BadMap(SmallBuffer):
    """A QP map with a value above 51 in it."""

    async def body(self):
        picture = self.picture()
        while picture.qp_map is None:
            picture = self.picture()
        picture.place(self.memory)
        picture.map_bytes[self.rng.randrange(picture.qp_map.size)] = self.rng.choice((52, 63, 64, 255))
        await self.submit(picture)
        queued = await self.maybe_queue()
        self.did("BAD_QP_MAP", "next queued" if queued else "alone")
        await self.end({ErrorCode.BAD_QP_MAP})
        if queued:
            await self.end()


class Interrupted(SmallBuffer):
    """Shared by abort and resets: something runs, and is at any point of it."""

    async def moment(self) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            return
        picture = self.picture(largest=64)
        await self.submit(picture)
        if rng.random() < 0.2:
            return
        await self.maybe_queue(0.4)
        cycles = 2000 + picture.config.width * picture.config.height
        await self.memory.cycles(rng.choice((rng.randrange(64), rng.randrange(cycles))))


class Abort(Interrupted):
    """CONTROL.abort at any time, at times twice: the running picture ends, the waiting one never begins."""

    async def body(self):
        await self.moment()
        await self.write("CONTROL", abort=1)
        if self.rng.random() < 0.2:
            await self.write("CONTROL", abort=1)
        await self.until_idle({ErrorCode.OK, ErrorCode.ABORTED})


class SoftReset(Interrupted):
    """CONTROL.soft_reset at any time, also on the heels of an abort or of itself, and an abort on its own heels."""

    async def body(self):
        await self.moment()
        for command, chance in (("abort", 0.2), ("soft_reset", 0.2)):
            if self.rng.random() < chance:
                await self.write("CONTROL", **{command: 1})
                if self.rng.random() < 0.3:
                    await self.write("CONTROL", abort=1)
        await self.soft_reset()


class HardReset(Interrupted):
    """The reset pin at any time, for chip and memory: afterwards all registers are as at power-up."""

    async def body(self):
        await self.moment()
        if self.rng.random() < 0.3:
            await self.write("CONTROL", **{self.rng.choice(("abort", "soft_reset")): 1})
        await self.hard_reset()

    async def hard_reset(self) -> None:
        dut = self.chip.dut
        dut.rst.value = 1
        await ClockCycles(dut.clk, self.rng.randint(2, 5))  # the chip asks for 2
        dut.rst.value = 0
        await ClockCycles(dut.clk, 3)
        self.memory.memory.finished_bursts()
        self.memory.memory.violations()  # a master that is reset may take back what it has raised
        self.drop()
        self.chip.registers.reset()
        for name in self.rng.sample([name for name, _, rights in REGISTERS if rights == "RW"], 6):
            register = getattr(self.chip.registers, name)
            _, value = await register.read()
            assert value == register.get_reset(), f"{name} is {value:#x} after a reset"


class BusError(HardReset):
    """SLVERR or DECERR on any burst of any master: the error is told, the bus drains, only a reset helps."""

    async def body(self):
        rng = self.rng
        picture = self.picture(largest=64)
        masters = ["SOURCE", "BITSTREAM", *["RECON"] * picture.wants_recon, *["QP_MAP"] * (picture.qp_map is not None)]
        master = rng.choice(masters)
        burst = 0 if master == "QP_MAP" else rng.choice((0, 1, rng.randrange(8), rng.randrange(100)))
        self.inject(master, rng.choice((SLVERR, DECERR)), burst, rng.choice((0, 0, 1, 15, EVERY_BEAT)))
        await self.submit(picture)
        queued = await self.maybe_queue(0.3)
        aborted = rng.random() < 0.3
        if aborted:  # when the burst is on its way that will be answered with the error
            for _ in range(300):
                if self.memory.struck(master) is not None:
                    break
                await self.memory.cycles(10)
            await self.write("CONTROL", abort=1)
        allowed = {ErrorCode.OK, ErrorCode.ABORTED} if aborted else {ErrorCode.OK}
        ended = await self.end(allowed, master)
        while self.running and ended.code == ErrorCode.OK and not aborted:
            ended = await self.end(allowed, master)
        if ended.code != ErrorCode.BUS_ERROR:
            self.memory.heal()
            await self.until_idle(allowed)
            return
        self.did(f"bus error of {master}", "stopping" if aborted else "next queued" if queued else "alone")
        await self.in_fault()
        self.memory.heal()
        await self.recover()

    async def recover(self) -> None:
        """Mostly a soft reset; the pin helps as well."""
        await (self.hard_reset() if self.rng.random() < 0.2 else self.soft_reset())

    async def in_fault(self) -> None:
        """Nothing starts in fault, and the waiting picture is gone."""
        status = await self.read("STATUS")
        assert status["fault"] and not status["queued"] and not status["busy"], f"after an error STATUS is {status}"
        assert (await self.read("IRQ_STATUS"))["fault"], "a fault without its event"
        if self.rng.random() < 0.5:
            self.did("start lost", "fault")
            before = self.memory.traffic()
            await self.write("CONTROL", start=1)
            assert (await self.read("IRQ_STATUS"))["start_lost"], "a start in fault is not lost"
            await self.memory.cycles(100)
            assert self.memory.traffic() == before, "traffic in fault"
        if self.rng.random() < 0.3:
            await self.write("CONTROL", abort=1)


class StuckBus(BusError):
    """A channel that stops for good: the watchdog tells, a reset does not help before the bus is back. An error before
    stays what is told."""

    QUIET = 6000  # more cycles than the core is ever busy with nothing moving

    async def body(self):
        rng, memory = self.rng, self.memory.memory
        watchdog = self.QUIET + 2 * self.memory.timing.latency[1]
        await self.write("WATCHDOG", cycles=watchdog)
        channel = rng.randrange(5)
        memory.freeze(channel, rng.choice((0, 1, rng.randrange(10), rng.randrange(200))))
        master = rng.choice(("SOURCE", "BITSTREAM", None, None))
        if master:
            self.inject(master, rng.choice((SLVERR, DECERR)), rng.choice((0, 1, rng.randrange(8))), 0)
        await self.submit(self.picture(largest=64))
        ended = await self.end({ErrorCode.OK, ErrorCode.WATCHDOG}, master, stuck=True)
        if ended.code != ErrorCode.OK:
            if ended.code == ErrorCode.WATCHDOG:
                self.did("WATCHDOG", f"{CHANNELS[channel]} stuck")
            elif (await self.read("STATUS"))["outstanding"]:
                self.did("bus error", "then stuck bus")
            await self.in_fault()
            if memory.outstanding != (0, 0):
                self.did("soft reset", "stuck bus")
                await self.soft_reset(stuck=True)
            self.memory.heal()
            await self.memory.cycles(rng.randrange(400))
            await self.recover()
        self.memory.heal()
        await self.write("WATCHDOG", cycles=WATCHDOG_RESET)


class StartLost(ChipSequence):
    """More starts than the queue has room for: lost, and told; the two that are there are not disturbed."""

    async def body(self):
        for _ in range(2):
            while (await self.read("STATUS"))["queued"]:
                pass
            await self.submit(self.picture(largest=48))
        await self.write("IRQ_STATUS", start_lost=1)
        if (await self.read("STATUS"))["queued"]:
            await self.write("TAG", tag=0)
            await self.write("QP", qp=0)
            await self.write("CONTROL", start=1)
            lost = (await self.read("IRQ_STATUS"))["start_lost"]
            if lost:
                self.did("start lost", "next queued")
            else:  # the first had ended meanwhile, and the queue had room: this one runs too
                await self.write("CONTROL", abort=1)
                await self.until_idle_but_unknown()
                return
        while self.running:
            await self.end()

    async def until_idle_but_unknown(self) -> None:
        """A picture was started that nobody wanted: reset, to know again what runs."""
        await self.soft_reset()


class Unserved(ChipSequence):
    """Nobody clears IRQ_STATUS.finished: the first picture's results stay, the second one waits to tell its own."""

    async def body(self):
        for _ in range(2):
            while (await self.read("STATUS"))["queued"]:
                pass
            await self.submit(self.picture(largest=32))
        await self.until_finished(self.limit())
        first = await self.results()
        await self.memory.cycles(self.rng.randrange(12_000))
        assert await self.results() == first, "results changed before their event was cleared"
        then = self.rng.choice(("then read", "then read", "then abort", "then soft reset"))
        self.did("results unread", then)
        if then == "then soft reset":
            await self.soft_reset()
            return
        if then == "then abort":
            await self.write("CONTROL", abort=1)
        await self.end()
        await self.until_idle({ErrorCode.OK} if then == "then read" else {ErrorCode.OK, ErrorCode.ABORTED})


class Storm(ChipSequence):
    """Register accesses without a pause while a picture is coded: holes, strobes, writes where there is nothing to
    write; the picture registers may change, for they are copied at the start."""

    async def body(self):
        await self.submit(self.picture())
        storm = cocotb.start_soon(self.storm())
        await self.end()
        self.over = True
        await storm

    over = False

    async def storm(self) -> None:
        rng = self.rng
        known = {offset: (name, rights) for name, offset, rights in REGISTERS}
        writable = [name for name, _, rights in REGISTERS if rights == "RW"]
        keep = {"CONTROL", "IRQ_STATUS", "IRQ_ENABLE", "WATCHDOG"}
        while not self.over:
            kind = rng.random()
            if kind < 0.4:
                await self.write_and_read(
                    getattr(self.chip.registers, rng.choice([n for n in writable if n not in keep]))
                )
            elif kind < 0.7:
                offset = 4 * rng.randrange(0x400)
                item = await self.access(RegisterItem(address=offset))
                wanted = OKAY if offset in known else DECERR
                assert item.resp == wanted, f"{item}: should be answered with {wanted}"
            else:
                offset = rng.choice(
                    [offset for offset in range(0, 0x200, 4) if known.get(offset, ("", ""))[0] not in keep]
                )
                name, rights = known.get(offset, ("", ""))
                wanted = {"RW": OKAY, "RO": SLVERR, "": DECERR}[rights]
                strobes = 0 if rights == "RW" else rng.randrange(16)
                item = RegisterItem(write=True, address=offset, data=rng.getrandbits(32), strobes=strobes)
                assert (await self.access(item)).resp == wanted, f"{item} of {name}: should be answered with {wanted}"

    async def write_and_read(self, register) -> None:
        """What is written can be read, as far as there are fields, and as far as strobes say."""
        mask = sum((1 << f.get_n_bits()) - 1 << f.get_lsb_pos() for f in register.get_fields())
        value, other = (self.rng.getrandbits(32) & mask for _ in range(2))
        await register.write(value)
        strobes = self.rng.randrange(16)
        lanes = sum(0xFF << 8 * k for k in range(4) if strobes >> k & 1)
        await self.access(RegisterItem(write=True, address=register.get_address(), data=other, strobes=strobes))
        _, found = await register.read()
        wanted = value & ~lanes | other & lanes
        assert found == wanted, f"{register.get_name()} is {found:#x}, should be {wanted:#x}"


class Misplaced(ChipSequence):
    """A mistake of the software, to see that it is noticed: the windows are gone."""

    async def body(self):
        picture = self.picture()
        picture.place(self.memory)
        self.memory.show([window for window in self.memory.windows if window.master != "BITSTREAM"])
        await self.submit(picture)
        await self.end()


class RandomStory(ChipSequence):
    """A seed's worth of all of it, with a memory that changes its manners; ends with pictures that must be right."""

    KINDS = {
        Encode: 5,
        Refused: 2,
        SmallBuffer: 2,
        BadMap: 1,
        Abort: 3,
        SoftReset: 2,
        HardReset: 1,
        BusError: 3,
        StuckBus: 1,
        StartLost: 1,
        Unserved: 1,
        Storm: 2,
    }
    steps = 8

    async def body(self):
        rng = self.rng
        kinds = rng.choices(list(self.KINDS), list(self.KINDS.values()), k=self.steps)
        for kind in [*kinds, Encode]:
            await step(kind, rng, self.chip)


async def step(kind: type[ChipSequence], rng: random.Random, chip: ChipSequencer) -> None:
    """One sequence, on a memory with manners of its own."""
    chip.memory.set_timing(Timing.draw(rng))
    sequence = kind(random.Random(rng.getrandbits(64)))
    chip.logger.info("%s, memory %s", sequence.get_name(), chip.memory.timing)
    await sequence.start(chip)
    assert not sequence.running, f"{sequence.get_name()} leaves {sequence.running} running"
    assert not chip.memory.windows, f"{sequence.get_name()} leaves windows"
