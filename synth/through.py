"""Gives registers that no logic drives a LUT in front, so that their nets find a way in.

A register that takes the sum or the output of the LUT beside it needs no wire for it. Any other enters its slice by the
pin M, to which nine wires lead, four of them shared by half of a tile's registers; some hundred lead to those of a LUT.
Tiles full of registers that only pass on what others hold are where the router gets stuck.
"""

from collections import defaultdict

from synth.netlist import fresh_nets

BUFFER = f"{0xAAAA:016b}"
"""INIT of a LUT4 whose output is its input A."""


def pass_through(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place: of the registers with the same enable
    and reset whose input is no LUT's or carry cell's, every second has a LUT of its own in front."""
    module = netlist["modules"]["top"]
    cells = module["cells"]
    fresh = fresh_nets(module)
    driven = set()  # by logic, which nextpnr places beside the register
    for cell in cells.values():
        if cell["type"] in ("LUT4", "CCU2C"):
            outputs = (nets for pin, nets in cell["connections"].items() if cell["port_directions"][pin] == "output")
            driven.update(net for nets in outputs for net in nets)
    alike = defaultdict(list)
    for name, cell in cells.items():
        if cell["type"] != "TRELLIS_FF" or cell["parameters"].get("SRMODE") == "ASYNC":
            continue  # the latter synchronise what comes from other clocks
        net = cell["connections"]["DI"][0]
        if isinstance(net, int) and net not in driven:
            controls = (cell["connections"].get(pin, ["-"])[0] for pin in ("CE", "LSR"))
            alike[tuple(map(str, controls))].append(name)
    for names in alike.values():
        for name in names[1::2]:
            register, net = cells[name], next(fresh)
            cells[f"{name}$through"] = {
                "type": "LUT4",
                "parameters": {"INIT": BUFFER},
                "attributes": {},
                "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
                "connections": {pin: ["0"] for pin in "BCD"} | {"A": register["connections"]["DI"], "Z": [net]},
            }
            register["connections"]["DI"] = [net]
    return netlist
