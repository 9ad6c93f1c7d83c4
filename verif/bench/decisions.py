"""Random coding units: a stand-in for analysis that visits every size, mode, split and picture edge."""

import numpy as np

from verif.reference.config import PictureConfig
from verif.reference.reconstruction import CU_LAST_CTU, CU_LAST_PIC, CU_SECOND


def random_decisions(
    cfg: PictureConfig, rng: np.random.Generator, split: float = 0.6, qp_map: np.ndarray | None = None
) -> np.ndarray:
    """cus int32[n, 24] for verif.reference.encoder.encode_decided; `split` is the chance of each optional split."""
    qps = cfg.qp_of_ctus(qp_map).tolist()
    out: list[list[int]] = []
    width, height, ctb = cfg.coded_width, cfg.coded_height, 1 << cfg.ctb_log2_size

    def node(x: int, y: int, log2: int) -> None:
        if x >= width or y >= height:
            return
        size = 1 << log2
        if x + size > width or y + size > height or (log2 > 3 and rng.random() < split):
            for i in range(4):
                node(x + (i & 1) * size // 2, y + (i >> 1) * size // 2, log2 - 1)
            return
        nxn = log2 == 3 and rng.random() < 0.5
        halves = nxn or log2 == 6 or rng.random() < 0.3
        modes, second, third = rng.integers(0, 35, (3, 4))
        if not nxn:
            modes[:], second[:], third[:] = modes[0], second[0], second[0]
        out.append([x // 8, y // 8, log2, int(nxn), int(halves), *map(int, modes), int(rng.integers(0, 5))])
        out[-1] += [0] * (CU_SECOND - len(out[-1])) + [int(m) for m in (*second, *third)]
        out[-1].append(qps[y >> cfg.ctb_log2_size][x >> cfg.ctb_log2_size])

    for y in range(0, height, ctb):
        for x in range(0, width, ctb):
            node(x, y, cfg.ctb_log2_size)
            out[-1][CU_LAST_CTU] = 1
    out[-1][CU_LAST_PIC] = 1
    return np.array(out, np.int32)
