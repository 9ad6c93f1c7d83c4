"""Analysis: decides the coding units of a picture from its source samples alone.

Neighbours are source samples too, so nothing here waits for reconstruction. Bottom up, for each block of 4x4, 8x8,
16x16 and 32x32 a rough mode decision ranks a few modes by SATD and mode bits; the best is transformed and given a
cost J of error and bits; then the tree keeps the cheaper of a block and its four quarters.

Units. SATD: sum of magnitudes of unnormalised 4x4 Hadamard transforms; rough costs are 4 SATD + LAMBDA_ROUGH bits.
J: squared error over Qstep squared in Q8, in which one bit costs BIT at every QP.
"""

import numba as nb
import numpy as np

from .config import PictureConfig
from .prediction import DC, gather, is_filtered, mode_bits, most_probable_modes, predict, smooth
from .quantizer import BIT, BLOCK, LAST, POSITION
from .reconstruction import (
    CU_CHROMA,
    CU_FIELDS,
    CU_LAST_CTU,
    CU_LAST_PIC,
    CU_LOG2,
    CU_MODE,
    CU_NXN,
    CU_QP,
    CU_SECOND,
    CU_SPLIT,
    CU_THIRD,
    CU_X,
    CU_Y,
)
from .tables import QUANT_SCALE
from .transform import forward

LAMBDA_ROUGH = np.rint(4 * 3.4 * np.sqrt(0.57 * 2 ** ((np.arange(52) - 12) / 3))).astype(np.int32)
SPLIT_TRANSFORM_BITS, NXN_BITS, SPLIT_16_BITS, SPLIT_32_BITS = 10, 12, 18, 30

# Cost of a coefficient of magnitude a sixteenths of Qstep: zero costs a^2; a level costs NONZERO[a] for a < 64, else
# LARGE + 35 per octave above 16 + MANTISSA by the two bits after the leading one; and POSITION of x + y.
# POSITION, BLOCK and LAST are those of verif.reference.quantizer.
_a = np.arange(64)
_level = np.maximum((_a + 6) >> 4, 1)
NONZERO = ((_a - 16 * _level) ** 2 + 46 + np.rint(35 * np.log2(_level))).astype(np.int32)
LARGE = 67
MANTISSA = np.array([0, 11, 20, 28], dtype=np.int32)


@nb.njit(cache=True)
def satd(residual, n):
    """Sum over the 4x4 blocks of the magnitudes of their Hadamard transforms."""
    total = 0
    for y in range(0, n, 4):
        for x in range(0, n, 4):
            t = np.empty((4, 4), np.int32)
            for j in range(4):
                a, b, c, d = residual[y + j, x], residual[y + j, x + 1], residual[y + j, x + 2], residual[y + j, x + 3]
                e, f, g, h = a + c, b + d, a - c, b - d
                t[j, 0], t[j, 1], t[j, 2], t[j, 3] = e + f, e - f, g + h, g - h
            for i in range(4):
                e, f, g, h = t[0, i] + t[2, i], t[1, i] + t[3, i], t[0, i] - t[2, i], t[1, i] - t[3, i]
                total += abs(e + f) + abs(e - f) + abs(g + h) + abs(g - h)
    return total


@nb.njit(cache=True)
def block_cost(coeff, log2, qp):
    """J of coding these coefficients, without mode bits."""
    n = 1 << log2
    scale = QUANT_SCALE[qp % 6]
    shift = 14 + qp // 6 + 7 - log2 - 4
    cost = 0
    last = -1
    for y in range(n):
        for x in range(n):
            a = (np.int64(abs(coeff[y, x])) * scale) >> shift
            if a < 64:
                level = NONZERO[a] + POSITION[x + y]
                if a * a <= level:
                    cost += a * a
                    continue
            else:
                e = 6
                while a >> (e + 1):
                    e += 1
                level = LARGE + 35 * (e - 4) + MANTISSA[(a >> (e - 2)) & 3] + POSITION[x + y]
            cost += level
            last = max(last, x + y)
    if last >= 0:
        cost += BLOCK[log2] + LAST[last]
    return cost


@nb.njit(cache=True)
def _residual(source, x, y, log2, mode, p, smoothed, ref, pred, out):
    n = 1 << log2
    if is_filtered(log2, mode):
        predict(smoothed, log2, mode, False, ref, pred)
    else:
        predict(p, log2, mode, log2 < 5, ref, pred)
    for j in range(n):
        for i in range(n):
            out[j, i] = np.int32(source[y + j, x + i]) - pred[j, i]


@nb.njit(cache=True)
def _rough(source, x, y, log2, qp, modes, count, cand, refs, rank, costs, filled):
    """Rank modes[:count] into rank[3] by rough cost, the earlier tried before the later on ties."""
    p, smoothed, ref, pred, res = refs
    for k in range(count):
        mode = modes[k]
        _residual(source, x, y, log2, mode, p, smoothed, ref, pred, res)
        cost = 4 * satd(res, 1 << log2) + LAMBDA_ROUGH[qp] * mode_bits(cand, mode)
        at = filled
        while at > 0 and cost < costs[at - 1]:
            at -= 1
        if at < 3:
            for t in range(min(filled, 2), at, -1):
                rank[t], costs[t] = rank[t - 1], costs[t - 1]
            rank[at], costs[at] = mode, cost
            filled = min(filled + 1, 3)
    return filled


@nb.njit(cache=True)
def analyse_ctu(source, xc, yc, width, height, ctb_log2, qp, left, work, cus, n):
    """Decide one CTU: append its units to cus[n:]. left[level, row]: winners of the CTU to the left."""
    p, smoothed, ref, pred, res, tmp, coeff, p4 = work
    refs = (p, smoothed, ref, pred, res)
    g = 1 << (ctb_log2 - 2)
    rank = np.zeros((6, g, g, 3), np.int32)
    cost = np.zeros((6, g, g), np.int64)
    split_transform = np.zeros((g, g), np.int32)
    modes = np.zeros(16, np.int32)
    cand = np.zeros(3, np.int32)
    costs = np.zeros(3, np.int64)
    top = min(5, ctb_log2)
    for log2 in range(2, top + 1):
        size, unit = 1 << log2, 1 << (log2 - 2)
        for by in range(0, g, unit):
            for bx in range(0, g, unit):
                x, y = xc + 4 * bx, yc + 4 * by
                if x + size > width or y + size > height:
                    continue
                gather(source, 0, x, y, size, width, height, ctb_log2, p)
                if log2 > 2:
                    smooth(p, size, smoothed)
                a = rank[log2, by, bx - unit, 0] if bx else (left[log2, by] if x else DC)
                b = rank[log2, by - unit, bx, 0] if by else DC
                most_probable_modes(a, b, cand)
                modes[0], modes[1] = 0, 1
                count = 2
                best = rank[log2, by, bx]
                if log2 == 2:
                    for k in range(9):
                        modes[2 + k] = 2 + 4 * k
                    filled = _rough(source, x, y, 2, qp, modes, 11, cand, refs, best, costs, 0)
                    centre = best[0]
                    if centre >= 2:
                        count = 0
                        for d in (-2, -1, 1, 2):
                            if 2 <= centre + d <= 34:
                                modes[count] = centre + d
                                count += 1
                        filled = _rough(source, x, y, 2, qp, modes, count, cand, refs, best, costs, filled)
                else:
                    half = unit >> 1
                    for k in range(5):
                        mode = rank[log2 - 1, by + (k >> 1) * half, bx + (k & 1) * half, 0] if k < 4 else cand[0]
                        new = True
                        for t in range(count):
                            if modes[t] == mode:
                                new = False
                        if new:
                            modes[count] = mode
                            count += 1
                    filled = _rough(source, x, y, log2, qp, modes, count, cand, refs, best, costs, 0)
                    best[2] = best[1]
                mode = best[0]
                _residual(source, x, y, log2, mode, p, smoothed, ref, pred, res)
                forward(res, log2, 0 if log2 == 2 else log2, tmp, coeff)
                bits = mode_bits(cand, mode)
                whole = block_cost(coeff, log2, qp) + BIT * bits
                if log2 == 3:
                    quarters = BIT * (SPLIT_TRANSFORM_BITS + bits)
                    for q in range(4):
                        xq, yq = x + 4 * (q & 1), y + 4 * (q >> 1)
                        gather(source, 0, xq, yq, 4, width, height, ctb_log2, p4)
                        _residual(source, xq, yq, 2, mode, p4, p4, ref, pred, res)
                        forward(res, 2, 0, tmp, coeff)
                        quarters += block_cost(coeff, 2, qp)
                    if quarters < whole:
                        whole = quarters
                        split_transform[by, bx] = 1
                cost[log2, by, bx] = whole
    for log2 in range(2, top + 1):
        unit = 1 << (log2 - 2)
        for by in range(g):
            left[log2, by] = rank[log2, by // unit * unit, g - unit, 0]
    return _tree(xc, yc, width, height, ctb_log2, rank, cost, split_transform, cus, n)


@nb.njit(cache=True)
def _tree(xc, yc, width, height, ctb_log2, rank, cost, split_transform, cus, n):
    """Keep blocks or their quarters from the bottom up, then write the units in coding order."""
    g = 1 << (ctb_log2 - 2)
    split = np.zeros((7, g, g), np.uint8)
    total = np.zeros((7, g, g), np.int64)
    total[2] = cost[2]
    for log2 in range(3, ctb_log2 + 1):
        size, unit = 1 << log2, 1 << (log2 - 2)
        half = unit >> 1
        bits = NXN_BITS if log2 == 3 else (SPLIT_16_BITS if log2 == 4 else SPLIT_32_BITS)
        for by in range(0, g, unit):
            for bx in range(0, g, unit):
                x, y = xc + 4 * bx, yc + 4 * by
                quarters = np.int64(BIT * bits)
                for q in range(4):
                    quarters += total[log2 - 1, by + (q >> 1) * half, bx + (q & 1) * half]
                inside = log2 < 6 and x + size <= width and y + size <= height
                keep = inside and cost[log2, by, bx] <= quarters
                split[log2, by, bx] = not keep
                total[log2, by, bx] = cost[log2, by, bx] if keep else quarters
    z = 0
    while z < g * g:
        bx = by = 0
        for b in range(4):
            bx |= ((z >> (2 * b)) & 1) << b
            by |= ((z >> (2 * b + 1)) & 1) << b
        if xc + 4 * bx >= width or yc + 4 * by >= height:
            z += 4
            continue
        log2 = ctb_log2
        while log2 > 3 and (split[log2, by, bx] or (bx | by) & ((1 << (log2 - 2)) - 1)):
            log2 -= 1
        nxn = log2 == 3 and split[3, by, bx]
        cu = cus[n]
        cu[:] = 0
        cu[CU_X], cu[CU_Y], cu[CU_LOG2] = (xc >> 3) + (bx >> 1), (yc >> 3) + (by >> 1), log2
        cu[CU_NXN] = nxn
        cu[CU_SPLIT] = nxn or (log2 == 3 and split_transform[by, bx])
        cu[CU_CHROMA] = 4
        for q in range(4):
            best = rank[2, by + (q >> 1), bx + (q & 1)] if nxn else rank[log2, by, bx]
            cu[CU_MODE + q], cu[CU_SECOND + q], cu[CU_THIRD + q] = best[0], best[1], best[2]
        n += 1
        z += 1 << (2 * (log2 - 2))
    cus[n - 1, CU_LAST_CTU] = 1
    return n


@nb.njit(cache=True)
def _analyse(source, width, height, ctb_log2, qps, cus):
    work = (
        np.zeros(129, np.int32),
        np.zeros(129, np.int32),
        np.zeros(194, np.int32),
        np.zeros((32, 32), np.int32),
        np.zeros((32, 32), np.int32),
        np.zeros((32, 32), np.int32),
        np.zeros((32, 32), np.int32),
        np.zeros(129, np.int32),
    )
    n = 0
    for yc in range(0, height, 1 << ctb_log2):
        left = np.ones((6, 16), np.int32)
        for xc in range(0, width, 1 << ctb_log2):
            first, qp = n, qps[yc >> ctb_log2, xc >> ctb_log2]
            n = analyse_ctu(source, xc, yc, width, height, ctb_log2, qp, left, work, cus, n)
            cus[first:n, CU_QP] = qp
    cus[n - 1, CU_LAST_PIC] = 1
    return n


def analyse_picture(cfg: PictureConfig, source, qps: np.ndarray) -> np.ndarray:
    """cus int32[n, CU_FIELDS] of the picture; source: planes at the coded size; qps: QpY by CTU (qp_of_ctus)."""
    cus = np.zeros((cfg.coded_width * cfg.coded_height // 64, CU_FIELDS), np.int32)
    n = _analyse(source[0], cfg.coded_width, cfg.coded_height, cfg.ctb_log2_size, qps, cus)
    return cus[:n]
