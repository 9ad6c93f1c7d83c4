"""The register agent: AXI4-Lite accesses from a sequencer, a monitor of the pins, the adapter of the register model.

Python is woken each cycle of an access and not between accesses.
"""

import random

import cocotb
from cocotb.triggers import First, RisingEdge
from pyuvm import (
    ConfigDB,
    uvm_access_e,
    uvm_agent,
    uvm_analysis_port,
    uvm_driver,
    uvm_monitor,
    uvm_reg_adapter,
    uvm_reg_bus_op,
    uvm_sequence_item,
    uvm_sequencer,
    uvm_status_e,
)

OKAY, SLVERR, DECERR = 0, 2, 3
PINS = "s_axi"
TIMEOUT = 1000  # cycles in which a register has to answer


class RegisterItem(uvm_sequence_item):
    """One access: `data` is what is written with `strobes`, or what was read; `resp` the answer."""

    def __init__(
        self, name: str = "access", *, write: bool = False, address: int = 0, data: int = 0, strobes: int = 15
    ):
        super().__init__(name)
        self.write, self.address, self.data, self.strobes, self.resp = write, address, data, strobes, OKAY

    def __str__(self) -> str:
        return f"{'write' if self.write else 'read'} {self.address:#05x} {self.data:#010x} resp {self.resp}"


class RegisterAdapter(uvm_reg_adapter):
    """Register operations as RegisterItems."""

    def __init__(self, name: str = "adapter"):
        super().__init__(name)
        self.provides_responses = False

    def reg2bus(self, rw: uvm_reg_bus_op) -> RegisterItem:
        return RegisterItem(write=rw.kind == uvm_access_e.UVM_WRITE, address=int(rw.addr), data=int(rw.data))

    def bus2reg(self, bus_item: RegisterItem, rw: uvm_reg_bus_op) -> None:
        rw.addr, rw.data = bus_item.address, bus_item.data
        rw.kind = uvm_access_e.UVM_WRITE if bus_item.write else uvm_access_e.UVM_READ
        rw.status = uvm_status_e.UVM_IS_OK if bus_item.resp == OKAY else uvm_status_e.UVM_NOT_OK


def pins_of(dut, channel: str) -> dict:
    """Handles of a channel's pins by their names within it."""
    prefix = f"{PINS}_{channel}"
    fields = {"aw": "addr prot", "w": "data strb", "b": "resp", "ar": "addr prot", "r": "data resp"}[channel]
    return {name: getattr(dut, prefix + name) for name in (*fields.split(), "valid", "ready")}


class RegisterDriver(uvm_driver):
    """Plays items on the pins, one at a time: address and data of a write in any order, answers taken early or late."""

    def build_phase(self):
        self.dut = ConfigDB().get(self, "", "DUT")
        self.edge = RisingEdge(self.dut.clk)
        self.pins = {channel: pins_of(self.dut, channel) for channel in ("aw", "w", "b", "ar", "r")}
        self.random = random.Random(random.getrandbits(64))

    async def run_phase(self):
        for channel, end in (("aw", "valid"), ("w", "valid"), ("ar", "valid"), ("b", "ready"), ("r", "ready")):
            self.pins[channel][end].value = 0
        while True:
            item = await self.seq_item_port.get_next_item()
            await self.access(item)
            self.seq_item_port.item_done()

    async def access(self, item: RegisterItem) -> None:
        if item.write:
            await self.send({"aw": {"addr": item.address}, "w": {"data": item.data, "strb": item.strobes}})
            item.resp = (await self.take("b"))["resp"]
        else:
            await self.send({"ar": {"addr": item.address}})
            answer = await self.take("r")
            item.data, item.resp = answer["data"], answer["resp"]

    def pause(self) -> int:
        """Mostly none, at times a few cycles."""
        return self.random.choice((0, 0, 0, 0, 1, 3))

    async def send(self, payloads: dict[str, dict[str, int]]) -> None:
        """The payloads of some channels, each after a pause of its own."""
        waits = {channel: self.pause() for channel in payloads}
        for _ in range(TIMEOUT):
            for channel, wait in waits.items():
                if wait == 0:
                    pins = self.pins[channel]
                    for name, value in payloads[channel].items():
                        pins[name].value = value
                    if "prot" in pins:
                        pins["prot"].value = 0
                    pins["valid"].value = 1
                waits[channel] = wait - 1
            await self.edge
            for channel in [c for c, wait in waits.items() if wait < 0 and self.pins[c]["ready"].value]:
                self.pins[channel]["valid"].value = 0
                del waits[channel]
            if not waits:
                return
        raise AssertionError(f"{self.get_full_name()}: {', '.join(waits)} not taken for {TIMEOUT} cycles")

    async def take(self, channel: str) -> dict[str, int]:
        """The next answer on B or R."""
        pins, wait = self.pins[channel], self.pause()
        for cycle in range(TIMEOUT):
            if cycle == wait:
                pins["ready"].value = 1
            await self.edge
            if cycle >= wait and pins["valid"].value:
                pins["ready"].value = 0
                return {n: pin.value.to_unsigned() for n, pin in pins.items() if n not in ("valid", "ready")}
        raise AssertionError(f"{self.get_full_name()}: no answer on {channel} for {TIMEOUT} cycles")


class RegisterMonitor(uvm_monitor):
    """Publishes each access that it sees on the pins, and asserts that the chip's answers stay until they are taken."""

    def build_phase(self):
        self.dut = ConfigDB().get(self, "", "DUT")
        self.edge = RisingEdge(self.dut.clk)
        self.pins = {channel: pins_of(self.dut, channel) for channel in ("aw", "w", "b", "ar", "r")}
        self.ap = uvm_analysis_port("ap", self)

    async def run_phase(self):
        cocotb.start_soon(self.watch(True, ("aw", "w"), "b"))
        await self.watch(False, ("ar",), "r")

    async def watch(self, write: bool, requests: tuple[str, ...], answer: str) -> None:
        """One access after the other: its requests, then its answer."""
        while True:
            seen: dict[str, dict[str, int]] = {}
            while not any(self.pins[channel]["valid"].value for channel in requests):
                await First(*(RisingEdge(self.pins[channel]["valid"]) for channel in requests))
            held = None
            while answer not in seen:
                await self.edge
                for channel in (*requests, answer):
                    pins = self.pins[channel]
                    if not pins["valid"].value:
                        assert channel != answer or held is None, f"{PINS}_{answer}valid fell before ready"
                        continue
                    payload = {n: pin.value.to_unsigned() for n, pin in pins.items() if n not in ("valid", "ready")}
                    if channel == answer:
                        assert len(seen) == len(requests), f"{PINS}_{answer}valid before its request was taken"
                        assert held in (None, payload), f"{PINS}_{answer} changed before ready: {held} to {payload}"
                        held = payload
                    if pins["ready"].value and channel not in seen:
                        seen[channel] = payload
            address = seen[requests[0]]["addr"]
            item = RegisterItem(write=write, address=address)
            item.resp = seen[answer]["resp"]
            item.data = seen["w"]["data"] if write else seen["r"]["data"]
            item.strobes = seen["w"]["strb"] if write else 15
            self.ap.write(item)


class RegisterAgent(uvm_agent):
    """Sequencer, driver, monitor; `ap` has what the monitor sees."""

    def build_phase(self):
        super().build_phase()
        self.monitor = RegisterMonitor("monitor", self)
        if self.active():
            self.sequencer = uvm_sequencer("sequencer", self)
            self.driver = RegisterDriver("driver", self)

    def connect_phase(self):
        self.ap = self.monitor.ap
        if self.active():
            self.driver.seq_item_port.connect(self.sequencer.seq_item_export)
