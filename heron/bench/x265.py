"""The yardstick: libx265 with every picture intra at a fixed quantiser, through PyAV."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np

from heron.annexb import vcl_bits
from heron.bench.clips import digest
from heron.errors import HeronError
from heron.metrics import PsnrSum
from heron.outputs import write_file
from heron.progress import progress
from heron.video import Frame, Source, plane_arrays

Point = dict[str, Any]
"""qp, bits of the slice NAL units, frames, psnr [Y, U, V] over the sequence."""


class X265:
    """One libx265 encoder and the PSNR of what it makes."""

    def __init__(self, source: Source, preset: str, qp: int):
        context = av.CodecContext.create("libx265", "w")
        context.width, context.height, context.pix_fmt = source.width, source.height, "yuv420p"
        context.time_base = 1 / source.rate
        context.framerate = source.rate
        context.thread_count = 1
        parameters = f"keyint=1:qp={qp}:aq-mode=0:cutree=0:log-level=none:pools=1:frame-threads=1"
        context.options = {"preset": preset, "tune": "psnr", "x265-params": parameters}
        self.qp, self._encoder = qp, context
        self._decoder = av.CodecContext.create("hevc", "r")
        self._decoder.thread_count = 1
        self._waiting: list[Frame] = []
        self._psnr, self._bits, self._frames = PsnrSum(), 0, 0

    def add(self, frame: Frame) -> None:
        """Codes a frame; what comes out is compared when it comes."""
        picture = av.VideoFrame(frame.y.shape[1], frame.y.shape[0], "yuv420p")
        for plane, samples in zip(picture.planes, frame.planes):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = samples
            plane.update(padded.tobytes())
        picture.pts = self._frames
        self._frames += 1
        self._waiting.append(frame)
        for packet in self._encoder.encode(picture):
            self._take(packet)

    def _take(self, packet) -> None:
        self._bits += vcl_bits(bytes(packet))
        self._compare(self._decoder.decode(packet))

    def _compare(self, pictures) -> None:
        for picture in pictures:
            self._psnr.add(self._waiting.pop(0).planes, plane_arrays(picture))

    def finish(self) -> Point:
        """The point after the last frame."""
        for packet in self._encoder.encode(None):
            self._take(packet)
        self._compare(self._decoder.decode(None))
        if self._waiting:
            raise HeronError(f"libx265 lost {len(self._waiting)} frames")
        psnr = [round(value, 4) for value in self._psnr.values()]
        return {"qp": self.qp, "bits": self._bits, "frames": self._frames, "psnr": psnr}


def measure(source: Source, preset: str, qps: Iterable[int], frames: int | None, label: str) -> list[Point]:
    """Points of libx265 over a clip."""
    encoders = [X265(source, preset, qp) for qp in qps]
    for frame in progress(source.frames(0, frames), label, source.count(0, frames)):
        for encoder in encoders:
            encoder.add(frame)
    return [encoder.finish() for encoder in encoders]


class Anchors:
    """Points of libx265 from a file where it has them, measured and kept in a cache otherwise.

    The file holds, by clip and then by 'x265-PRESET-intra', a list of points. It is believed by the clip's name; the
    cache, of the same form, only where the clip's content is the same too.
    """

    def __init__(self, file: Path | None, cache: Path):
        self._given = _load(file) if file else {}
        self._cache_path = cache
        self._cache = _load(cache) if cache.exists() else {}

    def points(self, name: str, source: Source, preset: str, qps: list[int], frames: int | None, count: int):
        """One point for each QP, of the clip's first `frames` frames, which are `count`."""
        key = f"x265-{preset}-intra"
        own = digest(source)
        known = {point["qp"]: point for point in self._given.get(name, {}).get(key, [])}
        if not all(qp in known and known[qp]["frames"] == count for qp in qps):
            entries = self._cache.get(name, {}).get(key, [])
            known = {p["qp"]: p for p in entries if p["frames"] == count and p.get("digest") == own}
        missing = [qp for qp in qps if qp not in known]
        if missing:
            points = measure(source, preset, missing, frames, f"{name}: libx265 {preset}")
            known |= {point["qp"]: point | {"digest": own} for point in points}
            kept = self._cache.setdefault(name, {}).setdefault(key, [])
            kept[:] = [p for p in kept if p["frames"] != count or p.get("digest") != own] + list(known.values())
            write_file(self._cache_path, json.dumps(self._cache, indent=1))
        return [known[qp] for qp in qps]


def _load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HeronError(f"{path}: is not a file of anchor points ({error})") from error
