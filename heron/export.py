"""`heron verilog`: the core or one block of hdl/ as Verilog."""

import importlib
import inspect
import json
import re
from pathlib import Path

from amaranth.lib import wiring

from hdl.params import Params
from heron.engines import core_params
from heron.errors import HeronError
from heron.outputs import write_file
from sim.toolchain import ROOT
from sim.verilog import export, git_hash


def blocks() -> dict[str, tuple[str, str]]:
    """The public blocks under hdl/, by file name: the Component whose class has the file's name, as (module, class)."""
    found = {}
    for path in sorted((ROOT / "hdl").rglob("*.py")):
        for name in re.findall(r"^class (\w+)\(wiring\.Component\)", path.read_text(), re.MULTILINE):
            if name.lower() == path.stem.replace("_", ""):
                found[path.stem] = ".".join(path.relative_to(ROOT).with_suffix("").parts), name
    return found


def make_block(name: str, params: Params) -> wiring.Component:
    """An instance of a block; those that take the core's parameters are given them, the chip also the commit."""
    known = blocks()
    if name not in known:
        raise HeronError(f"there is no block '{name}'; there are {', '.join(known)}")
    module, class_name = known[name]
    block: type[wiring.Component] = getattr(importlib.import_module(module), class_name)
    needed = [
        parameter
        for parameter in inspect.signature(block).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    if len(needed) > 1 or (needed and needed[0].annotation is not Params):
        names = ", ".join(parameter.name for parameter in needed)
        raise HeronError(f"block {name} has parameters of its own ({names}); it is exported as part of another")
    commit = git_hash()[:8] if "git_hash" in inspect.signature(block).parameters else ""
    identity = {"git_hash": int(commit, 16)} if re.fullmatch("[0-9a-f]{8}", commit) else {}
    return block(params, **identity) if needed else block()


def export_verilog(folder: Path, preset: str, block: str | None = None) -> Path:
    """Writes NAME.v and NAME.json; returns the path of the Verilog."""
    params = core_params(preset)
    name = block or "core"
    component = make_block(name, params)
    if folder.exists() and not folder.is_dir():
        raise HeronError(f"{folder}: is not a folder")
    exported = export(component, name=name, params=params)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.v"
    description = folder / f"{name}.json"
    write_file(path, exported.text)
    write_file(description, json.dumps(exported.description, indent=1) + "\n")
    return path
