"""Moves gates in front of adders into the carry cells, which logic synthesis sees as closed boxes.

A position of a CCU2C is a LUT4 of A, B, C and D: its propagate signal P. Where P is 0 its carry is what the same LUT
holds at C = D = 0: G(A, B). An adder needs two inputs, so a LUT that feeds only adders can often become a part of them:
a gate of two inputs, or the multiplexer in front of an addition.
"""

from collections import defaultdict
from functools import cache
from itertools import permutations, product

from synth.netlist import readers

PINS, SLOTS = "ABCD", ("0", "1")
CONSTANTS = {"0": 0, "1": 1, "x": 0}


def fold(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place: as many LUT4 as possible are gone."""
    module = netlist["modules"]["top"]
    cells = module["cells"]
    luts = {cell["connections"]["Z"][0]: name for name, cell in cells.items() if cell["type"] == "LUT4"}
    places_of = defaultdict(set)  # of a net: carry positions, or others with "" for a slot
    for net, found in readers(module).items():
        for name, pin in found:
            is_slot = pin[1:] in SLOTS and pin[:1] in tuple(PINS) and cells[name]["type"] == "CCU2C"
            places_of[net].add((name, pin[1] if is_slot else ""))

    waiting = list(luts)
    while waiting:
        net = waiting.pop()
        if net not in luts or not all(slot for _, slot in places_of[net]):
            continue
        name = luts[net]
        places = list(places_of[net])
        folded = [_join(cells[carry], slot, cells[name], net) for carry, slot in places]
        if None in folded:
            continue
        for (carry, slot), (init, nets) in zip(places, folded):
            for before in _nets(cells[carry], slot):
                places_of[before].discard((carry, slot))
            cells[carry]["parameters"][f"INIT{slot}"] = f"{init:016b}"
            cells[carry]["connections"] |= {pin + slot: [each] for pin, each in zip(PINS, nets)}
            for after in nets:
                places_of[after].add((carry, slot))
        for before in _nets(cells[name]):
            places_of[before].discard((name, ""))
            waiting.append(before)
        del cells[name], luts[net]
    return netlist


def _nets(cell: dict, slot: str = "") -> list:
    """What the four inputs of a LUT, or of one position of a carry cell, are connected to."""
    return [cell["connections"][pin + slot][0] for pin in PINS]


def _join(carry: dict, slot: str, lut: dict, net) -> tuple[int, list] | None:
    """INIT and nets of a carry position that computes `net`, the output of `lut`, itself; None if that is too much."""
    outer, inner = _nets(carry, slot), _nets(lut)
    variables = [each for each in dict.fromkeys(outer + inner) if each not in CONSTANTS and each != net]
    if len(variables) > len(PINS):
        return None
    inner_init = int(lut["parameters"]["INIT"], 2)
    rows = []
    for values in product((0, 1), repeat=len(variables)):
        known = CONSTANTS | dict(zip(variables, values))
        known[net] = _look_up(inner_init, [known[each] for each in inner])
        rows.append([known[each] for each in outer])
    found = arrangements(*_tables(carry, slot, rows))
    return connected(found[0], variables) if found else None


def spread(netlist: dict) -> dict:
    """The same netlist, changed in place: its carry cells use the four pins alike.

    nextpnr exchanges the pins of a LUT where that helps, never those of a CCU2C. Most of these add two nets, A and B;
    but of the wires that bring nets to an ECP5 tile one half leads to A and B alone, the other to C and D alone.
    """
    used = dict.fromkeys(PINS, 0)
    for cell in netlist["modules"]["top"]["cells"].values():
        for slot in SLOTS if cell["type"] == "CCU2C" else ():
            nets = _nets(cell, slot)
            variables = [each for each in dict.fromkeys(nets) if each not in CONSTANTS]
            values = (CONSTANTS | dict(zip(variables, bits)) for bits in product((0, 1), repeat=len(variables)))
            choices = arrangements(*_tables(cell, slot, [[known[each] for each in nets] for known in values]))
            found = min(choices, key=lambda each: sum(used[PINS[each[1].index(k)]] for k in range(len(variables))))
            for k in range(len(variables)):
                used[PINS[found[1].index(k)]] += 1
            init, nets = connected(found, variables)
            cell["parameters"][f"INIT{slot}"] = f"{init:016b}"
            cell["connections"] |= {pin + slot: [each] for pin, each in zip(PINS, nets)}
    return netlist


def connected(arrangement: tuple[int, tuple], variables: list) -> tuple[int, list]:
    """Its INIT, and what its pins are connected to."""
    init, order = arrangement
    return init, [variables[k] if k < len(variables) else "1" for k in order]


def _tables(carry: dict, slot: str, rows: list) -> tuple[tuple, tuple]:
    """P and G of a carry position for each of these values of its pins."""
    init = int(carry["parameters"][f"INIT{slot}"], 2)
    return (
        tuple(_look_up(init, pins) for pins in rows),
        tuple(_look_up(init, [*pins[:2], 0, 0]) for pins in rows),
    )


def _look_up(init: int, pins: list) -> int:
    return init >> sum(value << k for k, value in enumerate(pins)) & 1


@cache
def arrangements(propagate: tuple, generate: tuple) -> list[tuple[int, tuple]]:
    """INIT, and which variable goes to which pin (1 to pins left over), for the tables of P and of G where P is 0."""
    count, found = len(propagate).bit_length() - 1, []
    for order in permutations(range(len(PINS))):
        init = {}
        rows = [
            (sum((values[k] if k < count else 1) << pin for pin, k in enumerate(order)), p, g)
            for values, p, g in zip(product((0, 1), repeat=count), propagate, generate)
        ]
        for index, p, _ in rows:
            init[index] = p
        if all(init.setdefault(index & 3, g) == g for index, p, g in rows if not p):
            found.append((sum(value << index for index, value in init.items()), order))
    return found
