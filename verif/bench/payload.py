"""Between Python values and the bits of a payload: `Packer(shape)`, faster than Amaranth's own constants.

A Struct is a dict with every field, an array a list, a plain shape or an enumeration an int.
"""

from collections.abc import Callable
from typing import Any

from amaranth import Shape, ShapeCastable
from amaranth.lib import data
from amaranth.lib.enum import EnumType


class Packer:
    """pack: value to int; unpack: int to value, for one shape. Values out of range are a ValueError."""

    pack: Callable[[Any], int]
    unpack: Callable[[int], Any]

    def __init__(self, shape):
        plain_value = isinstance(shape, EnumType) or not isinstance(shape, ShapeCastable)
        layout = None if plain_value else data.Layout.cast(shape)
        plain = Shape.cast(shape)
        self.width = plain.width
        self.mask = (1 << plain.width) - 1
        if isinstance(layout, data.ArrayLayout):
            element = Packer(layout.elem_shape)
            self.pack, self.unpack = _array(element, layout.length)
        elif layout is not None:
            fields = [(str(name), field.offset, Packer(field.shape)) for name, field in layout]
            self.pack, self.unpack = _struct(fields)
        else:
            self.pack, self.unpack = _integer(plain)


def _integer(shape: Shape):
    low = -(1 << shape.width - 1) if shape.signed else 0
    high = low + (1 << shape.width)
    mask = (1 << shape.width) - 1

    def pack(value) -> int:
        number = int(value)
        if not low <= number < high:
            raise ValueError(f"{number} does not fit {shape!r}")
        return number & mask

    def unpack(bits: int) -> int:
        number = bits & mask
        return number - (1 << shape.width) if number >= high else number

    return pack, unpack


def _array(element: Packer, length: int):
    width, mask, pack_one, unpack_one = element.width, element.mask, element.pack, element.unpack

    def pack(values) -> int:
        if len(values) != length:
            raise ValueError(f"{len(values)} elements where the payload has {length}")
        bits = 0
        for value in reversed(values):
            bits = bits << width | pack_one(value)
        return bits

    def unpack(bits: int) -> list:
        return [unpack_one(bits >> k * width & mask) for k in range(length)]

    return pack, unpack


def _struct(fields: list[tuple[str, int, Packer]]):
    names = {name for name, _, _ in fields}

    def pack(values: dict) -> int:
        if values.keys() != names:
            raise ValueError(f"fields {sorted(values)} where the payload has {sorted(names)}")
        bits = 0
        for name, offset, packer in fields:
            bits |= packer.pack(values[name]) << offset
        return bits

    def unpack(bits: int) -> dict:
        return {name: packer.unpack(bits >> offset & packer.mask) for name, offset, packer in fields}

    return pack, unpack
