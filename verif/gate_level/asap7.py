"""A netlist of ASAP7 cells as Verilog: Yosys puts for each cell the function that the library gives it."""

from pathlib import Path

from sim import build, toolchain
from synth.asap7 import Library, map_cells


def verilog(component, name: str, folder: Path, library: Library) -> str:
    """The mapped netlist of `component` as module `name`, its memories as they are; files go to `folder`."""
    map_cells(component, folder, library)
    lines = [f"read_liberty -ignore_miss_func {file}" for file in library.write(folder)]
    lines += ["read_json mapped.json", "hierarchy -top top", "flatten", "opt_clean", f"rename top {name}"]
    lines += [f"select {name}", "write_verilog -selected -noattr gates.v"]
    (folder / "gates.ys").write_text("\n".join(lines) + "\n")
    build.run([toolchain.yosys(), "-q", "-s", "gates.ys"], folder, folder / "gates.log")
    return (folder / "gates.v").read_text()
