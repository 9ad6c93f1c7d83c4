"""`heron bench speed`: pictures a second of the reference codec on one core."""

import time

import numpy as np
from PIL import Image

from heron.clip import photograph, to_yuv
from heron.encoder import Encoder
from heron.progress import progress


def run(preset: str, qp: int, size: tuple[int, int], frames: int) -> float:
    """Times the reference codec on a photograph of a size, compilation left out; prints and returns frames a second."""
    width, height = size
    encoder = Encoder(width, height, qp=qp, engine="model", preset=preset, name="the picture")
    image = photograph("astronaut.png").resize(size, Image.Resampling.LANCZOS)
    planes = to_yuv(np.asarray(image))
    encoder.encode_picture(planes)
    begin = time.process_time()
    for _ in progress(range(frames), "reference codec", frames):
        encoder.encode_picture(planes)
    rate = frames / (time.process_time() - begin)
    print(f"reference codec, {preset}, QP {qp}, {width}x{height}: {rate:.2f} frames a second on one core")
    return rate
