"""Yosys' JSON of a mapped design, for the passes between it and nextpnr: a module `top` of ECP5 cells."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, count


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


def fresh_nets(module: dict) -> Iterator[int]:
    """Numbers of nets that are not there yet."""
    named = (each["bits"] for each in module["netnames"].values())
    connected = (nets for cell in module["cells"].values() for nets in cell["connections"].values())
    return count(1 + max(net for nets in chain(named, connected) for net in nets if isinstance(net, int)))
