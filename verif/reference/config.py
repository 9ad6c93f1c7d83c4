"""What the reference codec is told about a picture."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Parameters of one picture.

    width, height: luma samples of the source, even; the coded size is rounded up to a multiple of 8 and the
    conformance window crops it. qp: SliceQpY 0..51. cu_qp_delta_enabled: each CTU has a QP of its own, from a QP map.
    ctb_log2_size: CtbLog2SizeY 4..6. level_idc: general_level_idc (30 times the level). The colour fields are those of
    the VUI (H.265 E.2.1).
    """

    width: int
    height: int
    qp: int = 32
    cu_qp_delta_enabled: int = 0
    ctb_log2_size: int = 5
    level_idc: int = 93
    high_tier: int = 0
    write_parameter_sets: int = 1
    write_hash: int = 0
    full_range: int = 0
    colour_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coeffs: int = 2

    def __post_init__(self):
        if self.width % 2 or not 16 <= self.width <= 8192:
            raise ValueError(f"width is {self.width}; it must be even and from 16 to 8192")
        if self.height % 2 or not 16 <= self.height <= 4320:
            raise ValueError(f"height is {self.height}; it must be even and from 16 to 4320")
        if not 0 <= self.qp <= 51:
            raise ValueError(f"qp is {self.qp}; it must be from 0 to 51")
        if self.ctb_log2_size not in (4, 5, 6):
            raise ValueError(f"ctb_log2_size is {self.ctb_log2_size}; it must be 4, 5 or 6")

    @property
    def coded_width(self) -> int:
        return (self.width + 7) & ~7

    @property
    def coded_height(self) -> int:
        return (self.height + 7) & ~7

    @property
    def ctus(self) -> tuple[int, int]:
        """(rows, columns) of CTUs: PicHeightInCtbsY, PicWidthInCtbsY."""
        size = 1 << self.ctb_log2_size
        return -(-self.height // size), -(-self.width // size)

    def qp_of_ctus(self, qp_map: np.ndarray | None) -> np.ndarray:
        """QpY of each CTU, int32[rows, columns]: those of the map (uint8 of this shape), or SliceQpY without one.

        ValueError unless there is a map exactly when cu_qp_delta_enabled says so, and it fits.
        """
        if (qp_map is not None) != bool(self.cu_qp_delta_enabled):
            given = "no" if qp_map is None else "a"
            raise ValueError(f"cu_qp_delta_enabled is {self.cu_qp_delta_enabled} and there is {given} QP map")
        if qp_map is None:
            return np.full(self.ctus, self.qp, np.int32)
        if qp_map.dtype != np.uint8 or qp_map.shape != self.ctus:
            raise ValueError(f"the QP map is {qp_map.dtype}{list(qp_map.shape)}; it must be uint8{list(self.ctus)}")
        if qp_map.max() > 51:
            raise ValueError(f"the QP map holds {qp_map.max()}; it must be from 0 to 51")
        return qp_map.astype(np.int32)
