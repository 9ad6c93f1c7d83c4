"""Mapping of one component to the ASAP7 standard cells, a predictive 7 nm library, and what it takes of them.

Before layout, in the typical corner that the library's files are for (RVT, 0.7 V, 25 C, no wires).
"""

import gzip
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from sim import build, toolchain
from sim.toolchain import ToolError
from sim.verilog import export
from synth.ecp5 import version

SCRIPT = Path(__file__).with_name("asap7.ys")
GATE = "NAND2x1_ASAP7_75t_R"
"""The gate that areas are counted in."""
NEEDED = (GATE, "BUFx2_ASAP7_75t_R", "TIEHIx1_ASAP7_75t_R", "TIELOx1_ASAP7_75t_R", "DFFHQNx1_ASAP7_75t_R")
HOW_TO_GET = (
    "it is asap7sc7p5t_{SIMPLE,INVBUF,AO,OA,SEQ}_RVT_TT_nldm.lib.gz of github.com/siliconcompiler/lambdapdk, folder "
    "lambdapdk/asap7/libs/asap7sc7p5t_rvt/nldm; pass their folder with --pdk or HERON_PDK"
)
# What Yosys runs by itself, with the delay as a number in stats.txt: YoWASP loses what ABC prints.
ABC = "strash; ifraig; scorr; dc2; dretime; strash; &get -n; &nf; &put; buffer; upsize -D {0}; dnsize -D {0}; stime -d"
CONSTRAINTS = "set_driving_cell BUFx2_ASAP7_75t_R\nset_load 1.0\n"
TARGET_PS = 1000
"""The path that gates are sized for."""


@dataclass(frozen=True)
class Mapped:
    """area: of all cells, in um2. gates: the same in NAND2. delay: ps of the longest path between registers, memories
    and ports, through the gates alone. Bits of memories by kind: ram, with registered reads; file, read at once (a
    register file); rom.
    """

    area: float
    gates: int
    registers: int
    delay: int
    ram: int
    file: int
    rom: int

    def to_json(self) -> dict:
        return asdict(self)


class Library:
    """The Liberty files *.lib and *.lib.gz of a folder; ToolError, with how to get them, when there are none."""

    def __init__(self, folder: Path | None):
        paths = sorted([*folder.glob("*.lib"), *folder.glob("*.lib.gz")]) if folder else []
        self.texts = {
            path.name.removesuffix(".gz"): gzip.decompress(raw) if path.suffix == ".gz" else raw
            for path, raw in ((path, path.read_bytes()) for path in paths)
        }
        missing = [cell for cell in NEEDED if cell not in self.areas]
        if missing:
            where = f"{missing[0]} is not in the *.lib of {folder}" if folder else "no cell library"
            raise ToolError(f"{where}: {HOW_TO_GET}")

    @cached_property
    def areas(self) -> dict[str, float]:
        """um2 of each cell."""
        found = {}
        for text in self.texts.values():
            cell = ""
            for line in re.findall(rb"^\s*(?:cell \(\w+\)|area : [\d.]+)", text, re.MULTILINE):
                if b"cell (" in line:
                    cell = line.split(b"(")[1][:-1].decode()
                else:
                    found.setdefault(cell, float(line.split()[-1]))
        return found

    @cached_property
    def digest(self) -> str:
        return build.digest(*self.texts, *self.texts.values())

    def write(self, folder: Path) -> list[str]:
        """The files' names, written to `folder`, as YoWASP sees nothing outside it."""
        for name, text in self.texts.items():
            (folder / name).write_bytes(text)
        return list(self.texts)


def map_cells(component, folder: Path, library: Library) -> Mapped:
    """`component` in cells of the library; files go to `folder`, and stay there until the Verilog or a tool changes.

    mapped.json is the netlist, in Yosys' form, with its memories as $mem_v2.
    """
    exported = export(component)
    script, abc = SCRIPT.read_text(), ABC.format(TARGET_PS)
    digest = build.digest(exported.digest, version(), script, abc, CONSTRAINTS, library.digest)
    result = folder / "result.json"
    if result.exists():
        kept = json.loads(result.read_text())
        if kept.pop("digest") == digest:
            return Mapped(**kept)
    exported.write(folder)
    for name in ("result.json", "stats.txt"):
        (folder / name).unlink(missing_ok=True)
    names = library.write(folder)
    (folder / SCRIPT.name).write_text(script.replace("LIBRARY", " ".join(f"-liberty {name}" for name in names)))
    (folder / "abc.script").write_text(abc.replace("; ", "\n") + "\n")
    (folder / "abc.constr").write_text(CONSTRAINTS)
    build.run([toolchain.yosys(), "-q", "-l", "yosys.log", "-s", SCRIPT.name], folder, folder / "run.log")
    for name in names:
        (folder / name).unlink()
    mapped = _count(json.loads((folder / "mapped.json").read_text()), library.areas, folder / "stats.txt")
    build.keep(result, json.dumps({"digest": digest, **mapped.to_json()}, indent=1) + "\n")
    return mapped


def _count(netlist: dict, areas: dict[str, float], stats: Path) -> Mapped:
    cells = netlist["modules"]["top"]["cells"].values()
    counts = Counter(cell["type"] for cell in cells)
    memories = [cell["parameters"] for cell in cells if cell["type"] == "$mem_v2"]
    unmapped = sorted(kind for kind in counts if kind not in areas and kind not in ("$mem_v2", "$scopeinfo"))
    if unmapped:
        raise ToolError(f"cells were not mapped: {', '.join(unmapped)}")
    bits = Counter()
    for memory in memories:
        bits[kind_of(memory)] += int(memory["SIZE"], 2) * int(memory["WIDTH"], 2)
    area = sum(count * areas[kind] for kind, count in counts.items() if kind in areas)
    registers = sum(count for kind, count in counts.items() if kind.startswith("DFF"))
    # Inputs, outputs, gates, area and delay; nothing is written where there are no gates.
    delay = int(stats.read_text().split()[-1]) if stats.exists() else 0
    gates = round(area / areas[GATE])
    return Mapped(round(area, 2), gates, registers, delay, bits["ram"], bits["file"], bits["rom"])


def kind_of(memory: dict) -> str:
    """`rom`, `ram` or `file`, from the parameters of a $mem_v2."""
    if not int(memory["WR_PORTS"], 2):
        return "rom"
    return "ram" if set(memory["RD_CLK_ENABLE"]) == {"1"} else "file"
