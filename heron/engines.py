"""The engines behind one call: the reference codec ('model'), the Verilated core ('rtl') and chip ('chip')."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from hdl.params import CORE_CTB_LOG2_SIZES, PRESETS, Params
from heron.errors import HeronError
from verif.reference.config import PictureConfig

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]
Progress = Callable[[float, int], Any]
"""Told now and then which part (0 to 1) of the picture is done, and the cycles so far."""


class Engine(Protocol):
    """Codes one picture at a time.

    `encode_picture` takes uint8 planes of width x height and, with cu_qp_delta_enabled, QpY of each CTU
    (uint8[rows, columns]). It gives the picture's Annex B bytes, its reconstruction at the coded size, and statistics:
    empty for the model; for the RTL at least `cycles`, `bins` and `stall_cycles` by stage. An engine without
    reconstruction gives None, and `sse` of the planes among its statistics.
    """

    name: str

    def encode_picture(
        self,
        config: PictureConfig,
        planes: Planes,
        progress: Progress | None = None,
        qp_map: np.ndarray | None = None,
    ) -> tuple[bytes, Planes | None, dict[str, Any]]: ...


class ModelEngine:
    """The reference codec."""

    name = "model"

    def encode_picture(self, config: PictureConfig, planes: Planes, progress: Progress | None = None, qp_map=None):
        from verif.reference.encoder import encode_picture

        result = encode_picture(config, *planes, qp_map=qp_map)
        return result.data, result.recon, {}


class RtlEngine:
    """The Verilated core, built on first use and cached. A stall seed delays its streams at random."""

    name = "rtl"

    def __init__(self, params: Params, stall_seed: int | None = None):
        from sim.harness import Core

        self._core = Core(params)
        self._stall_seed = stall_seed

    def encode_picture(self, config: PictureConfig, planes: Planes, progress: Progress | None = None, qp_map=None):
        picture = asdict(config)
        del picture["ctb_log2_size"]
        data, (y, u, v), stats = self._core.encode_picture(
            picture, planes, qp_map, stall_seed=self._stall_seed, progress=progress
        )
        return data, (y, u, v), stats


ENGINES = ("rtl", "chip", "model")
PIXEL_FORMATS = ("i420", "nv12")


def preset_params(preset: str) -> Params:
    """The parameters of a named preset."""
    if preset not in PRESETS:
        raise HeronError(f"there is no preset '{preset}'; there are {', '.join(PRESETS)}")
    return PRESETS[preset]


def core_params(preset: str) -> Params:
    """The parameters of a preset that the core can be built for."""
    params = preset_params(preset)
    if params.ctb_log2_size not in CORE_CTB_LOG2_SIZES:
        names = ", ".join(name for name, each in PRESETS.items() if each.ctb_log2_size in CORE_CTB_LOG2_SIZES)
        raise HeronError(f"preset {preset} is for --engine model alone; the core has {names}")
    return params


def make_engine(name: str, preset: str, stall_seed: int | None = None, pixel_format: str | None = None) -> Engine:
    """An engine by name, for a preset. pixel_format: how planes lie in the chip's memory, of PIXEL_FORMATS."""
    if pixel_format not in (None, *PIXEL_FORMATS):
        raise HeronError(f"there is no pixel format '{pixel_format}'; there are {', '.join(PIXEL_FORMATS)}")
    if pixel_format and name != "chip":
        raise HeronError(f"a pixel format is for the engine 'chip'; '{name}' has no memory")
    if name == "model":
        if stall_seed is not None:
            raise HeronError("a stall seed is for the engine 'rtl'; the model has no streams to stall")
        return ModelEngine()
    if name == "rtl":
        return RtlEngine(core_params(preset), stall_seed)
    if name == "chip":
        from heron.chip_engine import ChipEngine

        return ChipEngine(core_params(preset), stall_seed, nv12=pixel_format == "nv12")
    raise HeronError(f"there is no engine '{name}'; there are {', '.join(ENGINES)}")
