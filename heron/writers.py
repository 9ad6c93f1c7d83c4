"""Sinks: raw Annex B, mp4 and mkv around the same bytes, and y4m."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av

from heron.errors import HeronError
from heron.outputs import OutputFile, Outputs
from heron.video import Colour

RAW_SUFFIXES = (".hevc", ".h265", ".265")
CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}


class AnnexBWriter:
    """The byte stream as it is."""

    def __init__(self, file: OutputFile):
        self._file = file

    def write(self, picture: bytes, pts: int) -> None:
        self._file.write(picture)

    def finish(self) -> None:
        self._file.flush()


class _Patient:
    """A file for libavformat, which cannot pass an exception on: the first error is kept until it is asked for."""

    def __init__(self, file: OutputFile):
        self._file, self._error = file, None

    def write(self, data) -> int:
        if self._error is None:
            try:
                self._file.write(data)
                self._file.flush()
            except HeronError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raises what went wrong so far."""
        if self._error is not None:
            raise self._error


class ContainerWriter:
    """Coded pictures in an mp4 (hvc1) or Matroska file, each at the time its source frame had.

    The parameter sets are taken from the first picture; times start at zero.
    """

    def __init__(self, file: OutputFile, format: str, rate: Fraction, time_base: Fraction):
        self._file, self._format, self._rate, self._time_base = _Patient(file), format, rate, time_base
        self._opened = None
        self._first_pts = 0

    def _open(self, picture: bytes, pts: int):
        """The container and its stream, opened with the first picture."""
        if self._opened is None:
            with av.open(io.BytesIO(picture), "r", format="hevc") as probe:
                container = av.open(cast(Any, self._file), "w", format=self._format)
                stream = container.add_stream_from_template(probe.streams.video[0], opaque=True)
            if self._format == "mp4":
                stream.codec_context.codec_tag = "hvc1"
            stream.time_base = self._time_base
            stream.codec_context.framerate = self._rate
            self._opened, self._first_pts = (container, stream), pts
        return self._opened

    def write(self, picture: bytes, pts: int) -> None:
        container, stream = self._open(picture, pts)
        packet = av.Packet(picture)
        packet.stream = stream
        packet.time_base = self._time_base
        packet.pts = packet.dts = pts - self._first_pts
        packet.duration = max(1, round(1 / (self._rate * self._time_base)))
        packet.is_keyframe = True
        container.mux_one(packet)
        self._file.check()

    def finish(self) -> None:
        self.abandon()
        self._file.check()

    def abandon(self) -> None:
        """Lets go of the file, which may be unfinished then."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None


class Y4mWriter:
    """YUV4MPEG2, 4:2:0 8-bit."""

    def __init__(self, file: OutputFile, width: int, height: int, rate: Fraction, colour: Colour):
        self._file = file
        colour_range = "FULL" if colour.full_range else "LIMITED"
        header = f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A0:0 C420jpeg"
        file.write(f"{header} XCOLORRANGE={colour_range}\n".encode())

    def write(self, planes) -> None:
        self._file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))

    def finish(self) -> None:
        self._file.flush()


def check_stream_name(path) -> None:
    """Raises when the name of an encoded file does not tell a format that is written here."""
    if Path(path).suffix.lower() not in (*RAW_SUFFIXES, *CONTAINERS):
        known = " ".join((*RAW_SUFFIXES, *CONTAINERS))
        raise HeronError(f"{path}: the name must end in one of {known}")


def stream_writer(outputs: Outputs, path, rate: Fraction, time_base: Fraction):
    """The writer for an encoded file, by the end of its name."""
    check_stream_name(path)
    file = outputs.open(path)
    suffix = Path(path).suffix.lower()
    if suffix in CONTAINERS:
        writer = ContainerWriter(file, CONTAINERS[suffix], rate, time_base)
        outputs.before_closing(writer.abandon)
        return writer
    return AnnexBWriter(file)
