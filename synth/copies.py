"""Gives each multiplier what it shares with many others, for its own: coefficient tables, and registers.

Yosys makes equal cells one. A bit of a table of coefficients then goes to multipliers all over the device, where a LUT
beside each of them has its inputs in common with the others: a few wires instead of many. A register that many
multipliers take, or their tables, is late at most of them; with one of its own each is in time.
"""

from collections import defaultdict

from synth.netlist import fresh_nets, readers

MANY = 8
"""Of how many multipliers on each has its own of a register."""


def copy(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place: no LUT feeds two multipliers, and no
    register feeds MANY of them or of the LUTs before them."""
    module = netlist["modules"]["top"]
    cells = module["cells"]
    owners = {name: name for name, cell in cells.items() if cell["type"] == "MULT18X18D"}
    _copy(module, "LUT4", "Z", owners, 2)
    reads = readers(module)
    for name, cell in cells.items():
        if cell["type"] == "LUT4":
            found = {owners.get(reader) for reader, _ in reads[cell["connections"]["Z"][0]]}
            if len(found) == 1 and (owner := found.pop()):
                owners[name] = owner
    _copy(module, "TRELLIS_FF", "Q", owners, MANY)
    return netlist


def _copy(module: dict, kind: str, output: str, owners: dict, least: int) -> None:
    """A cell of this kind for each owner, where there are at least so many among the readers of its output."""
    cells, fresh, reads = module["cells"], fresh_nets(module), readers(module)
    for name, cell in [(name, cell) for name, cell in cells.items() if cell["type"] == kind]:
        (net,) = cell["connections"][output]
        pins = defaultdict(list)
        for reader, pin in sorted(reads[net]):
            pins[owners.get(reader)].append((reader, pin))
        served = [owner for owner in pins if owner]
        if len(served) < least:
            continue
        for owner in served[0 if None in pins else 1 :]:
            own = next(fresh)
            cells[f"{name}$of${owner}"] = cell | {"connections": cell["connections"] | {output: [own]}}
            for reader, pin in pins[owner]:
                cells[reader]["connections"] |= {pin: [own]}
