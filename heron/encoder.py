"""One encode: planes in, pictures of the stream out, and the report at the end."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from hdl.params import DEFAULT_PRESET
from heron.annexb import vcl_bits
from heron.engines import Engine, Planes, Progress, make_engine, preset_params
from heron.errors import HeronError
from heron.levels import choose_level
from heron.metrics import PsnrSum, by_plane
from heron.video import Colour, check_size
from verif.reference.config import PictureConfig


@dataclass(frozen=True)
class CodedPicture:
    """One picture of the stream: its bytes, its reconstruction at the source's size where the engine gives one, the
    engine's statistics."""

    data: bytes
    visible: Planes | None
    psnr: list[float]
    stats: dict[str, Any]

    @property
    def recon(self) -> Planes:
        """The reconstruction; HeronError where there is none."""
        if self.visible is None:
            raise HeronError("this engine gives no reconstruction")
        return self.visible


class Encoder:
    """Codes the pictures of one clip and adds up its report.

    width, height: of the source, even. rate: pictures a second, for the level. write_hash: a checksum SEI after each
    picture, by which any decoder can check itself. qp_map: QpY of each CTU of every picture, uint8[rows, columns]; `qp`
    stays the slice's. The first picture carries the parameter sets.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        qp: int = 32,
        engine: str | Engine = "rtl",
        preset: str = DEFAULT_PRESET,
        rate: Fraction | None = None,
        colour: Colour = Colour(),  # noqa: B008  frozen
        write_hash: bool = False,
        qp_map: np.ndarray | None = None,
        stall_seed: int | None = None,
        pixel_format: str | None = None,
        name: str = "input",
    ):
        params = preset_params(preset)
        check_size(name, width, height)
        if ((width + 7) & ~7) > params.max_width or ((height + 7) & ~7) > params.max_height:
            raise HeronError(
                f"{name}: is {width}x{height}; preset {preset} goes up to {params.max_width}x{params.max_height}"
            )
        if not 0 <= qp <= 51:
            raise HeronError(f"qp is {qp}; it must be from 0 to 51")
        level_idc, high_tier = choose_level(width, height, rate)
        if isinstance(engine, str):
            engine = make_engine(engine, preset, stall_seed, pixel_format)
        self.engine = engine
        self.preset = preset
        self._configs = [
            PictureConfig(
                width=width,
                height=height,
                qp=qp,
                ctb_log2_size=params.ctb_log2_size,
                level_idc=level_idc,
                high_tier=high_tier,
                write_parameter_sets=first,
                write_hash=int(write_hash),
                cu_qp_delta_enabled=int(qp_map is not None),
                full_range=colour.full_range,
                colour_primaries=colour.primaries,
                transfer_characteristics=colour.transfer,
                matrix_coeffs=colour.matrix,
            )
            for first in (0, 1)
        ]
        self._frames: list[dict[str, Any]] = []
        self.qp_map = qp_map
        try:
            self._configs[0].qp_of_ctus(qp_map)
        except ValueError as error:
            raise HeronError(f"{name}: {error}") from None
        self._vcl_bits = 0
        self._psnr = PsnrSum()
        self._stall_cycles: dict[str, int] = {}

    @property
    def config(self) -> PictureConfig:
        """The parameters of the next picture."""
        return self._configs[not self._frames]

    def encode_picture(self, planes: Planes, progress: Progress | None = None) -> CodedPicture:
        """Codes the next picture."""
        config = self.config
        planes = _checked(planes, config)
        data, recon, stats = self.engine.encode_picture(config, planes, progress, self.qp_map)
        if recon is None:
            visible, own_psnr = None, self._psnr.add_errors(planes, stats["sse"])
        else:
            y, u, v = (plane[: source.shape[0], : source.shape[1]] for plane, source in zip(recon, planes))
            visible = y, u, v
            own_psnr = self._psnr.add(planes, visible)
        self._vcl_bits += vcl_bits(data)
        entry: dict[str, Any] = {"bits": 8 * len(data), "psnr": by_plane(own_psnr)}
        for key in ("cycles", "bins"):
            if key in stats:
                entry[key] = int(stats[key])
        for stage, count in stats.get("stall_cycles", {}).items():
            self._stall_cycles[stage] = self._stall_cycles.get(stage, 0) + int(count)
        self._frames.append(entry)
        return CodedPicture(data, visible, own_psnr, stats)

    def report(self) -> dict[str, Any]:
        """What report.json holds; all of it adds up over the pictures coded so far."""
        config = self._configs[1]
        report = {
            "width": config.width,
            "height": config.height,
            "frames": len(self._frames),
            "qp": config.qp,
            "engine": self.engine.name,
            "preset": self.preset,
            "level_idc": config.level_idc,
            "high_tier": config.high_tier,
            "bits": sum(frame["bits"] for frame in self._frames),
            "vcl_bits": self._vcl_bits,
            "psnr": by_plane(self._psnr.values()) if self._frames else None,
        }
        if self._frames and "cycles" in self._frames[0]:
            cycles = sum(frame["cycles"] for frame in self._frames)
            report["cycles"] = cycles
            report["cycles_per_luma_sample"] = round(cycles / (len(self._frames) * config.width * config.height), 4)
            report["bins"] = sum(frame.get("bins", 0) for frame in self._frames)
            report["stall_cycles"] = dict(self._stall_cycles)
        report["per_frame"] = self._frames
        return report


def _checked(planes, config: PictureConfig) -> Planes:
    """The planes as contiguous uint8 arrays; HeronError where their type or shape is wrong."""
    if len(planes) != 3:
        raise HeronError(f"a picture has {len(planes)} planes; it must have 3: Y, Cb, Cr")
    result = []
    for name, plane, shift in zip(("Y", "Cb", "Cr"), planes, (0, 1, 1)):
        plane = np.asarray(plane)
        shape = (config.height >> shift, config.width >> shift)
        if plane.shape != shape or plane.dtype != np.uint8:
            raise HeronError(f"plane {name} is {plane.dtype}{list(plane.shape)}; it must be uint8{list(shape)}")
        result.append(np.ascontiguousarray(plane))
    return result[0], result[1], result[2]
