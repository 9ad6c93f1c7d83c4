"""The payloads inside the board's link."""

from amaranth.lib import data


class LineByte(data.Struct):
    """A byte from the line. error: it, or one before it that was lost, was not received well."""

    data: 8
    error: 1


class FrameByte(data.Struct):
    """A byte of a frame's content; `last` on the last one."""

    data: 8
    last: 1
