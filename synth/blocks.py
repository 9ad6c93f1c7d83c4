"""The blocks that `python -m synth` measures, in the order of the table."""

import importlib
import inspect
from dataclasses import dataclass, field

from amaranth.lib import wiring

from hdl.params import Params

CORE = "core"
"""The block that is held against the device and the aim."""


@dataclass(frozen=True)
class Block:
    """A Component of hdl/: `name` is its path below hdl/, `target` its module and class, `depth` its rank in the table.

    The rows of depth 0 are the core and its stages; a row contains those of larger depth below it that it uses.
    """

    name: str
    target: str
    depth: int = 1
    arguments: dict = field(default_factory=dict, hash=False)

    def component(self, params: Params) -> wiring.Component:
        """The Component itself; `params` goes to those that take parameters."""
        module, name = self.target.split(":")
        cls = getattr(importlib.import_module(module), name)
        takes_params = "p" in inspect.signature(cls.__init__).parameters
        return cls(*([params] if takes_params else []), **self.arguments)


BLOCKS = (
    Block(CORE, "hdl.core:Core", 0),
    Block("fetch", "hdl.fetch.fetch:Fetch", 0),
    Block("analysis", "hdl.analysis.analysis:Analysis", 0),
    Block("analysis.source_loader", "hdl.analysis.source_loader:SourceLoader"),
    Block("analysis.lane4", "hdl.analysis.lane4:Lane4"),
    Block("analysis.source_store", "hdl.analysis.source_store:SourceStore", 2),
    Block("analysis.reference_gather", "hdl.analysis.reference_gather:ReferenceGather", 2),
    Block("analysis.subblock_search", "hdl.analysis.subblock_search:SubblockSearch", 2),
    Block("analysis.rough_cost", "hdl.analysis.rough_cost:RoughCost", 2, {"ranks": 3}),
    Block("analysis.lane_n", "hdl.analysis.lane_n:LaneN"),
    Block("analysis.reference_pair", "hdl.analysis.reference_pair:ReferencePair", 2),
    Block("analysis.block_search", "hdl.analysis.block_search:BlockSearch", 2),
    Block("analysis.block_cost", "hdl.analysis.block_cost:BlockCost", 2),
    Block("analysis.residual_store", "hdl.analysis.residual_store:ResidualStore", 3),
    Block("analysis.forward_dct", "hdl.analysis.forward_dct:ForwardDct", 3),
    Block("analysis.coefficient_cost", "hdl.analysis.coefficient_cost:CoefficientCost", 3),
    Block("analysis.rd4", "hdl.analysis.rd4:Rd4"),
    Block("analysis.tree", "hdl.analysis.tree:Tree"),
    Block("reconstruction", "hdl.reconstruction.reconstruction:Reconstruction", 0),
    Block("intra.modes", "hdl.intra.modes:ModeEdges"),
    Block("reconstruction.source_store", "hdl.reconstruction.ctu_store:SourceStore"),
    Block("reconstruction.reconstruction_store", "hdl.reconstruction.ctu_store:ReconstructionStore"),
    Block("reconstruction.availability", "hdl.reconstruction.availability:Availability"),
    Block("reconstruction.prediction", "hdl.reconstruction.prediction:Prediction"),
    Block("reconstruction.neighbours", "hdl.reconstruction.neighbours:Neighbours", 2),
    Block("intra.reference_samples", "hdl.intra.reference_samples:ReferenceSamples", 2),
    Block("intra.subblock_predictor", "hdl.intra.subblock_predictor:SubblockPredictor", 2),
    Block("reconstruction.residual_loop", "hdl.reconstruction.residual_loop:ResidualLoop"),
    Block("reconstruction.transform_unit", "hdl.reconstruction.transform_unit:TransformUnit", 2),
    Block("reconstruction.transform_engine", "hdl.reconstruction.transform_engine:TransformEngine", 3),
    Block("reconstruction.transform_buffer", "hdl.reconstruction.transform_buffer:TransformBuffer", 3),
    Block("reconstruction.forward4x4", "hdl.reconstruction.transform4x4:Transform4x4", 2, {"is_inverse": False}),
    Block("reconstruction.inverse4x4", "hdl.reconstruction.transform4x4:Transform4x4", 2, {"is_inverse": True}),
    Block("reconstruction.quantizer", "hdl.reconstruction.quantizer:Quantizer", 2),
    Block("reconstruction.scaler", "hdl.reconstruction.scaler:Scaler", 2),
    Block("reconstruction.mode_choice", "hdl.reconstruction.mode_choice:ModeChoice", 2),
    Block("reconstruction.level_cost", "hdl.reconstruction.level_cost:LevelCost", 3),
    Block("reconstruction.squared_error", "hdl.reconstruction.squared_error:SquaredError", 0),
    Block("entropy", "hdl.entropy.entropy:Entropy", 0),
    Block("entropy.syntax", "hdl.entropy.syntax:Syntax"),
    Block("entropy.neighbours", "hdl.entropy.neighbours:Neighbours", 2),
    Block("entropy.intra_mode", "hdl.entropy.intra_mode:ModeCoder", 2),
    Block("entropy.residual", "hdl.entropy.residual:Residual"),
    Block("entropy.remaining", "hdl.entropy.remaining:RemainingBinarizer", 2),
    Block("entropy.arithmetic_coder", "hdl.entropy.arithmetic_coder:ArithmeticCoder"),
    Block("entropy.context_memory", "hdl.entropy.context_memory:ContextMemory", 2),
    Block("entropy.context_init", "hdl.entropy.context_init:ContextInit", 2),
    Block("entropy.byte_output", "hdl.entropy.byte_output:ByteOutput", 2),
    Block("pack", "hdl.pack.pack:Pack", 0),
    Block("pack.header_writer", "hdl.pack.header_writer:HeaderWriter"),
    Block("pack.emulation_prevention", "hdl.pack.emulation_prevention:EmulationPrevention"),
    Block("pack.picture_checksum", "hdl.pack.picture_checksum:PictureChecksum", 0),
    Block("board", "hdl.board.board:Board", 0, {"clock_hz": 37_500_000}),
    Block("chip.register_file", "hdl.chip.register_file:RegisterFile", 0),
    Block("chip.read_port", "hdl.chip.read_port:ReadPort", 0),
    Block("chip.source_reader", "hdl.chip.source_reader:SourceReader", 0),
    Block("chip.qp_reader", "hdl.chip.qp_reader:QpReader", 0),
    Block("chip.write_port", "hdl.chip.write_port:WritePort", 0),
    Block("chip.bitstream_writer", "hdl.chip.bitstream_writer:BitstreamWriter", 0),
    Block("chip.recon_writer", "hdl.chip.recon_writer:ReconWriter", 0),
)


def find(name: str) -> Block:
    """The block called `name`; ValueError with the names there are."""
    for block in BLOCKS:
        if block.name == name:
            return block
    raise ValueError(f"no block '{name}'; there are {', '.join(block.name for block in BLOCKS)}")
