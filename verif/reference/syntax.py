"""Syntax of the slice data (H.265 7.3.8) as bins (9.3.3, 9.3.4.2)."""

import numba as nb
import numpy as np

from .prediction import most_probable_modes
from .reconstruction import (
    CU_CBF_CB,
    CU_CBF_CR,
    CU_CBF_LUMA,
    CU_CHROMA,
    CU_LAST_CTU,
    CU_LAST_PIC,
    CU_LOG2,
    CU_MODE,
    CU_NXN,
    CU_QP,
    CU_SPLIT,
    CU_X,
    CU_Y,
    chroma_pred_mode,
    scan_index,
)
from .tables import (
    CTX_CBF_CHROMA,
    CTX_CBF_LUMA,
    CTX_CODED_SUB_BLOCK_FLAG,
    CTX_CU_QP_DELTA_ABS,
    CTX_GREATER1_FLAG,
    CTX_GREATER2_FLAG,
    CTX_INTRA_CHROMA_PRED_MODE,
    CTX_LAST_X_PREFIX,
    CTX_LAST_Y_PREFIX,
    CTX_PART_MODE,
    CTX_PREV_INTRA_LUMA_PRED_FLAG,
    CTX_SIG_COEFF_FLAG,
    CTX_SPLIT_CU_FLAG,
    CTX_SPLIT_TRANSFORM_FLAG,
    SCAN_POS,
    SCAN_SUB,
    SIG_CTX_4X4,
)


@nb.njit(cache=True, inline="always")
def _regular(bins, n, ctx, value):
    bins[n, 0] = 0
    bins[n, 1] = ctx
    bins[n, 2] = value
    return n + 1


@nb.njit(cache=True)
def _bypass(bins, n, value, count):
    for b in range(count - 1, -1, -1):
        bins[n, 0] = 1
        bins[n, 1] = 0
        bins[n, 2] = (value >> b) & 1
        n += 1
    return n


@nb.njit(cache=True)
def sig_coeff_ctx(c_idx, log2, scan_idx, xs, ys, xp, yp, csbf):
    """ctxInc of sig_coeff_flag (9.3.4.2.5); csbf bit 0: right sub-block coded, bit 1: below."""
    if log2 == 2:
        inc = SIG_CTX_4X4[(yp << 2) + xp]
    elif xs + ys + xp + yp == 0:
        inc = 0
    else:
        if csbf == 0:
            inc = 2 if xp + yp == 0 else (1 if xp + yp < 3 else 0)
        elif csbf == 1:
            inc = 2 if yp == 0 else (1 if yp == 1 else 0)
        elif csbf == 2:
            inc = 2 if xp == 0 else (1 if xp == 1 else 0)
        else:
            inc = 2
        if c_idx == 0:
            if xs + ys > 0:
                inc += 3
            inc += (9 if scan_idx == 0 else 15) if log2 == 3 else 21
        else:
            inc += 9 if log2 == 3 else 12
    return inc if c_idx == 0 else 27 + inc


@nb.njit(cache=True)
def last_prefix(pos):
    """last_sig_coeff prefix of a coordinate, and the number of suffix bits and their value."""
    if pos < 4:
        return pos, 0, 0
    bits = 0
    while (pos >> bits) >= 4:
        bits += 1
    prefix = 2 * bits + (pos >> bits)  # 4 and 5 are one suffix bit each
    return prefix, bits, pos & ((1 << bits) - 1)


@nb.njit(cache=True)
def remaining(bins, n, value, rice):
    """coeff_abs_level_remaining (9.3.3.11)."""
    if value < (3 << rice):
        prefix = value >> rice
        n = _bypass(bins, n, (2 << prefix) - 2, prefix + 1)  # coeff_abs_level_remaining
        return _bypass(bins, n, value & ((1 << rice) - 1), rice)  # coeff_abs_level_remaining
    value -= 3 << rice
    length = rice
    while value >= (1 << length):
        value -= 1 << length
        length += 1
    ones = 3 + length - rice
    n = _bypass(bins, n, (2 << ones) - 2, ones + 1)  # coeff_abs_level_remaining
    return _bypass(bins, n, value, length)  # coeff_abs_level_remaining


@nb.njit(cache=True)
def residual_coding(bins, n, cgs, g, log2, c_idx, scan_idx):
    """7.3.8.11 of the block whose groups start at cgs[g]. Returns (bins so far, next group)."""
    last_group = cgs[g, 16]
    last_pos = 15
    while cgs[g, last_pos] == 0:
        last_pos -= 1
    sub = SCAN_SUB[scan_idx, log2, last_group]
    pos = SCAN_POS[scan_idx, last_pos]
    x = ((sub & 7) << 2) + (pos & 3)
    y = ((sub >> 3) << 2) + (pos >> 2)
    if scan_idx == 2:
        x, y = y, x
    offset = 3 * (log2 - 2) + ((log2 - 1) >> 2) if c_idx == 0 else 15
    shift = (log2 + 1) >> 2 if c_idx == 0 else log2 - 2
    longest = (log2 << 1) - 1
    px, bx, vx = last_prefix(x)
    py, by, vy = last_prefix(y)
    for k in range(px):
        n = _regular(bins, n, CTX_LAST_X_PREFIX + offset + (k >> shift), 1)
    if px < longest:
        n = _regular(bins, n, CTX_LAST_X_PREFIX + offset + (px >> shift), 0)
    for k in range(py):
        n = _regular(bins, n, CTX_LAST_Y_PREFIX + offset + (k >> shift), 1)
    if py < longest:
        n = _regular(bins, n, CTX_LAST_Y_PREFIX + offset + (py >> shift), 0)
    n = _bypass(bins, n, vx, bx)  # last_sig_coeff_x_suffix
    n = _bypass(bins, n, vy, by)  # last_sig_coeff_y_suffix

    coded = np.zeros((9, 9), np.uint8)
    c1 = 1
    for i in range(last_group, -1, -1):
        sub = SCAN_SUB[scan_idx, log2, i]
        xs, ys = sub & 7, sub >> 3
        levels = cgs[g]
        g += 1
        right, below = coded[ys, xs + 1], coded[ys + 1, xs]
        csbf = right | below << 1
        nonzero = False
        for k in range(16):
            if levels[k]:
                nonzero = True
        infer_dc = False
        if i == last_group or i == 0:
            coded[ys, xs] = 1
        else:
            coded[ys, xs] = nonzero
            ctx = CTX_CODED_SUB_BLOCK_FLAG + (1 if csbf else 0) + (2 if c_idx else 0)
            n = _regular(bins, n, ctx, 1 if nonzero else 0)
            infer_dc = True
        if not coded[ys, xs]:
            continue
        start = last_pos - 1 if i == last_group else 15
        for k in range(start, -1, -1):
            if k == 0 and infer_dc:
                break
            pos = SCAN_POS[scan_idx, k]
            ctx = CTX_SIG_COEFF_FLAG + sig_coeff_ctx(c_idx, log2, scan_idx, xs, ys, pos & 3, pos >> 2, csbf)
            sig = 1 if levels[k] else 0
            n = _regular(bins, n, ctx, sig)
            if sig:
                infer_dc = False
        if not nonzero:
            continue
        ctx_set = (0 if i == 0 or c_idx else 2) + (1 if c1 == 0 else 0)
        c1 = 1
        count = 0
        gt2_at = -1
        first = -1
        last = -1
        signs = 0
        for k in range(15, -1, -1):
            level = levels[k]
            if level == 0:
                continue
            if last < 0:
                last = k
            first = k
            signs = signs << 1 | (1 if level < 0 else 0)
            if count < 8:
                gt1 = 1 if abs(np.int32(level)) > 1 else 0
                n = _regular(bins, n, CTX_GREATER1_FLAG + ctx_set * 4 + c1 + (16 if c_idx else 0), gt1)
                if gt1:
                    c1 = 0
                    if gt2_at < 0:
                        gt2_at = k
                elif 0 < c1 < 3:
                    c1 += 1
            count += 1
        if gt2_at >= 0:
            gt2 = 1 if abs(np.int32(levels[gt2_at])) > 2 else 0
            n = _regular(bins, n, CTX_GREATER2_FLAG + ctx_set + (4 if c_idx else 0), gt2)
        if last - first > 3:
            n = _bypass(bins, n, signs >> 1, count - 1)  # coeff_sign_flag, the first one hidden
        else:
            n = _bypass(bins, n, signs, count)  # coeff_sign_flag
        seen = 0
        rice = 0
        for k in range(15, -1, -1):
            level = abs(np.int32(levels[k]))
            if level == 0:
                continue
            base = 1
            if seen < 8:
                base = 3 if k == gt2_at else 2
            seen += 1
            if level >= base:
                n = remaining(bins, n, level - base, rice)
                if level > 3 * (1 << rice):
                    rice = min(rice + 1, 4)
    return n, g


@nb.njit(cache=True)
def cu_qp_delta(bins, n, value):
    """cu_qp_delta_abs (9.3.3.10: prefix cMax 5, suffix EG0) and cu_qp_delta_sign_flag."""
    magnitude = abs(value)
    for k in range(min(magnitude, 5)):
        n = _regular(bins, n, CTX_CU_QP_DELTA_ABS + (1 if k else 0), 1)
    if magnitude < 5:
        n = _regular(bins, n, CTX_CU_QP_DELTA_ABS + (1 if magnitude else 0), 0)
    else:
        length = 0
        while (magnitude - 4) >> (length + 1):
            length += 1
        n = _bypass(bins, n, (2 << length) - 2, length + 1)  # cu_qp_delta_abs
        n = _bypass(bins, n, magnitude - 4 - (1 << length), length)  # cu_qp_delta_abs
    if magnitude:
        n = _bypass(bins, n, 1 if value < 0 else 0, 1)  # cu_qp_delta_sign_flag
    return n


@nb.njit(cache=True)
def slice_data(cus, n_cus, cgs, width, height, ctb_log2, slice_qp, cu_qp_delta_enabled, bins):
    """All bins of the picture's slice. Returns their number.

    A quantization group is a CTU, so the predictor of QpY is QpY of the CTU before (8.6.1), and QpY of a CTU without a
    coded block is its predictor.
    """
    w4, h4 = width >> 2, height >> 2
    depth = np.zeros((h4 + 1, w4 + 1), np.int8)  # CtDepth + 1, 0 where not available
    modes = np.ones((h4 + 1, w4 + 1), np.int8)  # IntraPredModeY
    cand = np.zeros(3, np.int32)
    prev = np.zeros(4, np.int32)
    value = np.zeros(4, np.int32)
    n = 0
    g = 0
    qp_pred = slice_qp  # qPY_PRED
    qp_pending = cu_qp_delta_enabled  # not IsCuQpDeltaCoded
    for k in range(n_cus):
        cu = cus[k]
        qp_delta = (cu[CU_QP] - qp_pred + 26) % 52 - 26
        x0, y0, log2 = cu[CU_X] * 8, cu[CU_Y] * 8, cu[CU_LOG2]
        for s in range(ctb_log2, 2, -1):
            if s < log2 or (x0 | y0) & ((1 << s) - 1):
                continue
            if x0 + (1 << s) > width or y0 + (1 << s) > height or s == 3:
                continue
            d = ctb_log2 - s
            ctx = 0
            if x0 > 0 and depth[y0 >> 2, (x0 >> 2) - 1] - 1 > d:
                ctx += 1
            if y0 > 0 and depth[(y0 >> 2) - 1, x0 >> 2] - 1 > d:
                ctx += 1
            n = _regular(bins, n, CTX_SPLIT_CU_FLAG + ctx, 1 if s > log2 else 0)
        if log2 == 3:
            n = _regular(bins, n, CTX_PART_MODE, 0 if cu[CU_NXN] else 1)
        n4 = 1 << (log2 - 2)
        for j in range(y0 >> 2, (y0 >> 2) + n4):
            for i in range(x0 >> 2, (x0 >> 2) + n4):
                depth[j, i] = ctb_log2 - log2 + 1
        parts = 4 if cu[CU_NXN] else 1
        part4 = n4 // 2 if cu[CU_NXN] else n4
        for q in range(parts):
            xb, yb = (x0 >> 2) + (q & 1), (y0 >> 2) + (q >> 1)
            a = modes[yb, xb - 1] if xb > 0 else 1
            b = modes[yb - 1, xb] if (yb << 2) & ((1 << ctb_log2) - 1) else 1
            mode = cu[CU_MODE + q]
            most_probable_modes(a, b, cand)
            prev[q] = 0
            for j in range(3):
                if cand[j] == mode:
                    prev[q] = 1
                    value[q] = j
            if not prev[q]:
                rem = mode
                for j in range(3):
                    if cand[j] < mode:
                        rem -= 1
                value[q] = rem
            for j in range(yb, yb + part4):
                for i in range(xb, xb + part4):
                    modes[j, i] = mode
        for q in range(parts):
            n = _regular(bins, n, CTX_PREV_INTRA_LUMA_PRED_FLAG, prev[q])
        for q in range(parts):
            if prev[q]:
                n = _bypass(bins, n, (2 << value[q]) - 2 if value[q] < 2 else 3, min(value[q] + 1, 2))  # mpm_idx
            else:
                n = _bypass(bins, n, value[q], 5)  # rem_intra_luma_pred_mode
        n = _regular(bins, n, CTX_INTRA_CHROMA_PRED_MODE, 0 if cu[CU_CHROMA] == 4 else 1)
        if cu[CU_CHROMA] != 4:
            n = _bypass(bins, n, cu[CU_CHROMA], 2)  # intra_chroma_pred_mode
        n, g, qp_pending = _transform_tree(bins, n, cgs, g, cu, qp_delta, qp_pending)
        if cu[CU_LAST_CTU]:
            if not qp_pending:
                qp_pred = cu[CU_QP]
            qp_pending = cu_qp_delta_enabled
            bins[n, 0] = 2
            bins[n, 1] = 0
            bins[n, 2] = cu[CU_LAST_PIC]
            n += 1
    return n


@nb.njit(cache=True)
def _transform_tree(bins, n, cgs, g, cu, qp_delta, qp_pending):
    """7.3.8.8 with at most one split below the coding unit. Returns (bins so far, next group, qp_pending)."""
    log2, split = cu[CU_LOG2], cu[CU_SPLIT]
    cmode = chroma_pred_mode(cu[CU_CHROMA], cu[CU_MODE])
    if log2 <= 5 and not cu[CU_NXN]:
        n = _regular(bins, n, CTX_SPLIT_TRANSFORM_FLAG + 5 - log2, split)
    cb, cr, cbf = cu[CU_CBF_CB], cu[CU_CBF_CR], cu[CU_CBF_LUMA]
    n = _regular(bins, n, CTX_CBF_CHROMA, 1 if cb else 0)
    n = _regular(bins, n, CTX_CBF_CHROMA, 1 if cr else 0)
    size = log2 - 1 if split else log2
    for i in range(4 if split else 1):
        if split and size > 2:
            if cb:
                n = _regular(bins, n, CTX_CBF_CHROMA + 1, (cb >> i) & 1)
            if cr:
                n = _regular(bins, n, CTX_CBF_CHROMA + 1, (cr >> i) & 1)
        y = (cbf >> i) & 1
        n = _regular(bins, n, CTX_CBF_LUMA + (0 if split else 1), y)
        chroma = (cb | cr) >> (i if size > 2 else 0) & 1  # cbfChroma, of 4x4 blocks that of their parent
        if qp_pending and (y or chroma):
            n = cu_qp_delta(bins, n, qp_delta)
            qp_pending = 0
        if y:
            n, g = residual_coding(bins, n, cgs, g, size, 0, scan_index(size, 0, cu[CU_MODE + i]))
        if size > 2:
            if (cb >> i) & 1:
                n, g = residual_coding(bins, n, cgs, g, size - 1, 1, scan_index(size - 1, 1, cmode))
            if (cr >> i) & 1:
                n, g = residual_coding(bins, n, cgs, g, size - 1, 2, scan_index(size - 1, 2, cmode))
    if size == 2:
        if cb:
            n, g = residual_coding(bins, n, cgs, g, 2, 1, scan_index(2, 1, cmode))
        if cr:
            n, g = residual_coding(bins, n, cgs, g, 2, 2, scan_index(2, 2, cmode))
    return n, g, qp_pending
