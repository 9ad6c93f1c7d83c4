"""The numbers of the link between board and host, for both: docs/board.md tells what they mean."""

import enum

from hdl.core import Core

MAGIC = 0x44425248  # HRBD
VERSION = 1

FLAG = 0x7E  # before and after each frame
ESCAPE = 0x7D  # before a byte that would read as FLAG or ESCAPE, which then comes with this bit changed:
ESCAPED = 0x20

REQUEST_BYTES = 12  # before the data of a request
ANSWER_WORDS = 5  # before the data of an answer
DATA_BYTES = 256  # in a frame, at most


class Command(enum.IntEnum):
    """What a request asks for. The answer's has bit 7 set too."""

    BAD_FRAME = 0  # only as an answer, to a frame that was damaged
    READ = 1
    OPEN = 2
    START = 3
    EXCHANGE = 4
    RESUME = 5
    SELF_TEST = 6


ANSWERED = 0x80


class State(enum.IntEnum):
    """What the board does: bits 0 and 1 of an answer's state."""

    IDLE = 0
    ENCODING = 1
    DONE = 2
    TESTING = 3


STATE_MASK = 3
PASSED, FAILED, REFUSED = 1 << 2, 1 << 3, 1 << 7  # of the last self test; this request

IDENTITY = (
    "magic",
    "version",
    "git_hash",
    "preset_hash",
    "clock_hz",
    "receive_bytes",  # room for requests that were not answered yet
    "test_expected",  # CRC-32 of the self test's bytes
)
STATISTICS = (
    "cycles",  # from START to the last byte
    "starved",  # cycles in which the core waited for source
    "bins",
    *(f"stall_{stage}" for stage in Core.STAGES),
    *(f"{name.removeprefix('stat_')}_{part}" for name in Core.SSE for part in ("low", "high")),
    "bad_frames",  # damaged ones since the reset
    "test_crc",
)
WORDS = (*IDENTITY, *STATISTICS)
"""What READ gives, by index: words of 32 bits."""
