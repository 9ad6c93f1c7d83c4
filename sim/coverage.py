"""Verilator's coverage of lines and toggles: how it is asked for, and what it says.

Verilator counts points: arms of `if`, `case` and `?:` in each instance (line), and each change of each bit of each
signal (toggle). What of Yosys's Verilog is no such thing in the source is left out when the model is built.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Counting keeps signals whole that Verilator would have split, so it finds loops among the bits of one signal.
FLAGS = ["--coverage-line", "--coverage-toggle", "-Wno-UNOPTFLAT"]

LINE, TOGGLE = "line", "toggle"
_TEMPORARY = re.compile(r"  (?:wire|reg) (?:signed )?(?:\[\d+:0\] )?\\\$\d+ ")
_DUMMY = "if (\\$auto$verilog_backend"
_FIELD = re.compile("\x01([^\x02]*)\x02([^\x01']*)")
_BIT = re.compile(r"(.*?)(?:\[(\d+)\])?:(0->1|1->0)")
_ESCAPE = re.compile("__0([0-9a-fA-F]{2})")


def waivers(verilog: str, file: str) -> list[str]:
    """Lines for Verilator's configuration that leave out of `verilog`, in `file`, what only Yosys brought in:
    the temporaries `$N` of expressions, and the `if` on a constant at the head of each `always`."""
    ranges: list[list[int]] = []
    for number, line in enumerate(verilog.splitlines(), 1):
        if _TEMPORARY.match(line) or _DUMMY in line:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
    return [f'coverage_off -file "*{file}" -lines {first}-{last}' for first, last in ranges]


@dataclass(frozen=True)
class Point:
    """Something that was to happen in an instance (names from the top on, with dots).

    kind: LINE or TOGGLE. name: the line of the Verilog, or the signal. bit: of the signal, or the column.
    what: the kind of arm, or the change.
    """

    kind: str
    instance: str
    name: str
    bit: int
    what: str


def read(paths: Iterable[Path]) -> dict[Point, int]:
    """How often each point was hit, all files of Verilator's together."""
    hits: Counter[str] = Counter()
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("C "):
                    key, _, count = line.rpartition(" ")
                    hits[key] += int(count)
    return {_point(dict(_FIELD.findall(key))): count for key, count in hits.items()}


def _point(fields: dict[str, str]) -> Point:
    instance = _plain(fields["h"].removeprefix("TOP."))
    if fields["page"].startswith("v_toggle"):
        toggle = _BIT.fullmatch(fields["o"])
        assert toggle, fields["o"]
        name, bit, what = toggle.groups()
        return Point(TOGGLE, instance, _plain(name), int(bit or 0), what)
    return Point(LINE, instance, fields["l"], int(fields["n"]), fields["o"])


def _plain(name: str) -> str:
    """The name in the Verilog, from Verilator's."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
