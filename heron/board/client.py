"""A board as the host sees it: who it is, its self test, pictures through it."""

import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

from hdl.board.protocol import IDENTITY, MAGIC, PASSED, STATISTICS, VERSION, WORDS, Command, State
from hdl.board.server import PICTURE_BYTES
from hdl.core import Core
from hdl.params import PRESETS, Params
from hdl.payloads import Picture
from heron.board.link import LOST_SESSION, Link
from heron.board.ports import BoardError, Port
from heron.engines import Planes, Progress
from heron.errors import HeronError
from sim.sample_order import to_groups
from verif.reference.config import PictureConfig

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Identity:
    """What a board is. git_hash: 0 where the bitstream does not tell. preset: None where it is none of ours."""

    magic: int
    version: int
    git_hash: int
    preset_hash: int
    clock_hz: int
    receive_bytes: int
    test_expected: int

    @property
    def preset(self) -> str | None:
        for name, params in PRESETS.items():
            if params.hash == self.preset_hash:
                return name
        return None

    def lines(self) -> dict[str, str]:
        """For people."""
        return {
            "protocol": str(self.version),
            "git hash": f"{self.git_hash:08x}" if self.git_hash else "not in the bitstream",
            "preset": f"{self.preset or 'unknown'} ({self.preset_hash:08x})",
            "clock": f"{self.clock_hz / 1e6:g} MHz",
        }


@dataclass(frozen=True)
class TestResult:
    """How the built-in self test ended."""

    passed: bool
    crc: int
    expected: int


class BoardClient:
    """A board on a port, an Engine once `open` was called. `identity` is read at once; `require_known` refuses a board
    that this host cannot drive. `sent`: bytes of source that the board took."""

    name = "board"

    def __init__(self, port: Port):
        self.port = port
        self.link = Link(port)
        self.identity = self._identify()
        self.sent = 0  # bytes of source so far
        self._picture = 0

    def _identify(self) -> Identity:
        words = self._read(IDENTITY)
        if words["magic"] != MAGIC:
            raise BoardError(f"{self.port.name}: answers, but is no Heron board: magic {words['magic']:#010x}")
        return Identity(**words)

    def require_known(self) -> Params:
        """The parameters of the board's core; BoardError where the bitstream is of another protocol or preset."""
        if self.identity.version != VERSION:
            raise BoardError(
                f"{self.port.name}: the bitstream speaks protocol {self.identity.version}, this tool {VERSION}; "
                "flash one of the same version"
            )
        if self.identity.preset is None:
            raise BoardError(
                f"{self.port.name}: the bitstream's preset {self.identity.preset_hash:08x} is not known to this tool"
            )
        return PRESETS[self.identity.preset]

    def self_test(self) -> TestResult:
        """Runs the built-in self test; it ends the session."""
        self.link.ask(Command.SELF_TEST)
        deadline = time.monotonic() + 20 * self.port.patience.end
        while (answer := self.link.ask(Command.READ)).state == State.TESTING:
            if time.monotonic() > deadline:
                raise BoardError(f"{self.port.name}: the self test does not end")
            time.sleep(POLL_SECONDS)
        crc = self._read(("test_crc",))["test_crc"]
        return TestResult(bool(answer.flags & PASSED), crc, self.identity.test_expected)

    def open(self) -> None:
        """Begins a session: whatever the board was doing, it is idle now."""
        self.link.session = secrets.randbelow(0xFFFF) + 1
        self._picture = 0
        self.link.ask(Command.OPEN)

    def encode_picture(self, config: PictureConfig, planes: Planes, progress: Progress | None = None, qp_map=None):
        """See heron.engines.Engine; there is no reconstruction. Statistics: `cycles` from START to the last byte, and
        how many of them the core was `starved` of source; `bins`, `stall_cycles`, `sse`; `bad_frames` of the line.

        HeronError for a QP map; BoardError when the board falls silent or is reset.
        """
        if qp_map is not None:
            raise HeronError("the board takes no QP map")
        source = to_groups(planes, 1 << config.ctb_log2_size).tobytes()
        self._picture = self._picture + 1 & 255
        answer = self.link.ask(Command.START, self._picture, data=pack(config))
        if answer.refused:
            raise BoardError(f"{self.port.name}: {LOST_SESSION}")

        def report(taken: int) -> None:
            self.sent = before + taken
            if progress is not None:
                progress(taken / len(source), 0)

        before = self.sent
        data = self.link.transfer(source, answer.room, self.identity.receive_bytes, report)
        return data, None, self._statistics()

    def _statistics(self) -> dict[str, Any]:
        words = self._read(STATISTICS)
        return {
            "cycles": words["cycles"],
            "starved": words["starved"],
            "bins": words["bins"],
            "stall_cycles": {stage: words[f"stall_{stage}"] for stage in Core.STAGES},
            "sse": [words[f"sse_{plane}_low"] | words[f"sse_{plane}_high"] << 32 for plane in ("y", "cb", "cr")],
            "bad_frames": words["bad_frames"],
        }

    def _read(self, names: tuple[str, ...]) -> dict[str, int]:
        """Words that follow each other in WORDS."""
        answer = self.link.ask(Command.READ, WORDS.index(names[0]) | len(names) << 8)
        if names == STATISTICS and answer.session != self.link.session:
            raise BoardError(f"{self.port.name}: {LOST_SESSION}")
        if len(answer.data) != 4 * len(names):
            raise BoardError(f"{self.port.name}: {len(answer.data)} bytes where {4 * len(names)} were asked for")
        return {name: int.from_bytes(answer.data[4 * k : 4 * k + 4], "little") for k, name in enumerate(names)}


def pack(config: PictureConfig) -> bytes:
    """The picture's parameters as START wants them."""
    fields = asdict(config)
    del fields["ctb_log2_size"]
    return Picture.const(fields).as_value().value.to_bytes(PICTURE_BYTES, "little")
