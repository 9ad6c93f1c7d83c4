"""Intra sample prediction (H.265 8.4.4.2). Reference samples are one line p of 4N+1 values:

p[0] is the bottom-most left neighbour p(-1, 2N-1), p[2N] the corner p(-1, -1), p[4N] the right-most p(2N-1, -1).
"""

import numba as nb
import numpy as np

from .tables import INTRA_HOR_VER_DIST_THRES, INTRA_PRED_ANGLE, INV_ANGLE

PLANAR, DC, HORIZONTAL, VERTICAL = 0, 1, 10, 26


@nb.njit(cache=True, inline="always")
def z_order(x, y):
    """Position of the 4x4 block at luma sample (x, y) in the z-scan of its 64x64."""
    x >>= 2
    y >>= 2
    z = 0
    for b in range(4):
        z |= ((x >> b) & 1) << (2 * b) | ((y >> b) & 1) << (2 * b + 1)
    return z


@nb.njit(cache=True)
def available(xc, yc, xn, yn, width, height, ctb_log2):
    """6.4.1: is luma sample (xn, yn) inside the coded picture and before the block at (xc, yc) in coding order."""
    if xn < 0 or yn < 0 or xn >= width or yn >= height:
        return False
    cx, cy, nx, ny = xc >> ctb_log2, yc >> ctb_log2, xn >> ctb_log2, yn >> ctb_log2
    if ny != cy:
        return ny < cy
    if nx != cx:
        return nx < cx
    mask = (1 << ctb_log2) - 1
    return z_order(xn & mask, yn & mask) < z_order(xc & mask, yc & mask)


@nb.njit(cache=True)
def gather(plane, shift, x, y, n, width, height, ctb_log2, p):
    """8.4.4.2.2: reference samples of the n x n block at (x, y) of `plane`, with substitution, into p.

    shift is 0 for luma and 1 for chroma; width and height are the coded luma size.
    """
    unit = 4 >> shift
    found = False
    # from bottom left up to the corner, then right; first pass marks the first available sample
    first = np.int32(0)
    start = 0
    have = np.zeros(4 * 64 // 2 + 1, np.uint8)  # one flag a unit
    units = 2 * n // unit
    for k in range(units):
        yy = y + 2 * n - 1 - k * unit
        ok = available(x << shift, y << shift, (x - 1) << shift, yy << shift, width, height, ctb_log2)
        have[k] = ok
        for j in range(unit):
            if ok:
                p[k * unit + j] = plane[yy - j, x - 1]
    ok = available(x << shift, y << shift, (x - 1) << shift, (y - 1) << shift, width, height, ctb_log2)
    have[units] = ok
    if ok:
        p[2 * n] = plane[y - 1, x - 1]
    for k in range(units):
        xx = x + k * unit
        ok = available(x << shift, y << shift, xx << shift, (y - 1) << shift, width, height, ctb_log2)
        have[units + 1 + k] = ok
        if ok:
            for j in range(unit):
                p[2 * n + 1 + k * unit + j] = plane[y - 1, xx + j]
    for u in range(2 * units + 1):
        if have[u]:
            found = True
            start = u
            break
    if not found:
        for i in range(4 * n + 1):
            p[i] = 128
        return
    first = p[_unit_start(start, unit, units)]
    for i in range(_unit_start(start, unit, units)):
        p[i] = first
    for u in range(start + 1, 2 * units + 1):
        if not have[u]:
            s = _unit_start(u, unit, units)
            for j in range(1 if u == units else unit):
                p[s + j] = p[s - 1]


@nb.njit(cache=True, inline="always")
def _unit_start(u, unit, units):
    return u * unit if u <= units else units * unit + 1 + (u - units - 1) * unit


@nb.njit(cache=True)
def is_filtered(log2, mode):
    """filterFlag of 8.4.4.2.3 for luma."""
    if mode == DC or log2 == 2:
        return False
    if mode == PLANAR:
        return True
    return min(abs(mode - 26), abs(mode - 10)) > INTRA_HOR_VER_DIST_THRES[log2]


@nb.njit(cache=True)
def smooth(p, n, out):
    """8.4.4.2.3: filtered reference samples, the strong filter where it applies (n = 32)."""
    m = 4 * n
    c, a, b = p[2 * n], p[0], p[m]
    if n == 32 and abs(c + b - 2 * p[3 * n]) < 8 and abs(c + a - 2 * p[n]) < 8:
        for i in range(2 * n):
            out[i] = ((64 - i) * a + i * c + 32) >> 6
            out[2 * n + i] = ((64 - i) * c + i * b + 32) >> 6
        out[m] = b
        return
    out[0] = a
    out[m] = b
    for i in range(1, m):
        out[i] = (p[i - 1] + 2 * p[i] + p[i + 1] + 2) >> 2


@nb.njit(cache=True)
def predict(p, log2, mode, edge, ref, out):
    """8.4.4.2.4 to .6: predict the block from p into out[n, n].

    edge: whether the boundary filters of DC, horizontal and vertical apply (luma, n < 32). ref is scratch of 129.
    """
    n = 1 << log2
    c = 2 * n
    if mode == PLANAR:
        for y in range(n):
            for x in range(n):
                out[y, x] = (
                    (n - 1 - x) * p[c - 1 - y]
                    + (x + 1) * p[c + 1 + n]
                    + (n - 1 - y) * p[c + 1 + x]
                    + (y + 1) * p[c - 1 - n]
                    + n
                ) >> (log2 + 1)
        return
    if mode == DC:
        total = n
        for i in range(1, n + 1):
            total += p[c + i] + p[c - i]
        dc = total >> (log2 + 1)
        for y in range(n):
            for x in range(n):
                out[y, x] = dc
        if edge:
            out[0, 0] = (p[c - 1] + 2 * dc + p[c + 1] + 2) >> 2
            for i in range(1, n):
                out[0, i] = (p[c + 1 + i] + 3 * dc + 2) >> 2
                out[i, 0] = (p[c - 1 - i] + 3 * dc + 2) >> 2
        return
    vertical = mode >= 18
    s = 1 if vertical else -1
    angle = INTRA_PRED_ANGLE[mode]
    # ref[64 + i] is ref[i] of the standard
    for i in range(n + 1):
        ref[64 + i] = p[c + s * i]
    if angle < 0:
        last = (n * angle) >> 5
        for i in range(-1, last - 1, -1):
            ref[64 + i] = p[c - s * ((i * INV_ANGLE[mode] + 128) >> 8)]
    else:
        for i in range(n + 1, 2 * n + 1):
            ref[64 + i] = p[c + s * i]
    for v in range(n):
        idx = ((v + 1) * angle) >> 5
        f = ((v + 1) * angle) & 31
        base = 64 + idx + 1
        if vertical:
            for u in range(n):
                out[v, u] = ((32 - f) * ref[base + u] + f * ref[base + u + 1] + 16) >> 5 if f else ref[base + u]
        else:
            for u in range(n):
                out[u, v] = ((32 - f) * ref[base + u] + f * ref[base + u + 1] + 16) >> 5 if f else ref[base + u]
    if angle == 0 and edge:
        for i in range(n):
            value = p[c + s] + ((p[c - s * (i + 1)] - p[c]) >> 1)
            value = min(max(value, 0), 255)
            if vertical:
                out[i, 0] = value
            else:
                out[0, i] = value


@nb.njit(cache=True)
def most_probable_modes(a, b, cand):
    """candModeList of 8.4.2 from the left and above candidates."""
    if a == b:
        if a < 2:
            cand[0], cand[1], cand[2] = 0, 1, 26
        else:
            cand[0], cand[1], cand[2] = a, 2 + ((a + 29) % 32), 2 + ((a - 2 + 1) % 32)
    else:
        cand[0], cand[1] = a, b
        if a != 0 and b != 0:
            cand[2] = 0
        elif a != 1 and b != 1:
            cand[2] = 1
        else:
            cand[2] = 26


@nb.njit(cache=True, inline="always")
def mode_bits(cand, mode):
    """Bits of prev_intra_luma_pred_flag and mpm_idx or rem_intra_luma_pred_mode, as the decisions count them."""
    return 2 if mode == cand[0] else (3 if mode == cand[1] or mode == cand[2] else 6)
