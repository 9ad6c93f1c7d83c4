"""Frames of the link: content to bytes of the line and back (docs/board.md)."""

import zlib

from hdl.board.protocol import ESCAPE, ESCAPED, FLAG

_ESCAPES = {byte: bytes((ESCAPE, byte ^ ESCAPED)) for byte in (FLAG, ESCAPE)}
LARGEST = 4096
"""Bytes of a frame; what is longer without a flag is no frame."""


def to_line(content: bytes) -> bytes:
    """A frame: flag, content and CRC-32 with escapes, flag."""
    checked = content + zlib.crc32(content).to_bytes(4, "little")
    # the escape's own byte first, or those of the flags would be escaped again
    for byte in (ESCAPE, FLAG):
        checked = checked.replace(bytes((byte,)), _ESCAPES[byte])
    return bytes((FLAG,)) + checked + bytes((FLAG,))


class Frames:
    """Finds frames in what comes from the line. `bad`: how many were damaged."""

    def __init__(self):
        self.bad = 0
        self._part = bytearray()
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Contents of the frames that end in `data`."""
        *whole, rest = data.split(bytes((FLAG,)))
        found = []
        for piece in whole:
            self._part += piece
            if self._started and self._part:
                content = _content(bytes(self._part))
                if content is None:
                    self.bad += 1
                else:
                    found.append(content)
            self._started = True
            self._part.clear()
        self._part += rest
        if len(self._part) > LARGEST:
            self.bad += self._started
            self._started = False
            self._part.clear()
        return found


def _content(part: bytes) -> bytes | None:
    """What is between two flags, or None where it is damaged."""
    head, *escaped = part.split(bytes((ESCAPE,)))
    if not all(escaped):
        return None
    checked = head + b"".join(bytes((piece[0] ^ ESCAPED,)) + piece[1:] for piece in escaped)
    content, crc = checked[:-4], checked[-4:]
    return content if content and zlib.crc32(content) == int.from_bytes(crc, "little") else None
