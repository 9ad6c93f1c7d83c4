"""Levels whose code has a long run of 0xFF bytes, and a carry that goes through it or none."""

import random

import numpy as np

from hdl.entropy.payloads import BinKind
from verif.bench.decisions import random_decisions
from verif.bench.entropy.golden import Encoder
from verif.reference.config import PictureConfig
from verif.reference.reconstruction import CU_CBF_LUMA, CU_LOG2, CU_SPLIT
from verif.reference.syntax import slice_data


def bins_of(cfg: PictureConfig, cus: np.ndarray, cgs: np.ndarray) -> np.ndarray:
    """The bins of a picture, int32[n, 3]."""
    bins = np.empty((200 * len(cus) + 800 * len(cgs), 3), np.int32)
    size = cfg.coded_width, cfg.coded_height, cfg.ctb_log2_size
    return bins[: slice_data(cus, len(cus), cgs, *size, cfg.qp, cfg.cu_qp_delta_enabled, bins)]


class _Steering(Encoder):
    """Chooses bypass bins so that, once the next bit of the code is open, it stays so: each is one more outstanding."""

    @property
    def open(self) -> bool:
        """Whether the code goes on with 0 and ones or with 1 and zeros is not decided."""
        return self.low < 512 < self.low + self.range

    def choose(self) -> int:
        value = int(2 * self.low + self.range < 1024) if self.open else random.getrandbits(1)
        self.code(BinKind.BYPASS, 0, value)
        return value

    def remaining(self, rice: int) -> int:
        """coeff_abs_level_remaining (9.3.3.11)."""
        ones, suffix = 0, 0
        while ones < 12 and self.choose():
            ones += 1
        if ones == 12:  # so that the level has 16 bits
            self.code(BinKind.BYPASS, 0, 0)
        length = rice + max(0, ones - 3)
        for _ in range(length):
            suffix = 2 * suffix + self.choose()
        return (ones << rice if ones < 3 else (2 << rice) + (1 << length)) + suffix

    def levels(self) -> list[int]:
        """Of a group in which all have the greatest flags that they can have; the last sign is hidden."""
        signs = [self.choose() for _ in range(15)] + [0]
        rice, levels = 0, []
        for n, sign in enumerate(signs):
            magnitude = self.remaining(rice) + (1 if n > 7 else 2 if n else 3)
            rice = min(4, rice + (magnitude > 3 << rice))
            levels.append(-magnitude if sign else magnitude)
        return levels[::-1]


def long_run(ctb_log2_size: int, length: int, carry: int) -> tuple[PictureConfig, np.ndarray, np.ndarray]:
    """(configuration, cus, cgs) of a picture of 32x32 that leaves `length` bytes open, up to a carry or none."""
    rng = np.random.default_rng(random.getrandbits(32))
    cfg = PictureConfig(width=32, height=32, qp=int(rng.integers(52)), ctb_log2_size=ctb_log2_size)
    cus = random_decisions(cfg, rng, 0)
    cus[:, CU_SPLIT], cus[:, CU_CBF_LUMA] = 0, 1
    top = (1 << 2 * int(cus[0, CU_LOG2]) - 4) - 1
    cgs = np.array([[*[3] * 16, k, k == top] for _ in cus for k in range(top, -1, -1)], np.int16)
    encoder = _Steering(cfg.qp)
    for group in cgs:
        bins = bins_of(cfg, cus, cgs)
        group[:16] *= -1
        signs = int((bins != bins_of(cfg, cus, cgs)).any(1).argmax())  # they come first of what the levels change
        for row in bins[encoder.bins : signs].tolist():
            encoder.code(*row)
        if encoder.open and encoder.outstanding >= 8 * length + 7:
            group[:16] = -3 if carry else 3
            return cfg, cus, cgs
        group[:16] = encoder.levels()
    return long_run(ctb_log2_size, length, carry)
