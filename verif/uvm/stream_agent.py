"""Agents of Amaranth streams: one that offers payloads, one that takes them and tells what came."""

from collections.abc import Iterable

from pyuvm import ConfigDB, uvm_agent, uvm_analysis_port, uvm_driver, uvm_monitor, uvm_sequence_item, uvm_sequencer

from verif.bench.streams import CLOCK_NS, StreamSink, StreamSource

FOREVER = (1 << 62) // (CLOCK_NS * 1_000_000)  # cycles that a timer can still count; who waits has a limit of his own


class Payloads(uvm_sequence_item):
    """What goes through a stream, one after the other: values as verif.bench.payload has them."""

    def __init__(self, payloads: Iterable, name: str = "payloads"):
        super().__init__(name)
        self.payloads = list(payloads)


class SourceDriver(uvm_driver):
    """Offers the payloads of one item after the other; done with an item when its last one was taken."""

    async def run_phase(self):
        source = StreamSource(ConfigDB().get(self, "", "DUT"), *self.stream, timeout=FOREVER)
        while True:
            item = await self.seq_item_port.get_next_item()
            source.send(item.payloads)
            await source.drained()
            self.seq_item_port.item_done()


class SourceAgent(uvm_agent):
    """Plays the items of `sequencer` on the stream that has the agent's name, with idle cycles of a pattern of
    verif.bench.streams."""

    def __init__(self, name, parent, shape, idle: str):
        self.stream = name, shape, idle
        super().__init__(name, parent)

    def build_phase(self):
        super().build_phase()
        self.sequencer = uvm_sequencer("sequencer", self)
        self.driver = SourceDriver("driver", self)
        self.driver.stream = self.stream

    def connect_phase(self):
        self.driver.seq_item_port.connect(self.sequencer.seq_item_export)


class SinkMonitor(uvm_monitor):
    """Takes what comes, asserts the rules of streams, and publishes each payload."""

    def build_phase(self):
        self.ap = uvm_analysis_port("ap", self)

    async def run_phase(self):
        sink = StreamSink(ConfigDB().get(self, "", "DUT"), *self.stream, timeout=FOREVER)
        while True:
            for payload in await sink.receive(1):
                self.ap.write(payload)


class SinkAgent(uvm_agent):
    """Takes the payloads of the stream that has the agent's name, with backpressure of a pattern; `ap` has them."""

    def __init__(self, name, parent, shape, backpressure: str):
        self.stream = name, shape, backpressure
        super().__init__(name, parent)

    def build_phase(self):
        super().build_phase()
        self.monitor = SinkMonitor("monitor", self)
        self.monitor.stream = self.stream

    def connect_phase(self):
        self.ap = self.monitor.ap
