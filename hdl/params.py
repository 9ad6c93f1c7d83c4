"""Build parameters of the core: one frozen dataclass, one table of presets."""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Params:
    """What is fixed when the core is elaborated (H.265 7.4.3.2 names where the standard has one).

    ctb_log2_size: CtbLog2SizeY, 4, 5 or 6.
    max_width, max_height: the largest coded picture in luma samples; sizes of the line buffers.
    axi_data_width: bits of the chip's memory bus, 64 or 128.
    """

    ctb_log2_size: int = 5
    max_width: int = 4096
    max_height: int = 2304
    axi_data_width: int = 128

    def __post_init__(self):
        if self.ctb_log2_size not in (4, 5, 6):
            raise ValueError(f"ctb_log2_size is {self.ctb_log2_size}; it must be 4, 5 or 6")
        if self.axi_data_width not in (64, 128):
            raise ValueError(f"axi_data_width is {self.axi_data_width}; it must be 64 or 128")
        for name, value, limit in (
            ("max_width", self.max_width, 8192),
            ("max_height", self.max_height, 4320),
        ):
            if value % 8 or not 16 <= value <= limit:
                raise ValueError(f"{name} is {value}; it must be a multiple of 8 from 16 to {limit}")

    @property
    def ctb_size(self) -> int:
        """CtbSizeY, luma samples."""
        return 1 << self.ctb_log2_size

    @property
    def max_tb_log2_size(self) -> int:
        """MaxTbLog2SizeY: the largest transform block."""
        return min(5, self.ctb_log2_size)

    @property
    def hash(self) -> int:
        """First 32 bits of the SHA-256 of the parameters: what PRESET_HASH of the chip reads."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def to_json(self) -> dict:
        return asdict(self)


PRESETS = {
    "ctu32": Params(),
    "ctu16": Params(ctb_log2_size=4),
    "ctu64": Params(ctb_log2_size=6),
}
DEFAULT_PRESET = "ctu32"
CORE_CTB_LOG2_SIZES = 4, 5
"""What the core can be built for; the reference codec takes all."""
