"""`heron.encode`: the whole encoder as one function of numpy planes."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from hdl.params import DEFAULT_PRESET
from heron.encoder import Encoder
from heron.engines import Planes
from heron.errors import HeronError
from heron.video import Colour


@dataclass(frozen=True)
class Encoded:
    """A coded clip.

    data: the Annex B stream. recon: planes of every picture, at the source's size, as any decoder gives them.
    report: the fields of report.json (bits, PSNR, and for the RTL cycles, bins and stalls).
    """

    data: bytes
    recon: list[Planes]
    report: dict[str, Any]


def encode(
    pictures: Iterable[Planes],
    *,
    qp: int = 32,
    engine: str = "rtl",
    preset: str = DEFAULT_PRESET,
    rate: Fraction | None = None,
    colour: Colour = Colour(),  # noqa: B008  frozen
    write_hash: bool = False,
    qp_map: np.ndarray | None = None,
    stall_seed: int | None = None,
    pixel_format: str | None = None,
) -> Encoded:
    """Encodes pictures, each three uint8 planes Y, Cb, Cr (4:2:0), as one H.265 stream.

    engine: 'rtl' runs the Verilated core and 'chip' the chip beside a memory, built on first use; 'model' runs the
    reference codec, which gives the same bytes. rate: pictures a second, where the level should hold it. colour: what
    the VUI says of the samples.
    qp_map: QP of each CTU of every picture, uint8[rows, columns].
    stall_seed: random stalls on the core's streams, or of the chip's memory; they change the cycles, never the bytes.
    pixel_format: 'i420' or 'nv12', how the planes lie in the chip's memory.

        from heron import encode
        y = numpy.full((64, 64), 128, numpy.uint8)
        c = numpy.full((32, 32), 128, numpy.uint8)
        result = encode([(y, c, c)], qp=27, engine="model")
        open("grey.hevc", "wb").write(result.data)
    """
    encoder = None
    data, recon = [], []
    for planes in pictures:
        if encoder is None:
            height, width = planes[0].shape
            encoder = Encoder(
                width,
                height,
                qp=qp,
                engine=engine,
                preset=preset,
                rate=rate,
                colour=colour,
                write_hash=write_hash,
                qp_map=qp_map,
                stall_seed=stall_seed,
                pixel_format=pixel_format,
            )
        picture = encoder.encode_picture(planes)
        data.append(picture.data)
        recon.append(picture.recon)
    if encoder is None:
        raise HeronError("there is no picture to encode")
    return Encoded(b"".join(data), recon, encoder.report())
