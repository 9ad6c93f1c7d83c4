"""The environment of the chip: agents, monitors, scoreboard, coverage; and the base of its tests."""

import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from pyuvm import ConfigDB, uvm_env, uvm_monitor, uvm_subscriber, uvm_test

from hdl.params import Params
from sim.axi_memory import AxiMemory
from sim.runner import bench_params
from verif.bench.streams import start
from verif.uvm import chip_coverage, code_coverage
from verif.uvm.chip_coverage import COMMANDS, STAGE_INPUTS, STATUS, Sampler
from verif.uvm.coverage import Coverage
from verif.uvm.host import ChipSequencer
from verif.uvm.memory_agent import MemoryAgent
from verif.uvm.register_agent import RegisterAdapter, RegisterAgent
from verif.uvm.register_model import Registers
from verif.uvm.scoreboard import BitstreamMonitor, ReconMonitor, Scoreboard


class Collector(uvm_subscriber):
    """Hands what it gets to a sampler of coverage."""

    def __init__(self, name, parent, sample):
        self.sample = sample
        super().__init__(name, parent)

    def write(self, item) -> None:
        self.sample(item)


class InsideMonitor(uvm_monitor):
    """What the pins do not show: the state in which a command meets control, and stages that wait for their input."""

    PERIOD = 61  # cycles between two looks at the stages

    def build_phase(self):
        dut = ConfigDB().get(self, "", "DUT")
        self.clk, control, core = dut.clk, dut.inner.control, dut.inner.core
        self.strobes = {name: getattr(control, name, dut.rst) for name in COMMANDS}
        self.status = {name: getattr(control, name) for name in STATUS}
        self.inputs = {
            stage: [getattr(getattr(core, part), name) for part, name in ends] for stage, ends in STAGE_INPUTS.items()
        }

    async def run_phase(self):
        for command, strobe in self.strobes.items():
            cocotb.start_soon(self.watch(command, strobe))
        while True:
            await ClockCycles(self.clk, self.PERIOD)
            for stage, (valid, ready) in self.inputs.items():
                if ready.value and not valid.value:
                    self.sampler.starved(stage)

    async def watch(self, command: str, strobe):
        while True:
            await RisingEdge(strobe)
            self.sampler.command(command, {name: bool(signal.value) for name, signal in self.status.items()})


class ChipEnv(uvm_env):
    """One chip, its registers and its memory. `coverage` is complete when the run phase is over."""

    def build_phase(self):
        self.registers = RegisterAgent("registers", self)
        self.memory = MemoryAgent("memory", self)
        self.sequencer = ChipSequencer("sequencer", self)
        self.bitstream = BitstreamMonitor("bitstream", self)
        self.recon = ReconMonitor("recon", self)
        self.scoreboard = Scoreboard("scoreboard", self)
        self.coverage = Coverage((*code_coverage.GOALS, *chip_coverage.GOALS))
        sampler = Sampler(self.coverage, ConfigDB().get(self, "", "PARAMS").axi_data_width // 8)
        names = ("checked", "fault", "access", "burst")
        self.collectors = {name: Collector(name, self, getattr(sampler, name)) for name in names}
        self.inside = InsideMonitor("inside", self)
        self.inside.sampler = sampler

    def connect_phase(self):
        model = Registers()
        model.map.set_sequencer(self.registers.sequencer, RegisterAdapter())
        model.map.set_auto_predict(True)
        chip = self.sequencer
        chip.registers, chip.memory, chip.bus = model, self.memory, self.registers.sequencer
        board = self.scoreboard
        # the verdict on the bytes comes last, and publishes what passed
        for export in (board.ended_export, self.recon.analysis_export, self.bitstream.analysis_export):
            chip.ended.connect(export)
        chip.dropped.connect(board.dropped_export)
        self.recon.ap.connect(board.recon_export)
        self.bitstream.ap.connect(board.bitstream_export)
        ports = board.checked, chip.did, self.registers.ap, self.memory.ap
        for port, collector in zip(ports, self.collectors.values()):
            port.connect(collector.analysis_export)


class ChipTest(uvm_test):
    """Resets the chip, runs `story` under an objection, and leaves the coverage where COVERAGE says."""

    def build_phase(self):
        self.dut = cocotb.top
        ConfigDB().set(self, "*", "DUT", self.dut)
        ConfigDB().set(self, "*", "MEMORY", AxiMemory())
        ConfigDB().set(self, "*", "PARAMS", Params(**bench_params()["chip"]))
        self.env = ChipEnv("env", self)

    async def run_phase(self):
        self.raise_objection()
        await start(self.dut, upset=0)  # the agents watch from the first cycle on
        await ClockCycles(self.dut.clk, 2)
        await self.story(random.Random(random.getrandbits(64)))
        await ClockCycles(self.dut.clk, 50)
        self.drop_objection()

    async def story(self, rng: random.Random) -> None:
        raise NotImplementedError

    def report_phase(self):
        where = os.environ.get("HERON_COVERAGE")
        if where:
            path = Path(where)
            total = Coverage(self.env.coverage.goals.values())
            if path.exists():
                total.merge(json.loads(path.read_text()))
            total.merge(self.env.coverage.to_json())
            path.write_text(json.dumps(total.to_json()))
