"""Proofs that a mutant changes nothing: sequential equivalence by signal correspondence and PDR, in Yosys' own ABC.

Both versions of a module, the blocks inside it with them, start from their initial state and get the same inputs
in every cycle, whatever they are. Memories of more than 16 words are left out: what they read is the same for both as
long as all that goes into them is, which is to be proved with the outputs. The payload of a stream counts only while
its valid is 1. What nothing drives is 0 in both.
"""

import re
import subprocess
from pathlib import Path

from sim import toolchain
from verif.mutate.design import Mutant, Mutated, modules_in

LARGEST = 4_000_000
"""Bytes of RTLIL up to which a surrounding module is tried."""
MAPPED_WORDS = 16
PORTS = {
    "RD_DATA": ("RD_PORTS", "WIDTH"),
    "RD_ADDR": ("RD_PORTS", "ABITS"),
    "RD_EN": ("RD_PORTS",),
    "RD_SRST": ("RD_PORTS",),
    "RD_ARST": ("RD_PORTS",),
    "WR_EN": ("WR_PORTS", "WIDTH"),
    "WR_ADDR": ("WR_PORTS", "ABITS"),
    "WR_DATA": ("WR_PORTS", "WIDTH"),
}
"""Ports of Yosys' $mem_v2 but the clocks, and the parameters whose product is the width."""
MITER = [
    "read_rtlil {work}_gold.il",
    "read_rtlil {work}_gate.il",
    "miter -equiv -flatten gold gate miter",
    "hierarchy -top miter",
    "opt -full",
    "techmap",
    "opt",
    "dffunmap",
    "simplemap",
    "setundef -undriven -zero",
    "aigmap",
    "opt_clean",
    "write_aiger -zinit {work}.aig",
]
# ABC runs only where there is logic to map, and the pass fails when it hands back something else: the files decide.
ABC = [
    "read_verilog {work}.v",
    "simplemap",
    "abc -script +read_aiger,{work}.aig;scorr;write_aiger,{work}_left.aig;pdr,-T,{seconds};write_status,{work}.status",
]
SOME_LOGIC = "module some(input a, b, c, output y); assign y = a & b | c; endmodule\n"


def proved(design: Mutated, mutant: Mutant, seconds: int) -> str | None:
    """The module within which the mutant changes no output: its own or one around it; None when there is no proof.

    seconds: for PDR in each module, and a quarter of all that a module may take.
    """
    if mutant.option("port").lower().endswith("clk"):
        return None  # clocks are not in the model
    scope = mutant.option("module")
    while scope:
        try:
            if size(design.folder / "prepared.il", scope) > LARGEST:
                return None
            if _proved_in(design.folder, scope, mutant, seconds):
                return scope
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            return None  # among what Yosys refuses: constants on a register that has initial values
        scope = scope.rpartition(".")[0]
    return None


def size(path: Path, scope: str) -> int:
    """Bytes of the modules in an RTLIL file that are `scope` or inside it."""
    inside = modules_in(path).items()
    return sum(len(text) for name, text in inside if name == scope or name.startswith(f"{scope}."))


def _proved_in(folder: Path, scope: str, mutant: Mutant, seconds: int) -> bool:
    work = f"formal_{mutant.number}"

    def yosys(lines: list[str], *, check: bool = True) -> None:
        script = folder / f"{work}.ys"
        script.write_text("\n".join(lines).format(work=work, seconds=seconds) + "\n")
        command = [toolchain.yosys(), "-q", "-l", f"{work}.log", "-s", script.name]
        subprocess.run(command, cwd=folder, capture_output=True, timeout=4 * seconds, check=check)

    try:
        small = f"t:$mem_v2 r:SIZE<={MAPPED_WORDS} %i"
        for name, change in (("gold", []), ("gate", [f"mutate {mutant.options}"])):
            lines = [
                "read_rtlil prepared.il",
                f"hierarchy -top {scope}",
                *change,
                "flatten",
                "setundef -undriven -zero",
            ]
            lines += ["opt_clean", f"memory_map {small}", "opt_clean", f"rename -top {name}"]
            yosys([*lines, f"write_rtlil {work}_{name}.il"])
            path = folder / f"{work}_{name}.il"
            path.write_text(while_valid(without_memories(path.read_text())))
        yosys(MITER)
        (folder / f"{work}.v").write_text(SOME_LOGIC)
        yosys(ABC, check=False)
        left, status = folder / f"{work}_left.aig", folder / f"{work}.status"
        constant = left.exists() and output_of(left.read_bytes()) == 0
        return constant or (status.exists() and status.read_text().startswith("snl_UNSAT"))
    finally:
        for path in folder.glob(f"{work}[._]*"):
            path.unlink()


def output_of(aiger: bytes) -> int:
    """The literal of the only output of a binary AIGER file; 0 is constant zero."""
    header, *lines = aiger.split(b"\n")
    _, _, _, latches, outputs, *_ = header.split()
    if outputs != b"1":
        raise ValueError(f"{int(outputs)} outputs where a miter has one")
    return int(lines[int(latches)])


def while_valid(text: str) -> str:
    """RTLIL of one module with each output X__payload 0 while the output X__valid is: then nobody looks at it."""
    valids = set(re.findall(r"^  wire output \d+ (\S+)$", text, re.MULTILINE))
    cells: list[str] = []

    def port(found: re.Match) -> str:
        width, place, name = found[1] or "1", found[2], found[3]
        valid, seen = name.replace("__payload", "__valid"), f"{name}$while_valid"
        if valid not in valids:
            return found[0]
        pins = {"A": f"{width}'{'0' * int(width)}", "B": name, "S": valid, "Y": seen}
        cells.append(f"  cell $mux {name}$mux\n    parameter \\WIDTH {width}\n")
        cells.extend(f"    connect \\{pin} {value}\n" for pin, value in pins.items())
        cells.append("  end\n")
        return f"  wire width {width} {name}\n  wire width {width} output {place} {seen}"

    text = re.sub(r"^  wire(?: width (\d+))? output (\d+) (\S+__payload)$", port, text, flags=re.MULTILINE)
    return "".join([text.removesuffix("end\n"), *cells, "end\n"])


def without_memories(text: str) -> str:
    """RTLIL of one module with its $mem_v2 cells turned into ports: inputs for what they read, outputs for the rest."""
    lines, number = [], 0
    cell: dict[str, str] | None = None
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if line.startswith("  cell $mem_v2 "):
            cell = {}
        elif cell is None:
            lines.append(line)
        elif line == "  end":
            lines += _ports(cell, f"memory_{number}", 100_000 * (number + 1))
            number, cell = number + 1, None
        elif words[0] in ("parameter", "connect"):
            name, value = words[-2:] if words[1] != "signed" else words[2].split(maxsplit=1)
            cell[name.lstrip("\\")] = value
    return "\n".join(lines) + "\n"


def _ports(cell: dict[str, str], name: str, identifier: int) -> list[str]:
    lines = []
    for port, parameters in PORTS.items():
        width = 1
        for parameter in parameters:
            width *= _integer(cell[parameter])
        if not width:
            continue
        identifier += 1
        wire = f"\\{name}_{port}"
        direction, ends = ("input", (cell[port], wire)) if port == "RD_DATA" else ("output", (wire, cell[port]))
        lines += [f"  wire width {width} {direction} {identifier} {wire}", f"  connect {' '.join(ends)}"]
    return lines


def _integer(value: str) -> int:
    return int(value.split("'")[1], 2) if "'" in value else int(value)
