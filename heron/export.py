"""`heron verilog`: the core or one block of hdl/ as Verilog."""

import importlib
import inspect
import json
from pathlib import Path

from amaranth.lib import wiring

from hdl.params import Params
from heron.engines import preset_params
from heron.errors import HeronError
from heron.outputs import write_file
from sim.toolchain import ROOT
from sim.verilog import export


def blocks() -> dict[str, type[wiring.Component]]:
    """The public blocks under hdl/: a Component whose class has the name of its file, `quantizer` for Quantizer."""
    found = {}
    for path in sorted((ROOT / "hdl").rglob("*.py")):
        if path.stem == "__init__":
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        wanted = path.stem.replace("_", "")
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, wiring.Component) and name.lower() == wanted:
                found[path.stem] = value
    return found


def make_block(name: str, params: Params) -> wiring.Component:
    """An instance of a block; those that take the core's parameters are given them."""
    known = blocks()
    if name not in known:
        raise HeronError(f"there is no block '{name}'; there are {', '.join(known)}")
    needed = [
        parameter
        for parameter in inspect.signature(known[name]).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    if len(needed) > 1 or (needed and needed[0].annotation is not Params):
        names = ", ".join(parameter.name for parameter in needed)
        raise HeronError(f"block {name} has parameters of its own ({names}); it is exported as part of another")
    return known[name](params) if needed else known[name]()


def export_verilog(folder: Path, preset: str, block: str | None = None) -> Path:
    """Writes NAME.v and NAME.json; returns the path of the Verilog."""
    params = preset_params(preset)
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
