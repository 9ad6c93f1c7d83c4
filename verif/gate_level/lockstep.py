"""A block beside its netlist, the same random inputs for both: `check`."""

from pathlib import Path

from sim.runner import bench_seed, build_bench, simulate
from sim.verilog import Exported, export

BENCH = "verif.gate_level.lockstep_bench"
CYCLES = 10_000


def top(component, netlist: str, name: str) -> Exported:
    """`component` as module `rtl`, and `gates`, the module in `netlist`, in a module `name` of the component's ports.

    Its outputs are those of the RTL. Two more outputs have a bit for each of these, in the order of the ports:
    `differs`, both are to be the same and are not (a payload need be only when it is valid); `moved`, it has been 0
    and 1.
    """
    rtl = export(component, "rtl")
    ports = rtl.description["ports"]
    outputs = {port: each["width"] for port, each in ports.items() if each["direction"] == "output"}
    mine = {port: f"gates_{port}" for port in outputs}
    width, offset, lines = sum(outputs.values()), 0, []
    lines += [f"  {each['direction']} [{each['width'] - 1}:0] {port};" for port, each in ports.items()]
    lines += [f"  wire [{each - 1}:0] {mine[port]};" for port, each in outputs.items()]
    for port, each in outputs.items():
        payload = port.removesuffix("__payload") in rtl.description["streams"] and port.endswith("__payload")
        wanted = f" & {{{each}{{{port.removesuffix('payload')}valid}}}}" if payload else ""
        lines.append(f"  assign differs[{offset} +: {each}] = ({port} ^ {mine[port]}){wanted};")
        offset += each
    lines += [
        f"  output [{width - 1}:0] differs, moved;",
        f"  reg [{width - 1}:0] high = 0, low = 0;",
        f"  wire [{width - 1}:0] now = {{{', '.join(reversed(outputs))}}};",
        "  assign moved = high & low;",
        "  always @(posedge clk) begin",
        "    high <= high | now;",
        "    low <= low | ~now;",
        "  end",
        f"  rtl rtl({', '.join(f'.{port}({port})' for port in ports)});",
        f"  gates gates({', '.join(f'.{port}({mine.get(port, port)})' for port in ports)});",
    ]
    head = ["/* verilator lint_off UNOPTFLAT */", f"module {name}({', '.join([*ports, 'differs', 'moved'])});"]
    text = "\n".join([*head, *lines, "endmodule", rtl.text, netlist])
    extra = {port: {"direction": "output", "width": width, "signed": False} for port in ("differs", "moved")}
    return Exported(name, text, rtl.description | {"name": name, "ports": ports | extra})


def check(component, netlist: str, name: str, folder: Path) -> None:
    """AssertionError unless the module `gates` in `netlist` does what `component` does for CYCLES cycles."""
    exported = top(component, netlist, name)
    ports = exported.description["ports"].items()
    inputs = {port: each["width"] for port, each in ports if each["direction"] == "input"}
    params = {"inputs": inputs, "cycles": CYCLES}
    simulate(build_bench(exported), BENCH, name, folder, bench_seed(name), tests=1, params=params)
