"""Gives each multiplier coefficient tables of its own.

Yosys makes equal LUTs one. A bit of a table of coefficients then goes to multipliers all over the device, where a LUT
beside each of them has its inputs in common with the others: a few wires instead of many.
"""

from synth.netlist import fresh_nets, readers


def copy(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place: no LUT feeds two multipliers."""
    module = netlist["modules"]["top"]
    cells, fresh, reads = module["cells"], fresh_nets(module), readers(module)
    for name, lut in [(name, cell) for name, cell in cells.items() if cell["type"] == "LUT4"]:
        (net,) = lut["connections"]["Z"]
        pins = {}
        for reader, pin in sorted(reads[net]):
            is_multiplier = reader in cells and cells[reader]["type"] == "MULT18X18D"
            pins.setdefault(reader if is_multiplier else "", []).append(pin)
        for multiplier in [reader for reader in pins if reader][0 if "" in pins else 1 :]:
            own = next(fresh)
            cells[f"{name}$of${multiplier}"] = lut | {"connections": lut["connections"] | {"Z": [own]}}
            cells[multiplier]["connections"] |= {pin: [own] for pin in pins[multiplier]}
    return netlist
