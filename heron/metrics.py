"""PSNR and SSIM of 8-bit planes."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

LOSSLESS_PSNR = 100.0
"""What stands for the infinite PSNR of equal planes, so that reports stay valid JSON."""


def sse(a: np.ndarray, b: np.ndarray) -> int:
    """Sum of squared errors of two uint8 planes of one shape."""
    difference = a.astype(np.int32) - b.astype(np.int32)
    return int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))


def psnr(squared_error: int, samples: int) -> float:
    """PSNR in dB of `samples` 8-bit samples whose squared errors sum to `squared_error`."""
    if squared_error == 0:
        return LOSSLESS_PSNR
    return 10 * math.log10(255**2 * samples / squared_error)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM (Wang et al. 2004): Gaussian window of 11x11 with sigma 1.5, only where it fits whole."""
    if min(a.shape) < 11:
        raise ValueError(f"a plane of {a.shape[1]}x{a.shape[0]} is smaller than the 11x11 window of SSIM")
    x, y = a.astype(np.float64), b.astype(np.float64)

    def mean(plane):
        return gaussian_filter(plane, 1.5, radius=5)[5:-5, 5:-5]

    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        np.mean(
            (2 * mean_x * mean_y + c1)
            * (2 * covariance + c2)
            / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
        )
    )


class PsnrSum:
    """PSNR per plane over a sequence: from the mean squared error over all its pictures."""

    def __init__(self):
        self.squared_error = [0, 0, 0]
        self.samples = [0, 0, 0]

    def add(self, source, other) -> list[float]:
        """Takes one picture's planes; returns that picture's own PSNR."""
        return self.add_errors(source, list(map(sse, source, other)))

    def add_errors(self, source, errors: Sequence[int]) -> list[float]:
        """Takes one picture's planes and the squared error of each; returns that picture's own PSNR."""
        own = []
        for plane, (a, error) in enumerate(zip(source, errors)):
            self.squared_error[plane] += error
            self.samples[plane] += a.size
            own.append(psnr(error, a.size))
        return own

    def values(self) -> list[float]:
        return [psnr(error, samples) for error, samples in zip(self.squared_error, self.samples)]


def by_plane(values) -> dict[str, float]:
    """Three values as a JSON object with keys y, u, v."""
    return {name: round(value, 4) for name, value in zip("yuv", values)}
