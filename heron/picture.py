"""demo.png: source, reconstruction, and the chosen blocks with their modes drawn over the picture."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from heron.outputs import Outputs
from heron.video import Colour
from verif.reference.tables import INTRA_PRED_ANGLE

SCALE = 2
CAPTION = 22
EDGE, SPLIT, MODE = (255, 220, 0), (0, 220, 255), (255, 80, 80)


def to_rgb(planes, colour: Colour) -> Image.Image:
    """Planes as an RGB picture."""
    rows = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, planes[0].shape[1])
    frame = av.VideoFrame.from_ndarray(rows, format="yuv420p")
    space = "ITU709" if colour.matrix == 1 else "ITU601"
    full = "JPEG" if colour.full_range else "MPEG"
    rgb = frame.reformat(format="rgb24", src_colorspace=space, src_color_range=full, dst_color_range="JPEG")
    return Image.fromarray(rgb.to_ndarray())


def prediction_blocks(cus: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """x, y, size and luma mode of each block with a mode of its own; `cus` as in PictureTrace."""
    for cu in cus.tolist():
        x, y, size = cu[0] * 8, cu[1] * 8, 1 << cu[2]
        if not cu[3]:
            yield x, y, size, cu[5]
            continue
        for i in range(4):
            yield x + 4 * (i & 1), y + 4 * (i >> 1), 4, cu[5 + i]


def draw_blocks(image: Image.Image, cus: np.ndarray) -> Image.Image:
    """The picture, enlarged, with blocks outlined: transform splits in blue, modes in red.

    An angular mode is a line along its direction, planar a small square, DC a dot.
    """
    width, height = image.size
    image = image.resize((width * SCALE, height * SCALE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for cu in cus.tolist():
        x, y, size = cu[0] * 8 * SCALE, cu[1] * 8 * SCALE, SCALE << cu[2]
        if cu[4]:
            draw.line((x + size // 2, y, x + size // 2, y + size), SPLIT)
            draw.line((x, y + size // 2, x + size, y + size // 2), SPLIT)
        draw.rectangle((x, y, x + size, y + size), outline=EDGE)
    for x, y, size, mode in prediction_blocks(cus):
        middle_x, middle_y, reach = (x + size / 2) * SCALE, (y + size / 2) * SCALE, 0.3 * size * SCALE
        if mode < 2:
            radius = 1 if mode else 2
            box = (middle_x - radius, middle_y - radius, middle_x + radius, middle_y + radius)
            draw.rectangle(box, outline=MODE, fill=MODE if mode else None)
            continue
        angle = INTRA_PRED_ANGLE[mode] / 32
        dx, dy = (angle, -1.0) if mode >= 18 else (-1.0, angle)
        step = reach / float(np.hypot(dx, dy))
        draw.line((middle_x - dx * step, middle_y - dy * step, middle_x + dx * step, middle_y + dy * step), MODE)
    return image


def write_picture(path: Path, source, recon, cus: np.ndarray, colour: Colour) -> None:
    """Three panels side by side, with captions."""
    shown = to_rgb(recon, colour)
    size = (shown.width * SCALE, shown.height * SCALE)
    panels = {
        "source": to_rgb(source, colour).resize(size, Image.Resampling.NEAREST),
        "reconstruction": shown.resize(size, Image.Resampling.NEAREST),
        "coding units (yellow), transform splits (blue), luma modes (red)": draw_blocks(shown, cus),
    }
    sheet = Image.new("RGB", (size[0] * 3 + 20, size[1] + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (caption, panel) in enumerate(panels.items()):
        left = i * (size[0] + 10)
        sheet.paste(panel, (left, CAPTION))
        draw.text((left + 4, 5), caption, fill="black")
    with Outputs() as outputs:
        sheet.save(outputs.open(path), format="PNG")
