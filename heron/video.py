"""Sources: whatever PyAV opens, .y4m and raw planar .yuv, as planes of 4:2:0 8-bit samples."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av.error import FFmpegError

from heron.errors import HeronError

DEFAULT_RATE = Fraction(25)
LARGEST = (8192, 4320)  # the declared limit of the format


@dataclass(frozen=True)
class Colour:
    """What the VUI says about the samples (H.265 E.2.1); 2 is 'unspecified'."""

    full_range: int = 0
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2


class Frame(NamedTuple):
    """One picture: uint8 planes, chroma of half width and height, and its time in units of the source's time base."""

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    pts: int

    @property
    def planes(self):
        return self.y, self.u, self.v


@dataclass
class Source:
    """An opened clip: its properties, and `frames()` to read it.

    length: number of frames where the file tells, else None. notes: what was converted, in words for the user.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    length: int | None
    colour: Colour
    notes: list[str]

    def read(self) -> Iterator[Frame]:
        """All frames in order of presentation."""
        raise TypeError(f"{type(self).__name__} does not read")

    def frames(self, start: int = 0, count: int | None = None) -> Iterator[Frame]:
        """`count` frames (all when None) from frame `start` on; a start past the end is an error."""
        if start < 0:
            raise HeronError(f"start is {start}; it must be 0 or more")
        if count is not None and count < 1:
            raise HeronError(f"frames is {count}; it must be 1 or more")
        empty = True
        for frame in itertools.islice(self.read(), start, None if count is None else start + count):
            empty = False
            yield frame
        if empty:
            raise HeronError(f"{self.path}: has no frame {start}")

    def count(self, start: int = 0, frames: int | None = None) -> int | None:
        """How many frames `frames(start, count)` will give, where that is known beforehand."""
        if self.length is None:
            return frames
        return max(0, min(self.length - start, frames if frames is not None else self.length))


def plane_arrays(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The planes of a decoded 4:2:0 frame as arrays of their own."""
    y, u, v = (
        np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].copy()
        for plane in frame.planes
    )
    return y, u, v


def check_size(path, width: int, height: int) -> None:
    """Raises where H.265 4:2:0 or this encoder cannot hold the size."""
    if width % 2 or height % 2:
        raise HeronError(f"{path}: is {width}x{height}; width and height must be even")
    if not (16 <= width <= LARGEST[0] and 16 <= height <= LARGEST[1]):
        raise HeronError(f"{path}: is {width}x{height}; the size must be from 16x16 to {LARGEST[0]}x{LARGEST[1]}")


def parse_size(text: str) -> tuple[int, int]:
    """'352x288' as (352, 288)."""
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match:
        raise HeronError(f"size is '{text}'; it must look like 352x288")
    return int(match[1]), int(match[2])


def open_source(path, size: tuple[int, int] | None = None, rate: Fraction | None = None) -> Source:
    """Opens a clip. `size` and `rate` are of raw .yuv files, which do not tell them."""
    path = Path(path)
    if not path.exists():
        raise HeronError(f"{path}: no such file")
    if path.is_dir():
        raise HeronError(f"{path}: is a folder, not a video")
    if not os.access(path, os.R_OK):
        raise HeronError(f"{path}: cannot be read")
    suffix = path.suffix.lower()
    if suffix == ".yuv":
        if size is None:
            raise HeronError(f"{path}: a raw file needs --size WxH")
        return raw_source(path, size, rate or DEFAULT_RATE)
    for option, value in (("size", size), ("fps", rate)):
        if value is not None:
            raise HeronError(f"{path}: --{option} is for raw .yuv files only; this file tells its own")
    if suffix == ".y4m":
        return y4m_source(path)
    return ContainerSource.open(path)


@dataclass
class PlanarSource(Source):
    """A file of 4:2:0 8-bit frames of one size, each after a header of `frame_header` bytes from `offset` on."""

    offset: int = 0
    frame_header: int = 0

    def read(self) -> Iterator[Frame]:
        luma, chroma = self.width * self.height, self.width * self.height // 4
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for index in range(self.length or 0):
                file.seek(self.frame_header, os.SEEK_CUR)
                data = np.frombuffer(file.read(luma + 2 * chroma), np.uint8)
                if data.size != luma + 2 * chroma:
                    raise HeronError(f"{self.path}: frame {index} is cut short")
                yield Frame(
                    data[:luma].reshape(self.height, self.width),
                    data[luma : luma + chroma].reshape(self.height // 2, self.width // 2),
                    data[luma + chroma :].reshape(self.height // 2, self.width // 2),
                    index,
                )


def raw_source(path: Path, size: tuple[int, int], rate: Fraction) -> PlanarSource:
    """A headerless file of planar 4:2:0 frames."""
    check_size(path, *size)
    frame, total = size[0] * size[1] * 3 // 2, path.stat().st_size
    if total == 0 or total % frame:
        raise HeronError(f"{path}: {total} bytes are not a whole number of {size[0]}x{size[1]} frames of {frame} bytes")
    return PlanarSource(path, *size, rate, 1 / rate, total // frame, Colour(), [])


def y4m_source(path: Path) -> Source:
    """A YUV4MPEG2 file: read directly when 4:2:0 8-bit, through PyAV otherwise; cut files are refused up front."""
    with path.open("rb") as file:
        line = file.readline(4096)
    fields = line.decode("latin-1").split()
    if not line.endswith(b"\n") or not fields or fields[0] != "YUV4MPEG2":
        raise HeronError(f"{path}: is not a YUV4MPEG2 file")
    tags = {field[0]: field[1:] for field in fields[1:] if field[0] != "X"}
    try:
        width, height = int(tags["W"]), int(tags["H"])
        told = tags.get("F", "0:0")  # 0:0 stands for unknown
        rate = DEFAULT_RATE if told == "0:0" else Fraction(*map(int, told.split(":")))
        if rate <= 0:
            raise ValueError
    except (KeyError, ValueError, TypeError, ZeroDivisionError):
        raise HeronError(f"{path}: the YUV4MPEG2 header is damaged") from None
    check_size(path, width, height)
    layout = tags.get("C", "420")
    chroma = re.match(r"mono|420|422|444(?:alpha)?|411", layout)
    if not chroma:
        raise HeronError(f"{path}: the chroma format '{layout}' is not known")
    planes = {"mono": 2, "420": 3, "422": 4, "411": 3, "444": 6, "444alpha": 8}[chroma[0]]  # samples, in half luma
    deep = re.search(r"(?:p|mono)(9|1\d)$", layout) is not None
    frame = width * height * planes // 2 * (2 if deep else 1)
    header, length = _y4m_frames(path, len(line), frame)
    if chroma[0] != "420" or deep:
        source = ContainerSource.open(path)
        source.length = length
        return source
    colour = Colour(full_range=int("XCOLORRANGE=FULL" in fields))
    notes = [] if tags.get("I", "p") in "p?" else ["interlaced; its frames are coded as they are"]
    return PlanarSource(path, width, height, rate, 1 / rate, length, colour, notes, len(line), header)


def _y4m_frames(path: Path, offset: int, frame: int) -> tuple[int, int]:
    """Length of the frame header and number of frames; every frame is there, with the same header."""
    total = path.stat().st_size
    with path.open("rb") as file:
        file.seek(offset)
        header = file.readline(256)
        length, rest = divmod(total - offset, len(header) + frame)
        if not header.startswith(b"FRAME"):
            raise HeronError(f"{path}: holds no frame")
        if rest:
            raise HeronError(f"{path}: is cut short in frame {length}")
        for index in range(length):
            file.seek(offset + index * (len(header) + frame))
            if file.read(len(header)) != header:
                raise HeronError(f"{path}: frame {index} has a damaged header")
    return len(header), length


@dataclass
class ContainerSource(Source):
    """A file that PyAV demuxes and decodes."""

    pixel_format: str = "yuv420p"

    @staticmethod
    def open(path: Path) -> "ContainerSource":
        try:
            with av.open(str(path)) as container:
                streams = [s for s in container.streams.video if "ATTACHED_PIC" not in str(s.disposition).upper()]
                if not streams:
                    raise HeronError(f"{path}: holds no video")
                stream = streams[0]
                context = stream.codec_context
                if context is None or not context.format or not context.width:
                    raise HeronError(f"{path}: its video cannot be decoded here")
                check_size(path, context.width, context.height)
                rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
                entries = stream.index_entries
                if entries and 0 < container.size < entries[-1].pos + entries[-1].size:
                    raise HeronError(f"{path}: is cut short, as its index names frames behind its end")
                colour, notes = _colour_of(context)
                return ContainerSource(
                    path,
                    context.width,
                    context.height,
                    Fraction(rate),
                    Fraction(stream.time_base or 1 / Fraction(rate)),
                    stream.frames or None,
                    colour,
                    notes,
                    context.format.name,
                )
        except (FFmpegError, OSError) as error:
            raise HeronError(f"{path}: {error.strerror or error}") from error

    def read(self) -> Iterator[Frame]:
        try:
            with av.open(str(self.path)) as container:
                stream = next(s for s in container.streams.video if "ATTACHED_PIC" not in str(s.disposition).upper())
                stream.thread_type = "AUTO"
                step = max(1, round(1 / (self.rate * self.time_base)))
                pts, end, index = -step, 0, -1
                for index, frame in enumerate(container.decode(stream)):
                    if frame.is_corrupt:
                        raise HeronError(f"{self.path}: frame {index} is damaged")
                    if (frame.width, frame.height) != (self.width, self.height):
                        raise HeronError(
                            f"{self.path}: frame {index} is {frame.width}x{frame.height}, "
                            f"the clip began as {self.width}x{self.height}"
                        )
                    pts = pts + step if frame.pts is None or frame.pts <= pts else frame.pts
                    end = pts + max(step, frame.duration or 0)
                    yield Frame(*self._planes(frame), pts)
                stated = _stated_end(stream) if "matroska" in container.format.name else Fraction(0)
                missing = round((stated - end) / step)
                if missing > 1:
                    raise HeronError(f"{self.path}: is cut short after frame {index}; about {missing} are missing")
        except (FFmpegError, OSError) as error:
            raise HeronError(f"{self.path}: {error.strerror or error}") from error

    def _planes(self, frame: av.VideoFrame):
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            full = "JPEG" if self.colour.full_range else "MPEG"
            rgb = frame.format.is_rgb
            frame = frame.reformat(
                format="yuv420p",
                src_color_range="JPEG" if rgb else full,
                dst_color_range=full,
                dst_colorspace="ITU709" if rgb else None,
            )
        return plane_arrays(frame)


def _stated_end(stream) -> Fraction:
    """Where Matroska says that a video stream ends, in its time base; 0 where it does not."""
    words = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if not words or not stream.time_base:
        return Fraction(0)
    hours, minutes, seconds = map(Fraction, words.groups())
    return (3600 * hours + 60 * minutes + seconds) / stream.time_base


def _colour_of(context) -> tuple[Colour, list[str]]:
    """The colour description of a decoder's pictures after conversion, and what is converted."""
    pixel_format = context.format.name
    full_range = int(context.color_range == 2 or pixel_format.startswith("yuvj"))
    if pixel_format in ("yuv420p", "yuvj420p"):
        notes = []
    else:
        notes = [f"converted from {pixel_format} to 4:2:0 8-bit"]
    if context.format.is_rgb:
        return Colour(0, int(context.color_primaries), int(context.color_trc), 1), [notes[0] + ", BT.709 limited range"]
    return Colour(full_range, int(context.color_primaries), int(context.color_trc), int(context.colorspace)), notes
