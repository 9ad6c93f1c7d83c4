"""Requests to the board and its answers, over a line that may damage or lose any of them (docs/board.md)."""

import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hdl.board.protocol import (
    ANSWER_WORDS,
    ANSWERED,
    DATA_BYTES,
    FLAG,
    REFUSED,
    REQUEST_BYTES,
    STATE_MASK,
    Command,
    State,
)
from heron.board.frames import Frames, to_line
from heron.board.ports import BAUD, BoardError, Port

HEADER = struct.Struct("<BBHII")
ANSWER = struct.Struct("<BBHBBHIII")
assert (HEADER.size, ANSWER.size) == (REQUEST_BYTES, 4 * ANSWER_WORDS)
NOTHING_MOVES = "the board answers, but nothing moves: its core hangs, or the line is too bad"
LOST_SESSION = "the board was reset, or began another session"
SMALLEST_WINDOW, LARGEST_WINDOW = 2, 32
"""Requests under way; the largest is well below half of the tags."""


@dataclass(frozen=True)
class Answer:
    """What the board says. room, taken: bytes of source that it can take, and took; end: bytes of output that there
    are; position: the first of those in `data`, where the request asks for output."""

    command: int
    tag: int
    session: int
    flags: int
    picture: int
    room: int
    taken: int
    position: int
    end: int
    data: bytes

    @property
    def state(self) -> State:
        return State(self.flags & STATE_MASK)

    @property
    def refused(self) -> bool:
        return bool(self.flags & REFUSED)


DAMAGED = Answer(Command.BAD_FRAME | ANSWERED, 0, 0, 0, 0, 0, 0, 0, 0, b"")
"""Stands for an answer that came damaged."""


@dataclass
class Counters:
    """How the line does: frames that were damaged on their way here or there, and requests that were made again."""

    damaged: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Sent:
    """A request under way; `end`: of the source up to its own data."""

    tag: int
    bytes: int
    end: int


class Link:
    """One request after the other with `ask`; a picture's data, with many requests under way, with `transfer`."""

    def __init__(self, port: Port):
        self.port = port
        self.counters = Counters()
        self.session = 0
        self._frames = Frames()
        self._answers: deque[Answer] = deque()
        self._tag = 0
        self._heard, self._answered = False, False
        self._last = 0.0
        port.write(bytes((FLAG,)))  # ends what another host may have begun

    def ask(self, command: Command, first: int = 0, second: int = 0, data: bytes = b"") -> Answer:
        """The answer to a request, which is repeated until there is one. BoardError when there is none."""
        self._last = begin = time.monotonic()
        while True:
            # an answer to the last one says that the board is done with those before
            tag = self._send(command, first, second, data)
            while (answer := self._receive()) is not None and answer is not DAMAGED:
                if answer.tag == tag and answer.command == command | ANSWERED:
                    return answer
            self.counters.repeated += 1
            if self._last - begin > self.port.patience.end:
                raise BoardError(f"{self.port.name}: {NOTHING_MOVES}")

    def transfer(
        self, source: bytes, room: int, receive_bytes: int, progress: Callable[[int], Any] | None = None
    ) -> bytes:
        """Sends a picture's source and gets its bytes.

        room: of the answer to START; receive_bytes: of the board's identity. progress: told the bytes that were taken.
        BoardError when the board falls silent, loses the session, or does not move.
        """
        under_way: deque[Sent] = deque()
        output = bytearray()
        sent = taken = backlog = 0
        window = float(SMALLEST_WINDOW)
        probe = None  # the request whose answer settles what became of those before it
        self._last = moved = time.monotonic()

        def send(command: Command, data: bytes) -> int:
            nonlocal sent
            tag = self._send(command, sent, len(output), data)
            sent += len(data)
            under_way.append(Sent(tag, REQUEST_BYTES + len(data), sent))
            return tag

        while True:
            while probe is None and len(under_way) < window:
                if sum(each.bytes for each in under_way) + REQUEST_BYTES + DATA_BYTES > receive_bytes:
                    break
                if sent < len(source) and room - (sent - taken) >= DATA_BYTES:
                    send(Command.EXCHANGE, source[sent : sent + DATA_BYTES])
                elif len(under_way) <= backlog // DATA_BYTES:
                    send(Command.EXCHANGE, b"")
                else:
                    break
            answer = self._receive()
            trouble = answer is None or answer.command == DAMAGED.command
            if answer is not None and answer.command in (Command.EXCHANGE | ANSWERED, Command.RESUME | ANSWERED):
                if answer.session != self.session or answer.refused:
                    raise BoardError(f"{self.port.name}: {LOST_SESSION}")
                if answer.tag not in [each.tag for each in under_way]:
                    continue
                while under_way[0].tag != answer.tag:
                    under_way.popleft()
                    trouble = probe is None
                request = under_way.popleft()
                if taken < answer.taken:
                    moved = self._last
                taken, room = answer.taken, answer.room
                had = len(output) - answer.position  # of this data, from another answer
                if 0 <= had < len(answer.data):
                    moved = self._last
                    output += answer.data[had:]
                backlog = answer.end - len(output)
                if request.tag == probe:
                    probe, sent = None, taken
                elif probe is None:
                    trouble |= had < 0 or taken < request.end
                    window = min(window + 0.5, LARGEST_WINDOW)
                if progress is not None:
                    progress(taken)
                if answer.state == State.DONE and taken == len(source) and backlog == 0:
                    return bytes(output)
            if self._last - moved > self.port.patience.end:
                raise BoardError(f"{self.port.name}: {NOTHING_MOVES}")
            if trouble:
                self.counters.repeated += 1
                window = max(window / 2, SMALLEST_WINDOW)
                probe = send(Command.RESUME, b"")

    def _send(self, command: Command, first: int, second: int, data: bytes) -> int:
        self._tag = self._tag + 1 & 255
        self.port.write(to_line(HEADER.pack(command, self._tag, self.session, first, second) + data))
        return self._tag

    def _receive(self) -> Answer | None:
        """The next answer, DAMAGED, or None after a while; BoardError when there was none for long."""
        deadline = time.monotonic() + self.port.patience.again
        while not self._answers:
            now = time.monotonic()
            if (self._frames.bad or now >= deadline) and now - self._last > self.port.patience.end:
                raise BoardError(f"{self.port.name}: {self._silence()}")
            if self._frames.bad:
                self._frames.bad = 0
                self.counters.damaged += 1
                return DAMAGED
            if now >= deadline:
                return None
            data = self.port.read(deadline - now)
            self._heard |= bool(data)
            for content in self._frames.feed(data):
                if len(content) >= ANSWER.size and content[0] & ANSWERED:
                    self._answers.append(Answer(*ANSWER.unpack_from(content), data=content[ANSWER.size :]))
                    self._answered, self._last = True, time.monotonic()
        answer = self._answers.popleft()
        if answer.command == DAMAGED.command:
            self.counters.damaged += 1
            return DAMAGED
        return answer

    def _silence(self) -> str:
        if self._answered:
            return "the board no longer answers; is the cable in, and the board on?"
        if self._heard:
            return f"what comes back is not a Heron board's, or not at {BAUD} baud; is it another port's?"
        return f"no answer at {BAUD} baud; is it the board's port, and the bitstream loaded?"
