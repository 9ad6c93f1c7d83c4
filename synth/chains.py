"""Gives carry chains the ends that the device has.

The first carry of a chain comes from its own first position, and the last one leaves only as a sum. nextpnr puts a
whole CCU2C in front of every chain whose carry in is a constant, which it fetches through the fabric, and one behind
every chain whose carry out is a net, be it read or not. Here both are positions of the chain, often spare ones.
"""

from collections import defaultdict

from synth.fold import PINS, SLOTS
from synth.netlist import fresh_nets, readers

FIRST = {"0": f"{0x0000:016b}", "1": f"{0x000F:016b}"}
"""INIT of a position without inputs (open pins are high) that passes no carry and makes this one."""
LAST = FIRST["0"]
"""INIT of a position whose sum is the carry into it."""


def close(netlist: dict) -> dict:
    """The Yosys JSON `netlist` of a module `top` of ECP5 cells, changed in place.

    A chain that starts with a net, or whose carry is read in between, only loses a carry out that nothing reads.
    """
    module = netlist["modules"]["top"]
    cells = module["cells"]
    carries = {name: cell["connections"] for name, cell in cells.items() if cell["type"] == "CCU2C"}
    reads = readers(module)
    fresh = fresh_nets(module)
    followers = defaultdict(list)
    for name, pins in carries.items():
        followers[pins["CIN"][0]].append(name)
    continued = {pins["COUT"][0] for pins in carries.values()}
    for name in [name for name, pins in carries.items() if pins["CIN"][0] not in continued]:
        chain = [name]
        while after := followers[carries[chain[-1]]["COUT"][0]]:
            chain += after
        between = [carries[each]["COUT"][0] for each in chain[:-1]]
        if carries[name]["CIN"][0] in FIRST and all(len(reads[net]) == 1 for net in between):
            _close(cells, chain, reads, next(fresh))
        elif not reads[carries[chain[-1]]["COUT"][0]]:
            carries[chain[-1]]["COUT"] = ["x"]
    return netlist


def _close(cells: dict, chain: list[str], reads: dict, fresh: int) -> None:
    """Write the chain of these cells again, with its first and last carry inside it; `fresh` is a net that is free."""
    old = [cells.pop(name) for name in chain]
    carry_in, carry_out = old[0]["connections"]["CIN"][0], old[-1]["connections"]["COUT"][0]
    positions = [_position(FIRST[carry_in])]
    for cell in old:
        for slot in SLOTS:
            pins = {pin: cell["connections"][pin + slot] for pin in (*PINS, "S")}
            positions.append((cell["parameters"][f"INIT{slot}"], pins))
    if reads[carry_out]:
        positions.append(_position(LAST, carry_out))
    while not reads[positions[-1][1]["S"][0]]:
        positions.pop()
    if len(positions) % 2:
        positions.append(_position(LAST))
    links = [*(cell["connections"]["COUT"] for cell in old[:-1]), [fresh]][: len(positions) // 2 - 1]
    for k, (carry, after) in enumerate(zip([["x"], *links], [*links, ["x"]])):
        cell = old[min(k, len(old) - 1)]
        parameters, pins = dict(cell["parameters"]), {"CIN": carry, "COUT": after}
        for slot, (init, nets) in zip(SLOTS, positions[2 * k :]):
            parameters[f"INIT{slot}"] = init
            pins |= {pin + slot: net for pin, net in nets.items()}
        name = chain[k] if k < len(chain) else f"{chain[-1]}$end"
        cells[name] = cell | {"parameters": parameters, "connections": pins}


def _position(init: str, sum_net: int | str = "x") -> tuple[str, dict]:
    """INIT and connections of a position without inputs: open pins are high."""
    return init, {"S": [sum_net]} | {pin: ["1"] for pin in PINS}
