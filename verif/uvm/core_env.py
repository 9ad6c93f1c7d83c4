"""The environment of the core alone: an agent on each of its streams, and the scoreboard; and its tests."""

import random
from dataclasses import asdict

import cocotb
import numpy as np
import pyuvm
from cocotb.triggers import Event, with_timeout
from pyuvm import ConfigDB, uvm_env, uvm_scoreboard, uvm_sequence, uvm_test

from hdl.params import Params
from hdl.payloads import Byte, CtuQp, Samples
from hdl.payloads import Picture as PictureParameters
from sim.runner import bench_params
from sim.sample_order import from_groups, group_count, to_groups
from verif.bench.streams import CLOCK_NS, PATTERNS, start
from verif.uvm.env import Collector
from verif.uvm.localize import explain
from verif.uvm.pictures import Picture
from verif.uvm.stream_agent import Payloads, SinkAgent, SourceAgent

SOURCES = {"i_picture": PictureParameters, "i_qp": CtuQp, "i_source": Samples}
SINKS = {"o_recon": Samples, "o_byte": Byte}


class CoreScoreboard(uvm_scoreboard):
    """The bytes and the reconstruction of each picture in `expected` are the reference codec's, in their order.

    Fails at the end when a picture, or a payload of one, is left over. `done` is set when none is.
    """

    def build_phase(self):
        self.ctb_size = ConfigDB().get(self, "", "PARAMS").ctb_size
        self.expected: list[Picture] = []
        self.data: list[int] = []
        self.groups: list[list[int]] = []
        self.bytes_of, self.recon_of = 0, 0  # how many pictures had theirs
        self.done = Event()

    def byte(self, byte: dict) -> None:
        self.data.append(byte["data"])
        if byte["last"]:
            picture, data = self.expected[self.bytes_of], bytes(self.data)
            assert data == picture.expected.data, f"wrong bytes: {picture}\n{self._explain(picture, data)}"
            self.bytes_of += 1
            self.data.clear()
            self._end()

    def recon(self, group: dict) -> None:
        self.groups.append(group["sample"])
        picture = self.expected[self.recon_of]
        width, height = picture.config.coded_width, picture.config.coded_height
        if len(self.groups) == group_count(width, height, self.ctb_size):
            recon = from_groups(np.array(self.groups, np.uint8), width, height, self.ctb_size)
            right = all(map(np.array_equal, recon, picture.expected.recon))
            assert right, f"wrong samples: {picture}\n{self._explain(picture, picture.expected.data, recon)}"
            self.recon_of += 1
            self.groups.clear()
            self._end()

    def _end(self) -> None:
        if self.bytes_of == self.recon_of == len(self.expected):
            self.done.set()

    def _explain(self, picture: Picture, data: bytes, recon=None) -> str:
        return explain(picture.config, picture.planes, data, recon, picture.qp_map)

    def check_phase(self):
        assert self.bytes_of == self.recon_of == len(self.expected) > 0, "pictures are missing, or there were none"
        assert not self.data and not self.groups, "more came out than the pictures have"


class CoreEnv(uvm_env):
    """One core. Each of its streams pauses in a way of its own."""

    def build_phase(self):
        rng = random.Random(random.getrandbits(64))
        patterns = {name: rng.choice(PATTERNS) for name in (*SOURCES, *SINKS)}
        self.logger.info("pauses: %s", patterns)
        self.sources = {name: SourceAgent(name, self, shape, patterns[name]) for name, shape in SOURCES.items()}
        self.sinks = {name: SinkAgent(name, self, shape, patterns[name]) for name, shape in SINKS.items()}
        self.scoreboard = CoreScoreboard("scoreboard", self)
        self.collectors = {
            "o_recon": Collector("recon", self, self.scoreboard.recon),
            "o_byte": Collector("bytes", self, self.scoreboard.byte),
        }

    def connect_phase(self):
        for name, sink in self.sinks.items():
            sink.ap.connect(self.collectors[name].analysis_export)


class Stream(uvm_sequence):
    """Sends items to one stream."""

    def __init__(self, items: list[Payloads]):
        super().__init__("stream")
        self.items = items

    async def body(self):
        for item in self.items:
            await self.start_item(item)
            await self.finish_item(item)


class CoreTest(uvm_test):
    """Random pictures, as fast as the core takes them: each stream runs ahead as far as the core lets it."""

    pictures, largest = 6, 48
    limit = 100  # cycles a sample, in all

    def build_phase(self):
        self.dut = cocotb.top
        self.params = Params(**bench_params())
        ConfigDB().set(self, "*", "DUT", self.dut)
        ConfigDB().set(self, "*", "PARAMS", self.params)
        self.env = CoreEnv("env", self)

    async def run_phase(self):
        self.raise_objection()
        rng = random.Random(random.getrandbits(64))
        pictures = [Picture(self.params, rng, k, largest=self.largest) for k in range(self.pictures)]
        self.env.scoreboard.expected = self.expected(pictures)
        await start(self.dut, upset=0)  # the agents watch from the first cycle on
        streams = {
            "i_picture": [Payloads([self.parameters(each)]) for each in pictures],
            "i_qp": [Payloads(self.qps(each)) for each in pictures if each.qp_map is not None],
            "i_source": [Payloads(self.groups(each)) for each in pictures],
        }
        for name, items in streams.items():
            cocotb.start_soon(Stream(items).start(self.env.sources[name].sequencer))
        samples = sum(each.config.width * each.config.height for each in pictures)
        await with_timeout(self.env.scoreboard.done.wait(), self.limit * samples * CLOCK_NS, "ns")
        self.drop_objection()

    def expected(self, pictures: list[Picture]) -> list[Picture]:
        return pictures

    def parameters(self, picture: Picture) -> dict:
        """What `i_picture` is told."""
        fields = asdict(picture.config)
        return {str(name): fields[name] for name, _ in PictureParameters.as_shape()}

    def qps(self, picture: Picture):
        assert picture.qp_map is not None
        return ({"qp": qp} for qp in picture.qp_map.ravel().tolist())

    def groups(self, picture: Picture):
        return ({"sample": group} for group in to_groups(picture.planes, self.params.ctb_size).tolist())


@pyuvm.test()
class BackToBack(CoreTest):
    """Pictures one behind the other."""


@pyuvm.test()
class Swapped(CoreTest):
    """Fails: other pictures are expected than those that go in. For the test that failures say what is wrong."""

    pictures = 2

    def expected(self, pictures: list[Picture]) -> list[Picture]:
        return pictures[::-1]
