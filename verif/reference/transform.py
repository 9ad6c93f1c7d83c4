"""Transforms (H.265 8.6.4.2) and their forward counterparts: rows first forward, columns first back.

Shifts for 8 bit: forward log2 - 1 then log2 + 6, inverse 7 then 12, all with rounding.
"""

import numba as nb
import numpy as np

from .tables import DCT, DST4

# matrices by kind: 0 = DST 4x4, 2..5 = DCT of that log2 size, padded to 32
MATRIX = np.zeros((6, 32, 32), np.int32)
MATRIX[0, :4, :4] = DST4
for _l in range(2, 6):
    MATRIX[_l, : 1 << _l, : 1 << _l] = DCT[_l]
MATRIX_T = np.ascontiguousarray(MATRIX.transpose(0, 2, 1))


@nb.njit(cache=True)
def forward(residual, log2, kind, tmp, out):
    """coefficient block out[y, x] of the residual; kind selects the matrix (0 DST-VII, else log2)."""
    n = 1 << log2
    mt = MATRIX_T[kind]
    shift = log2 - 1
    add = (1 << shift) >> 1
    for y in range(n):
        for k in range(n):
            tmp[y, k] = 0
        for i in range(n):
            r = residual[y, i]
            if r:
                for k in range(n):
                    tmp[y, k] += mt[i, k] * r
        for k in range(n):
            tmp[y, k] = (tmp[y, k] + add) >> shift
    shift = log2 + 6
    add = 1 << (shift - 1)
    m = MATRIX[kind]
    for k in range(n):
        for x in range(n):
            out[k, x] = 0
        for i in range(n):
            w = m[k, i]
            for x in range(n):
                out[k, x] += w * tmp[i, x]
        for x in range(n):
            out[k, x] = (out[k, x] + add) >> shift


@nb.njit(cache=True)
def inverse(coeff, log2, kind, tmp, out):
    """residual block of the scaled coefficients (8.6.4.2)."""
    n = 1 << log2
    m = MATRIX[kind]
    for y in range(n):
        for x in range(n):
            tmp[y, x] = 64
    for k in range(n):
        nonzero = False
        for x in range(n):
            if coeff[k, x]:
                nonzero = True
        if nonzero:
            for y in range(n):
                w = m[k, y]
                for x in range(n):
                    tmp[y, x] += w * coeff[k, x]
    for y in range(n):
        for x in range(n):
            tmp[y, x] = min(max(tmp[y, x] >> 7, -32768), 32767)
    for y in range(n):
        for x in range(n):
            out[y, x] = 2048
        for k in range(n):
            c = tmp[y, k]
            if c:
                for x in range(n):
                    out[y, x] += m[k, x] * c
        for x in range(n):
            out[y, x] >>= 12
