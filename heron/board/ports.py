"""Where a board is: a serial port, or a simulated board's."""

import errno
import os
import select
import stat
import urllib.parse
from dataclasses import dataclass

import serial

from heron.engines import core_params
from heron.errors import HeronError
from synth import boards

BAUD = 3_000_000
READ_BYTES = 4096  # at a time
BOARDS = {name: board.preset for name, board in boards.BOARDS.items()}
"""Boards that can be simulated, and the preset of each."""
SIM = "sim:"


class BoardError(HeronError):
    """The board does not answer, is none of ours, or does not do what it should."""


@dataclass(frozen=True)
class Patience:
    """Seconds of silence after which to ask again, and after which to give up."""

    again: float
    end: float


class Port:
    """Bytes to and from a board. `name`: for messages."""

    patience = Patience(0.25, 4)

    def __init__(self, path: str, name: str):
        self.name = name
        try:
            # what one call writes may have to wait for the line as long as the board may be silent
            self._serial = serial.Serial(path, BAUD, timeout=0, write_timeout=self.patience.end, exclusive=True)
        except (OSError, ValueError) as error:
            raise BoardError(f"{name}: {_reason(path, error)}") from error

    def read(self, seconds: float) -> bytes:
        """What came, at once or in so many seconds; nothing when nothing did."""
        try:
            select.select([self._serial], [], [], seconds)
            return self._serial.read(READ_BYTES)
        except OSError as error:
            raise self._gone() from error

    def write(self, data: bytes) -> None:
        """All of it, into the port's buffer."""
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise BoardError(f"{self.name}: takes no more data") from error
        except OSError as error:
            raise self._gone() from error

    def close(self) -> None:
        self._serial.close()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _gone(self) -> BoardError:
        return BoardError(f"{self.name}: the port is gone; is the cable in?")


class SimPort(Port):
    """A simulated board's, with the board; much slower than a real one."""

    patience = Patience(3, 90)

    def __init__(self, text: str):
        from sim.board import SimBoard

        name, faults = parse_sim(text)
        self.board = SimBoard(core_params(BOARDS[name]), faults=faults)
        try:
            super().__init__(self.board.path, text)
        except BaseException:
            self.board.close()
            raise

    def close(self) -> None:
        super().close()
        self.board.close()


def open_port(text: str) -> Port:
    """The port that the user names: a device, or sim:BOARD with faults of its line."""
    return SimPort(text) if text.startswith(SIM) else Port(text, text)


def parse_sim(text: str):
    """'sim:ulx3s_85f?errors=1e-4&lost=1e-4&extra=1e-4&seed=3' as the board's name and the faults of its line."""
    from sim.board import Faults

    name, _, query = text.removeprefix(SIM).partition("?")
    if name not in BOARDS:
        raise HeronError(f"there is no simulated board '{name}'; there are {', '.join(BOARDS)}")
    values = {"errors": 0.0, "lost": 0.0, "extra": 0.0, "seed": 0.0}
    try:
        for key, value in urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            if key not in values:
                raise ValueError
            values[key] = float(value)
        if not all(0 <= values[key] < 1 for key in ("errors", "lost", "extra")) or not 0 <= values["seed"] < 1 << 64:
            raise ValueError
    except ValueError:
        raise HeronError(
            f"'{query}' must look like errors=1e-4&lost=0&extra=0&seed=3, chances from 0 to below 1"
        ) from None
    return name, Faults(values["errors"], values["lost"], values["extra"], int(values["seed"]))


def _reason(path: str, error: Exception) -> str:
    """Why a port does not open, in a line."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return "no such port; 'heron board list' shows those there are"
    if number in (errno.EACCES, errno.EPERM):
        return "may not be opened by you; on most systems the group dialout may"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively lock" in str(error):
        return "is in use by another program"
    if not stat.S_ISCHR(os.stat(path).st_mode) or "ioctl" in str(error):  # pyserial keeps the number to itself
        return "is not a serial port"
    return os.strerror(number) if number else str(error)
