"""The closed loop: predict, residual, transform, quantise and back, transform block by transform block."""

import numba as nb
import numpy as np

from .prediction import DC, gather, is_filtered, mode_bits, most_probable_modes, predict, smooth
from .quantizer import BIT, level_cost, quantize, scale_levels
from .tables import QP_CHROMA
from .transform import forward, inverse

# columns of a coding unit in `cus` (int32); the fields of CodingUnit and CodedUnit
CU_X, CU_Y, CU_LOG2, CU_NXN, CU_SPLIT, CU_MODE, CU_CHROMA, CU_LAST_CTU, CU_LAST_PIC = (
    0,
    1,
    2,
    3,
    4,
    5,
    9,
    10,
    11,
)
CU_CBF_LUMA, CU_CBF_CB, CU_CBF_CR = 12, 13, 14
CU_SECOND, CU_THIRD = 15, 19  # four each: the second and third choice of luma mode, for a closed-loop choice
CU_QP = 23  # QpY of the CTU
CU_FIELDS = 24
TB_FIELDS = 8  # cIdx, x, y, log2, mode, cbf, offset into the traced sample arrays, n

# modes tried in the closed loop, by log2 of the transform block
CHOICES = np.array([0, 0, 3, 2, 2, 1], dtype=np.int32)

CHROMA_MODES = np.array([0, 26, 10, 1], dtype=np.int32)


@nb.njit(cache=True)
def chroma_pred_mode(chroma_mode, luma_mode):
    """IntraPredModeC (table 8-3)."""
    if chroma_mode == 4:
        return luma_mode
    mode = CHROMA_MODES[chroma_mode]
    return 34 if mode == luma_mode else mode


@nb.njit(cache=True)
def scan_index(log2, c_idx, mode):
    """scanIdx (7.4.9.11) of a transform block of its own size log2."""
    if log2 == 2 or (log2 == 3 and c_idx == 0):
        if 6 <= mode <= 14:
            return 2
        if 22 <= mode <= 30:
            return 1
    return 0


@nb.njit(cache=True, inline="always")
def _block(out, k, c_idx, x, y, log2, mode, index):
    b = out[k]
    b[0], b[1], b[2], b[3], b[4], b[5] = c_idx, x, y, log2, mode, index
    return k + 1


@nb.njit(cache=True)
def transform_blocks(cu, out):
    """Transform blocks of a coding unit in bitstream order into out[k] = (cIdx, x, y, log2, mode, index)."""
    x, y, log2 = cu[CU_X] * 8, cu[CU_Y] * 8, cu[CU_LOG2]
    cmode = chroma_pred_mode(cu[CU_CHROMA], cu[CU_MODE])
    k = 0
    parts = 4 if cu[CU_SPLIT] else 1
    size = log2 - 1 if cu[CU_SPLIT] else log2
    for i in range(parts):
        xi = x + ((i & 1) << size)
        yi = y + ((i >> 1) << size)
        k = _block(out, k, 0, xi, yi, size, cu[CU_MODE + i], i)
        if size > 2:
            for c in range(1, 3):
                k = _block(out, k, c, xi >> 1, yi >> 1, size - 1, cmode, i)
    if size == 2:
        for c in range(1, 3):
            k = _block(out, k, c, x >> 1, y >> 1, 2, cmode, 0)
    return k


@nb.njit(cache=True)
def _to_levels(src, x, y, log2, c_idx, mode, qp, p, pf, ref, pred, res, tmp, coeff, levels, rule):
    """Predict from reference samples p (pf smoothed), transform and quantise. Returns the last group, or -1."""
    n = 1 << log2
    if c_idx == 0 and is_filtered(log2, mode):
        predict(pf, log2, mode, False, ref, pred)
    else:
        predict(p, log2, mode, c_idx == 0 and log2 < 5, ref, pred)
    for j in range(n):
        for i in range(n):
            res[j, i] = np.int32(src[y + j, x + i]) - pred[j, i]
    forward(res, log2, 0 if c_idx == 0 and log2 == 2 else log2, tmp, coeff)
    return quantize(coeff, log2, qp, scan_index(log2, c_idx, mode), levels, rule)


@nb.njit(cache=True)
def reconstruct_picture(
    source, recon, cus, n_cus, width, height, ctb_log2, cgs, tbs, traced, t_pred, t_coeff, rule, choices
):
    """Run the loop over cus[:n_cus]; fills their cbf columns, recon planes and cgs. Returns (groups, blocks).

    Of a prediction block that is one transform block, the first choices[log2] modes of CU_MODE, CU_SECOND, CU_THIRD
    are tried and the one of least cost J (level_cost and mode bits), the earlier on ties, becomes its CU_MODE.

    source, recon: (y, u, v) uint8 planes of the coded size. cgs int16[m, 18]: levels, index, first.
    When `traced`, tbs and t_pred, t_coeff (flat, raster order in a block) are filled.
    """
    p = np.zeros(129, np.int32)
    pf = np.zeros(129, np.int32)
    ref = np.zeros(194, np.int32)
    pred = np.zeros((32, 32), np.int32)
    res = np.zeros((32, 32), np.int32)
    tmp = np.zeros((32, 32), np.int32)
    coeff = np.zeros((32, 32), np.int32)
    levels = np.zeros((64, 16), np.int32)
    blocks = np.zeros((16, 6), np.int32)
    cand = np.zeros(3, np.int32)
    modes = np.ones((height >> 2, width >> 2), np.int8)  # IntraPredModeY
    n_cg = 0
    n_tb = 0
    offset = 0
    for k in range(n_cus):
        cu = cus[k]
        qp = cu[CU_QP]
        qp_c = QP_CHROMA[qp]
        cu[CU_CBF_LUMA] = 0
        cu[CU_CBF_CB] = 0
        cu[CU_CBF_CR] = 0
        for b in range(transform_blocks(cu, blocks)):
            c_idx, x, y, log2, mode, index = blocks[b]
            n = 1 << log2
            shift = 0 if c_idx == 0 else 1
            if c_idx == 0:
                src, rec = source[0], recon[0]
            elif c_idx == 1:
                src, rec = source[1], recon[1]
            else:
                src, rec = source[2], recon[2]
            q = qp if c_idx == 0 else qp_c
            gather(rec, shift, x, y, n, width, height, ctb_log2, p)
            if c_idx == 0:
                if log2 > 2:
                    smooth(p, n, pf)
                if choices[log2] > 1 and (cu[CU_NXN] or not cu[CU_SPLIT]):
                    a = modes[y >> 2, (x >> 2) - 1] if x else DC
                    above = modes[(y >> 2) - 1, x >> 2] if y & ((1 << ctb_log2) - 1) else DC
                    most_probable_modes(a, above, cand)
                    least = np.int64(1) << 60
                    for t in range(choices[log2]):
                        m = cu[(CU_MODE, CU_SECOND, CU_THIRD)[t] + index]
                        _to_levels(src, x, y, log2, 0, m, q, p, pf, ref, pred, res, tmp, coeff, levels, rule)
                        cost = level_cost(coeff, levels, log2, q, scan_index(log2, 0, m)) + BIT * mode_bits(cand, m)
                        if cost < least:
                            least = cost
                            mode = m
                    if cu[CU_NXN]:
                        cu[CU_MODE + index] = mode
                    else:
                        cu[CU_MODE : CU_MODE + 4] = mode
                modes[y >> 2 : (y + n) >> 2, x >> 2 : (x + n) >> 2] = mode
            else:
                mode = chroma_pred_mode(cu[CU_CHROMA], cu[CU_MODE])
            last = _to_levels(src, x, y, log2, c_idx, mode, q, p, pf, ref, pred, res, tmp, coeff, levels, rule)
            if traced:
                tb = tbs[n_tb]
                tb[0], tb[1], tb[2], tb[3], tb[4] = c_idx, x, y, log2, mode
                tb[5], tb[6], tb[7] = last >= 0, offset, n
                for j in range(n):
                    for i in range(n):
                        t_pred[offset + j * n + i] = pred[j, i]
                        t_coeff[offset + j * n + i] = coeff[j, i]
                offset += n * n
            n_tb += 1
            if last >= 0:
                cu[CU_CBF_LUMA + c_idx] |= 1 << index
                for g in range(last, -1, -1):
                    for i in range(16):
                        cgs[n_cg, i] = levels[g, i]
                    cgs[n_cg, 16] = g
                    cgs[n_cg, 17] = g == last
                    n_cg += 1
                scale_levels(levels, last, log2, q, scan_index(log2, c_idx, mode), coeff)
                inverse(coeff, log2, 0 if c_idx == 0 and log2 == 2 else log2, tmp, res)
                for j in range(n):
                    for i in range(n):
                        rec[y + j, x + i] = min(max(pred[j, i] + res[j, i], 0), 255)
            else:
                for j in range(n):
                    for i in range(n):
                        rec[y + j, x + i] = pred[j, i]
    return n_cg, n_tb
