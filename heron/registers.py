"""`make registers`: what is made from hdl/chip/registers.rdl, written or, with --check, compared."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_ipxact import IPXACTExporter
from peakrdl_markdown.exporter import MarkdownExporter
from pyuvm import uvm_reg

from hdl.chip.register_map import SOURCE, Kind, compiled, registers
from sim.toolchain import BUILD, ROOT

GENERATED = "Made from hdl/chip/registers.rdl by `make registers`; do not edit."
HTML = BUILD / "docs" / "registers"
# As pyuvm sees them: a command is cleared by whatever is written, since it reads 0.
ACCESS = {Kind.CONSTANT: "RO", Kind.STATUS: "RO", Kind.SETTING: "RW", Kind.COMMAND: "WC", Kind.EVENT: "W1C"}


def markdown() -> str:
    """The register map for people: PeakRDL's, and the values that it leaves out."""
    text = _exported("heron.md", lambda path: MarkdownExporter().export(compiled().top, path))
    body = text[text.index("-->") + 3 :].strip()
    encoded = [(register, field) for register in registers() for field in register.fields if field.values]
    for register, field in encoded:
        rows = (f"| {each.value} | {each.name} | {each.desc} |" for each in field.values)
        body += f"\n\n## Values of {register.name}.{field.name}\n\n| value | name | |\n|--:|---|---|\n" + "\n".join(
            rows
        )
    return f"# Registers\n\n{GENERATED}\n\n{body}\n"


def c_header() -> str:
    """PeakRDL's header, and the values that it leaves out."""
    text = _exported("heron_registers.h", lambda path: CHeaderExporter().export(compiled(), path, reuse_typedefs=False))
    values = ""
    for register in registers():
        for field in register.fields:
            if field.values:
                values += f"// values - heron::{register.name}.{field.name}\n"
            for each in field.values:
                name = f"HERON__{register.name}__{field.name}__{each.name}".upper()
                values += f"#define {name} {each.value} // {each.desc}\n"
            values += "\n" if field.values else ""
    mark = "// addrmap - heron\n"
    assert text.count(mark) == 1, "PeakRDL's header has another form"
    return f"// {GENERATED}\n{text.replace(mark, values + mark)}"


def ip_xact() -> str:
    fields = next(register for register in registers() if register.name == "VERSION").fields
    version = ".".join(str(field.reset) for field in reversed(fields))
    exporter = IPXACTExporter(vendor="heron", library="heron", version=version)
    text = _exported("heron.xml", lambda path: exporter.export(compiled().top, path))
    declaration, rest = text.split("\n", 1)
    return f"{declaration}\n<!--{GENERATED}-->\n{rest}"


def register_model() -> str:
    """Python source of the pyuvm register model."""
    rows, fields = "", ""
    for register in registers():
        rows += f'    ("{register.name}", 0x{register.offset:03X}, "{"RW" if register.writable else "RO"}"),\n'
        for field in register.fields:
            if hasattr(uvm_reg, field.name):
                raise ValueError(f"{register.name}.{field.name} would hide an attribute of uvm_reg")
            volatile = field.kind in (Kind.STATUS, Kind.EVENT)
            fields += f'    ("{register.name}", "{field.name}", {field.low}, {field.width}, '
            fields += f'"{ACCESS[field.kind]}", {volatile}, 0x{field.reset:X}),\n'
    return MODEL.format(generated=GENERATED, registers=rows, fields=fields)


MODEL = '''"""The registers as a pyuvm register model. {generated}"""

from pyuvm import (
    uvm_endianness_e,
    uvm_reg,
    uvm_reg_addr_t,
    uvm_reg_block,
    uvm_reg_data_t,
    uvm_reg_field,
)

# name, offset, rights
REGISTERS = (
{registers})
# register, name, lowest bit, bits, access, volatile, reset
FIELDS = (
{fields})


class Registers(uvm_reg_block):
    """All registers in `map`, locked: each an attribute of its name, each field an attribute of its register."""

    def __init__(self, name: str = "heron"):
        super().__init__(name)
        self.map = self.create_map("map", uvm_reg_addr_t(0), 4, uvm_endianness_e.UVM_LITTLE_ENDIAN)
        for name, offset, rights in REGISTERS:
            register = uvm_reg(name, 32)
            register.configure(self)
            self.map.add_reg(register, uvm_reg_addr_t(offset), rights)
            setattr(self, name, register)
        for name, field_name, low, bits, access, volatile, reset in FIELDS:
            register, field = getattr(self, name), uvm_reg_field(field_name)
            value = uvm_reg_data_t(reset)
            field.configure(register, bits, low, access, volatile, value, True, access == "RW", False)
            setattr(register, field_name, field)
        self.lock_model()
        self.reset()
'''


OUTPUTS = {
    "docs/registers/heron.md": markdown,
    "docs/registers/heron.ipxact.xml": ip_xact,
    "drivers/c/heron_registers.h": c_header,
    "verif/uvm/register_model.py": register_model,
}
"""What is checked in, by its path in the repository, and what makes its text."""


def _exported(name: str, export) -> str:
    """What `export(path)` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        export(str(path))
        return path.read_text()


def stale(root: Path = ROOT) -> list[str]:
    """The outputs below `root` that are not what the RDL says."""
    return [
        name for name, text in OUTPUTS.items() if not (root / name).is_file() or (root / name).read_text() != text()
    ]


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when something is stale.")] = False,
) -> None:
    """Write what is made from hdl/chip/registers.rdl."""
    old = stale()
    if check:
        for name in old:
            print(f"{name} is stale; run make registers")
        sys.exit(bool(old))
    for name in old:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OUTPUTS[name]())
        print(f"{name}: written")
    HTMLExporter().export(compiled(), str(HTML))
    print(f"{HTML / 'index.html'}: written")
    print(f"{len(OUTPUTS) - len(old)} of {len(OUTPUTS)} were as {SOURCE.name} says")


if __name__ == "__main__":
    typer.run(main)
