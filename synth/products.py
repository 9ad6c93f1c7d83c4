"""Moves the registers behind multipliers into them.

Yosys leaves the output register of a MULT18X18D unused, so each product crosses the fabric to registers of its own. One
that is written in every cycle and never reset can be the multiplier's; an enable it cannot have, as nextpnr does not
write which one it is.
"""

from synth.netlist import readers

ALWAYS = {"CEMUX": "1", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
"""Of a register that the multiplier's can stand for, with LSR at 0."""
REGISTERED = {"REG_OUTPUT_CLK": "CLK0", "REG_OUTPUT_CE": "CE0", "REG_OUTPUT_RST": "RST0", "GSR": "DISABLED"}


def register(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place."""
    module = netlist["modules"]["top"]
    cells = module["cells"]
    reads = readers(module)
    for cell in [cell for cell in cells.values() if cell["type"] == "MULT18X18D"]:
        pins = cell["connections"]
        read = {pin: reads[nets[0]] for pin, nets in pins.items() if pin[0] == "P" and reads[nets[0]]}
        registers = {name for found in read.values() for name, _ in found}
        if len(registers) == len(read) == sum(map(len, read.values())) and _are_free(cells, registers):
            for pin, ((name, _),) in read.items():
                own = cells.pop(name)["connections"]
                pins |= {pin: own["Q"], "CLK0": own["CLK"], "CE0": ["1"], "RST0": ["0"]}
            cell["parameters"] |= REGISTERED
            cell["port_directions"] |= dict.fromkeys(("CLK0", "CE0", "RST0"), "input")
    return netlist


def _are_free(cells: dict, names: set) -> bool:
    """Whether all of these are registers of one clock that are written in every cycle."""
    clocks = set()
    for cell in (cells.get(name, {}) for name in names):
        parameters = {name: value.strip() for name, value in cell.get("parameters", {}).items()}
        if cell.get("type") != "TRELLIS_FF" or not parameters.items() >= ALWAYS.items():
            return False
        if cell["connections"]["LSR"] != ["0"]:
            return False
        clocks.add(cell["connections"]["CLK"][0])
    return len(clocks) == 1
