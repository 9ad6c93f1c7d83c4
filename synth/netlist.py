"""Yosys' JSON of a mapped design, for the passes between it and nextpnr: a module `top` of ECP5 cells."""

from collections import defaultdict


def readers(module: dict) -> dict:
    """Who reads each net: (cell, pin), or (port, "") of the module; nobody reads a net that is not there."""
    found = defaultdict(set)
    for port, description in module["ports"].items():
        for net in description["bits"]:
            found[net].add((port, ""))
    for name, cell in module["cells"].items():
        for pin, nets in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                for net in nets:
                    found[net].add((name, pin))
    return found
