"""What holds RegisterFile: a top with its fields in two ports, a model of the registers, a scoreboard on the bus."""

import random
from collections import Counter, deque

import cocotb
from amaranth import Module, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.register_file import RegisterFile
from hdl.chip.register_map import Kind, registers
from hdl.common.axi import DECERR, LITE_ADDRESS_BITS, OKAY, SLVERR, Axi4Lite, connect_pins, pins
from verif.bench.payload import Packer
from verif.bench.streams import StreamSink, StreamSource

CHANNELS = {name: member.signature.members["payload"].shape for name, member in Axi4Lite().members.items()}
FIELDS = [field for register in registers() for field in register.fields]
EVENTS = [field for field in FIELDS if field.kind == Kind.EVENT]
OUTPUTS = data.StructLayout({field.port: field.width for field in FIELDS if field.writable})
STATUS = {field.port: field.width for field in FIELDS if field.kind == Kind.STATUS}
INPUTS = data.StructLayout({**STATUS, **{f"{field.port}_set": 1 for field in EVENTS}, "clear_events": 1})


class RegisterBench(wiring.Component):
    """RegisterFile with its field ports as `i_fields` and `o_fields`; its bus as streams or, on_pins, as `s_axi_*`."""

    def __init__(self, on_pins: bool):
        self.on_pins = on_pins
        bus = pins("s_axi", Axi4Lite(), slave=True) if on_pins else {"bus": In(Axi4Lite())}
        super().__init__({**bus, "i_fields": In(INPUTS), "o_fields": Out(OUTPUTS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers = registers = RegisterFile()
        if self.on_pins:
            connect_pins(m, self, "s_axi", Axi4Lite(), registers.bus)
        else:
            wiring.connect(m, wiring.flipped(self.bus), registers.bus)
        m.d.comb += [Value.cast(getattr(registers, name)).eq(self.i_fields[name]) for name, _ in INPUTS]
        m.d.comb += [self.o_fields[name].eq(getattr(registers, name)) for name, _ in OUTPUTS]
        return m


class Model:
    """The registers as software and hardware see them. `outputs`: the value of each field's port."""

    def __init__(self):
        self.registers = {register.offset: register for register in registers()}
        self.reset()

    def reset(self) -> None:
        self.outputs = {field.port: field.reset for field in FIELDS if field.writable}

    def write(self, address: int, value: int, strobes: int) -> int:
        """Returns the response. Commands are 1 until `step`."""
        register = self.registers.get(address & ~3)
        if register is None:
            return DECERR
        mask = sum(0xFF << 8 * k for k in range(4) if strobes >> k & 1)
        for field in register.fields:
            if field.writable:
                ours, theirs = ((bits & field.mask) >> field.low for bits in (mask, value))
                old = self.outputs[field.port]
                new = old & ~theirs if field.kind == Kind.EVENT else theirs
                self.outputs[field.port] = old & ~ours | new & ours
        return OKAY if register.writable else SLVERR

    def read(self, address: int, inputs: dict) -> tuple[int, int]:
        """Data and response, while the hardware says `inputs`."""
        register = self.registers.get(address & ~3)
        if register is None:
            return 0, DECERR
        known = {**self.outputs, **inputs}
        constants = (Kind.CONSTANT, Kind.COMMAND)
        values = [field.reset if field.kind in constants else known[field.port] for field in register.fields]
        return sum(value << field.low for value, field in zip(values, register.fields)), OKAY

    def end_commands(self) -> None:
        """The cycle of a command is over."""
        self.outputs.update({field.port: 0 for field in FIELDS if field.kind == Kind.COMMAND})

    def hardware(self, inputs: dict) -> list[str]:
        """The strobes of a cycle; names of the events that are set."""
        if inputs["clear_events"]:
            self.outputs.update({field.port: 0 for field in EVENTS})
        happened = [field.port for field in EVENTS if inputs[f"{field.port}_set"]]
        self.outputs.update(dict.fromkeys(happened, 1))
        return happened


class Scoreboard:
    """Holds ports and answers to the contract of RegisterFile, in every cycle.

    collisions: how often an event was set in the cycle in which software cleared it. commands: cycles of each command.
    """

    def __init__(self, dut):
        self.model = Model()
        self.collisions, self.commands = Counter(), Counter()
        self.writes = self.reads = 0
        self._pending = {channel: deque() for channel in ("aw", "w", "ar")}
        self._edge = RisingEdge(dut.clk)
        self._ports = {
            channel: (
                *(getattr(dut, f"bus__{channel}__{part}") for part in ("valid", "ready", "payload")),
                Packer(shape),
            )
            for channel, shape in CHANNELS.items()
        }
        self._inputs, self._outputs = dut.i_fields, dut.o_fields
        self._input_packer, self._output_packer = Packer(INPUTS), Packer(OUTPUTS)
        cocotb.start_soon(self._run())

    def finish(self, writes: int, reads: int) -> None:
        """AssertionError unless so many were answered, and nothing else is under way."""
        assert (self.writes, self.reads) == (writes, reads)
        assert not any(self._pending.values())

    async def _run(self):
        model, waiting, inputs = self.model, {"b": False, "r": False}, None
        answer: tuple[int, int] | None = None
        while True:
            await self._edge
            now = {channel: self._sample(channel) for channel in self._ports}
            first = {channel: now[channel][0] and not waiting[channel] for channel in waiting}
            # The write that B answers, then the strobes of the cycle before.
            model.end_commands()
            before = dict(model.outputs)
            if first["b"]:
                assert self._pending["aw"] and self._pending["w"], "B answers no write"
                address, write = self._pending["aw"].popleft()["addr"], self._pending["w"].popleft()
                response = model.write(address, write["data"], write["strb"])
                assert now["b"][2] == {"resp": response}, f"write to {address:#x}: {now['b'][2]}, not {response}"
                self.writes += 1
            cleared = [field.port for field in EVENTS if before[field.port] and not model.outputs[field.port]]
            if inputs is not None:
                self.collisions.update(set(model.hardware(inputs)) & set(cleared))
            self.commands.update(f.port for f in FIELDS if f.kind == Kind.COMMAND and model.outputs[f.port])
            outputs = self._outputs.value.to_unsigned()
            if outputs != self._output_packer.pack(model.outputs):
                wrong = {k: v for k, v in self._output_packer.unpack(outputs).items() if v != model.outputs[k]}
                raise AssertionError(f"{wrong}, expected { ({k: model.outputs[k] for k in wrong}) }")
            # A read tells what is so in the cycle after AR.
            inputs = self._input_packer.unpack(self._inputs.value.to_unsigned())
            if self._pending["ar"] and answer is None:
                answer = model.read(self._pending["ar"][0]["addr"], inputs)
            if first["r"]:
                assert answer is not None, "R answers no read"
                address = self._pending["ar"].popleft()["addr"]
                seen = now["r"][2]["data"], now["r"][2]["resp"]
                assert seen == answer, f"read of {address:#x}: {seen}, not {answer}"
                answer = None
                self.reads += 1
            for channel, (valid, ready, payload) in now.items():
                if channel in self._pending and valid and ready:
                    self._pending[channel].append(payload)
                elif channel in waiting:
                    waiting[channel] = valid and not ready

    def _sample(self, channel):
        valid, ready, payload, packer = self._ports[channel]
        if not valid.value:
            return False, bool(ready.value), {}
        return True, bool(ready.value), packer.unpack(payload.value.to_unsigned())


class Bus:
    """A master on the streams of the bus."""

    def __init__(self, dut, idle: str = "none", backpressure: str = "none"):
        self.aw, self.w, self.ar = (StreamSource(dut, f"bus__{c}", CHANNELS[c], idle) for c in ("aw", "w", "ar"))
        self.b, self.r = (StreamSink(dut, f"bus__{c}", CHANNELS[c], backpressure) for c in ("b", "r"))

    def send_address(self, address: int) -> None:
        self.aw.send([{"addr": address, "prot": random.randrange(8)}])

    def send_data(self, value: int, strobes: int = 15) -> None:
        self.w.send([{"data": value, "strb": strobes}])

    def send_write(self, address: int, value: int, strobes: int = 15) -> None:
        self.send_address(address)
        self.send_data(value, strobes)

    def send_read(self, address: int) -> None:
        self.ar.send([{"addr": address, "prot": random.randrange(8)}])

    async def write(self, address: int, value: int, strobes: int = 15) -> int:
        """Returns the response."""
        self.send_write(address, value, strobes)
        return (await self.b.receive(1))[0]["resp"]

    async def read(self, address: int) -> tuple[int, int]:
        """Returns data and response."""
        self.send_read(address)
        answer = (await self.r.receive(1))[0]
        return answer["data"], answer["resp"]


class Hardware:
    """Drives `i_fields`."""

    def __init__(self, dut):
        self.clk, self.port, self.packer = dut.clk, dut.i_fields, Packer(INPUTS)
        self.values = {name: 0 for name, _ in INPUTS}
        self.drive()

    def drive(self, **values: int) -> None:
        """Change these, leave the others."""
        self.values.update(values)
        self.port.value = self.packer.pack(self.values)

    async def strobe(self, *names: str) -> None:
        """1 for a cycle, the coming one."""
        self.drive(**dict.fromkeys(names, 1))
        await ClockCycles(self.clk, 1)
        self.drive(**dict.fromkeys(names, 0))

    async def storm(self) -> None:
        """Status changes every few cycles, events come and are cleared."""
        while True:
            status = {name: random.getrandbits(width) for name, width in STATUS.items()}
            strobes = {f"{field.port}_set": int(random.random() < 0.1) for field in EVENTS}
            self.drive(**status, **strobes, clear_events=int(random.random() < 0.02))
            await ClockCycles(self.clk, random.choice((1, 1, 2, 3)))


def addresses() -> int:
    """A random address: mostly of a register, of any byte of it."""
    if random.random() < 0.9:
        return random.choice(registers()).offset + random.randrange(4)
    return random.getrandbits(LITE_ADDRESS_BITS)
