"""Decoders that nobody here wrote, as judges of our streams."""

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

from heron.video import plane_arrays
from verif.content import Planes

DEC265 = "libde265-dec265"


def ffmpeg(stream: bytes, width: int, height: int) -> list[Planes]:
    """The pictures that FFmpeg decodes from an Annex B stream; an error or a damaged picture raises."""
    pictures = []
    with av.open(io.BytesIO(stream), "r", format="hevc") as container:
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        for frame in container.decode(video=0):
            assert not frame.is_corrupt
            assert (frame.width, frame.height) == (width, height)
            pictures.append(plane_arrays(frame))
    return pictures


def libde265(stream: bytes, width: int, height: int) -> list[Planes]:
    """The pictures that libde265 decodes; it checks the picture hashes that it finds."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.hevc"), Path(folder, "out.yuv")
        source.write_bytes(stream)
        command = [DEC265, "-q", "-c", "-t", "0", "-o", str(target), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        assert "mismatch" not in output.lower() and "error" not in output.lower(), output
        data = np.frombuffer(target.read_bytes(), np.uint8)
    luma, chroma = width * height, width * height // 4
    assert data.size and data.size % (luma + 2 * chroma) == 0, output
    return [
        (
            picture[:luma].reshape(height, width),
            picture[luma : luma + chroma].reshape(height // 2, width // 2),
            picture[luma + chroma :].reshape(height // 2, width // 2),
        )
        for picture in data.reshape(-1, luma + 2 * chroma)
    ]


def available() -> dict:
    """Decoders by name: FFmpeg always, libde265 where its command is installed.

    With HERON_REQUIRE_LIBDE265 set, as on the build machine, libde265 is there or its tests fail.
    """
    decoders = {"ffmpeg": ffmpeg}
    if shutil.which(DEC265) or os.environ.get("HERON_REQUIRE_LIBDE265"):
        decoders["libde265"] = libde265
    return decoders


def check(decoder, stream: bytes, recons: list[Planes]) -> None:
    """Asserts that a decoder gives exactly these pictures (of the source's size)."""
    height, width = recons[0][0].shape
    decoded = decoder(stream, width, height)
    assert len(decoded) == len(recons), f"{len(decoded)} pictures decoded, {len(recons)} encoded"
    for index, (theirs, ours) in enumerate(zip(decoded, recons)):
        for name, a, b in zip(("Y", "Cb", "Cr"), theirs, ours):
            if not np.array_equal(a, b):
                row, column = np.argwhere(a != b)[0]
                raise AssertionError(
                    f"picture {index}, {name}: {np.count_nonzero(a != b)} samples differ, the first at "
                    f"{column},{row}: decoded {a[row, column]}, encoded {b[row, column]}"
                )
