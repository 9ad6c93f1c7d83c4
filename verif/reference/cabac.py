"""The arithmetic coder (H.265 9.3.4.5 as an encoder): bins in, bytes of slice data out."""

import numba as nb
import numpy as np

from .tables import RANGE_TAB_LPS, TRANS_IDX_LPS, init_states

REGULAR, BYPASS, TERMINATE = 0, 1, 2


@nb.njit(cache=True)
def _put(out, n, byte):
    out[n] = byte & 255
    return n + 1


@nb.njit(cache=True)
def _encode(bins, states, out, runs):
    """Bins (kind, ctxIdx, value) to bytes, with rbsp trailing bits. Returns the number of bytes.

    runs[carry, n]: how often n bytes of 255 that waited for a carry were settled by one (1) or by none (0).
    """
    low = np.int64(0)
    rng = 510
    bits_left = 23
    held = 0
    pending = 0
    n = 0
    for k in range(bins.shape[0]):
        kind, ctx, value = bins[k, 0], bins[k, 1], bins[k, 2]
        if kind == 0:
            state = states[ctx]
            p = state >> 1
            lps = RANGE_TAB_LPS[p, (rng >> 6) & 3]
            rng -= lps
            if value != state & 1:
                low += rng
                rng = lps
                states[ctx] = (TRANS_IDX_LPS[p] << 1 | (state & 1)) if p else state ^ 1
            elif p < 62:
                states[ctx] = state + 2
            while rng < 256:
                rng <<= 1
                low <<= 1
                bits_left -= 1
        elif kind == 1:
            low <<= 1
            if value:
                low += rng
            bits_left -= 1
        else:
            rng -= 2
            if value:
                low += rng
                low <<= 7
                rng = 256
                bits_left -= 7
            elif rng < 256:
                rng <<= 1
                low <<= 1
                bits_left -= 1
        if bits_left < 12:
            lead = low >> (24 - bits_left)
            bits_left += 8
            low &= np.int64(0xFFFFFFFF) >> bits_left
            if lead == 255:
                pending += 1
            elif pending > 0:
                carry = lead >> 8
                runs[carry, min(pending, runs.shape[1]) - 1] += 1
                n = _put(out, n, held + carry)
                held = lead & 255
                while pending > 1:
                    n = _put(out, n, 255 + carry)
                    pending -= 1
            else:
                pending = 1
                held = lead
    if pending > 0:
        runs[1 if low >> (32 - bits_left) else 0, min(pending, runs.shape[1]) - 1] += 1
    if low >> (32 - bits_left):
        n = _put(out, n, held + 1)
        fill = 0
        low -= np.int64(1) << (32 - bits_left)
    else:
        if pending > 0:
            n = _put(out, n, held)
        fill = 255
    while pending > 1:
        n = _put(out, n, fill)
        pending -= 1
    # the remaining bits of low, then the stop bit and alignment
    count = 24 - bits_left
    tail = ((low >> 8) << 1 | 1) << (7 - count % 8)
    count = count + 8 - count % 8
    while count > 0:
        count -= 8
        n = _put(out, n, (tail >> count) & 255)
    return n


def encode_bins(bins: np.ndarray, qp: int, runs: np.ndarray | None = None) -> bytes:
    """Slice data of `bins` (int32[k, 3]: kind, ctxIdx, value; the last one a terminate bin of 1).

    runs int64[2, n]: counts runs of outstanding bytes, by whether a carry ended them and by length (n - 1: longer too).
    """
    out = np.empty(len(bins) + 64, np.uint8)
    return out[: _encode(bins, init_states(qp), out, np.zeros((2, 1), np.int64) if runs is None else runs)].tobytes()
