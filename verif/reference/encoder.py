"""The reference encoder: one picture in, its bytes and reconstruction out."""

from dataclasses import dataclass, field

import numpy as np

from . import headers
from .analysis import analyse_picture
from .cabac import encode_bins
from .config import PictureConfig
from .quantizer import RULE
from .reconstruction import CHOICES, CU_FIELDS, TB_FIELDS, reconstruct_picture
from .syntax import slice_data


@dataclass
class PictureTrace:
    """What crossed each stage boundary of one picture.

    decided, cus int32[n, 24]: x8 y8 log2 part_nxn split_transform lm0..lm3 chroma_mode last_in_ctu last_in_picture
    cbf_luma cbf_cb cbf_cr, then four second and four third choices of luma mode, QpY; as analysis decided them, and
    with the modes and coded block flags that reconstruction settled.
    cgs int16[m, 18]: levels in scan order, index, first.
    tbs int32[t, 8]: cIdx x y log2 mode cbf offset n, where offset is that of the block's n*n values (raster order) in
    pred and coeff. bins int32[k, 3]: kind ctxIdx value. slice_data: bytes before emulation prevention.
    """

    decided: np.ndarray
    cus: np.ndarray
    cgs: np.ndarray
    tbs: np.ndarray
    pred: np.ndarray
    coeff: np.ndarray
    bins: np.ndarray
    slice_data: bytes


@dataclass
class PictureResult:
    """data: the picture's bytes in Annex B form; recon: y, u, v at the coded size; slice_bits: its slice NAL unit with
    start code, in bits; bins: number of bins."""

    data: bytes
    recon: tuple[np.ndarray, np.ndarray, np.ndarray]
    slice_bits: int
    bins: int
    trace: PictureTrace | None = field(default=None, repr=False)


def pad_to_coded(cfg: PictureConfig, y, u, v):
    """Source planes at the coded size: the last column and row repeated. ValueError when a shape is wrong."""
    out = []
    for name, plane, s in (("y", y, 0), ("u", u, 1), ("v", v, 1)):
        shape = (cfg.height >> s, cfg.width >> s)
        plane = np.asarray(plane)
        if plane.shape != shape or plane.dtype != np.uint8:
            raise ValueError(f"plane {name} is {plane.dtype}{list(plane.shape)}; it must be uint8{list(shape)}")
        grow = ((0, (cfg.coded_height >> s) - shape[0]), (0, (cfg.coded_width >> s) - shape[1]))
        out.append(np.ascontiguousarray(np.pad(plane, grow, mode="edge")))
    return tuple(out)


def encode_picture(
    cfg: PictureConfig, y, u, v, trace: bool = False, decide=analyse_picture, choices=CHOICES, qp_map=None
) -> PictureResult:
    """Encode one 4:2:0 8-bit picture (uint8 planes of the source size).

    qp_map: with cfg.cu_qp_delta_enabled, QpY of each CTU in raster order, uint8[rows, columns].
    """
    source = pad_to_coded(cfg, y, u, v)
    cus = decide(cfg, source, cfg.qp_of_ctus(qp_map))
    return encode_decided(cfg, source, cus, trace, choices=choices)


def encode_decided(
    cfg: PictureConfig, source, cus: np.ndarray, trace: bool = False, rule=RULE, choices=CHOICES
) -> PictureResult:
    """Encode with given coding units (int32[n, 24], cbf columns ignored); source at the coded size."""
    width, height = cfg.coded_width, cfg.coded_height
    recon = tuple(np.zeros_like(p) for p in source)
    samples = width * height * 3 // 2
    decided = cus
    cus = np.array(decided, np.int32)
    assert cus.shape[1] == CU_FIELDS
    cgs = np.zeros((samples // 16 + 1, 18), np.int16)
    n_t = samples if trace else 1
    tbs = np.zeros((samples // 16 if trace else 1, TB_FIELDS), np.int32)
    pred = np.zeros(n_t, np.int16)
    coeff = np.zeros(n_t, np.int32)
    n_cg, n_tb = reconstruct_picture(
        source,
        recon,
        cus,
        len(cus),
        width,
        height,
        cfg.ctb_log2_size,
        cgs,
        tbs,
        trace,
        pred,
        coeff,
        rule,
        choices,
    )
    # a level costs at most 3 context bins and 32 + 1 bypass bins
    bound = 64 * len(cus) + 96 * n_tb + int((cgs[:n_cg, :16] != 0).sum()) * 36 + 18 * n_cg + 1024
    bins = np.empty((bound, 3), np.int32)
    n_bins = slice_data(cus, len(cus), cgs, width, height, cfg.ctb_log2_size, cfg.qp, cfg.cu_qp_delta_enabled, bins)
    bins = bins[:n_bins]
    data = encode_bins(bins, cfg.qp)
    slice_nal = headers.nal_unit(headers.NAL_IDR_W_RADL, headers.slice_header(cfg) + data)
    stream = (headers.parameter_sets(cfg) if cfg.write_parameter_sets else b"") + slice_nal
    if cfg.write_hash:
        stream += headers.nal_unit(headers.NAL_SUFFIX_SEI, headers.picture_hash_sei(recon))
    kept = None
    if trace:
        kept = PictureTrace(decided, cus, cgs[:n_cg], tbs[:n_tb], pred, coeff, bins, data)
    return PictureResult(stream, recon, 8 * len(slice_nal), n_bins, kept)
