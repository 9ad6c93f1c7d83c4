"""What the reference codec is told about a picture."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Parameters of one picture.

    width, height: luma samples of the source, even; the coded size is rounded up to a multiple of 8 and the
    conformance window crops it. qp: SliceQpY 0..51. ctb_log2_size: CtbLog2SizeY 4..6. level_idc: general_level_idc
    (30 times the level). The colour fields are those of the VUI (H.265 E.2.1).
    """

    width: int
    height: int
    qp: int = 32
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
