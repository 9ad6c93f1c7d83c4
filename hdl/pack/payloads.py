"""Payloads inside the pack stage, and the checksum that comes to it."""

from amaranth.lib import data


class Checksum(data.Struct):
    """PictureChecksum of Y, Cb and Cr (H.265 D.3.19, hash_type 2)."""

    component: data.ArrayLayout(32, 3)


class RbspByte(data.Struct):
    """A byte on its way into the byte stream."""

    data: 8
    raw: 1  # of a start code: goes out as it is, and starts a NAL unit
    last: 1  # the picture's last
