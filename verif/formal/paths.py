"""Valid does not wait for ready: the netlist has no combinational path from the ready of an output to a valid."""

import gc
import json
import subprocess
import warnings

from amaranth.back import rtlil
from amaranth.hdl import UnusedElaboratable
from amaranth.lib import stream, wiring

from hdl.params import DEFAULT_PRESET, PRESETS
from sim import toolchain
from sim.toolchain import BUILD, ToolError
from synth.blocks import BLOCKS, find
from verif.formal.properties import TOP

SCRIPT = "read_rtlil top.il; hierarchy -top top; proc; flatten; opt_clean; write_json -compat-int net.json"
LARGE = ("core", "analysis", "reconstruction", "chip")
"""Blocks that take up to a minute; others take a second or a few."""
REGISTERS = ("$dff", "$adff", "$sdff", "$_DFF", "$_SDFF", "$_ADFF", "$_ALDFF")


def streams(signature, component, prefix: str = ""):
    """Name and flow of every stream among the ports, those of arrays and interfaces too."""
    for name, member in signature.members.items():
        if member.is_port:
            continue
        values = [(f"{prefix}{name}", getattr(component, name))]
        for length in member.dimensions:
            values = [(f"{path}__{k}", value[k]) for path, value in values for k in range(length)]
        for path, value in values:
            inner = member.signature
            if isinstance(inner, stream.Signature):
                yield path, member.flow
            else:
                flipped = inner.flip() if member.flow == wiring.In else inner
                yield from streams(flipped, value, f"{path}__")


def outputs(component) -> list[str]:
    """Names of the streams that leave the component."""
    return [path for path, flow in streams(component.signature, component) if flow == wiring.Out]


def with_streams() -> list[str]:
    """Names of the blocks that `make synth` knows and that streams leave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        found = [block.name for block in BLOCKS if outputs(block.component(PRESETS[DEFAULT_PRESET]))]
        gc.collect()
    return found


def look_at(name: str) -> list[str]:
    """`waiting` of the block called `name`."""
    return waiting(find(name).component(PRESETS[DEFAULT_PRESET]), name)


def waiting(component, name: str) -> list[str]:
    """A sentence for each output's valid that depends on the ready of an output within the cycle."""
    paths = outputs(component)
    folder = BUILD / "formal" / "paths" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.il").write_text(rtlil.convert(component, name=TOP, emit_src=False))
    command = [str(toolchain.yosys()), "-q", "-p", SCRIPT]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if process.returncode:
        raise ToolError(f"Yosys failed on {folder}/top.il\n{process.stderr[-2000:]}")
    module = json.loads((folder / "net.json").read_text())["modules"][TOP]
    behind = _sources(module["cells"].values())
    readies = {bit: f"{path}.ready" for path in paths for bit in module["ports"][f"{path}__ready"]["bits"]}
    found = []
    for path in paths:
        cone, todo = set(), list(module["ports"][f"{path}__valid"]["bits"])
        while todo:
            bit = todo.pop()
            if bit not in cone:
                cone.add(bit)
                todo += behind.get(bit, ())
        found += [f"{path}.valid depends on {readies[bit]}" for bit in sorted(cone & set(readies), key=str)]
    return found


def _sources(cells) -> dict:
    """Bits on which a bit depends within the cycle: registers and clocked read ports end the way back."""
    behind = {}
    for cell in cells:
        clocked = cell["type"].startswith("$memrd") and cell["parameters"]["CLK_ENABLE"]
        if cell["type"].startswith(REGISTERS) or clocked:
            continue
        ports = {"input": [], "output": []}
        for port, bits in cell["connections"].items():
            ports[cell["port_directions"][port]] += bits
        for bit in ports["output"]:
            behind.setdefault(bit, []).extend(ports["input"])
    return behind
