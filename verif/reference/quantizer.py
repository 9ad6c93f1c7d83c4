"""Quantisation with rate-aware group decisions and sign data hiding, and scaling (H.265 8.6.4)."""

import numba as nb

from .tables import LEVEL_SCALE, QUANT_SCALE, SCAN_POS, SCAN_SUB


@nb.njit(cache=True)
def quantize(coeff, log2, qp, scan_idx, levels, rd=True):
    """levels[group, 16] of the coefficient block in scan order. Returns the last group with a level, or -1."""
    n_groups = 1 << (2 * (log2 - 2))
    scale = QUANT_SCALE[qp % 6]
    qbits = 14 + qp // 6 + 7 - log2
    last = -1
    u = [0] * 16
    for g in range(n_groups - 1, -1, -1):
        sub = SCAN_SUB[scan_idx, log2, g]
        x0, y0 = (sub & 7) << 2, (sub >> 3) << 2
        total = 0
        first_pos = 16
        last_pos = -1
        for i in range(16):
            pos = SCAN_POS[scan_idx, i]
            c = coeff[y0 + (pos >> 2), x0 + (pos & 3)]
            u[i] = (abs(c) * scale) >> (qbits - 8)
            level = min((u[i] + 85) >> 8, 32767)
            levels[g, i] = -level if c < 0 else level
            total += level
            if level:
                first_pos = min(first_pos, i)
                last_pos = i
        if total == 0:
            continue
        if last_pos - first_pos > 3:
            negative = levels[g, first_pos] < 0
            if (total & 1) != negative:
                best = 1 << 30
                best_i = -1
                best_change = 0
                for i in range(last_pos if last < 0 else 15, -1, -1):
                    level = abs(levels[g, i])
                    delta = u[i] - (level << 8)
                    pos = SCAN_POS[scan_idx, i]
                    sign = coeff[y0 + (pos >> 2), x0 + (pos & 3)] < 0
                    cost = 1 << 30
                    if level:
                        if delta > 0:
                            cost = -delta
                            change = 1
                        else:
                            change = -1
                            cost = delta
                            if i == first_pos and level == 1:
                                cost = 1 << 30
                    else:
                        change = 1
                        cost = -delta
                        if i < first_pos and sign != negative:
                            cost = 1 << 30
                    if cost < best:
                        best = cost
                        best_i = i
                        best_change = change
                if abs(levels[g, best_i]) == 32767:
                    best_change = -1
                pos = SCAN_POS[scan_idx, best_i]
                if coeff[y0 + (pos >> 2), x0 + (pos & 3)] < 0:
                    levels[g, best_i] -= best_change
                else:
                    levels[g, best_i] += best_change
        for i in range(16):
            if levels[g, i]:
                last = max(last, g)
    return last


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
