"""Tables of H.265, apart from the code that uses them. Clause numbers stand beside each."""

import numpy as np

# ---- intra prediction (8.4.4.2.6)
INTRA_PRED_ANGLE = np.array(
    [0, 0, 32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26]
    + [-32, -26, -21, -17, -13, -9, -5, -2, 0, 2, 5, 9, 13, 17, 21, 26, 32],
    dtype=np.int32,
)
INV_ANGLE = np.array(
    [0] * 11 + [-4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096] + [0] * 9,
    dtype=np.int32,
)
# intraHorVerDistThres by log2 of the block size (8.4.4.2.3); 4x4 is never filtered
INTRA_HOR_VER_DIST_THRES = np.array([99, 99, 99, 7, 1, 0, 0], dtype=np.int32)

# ---- transforms (8.6.4.2)
_COSINE = [64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64]
_COSINE += [61, 57, 54, 50, 46, 43, 38, 36, 31, 25, 22, 18, 13, 9, 4, 0]


def _dct(n: int) -> np.ndarray:
    """transMatrix of size n: row k, column i; its entries are the cosines of k(2i+1) sixty-fourths of a half turn."""
    step = 32 // n
    out = np.zeros((n, n), np.int32)
    for k in range(n):
        for i in range(n):
            j = k * (2 * i + 1) * step % 128
            j = 128 - j if j > 64 else j
            out[k, i] = 64 if k == 0 else (_COSINE[j] if j <= 32 else -_COSINE[64 - j])
    return out


DCT = [_dct(1 << log2) if log2 else np.zeros((1, 1), np.int32) for log2 in range(6)]
DST4 = np.array([[29, 55, 74, 84], [74, 74, 0, -74], [84, -29, -74, 55], [55, -84, 74, -29]], dtype=np.int32)

# ---- quantisation (8.6.1, 8.6.4.2): levelScale, and the encoder's reciprocal 2^20 / levelScale
LEVEL_SCALE = np.array([40, 45, 51, 57, 64, 72], dtype=np.int32)
QUANT_SCALE = np.array([26214, 23302, 20560, 18396, 16384, 14564], dtype=np.int32)
QP_CHROMA = np.array(
    list(range(30)) + [29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37] + list(range(38, 46)),
    dtype=np.int32,
)


# ---- scans (6.5.3 to 6.5.5): SCAN[scanIdx][log2 size] lists (x, y); scanIdx 0 diagonal, 1 horizontal, 2 vertical
def _scan(idx: int, n: int) -> list[tuple[int, int]]:
    if idx == 0:
        return [(d - y, y) for d in range(2 * n - 1) for y in range(min(d, n - 1), max(-1, d - n), -1)]
    if idx == 1:
        return [(x, y) for y in range(n) for x in range(n)]
    return [(x, y) for x in range(n) for y in range(n)]


def _sub_block_scan(idx: int, log2_size: int) -> list[tuple[int, int]]:
    """Order of the 4x4 sub-blocks: the horizontal scan of an 8x8 goes through them by rows of sub-blocks."""
    return _scan(idx, 1 << (log2_size - 2))


# SCAN_POS[scanIdx, n] = x | y << 2 inside a sub-block; SCAN_SUB[scanIdx, log2, i] = xS | yS << 3
SCAN_POS = np.array([[x | y << 2 for x, y in _scan(s, 4)] for s in range(3)], dtype=np.int32)
SCAN_SUB = np.zeros((3, 6, 64), np.int32)
for _s in range(3):
    for _l in range(2, 6):
        _v = [x | y << 3 for x, y in _sub_block_scan(_s, _l)]
        SCAN_SUB[_s, _l, : len(_v)] = _v

# ---- CABAC (9.3): contexts in one flat table. Name: init values of initType 0. Those of cbf_cb and cbf_cr are for
# trafoDepth 0 and 1: they are never coded deeper here.
_INIT = {
    "SPLIT_CU_FLAG": [139, 141, 157],
    "PART_MODE": [184],
    "PREV_INTRA_LUMA_PRED_FLAG": [184],
    "INTRA_CHROMA_PRED_MODE": [63],
    "SPLIT_TRANSFORM_FLAG": [153, 138, 138],
    "CBF_LUMA": [111, 141],
    "CBF_CHROMA": [94, 138],
    "LAST_X_PREFIX": [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
    "LAST_Y_PREFIX": [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
    "CODED_SUB_BLOCK_FLAG": [91, 171, 134, 141],
    "SIG_COEFF_FLAG": [
        111,
        111,
        125,
        110,
        110,
        94,
        124,
        108,
        124,
        107,
        125,
        141,
        179,
        153,
        125,
        107,
        125,
        141,
    ]
    + [179, 153, 125, 107, 125, 141, 179, 153, 125]
    + [140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111],
    "GREATER1_FLAG": [140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92]
    + [139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197],
    "GREATER2_FLAG": [138, 153, 136, 167, 152, 152],
    "CU_QP_DELTA_ABS": [154, 154],
}
CTX_OFFSET: dict[str, int] = {}
_values: list[int] = []
for _name, _init in _INIT.items():
    CTX_OFFSET[_name] = len(_values)
    _values += _init
CTX_INIT = np.array(_values, dtype=np.int32)
NUM_CTX = len(_values)

CTX_SPLIT_CU_FLAG = CTX_OFFSET["SPLIT_CU_FLAG"]
CTX_PART_MODE = CTX_OFFSET["PART_MODE"]
CTX_PREV_INTRA_LUMA_PRED_FLAG = CTX_OFFSET["PREV_INTRA_LUMA_PRED_FLAG"]
CTX_INTRA_CHROMA_PRED_MODE = CTX_OFFSET["INTRA_CHROMA_PRED_MODE"]
CTX_SPLIT_TRANSFORM_FLAG = CTX_OFFSET["SPLIT_TRANSFORM_FLAG"]
CTX_CBF_LUMA = CTX_OFFSET["CBF_LUMA"]
CTX_CBF_CHROMA = CTX_OFFSET["CBF_CHROMA"]
CTX_LAST_X_PREFIX = CTX_OFFSET["LAST_X_PREFIX"]
CTX_LAST_Y_PREFIX = CTX_OFFSET["LAST_Y_PREFIX"]
CTX_CODED_SUB_BLOCK_FLAG = CTX_OFFSET["CODED_SUB_BLOCK_FLAG"]
CTX_SIG_COEFF_FLAG = CTX_OFFSET["SIG_COEFF_FLAG"]
CTX_GREATER1_FLAG = CTX_OFFSET["GREATER1_FLAG"]
CTX_GREATER2_FLAG = CTX_OFFSET["GREATER2_FLAG"]
CTX_CU_QP_DELTA_ABS = CTX_OFFSET["CU_QP_DELTA_ABS"]

# ctxIdxMap of sig_coeff_flag in a 4x4 block (table 9-41 of clause 9.3.4.2.5)
SIG_CTX_4X4 = np.array([0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 0], dtype=np.int32)

RANGE_TAB_LPS = np.array(
    [
        *([128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205]),
        *([116, 142, 169, 195], [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166]),
        *([95, 116, 137, 158], [90, 110, 130, 150], [85, 104, 123, 142], [81, 99, 117, 135]),
        *([77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116], [66, 80, 95, 110]),
        *([62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89]),
        *([51, 62, 73, 85], [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72]),
        *([41, 50, 59, 69], [39, 48, 56, 65], [37, 45, 54, 62], [35, 43, 51, 59]),
        *([33, 41, 48, 56], [32, 39, 46, 53], [30, 37, 43, 50], [29, 35, 41, 48]),
        *([27, 33, 39, 45], [26, 31, 37, 43], [24, 30, 35, 41], [23, 28, 33, 39]),
        *([22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33], [19, 23, 27, 31]),
        *([18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25]),
        *([14, 18, 21, 24], [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21]),
        *([12, 14, 17, 20], [11, 14, 16, 19], [11, 13, 15, 18], [10, 12, 15, 17]),
        *([10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14], [8, 10, 12, 14]),
        *([8, 9, 11, 13], [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11]),
        *([6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9], [2, 2, 2, 2]),
    ],
    dtype=np.int32,
)
TRANS_IDX_LPS = np.array(
    [
        0,
        0,
        1,
        2,
        2,
        4,
        4,
        5,
        6,
        7,
        8,
        9,
        9,
        11,
        11,
        12,
        13,
        13,
        15,
        15,
        16,
        16,
        18,
        18,
        19,
        19,
        21,
        21,
        22,
        22,
    ]
    + [23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36]
    + [36, 36, 37, 37, 37, 38, 38, 63],
    dtype=np.int32,
)


def init_states(qp: int) -> np.ndarray:
    """pStateIdx << 1 | valMps of every context at the start of a slice of SliceQpY `qp` (9.3.2.2)."""
    slope = (CTX_INIT >> 4) * 5 - 45
    offset = ((CTX_INIT & 15) << 3) - 16
    pre = np.clip(((slope * np.clip(qp, 0, 51)) >> 4) + offset, 1, 126)
    mps = (pre > 63).astype(np.int32)
    return np.where(mps == 1, pre - 64, 63 - pre).astype(np.int32) << 1 | mps
