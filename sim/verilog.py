"""Any Component as Verilog, the same bytes for the same input, with a JSON that describes its ports."""

import hashlib
import json
import os
import re
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

from amaranth import Shape, ShapeCastable, Value
from amaranth.back import verilog
from amaranth.hdl import UnusedElaboratable
from amaranth.lib import data, stream, wiring
from amaranth.lib.enum import EnumType

from sim import toolchain


@dataclass(frozen=True)
class Exported:
    """The Verilog of one component: `name` of its top module, `text`, and `description` (JSON-able)."""

    name: str
    text: str
    description: dict

    @property
    def digest(self) -> str:
        """Identifies the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def write(self, folder: Path) -> Path:
        """Write NAME.v and NAME.json to `folder`; returns the path of the Verilog."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.v"
        path.write_text(self.text)
        path.with_suffix(".json").write_text(json.dumps(self.description, indent=1) + "\n")
        return path


def describe_shape(shape) -> dict:
    """Layout of a payload: width, and its fields with their offsets, or its elements."""
    layout = data.Layout.cast(shape) if isinstance(shape, ShapeCastable) and not isinstance(shape, EnumType) else None
    width = Shape.cast(shape).width
    if isinstance(layout, data.ArrayLayout):
        return {"width": width, "length": layout.length, "element": describe_shape(layout.elem_shape)}
    if layout is not None:
        fields = {name: {"offset": field.offset, **describe_shape(field.shape)} for name, field in layout}
        return {"width": width, "fields": fields}
    return {"width": width, "signed": Shape.cast(shape).signed}


def _ports(component) -> dict:
    ports = {}
    for path, member, value in component.signature.flatten(component):
        name = "__".join(map(str, path))
        direction = "input" if member.flow == wiring.In else "output"
        width = len(Value.cast(value))
        ports[name] = {"direction": direction, **describe_shape(member.shape), "width": width}
    return ports


def _streams(signature, prefix="") -> list[str]:
    """Names of the streams among the ports, those inside arrays and interfaces too."""
    names = []
    for name, member in signature.members.items():
        if not member.is_signature:
            continue
        indices = [""]
        for length in member.dimensions:
            indices = [f"{index}__{k}" for index in indices for k in range(length)]
        for index in indices:
            path = f"{prefix}{name}{index}"
            names += (
                [path] if isinstance(member.signature, stream.Signature) else _streams(member.signature, f"{path}__")
            )
    return names


def git_hash() -> str:
    """The commit that is checked out, or 'unknown' outside a repository."""
    command = ["git", "-C", str(toolchain.ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def export(component, name: str = "top", *, params=None) -> Exported:
    """Verilog of `component` with top module `name`; `params` (with to_json) goes into the description.

    Ports are those of the component's signature, plus clk and rst where it has state; anything else, such as
    a clock domain that nobody defines, is a ValueError.
    """
    os.environ["YOSYS"] = str(toolchain.yosys())
    try:
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    except BaseException:
        warnings.simplefilter("ignore", UnusedElaboratable)  # the blocks of a design that is given up
        raise
    ports = _ports(component)
    header = re.search(rf"^module \\?{re.escape(name)} ?\((.*?)\);", text, re.DOTALL | re.MULTILINE)
    assert header is not None, f"no module {name} in the Verilog"
    found = {port.strip().lstrip("\\") for port in header[1].split(",")} - {""}
    unexpected = found - set(ports) - {"clk", "rst"}
    if unexpected:
        raise ValueError(f"{name} has ports that its signature lacks: {', '.join(sorted(unexpected))}")
    clocking = {port: {"direction": "input", "width": 1, "signed": False} for port in ("clk", "rst") if port in found}
    description = {
        "name": name,
        "ports": {**clocking, **ports},
        "streams": _streams(component.signature),
        "params": params.to_json() if params is not None else {},
        "git": git_hash(),
    }
    return Exported(name, text, description)
