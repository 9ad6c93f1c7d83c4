"""What is made from hdl/chip/registers.rdl: that it is up to date, and says what the register map says."""

import shutil
import subprocess
import xml.etree.ElementTree

import pytest
from pyuvm import uvm_reg_addr_t
from systemrdl.compiler import RDLCompiler

from hdl.chip import payloads, register_map
from hdl.chip.register_map import Kind, by_name, registers
from heron.registers import ACCESS, OUTPUTS, stale
from sim.toolchain import ROOT
from verif.uvm.register_model import Registers

FIELDS = [(register, field) for register in registers() for field in register.fields]


def test_nothing_is_stale():
    assert stale() == [], "run make registers"


def test_stale_is_found(tmp_path):
    for name in OUTPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert stale(tmp_path) == []
    first, second, *_ = OUTPUTS
    (tmp_path / first).write_text((tmp_path / first).read_text() + "\n")
    (tmp_path / second).unlink()
    assert stale(tmp_path) == [first, second]


@pytest.mark.parametrize("field, enum", [("code", payloads.ErrorCode), ("master", payloads.Master)])
def test_enums_of_the_hardware(field, enum):
    known = by_name()["ERROR"].field(field)
    assert {each.name: each.value for each in known.values} == {each.name: each.value for each in enum}
    assert all(each.value < 1 << known.width for each in known.values)


def test_map():
    assert {field.kind for _, field in FIELDS} == set(Kind)
    assert len({field.port for _, field in FIELDS}) == len(FIELDS)
    identity = by_name()["ID"]
    assert identity.reset.to_bytes(4, "little") == b"HERN" and not identity.writable
    status = by_name()["IRQ_STATUS"]
    assert status.writable and all(field.kind == Kind.EVENT for field in status.fields)
    # Events are enabled by the bits of the same places.
    enable = by_name()["IRQ_ENABLE"]
    assert [(f.name, f.mask) for f in status.fields] == [(f.name, f.mask) for f in enable.fields]


@pytest.mark.parametrize(
    "properties",
    [
        "sw=w; hw=r;",
        "sw=rw; hw=w;",
        "sw=rw; hw=rw; woclr; hwset; reset=1;",
        "sw=rw; hw=rw; woclr; hwset; fieldwidth=2;",
    ],
)
def test_unknown_kinds_are_refused(tmp_path, monkeypatch, properties):
    source = tmp_path / "bad.rdl"
    source.write_text(f"addrmap heron {{ reg {{ field {{ {properties} }} f; }} R @ 0; }};")
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    root = compiler.elaborate("heron")
    monkeypatch.setattr(register_map, "compiled", lambda: root)
    with pytest.raises(ValueError, match=r"heron\.R\.f"):
        registers.__wrapped__()


@pytest.mark.parametrize("language", ["c", "c++"])
def test_c_header(tmp_path, language):
    """A compiler sees each register where it is, each field and value as it is."""
    lines = ['#include "heron_registers.h"', "#include <stddef.h>"]

    def equal(left: str, right: int):
        lines.append(f'static_assert({left} == {right}u, "{left}");')

    for register in registers():
        equal(f"offsetof(heron_t, {register.name})", register.offset)
    for register, field in FIELDS:
        name = f"HERON__{register.name}__{field.name}".upper()
        equal(f"{name}_bm", field.mask)
        equal(f"{name}_bp", field.low)
        for each in field.values:
            equal(f"{name}__{each.name}", each.value)
        if field.kind != Kind.STATUS:
            equal(f"{name}_reset", field.reset)
    source = tmp_path / "check.c"
    source.write_text("\n".join(lines) + "\n")
    standard = {"c": "-std=c11", "c++": "-std=c++17"}[language]
    options = ["-x", language, standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'drivers' / 'c'}"]
    subprocess.run(["g++", *options, str(source)], check=True)


def test_ip_xact():
    space = {"x": "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"}
    tree = xml.etree.ElementTree.parse(ROOT / "docs/registers/heron.ipxact.xml")

    def value(node, tag):
        found = node.find(f"x:{tag}", space)
        text = found.text
        return int(text.removeprefix("'h"), 16) if text.startswith("'h") else text

    found = {
        (value(register, "name"), value(register, "addressOffset"), value(field, "name"), value(field, "bitOffset"))
        for register in tree.iterfind(".//x:register", space)
        for field in register.iterfind("x:field", space)
    }
    assert found == {(register.name, register.offset, field.name, str(field.low)) for register, field in FIELDS}


def test_pages():
    text = (ROOT / "docs/registers/heron.md").read_text()
    for register in registers():
        assert f"### {register.name} register\n\n- Absolute Address: 0x{register.offset:X}\n" in text
    for _, field in FIELDS:
        assert field.desc in text
        assert all(f"| {each.value} | {each.name} | {each.desc} |" in text for each in field.values)


def test_register_model():
    model = Registers()
    assert model.is_locked() and len(model.get_registers()) == len(registers())
    for register in registers():
        found = getattr(model, register.name)
        assert found.get_name() == register.name and found is model.map.get_reg_by_offset(
            uvm_reg_addr_t(register.offset)
        )
        assert found.get_reset() == register.reset == found.get_mirrored_value()
        assert found.get_rights(model.map) == ("RW" if register.writable else "RO")
    for register, field in FIELDS:
        found = getattr(getattr(model, register.name), field.name)
        assert (found.get_lsb_pos(), found.get_n_bits()) == (field.low, field.width)
        assert found.is_volatile() == (field.kind in (Kind.STATUS, Kind.EVENT))
        assert found.get_access(model.map) == (ACCESS[field.kind] if register.writable else "RO")
