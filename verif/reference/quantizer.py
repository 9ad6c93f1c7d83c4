"""Quantisation with rate-aware decisions and sign data hiding, and scaling (H.265 8.6.4).

Magnitudes are u = |c| / Qstep in Q8. Costs are squared errors in units of Qstep squared, also Q8, so that
one bit costs lambda / Qstep^2 = 0.57 * 2^(-8/3), about 23/256, at every QP: changing a level is judged by
additions alone, since (u - l + 1)^2 - (u - l)^2 = 2 (u - l) + 1.
"""

import numba as nb
import numpy as np

from .tables import LEVEL_SCALE, QUANT_SCALE, SCAN_POS, SCAN_SUB

# The rule's constants, Q8 (levels rounded by ROUND_*, costs as above)
ROUND_ONE, ROUND_MORE, COST_ONE, COST_ZERO, COST_GROUP, COST_BLOCK, SDH_ONE = range(7)
RULE = np.array([105, 115, 95, 18, 40, 110, 80], dtype=np.int32)

# Costs of what a block's levels take in the stream, Q8: of a level by its magnitude (15 and more alike), of its
# POSITION x + y, of the block by its log2 size, and of its LAST (largest) x + y
BIT = 23
LEVEL_COST = np.rint(46 + 35 * np.log2(np.maximum(np.arange(16), 1))).astype(np.int32)
POSITION = np.rint(BIT / 2 * np.log2(1 + np.arange(63))).astype(np.int32)
BLOCK = np.array([0, 0, 46, 30, 80, 80], dtype=np.int32)
LAST = np.rint(2 * BIT * np.log2(1 + np.arange(63))).astype(np.int32)


@nb.njit(cache=True)
def quantize(coeff, log2, qp, scan_idx, levels, rule):
    """levels[group, 16] of the coefficient block in scan order. Returns the last group with a level, or -1.

    Group by group from the last: round; drop levels of 1 from the end of the scan, or a whole group, where that
    costs less than their bits; then fix the parity that hides a sign (7.4.9.11).
    """
    scale = QUANT_SCALE[qp % 6]
    qbits = 14 + qp // 6 + 7 - log2
    last = -1
    u = np.zeros(16, np.int32)
    level = np.zeros(16, np.int32)
    negative = np.zeros(16, np.bool_)
    for g in range((1 << (2 * (log2 - 2))) - 1, -1, -1):
        sub = SCAN_SUB[scan_idx, log2, g]
        x0, y0 = (sub & 7) << 2, (sub >> 3) << 2
        for i in range(16):
            pos = SCAN_POS[scan_idx, i]
            c = coeff[y0 + (pos >> 2), x0 + (pos & 3)]
            negative[i] = c < 0
            u[i] = (np.int64(abs(c)) * scale) >> (qbits - 8)
            level[i] = (u[i] + rule[ROUND_ONE]) >> 8
            if level[i] > 1:
                level[i] = min(max((u[i] + rule[ROUND_MORE]) >> 8, 1), 32767)
        _trim(u, level, last < 0, g, rule)
        _hide_sign(u, level, negative, last < 0, rule)
        for i in range(16):
            levels[g, i] = -level[i] if negative[i] else level[i]
            if level[i] and last < 0:
                last = g
    return last


@nb.njit(cache=True)
def _trim(u, level, is_last, g, rule):
    """Zero a run of small levels from the end of the group: the cut with the least cost."""
    cost = 0
    best = 0
    cut = 16
    small = True
    seen = False
    for i in range(15, -1, -1):
        if level[i] > 1:
            small = False
            break
        if level[i]:
            cost += 2 * u[i] - 256 - rule[COST_ONE]
            seen = True
        elif seen:
            cost -= rule[COST_ZERO]
        if is_last and level[i] and cost < best:
            best = cost
            cut = i
    if small and seen:
        cost -= rule[COST_BLOCK] if is_last and g == 0 else rule[COST_GROUP]
        if cost < best:
            cut = 0
    for i in range(cut, 16):
        level[i] = 0


@nb.njit(cache=True)
def _hide_sign(u, level, negative, is_last, rule):
    """Make the parity of the group's sum say the sign of its first level, by the cheapest change of one level."""
    first = -1
    end = -1
    total = 0
    for i in range(16):
        if level[i]:
            if first < 0:
                first = i
            end = i
            total += level[i]
    if end - first <= 3 or (total & 1) == negative[first]:
        return
    best = 1 << 30
    where = -1
    for i in range(15, -1, -1):
        delta = u[i] - (level[i] << 8)
        up = delta > 0
        cost = 256 - 2 * abs(delta)
        if level[i] == 0:
            if (is_last and i > end) or (i < first and negative[i] != negative[first]):
                continue
            cost += rule[SDH_ONE]
        elif level[i] == 1 and not up:
            if i == first:
                continue
            cost -= rule[SDH_ONE]
        if up and level[i] == 32767:
            continue
        if cost < best:
            best = cost
            where = i
    level[where] += 1 if u[where] > level[where] << 8 else -1


@nb.njit(cache=True)
def level_cost(coeff, levels, log2, qp, scan_idx):
    """Cost J of these levels for this coefficient block: squared error over Qstep squared and bits, in Q8.

    The error of a coefficient is taken in sixteenths of Qstep. Bits as in verif.reference.analysis: per level
    LEVEL_COST and POSITION of x + y, per block BLOCK and LAST of the largest x + y.
    """
    scale = QUANT_SCALE[qp % 6]
    qbits = 14 + qp // 6 + 7 - log2
    cost = 0
    last = -1
    for g in range(1 << (2 * (log2 - 2))):
        sub = SCAN_SUB[scan_idx, log2, g]
        x0, y0 = (sub & 7) << 2, (sub >> 3) << 2
        for i in range(16):
            pos = SCAN_POS[scan_idx, i]
            x, y = x0 + (pos & 3), y0 + (pos >> 2)
            level = abs(levels[g, i])
            u = (np.int64(abs(coeff[y, x])) * scale) >> (qbits - 8)
            error = (u - (level << 8)) >> 4
            cost += error * error
            if level:
                cost += LEVEL_COST[min(level, 15)] + POSITION[x + y]
                last = max(last, x + y)
    if last >= 0:
        cost += BLOCK[log2] + LAST[last]
    return cost


@nb.njit(cache=True)
def scale_levels(levels, last, log2, qp, scan_idx, coeff):
    """8.6.4.2: scaled transform coefficients d of the levels (flat scaling, m = 16)."""
    n = 1 << log2
    scale = LEVEL_SCALE[qp % 6] << (qp // 6)
    shift = log2 - 1  # bdShift = BitDepth + log2 - 5, less 4 for m = 16
    add = (1 << shift) >> 1
    for y in range(n):
        for x in range(n):
            coeff[y, x] = 0
    for g in range(last + 1):
        sub = SCAN_SUB[scan_idx, log2, g]
        x0, y0 = (sub & 7) << 2, (sub >> 3) << 2
        for i in range(16):
            if levels[g, i]:
                pos = SCAN_POS[scan_idx, i]
                value = (levels[g, i] * scale + add) >> shift
                coeff[y0 + (pos >> 2), x0 + (pos & 3)] = min(max(value, -32768), 32767)
