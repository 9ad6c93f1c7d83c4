"""The byte stream format of H.265 Annex B, read just far enough to count it."""

import re
from typing import NamedTuple

START_CODE = re.compile(b"\x00\x00\x01")
NAL_NAMES = {19: "IDR_W_RADL", 20: "IDR_N_LP", 32: "VPS", 33: "SPS", 34: "PPS", 39: "SEI", 40: "SEI"}


class Nal(NamedTuple):
    """One NAL unit: its nal_unit_type, and where it stands, start code and leading zero byte included."""

    type: int
    offset: int
    size: int


def nal_units(data: bytes) -> list[Nal]:
    """The NAL units of a byte stream, in order; their sizes add up to the stream's."""
    starts = []
    for match in START_CODE.finditer(data):
        zero_byte = match.start() > 0 and data[match.start() - 1] == 0
        starts.append((match.start() - zero_byte, data[match.end()] >> 1 & 63))
    ends = [offset for offset, _ in starts[1:]] + [len(data)]
    return [Nal(kind, offset, end - offset) for (offset, kind), end in zip(starts, ends)]


def vcl_bits(data: bytes) -> int:
    """Bits of the slice NAL units (nal_unit_type below 32), start codes included."""
    return 8 * sum(nal.size for nal in nal_units(data) if nal.type < 32)
