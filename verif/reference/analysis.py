"""Analysis: decides the coding units of a picture from its source samples."""

import numpy as np

from .config import PictureConfig


def analyse_picture(cfg: PictureConfig, source) -> np.ndarray:
    """cus int32[n, 15]: for now 8x8 units in DC mode."""
    out = []
    width, height, ctb = cfg.coded_width, cfg.coded_height, 1 << cfg.ctb_log2_size
    for yc in range(0, height, ctb):
        for xc in range(0, width, ctb):
            for z in range((ctb // 8) ** 2):
                x = xc + 8 * sum(((z >> 2 * b) & 1) << b for b in range(3))
                y = yc + 8 * sum(((z >> (2 * b + 1)) & 1) << b for b in range(3))
                if x < width and y < height:
                    out.append([x // 8, y // 8, 3, 0, 0, 1, 1, 1, 1, 4, 0, 0, 0, 0, 0])
            out[-1][10] = 1
    out[-1][11] = 1
    return np.array(out, np.int32)
