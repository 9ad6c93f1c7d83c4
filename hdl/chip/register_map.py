"""The register map of hdl/chip/registers.rdl as plain data, for the RTL, the generators and the drivers."""

import enum
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from systemrdl.compiler import RDLCompiler
from systemrdl.node import FieldNode, RootNode
from systemrdl.rdltypes.builtin_enums import AccessType

SOURCE = Path(__file__).with_name("registers.rdl")
REGISTER_BITS = 32


class Kind(enum.StrEnum):
    """What a field is for, by its properties in the RDL."""

    CONSTANT = "constant"  # sw=r hw=na
    STATUS = "status"  # sw=r hw=w: software reads what the hardware says now
    SETTING = "setting"  # sw=rw hw=r: software's, the hardware reads it
    COMMAND = "command"  # sw=rw hw=r singlepulse: reads 0, one cycle of 1 when 1 is written
    EVENT = "event"  # sw=rw hw=rw woclr hwset: set by the hardware, cleared by writing 1


@dataclass(frozen=True)
class Value:
    """A named value of a field."""

    name: str
    value: int
    desc: str


@dataclass(frozen=True)
class Field:
    """Bits low .. low + width - 1 of a register. `port`: its name in `RegisterFile`; `reset`: 0 where there is none."""

    name: str
    port: str
    kind: Kind
    low: int
    width: int
    reset: int
    desc: str
    values: tuple[Value, ...] = ()

    @property
    def writable(self) -> bool:
        return self.kind in (Kind.SETTING, Kind.COMMAND, Kind.EVENT)

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """32 bits at byte `offset`; `fields` from bit 0 up."""

    name: str
    offset: int
    title: str
    desc: str
    fields: tuple[Field, ...]

    @property
    def writable(self) -> bool:
        return any(field.writable for field in self.fields)

    @property
    def reset(self) -> int:
        return sum(field.reset << field.low for field in self.fields)

    def field(self, name: str) -> Field:
        """The field of this name; KeyError without."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}")


@cache
def compiled() -> RootNode:
    """The elaborated RDL, as the exporters of PeakRDL take it."""
    compiler = RDLCompiler()
    compiler.compile_file(str(SOURCE))
    return compiler.elaborate("heron")


@cache
def registers() -> tuple[Register, ...]:
    """All registers, by rising offset; ValueError for what a `RegisterFile` cannot be."""
    found = []
    for node in compiled().top.registers():
        if node.get_property("regwidth") != REGISTER_BITS:
            raise ValueError(f"{node.inst_name} is not a register of {REGISTER_BITS} bits")
        found.append(
            Register(
                name=node.inst_name,
                offset=node.absolute_address,
                title=node.get_property("name"),
                desc=node.get_property("desc") or "",
                fields=tuple(_field(field) for field in node.fields()),
            )
        )
    return tuple(sorted(found, key=lambda register: register.offset))


@cache
def by_name() -> dict[str, Register]:
    """The registers by their names."""
    return {register.name: register for register in registers()}


def _field(node: FieldNode) -> Field:
    encoding = node.get_property("encode")
    return Field(
        name=node.inst_name,
        port=f"{node.parent.inst_name.lower()}_{node.inst_name}",
        kind=_kind(node),
        low=node.low,
        width=node.width,
        reset=node.get_property("reset") or 0,
        desc=node.get_property("desc") or "",
        values=tuple(Value(each.name, each.value, each.rdl_desc or "") for each in encoding or ()),
    )


def _kind(node: FieldNode) -> Kind:
    access = AccessType
    properties = tuple(node.get_property(name) for name in ("sw", "hw", "singlepulse", "woclr", "hwset"))
    kinds = {
        (access.r, access.na, False, False, False): Kind.CONSTANT,
        (access.r, access.w, False, False, False): Kind.STATUS,
        (access.rw, access.r, False, False, False): Kind.SETTING,
        (access.rw, access.r, True, False, False): Kind.COMMAND,
        (access.rw, access.rw, False, True, True): Kind.EVENT,
    }
    if properties not in kinds:
        raise ValueError(f"{node.get_path()} is of no kind that registers.rdl names")
    kind = kinds[properties]
    if kind in (Kind.COMMAND, Kind.EVENT) and (node.width != 1 or node.get_property("reset")):
        raise ValueError(f"{node.get_path()}: a {kind} is one bit, 0 after reset")
    return kind
