"""Context variables of an I slice: their places in one flat table and their initial values (H.265 tables 9-5 ff.).

Those of cbf_cb and cbf_cr are for trafoDepth 0 and 1: they are never coded deeper here.
"""

_INIT_VALUES = {
    "SPLIT_CU_FLAG": (139, 141, 157),
    "PART_MODE": (184,),
    "PREV_INTRA_LUMA_PRED_FLAG": (184,),
    "INTRA_CHROMA_PRED_MODE": (63,),
    "SPLIT_TRANSFORM_FLAG": (153, 138, 138),
    "CBF_LUMA": (111, 141),
    "CBF_CHROMA": (94, 138),
    "LAST_X_PREFIX": (110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63),
    "LAST_Y_PREFIX": (110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63),
    "CODED_SUB_BLOCK_FLAG": (91, 171, 134, 141),
    "SIG_COEFF_FLAG": (
        *(111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153),
        *(125, 107, 125, 141, 179, 153, 125),
        *(140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111),
    ),
    "GREATER1_FLAG": (
        *(140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92),
        *(139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197),
    ),
    "GREATER2_FLAG": (138, 153, 136, 167, 152, 152),
    "CU_QP_DELTA_ABS": (154, 154),
}

INIT_VALUES = tuple(value for values in _INIT_VALUES.values() for value in values)
"""initValue of every context, by ctxIdx."""

COUNT = len(INIT_VALUES)


def _offset(name: str) -> int:
    before = list(_INIT_VALUES)[: list(_INIT_VALUES).index(name)]
    return sum(len(_INIT_VALUES[other]) for other in before)


SPLIT_CU_FLAG = _offset("SPLIT_CU_FLAG")
PART_MODE = _offset("PART_MODE")
PREV_INTRA_LUMA_PRED_FLAG = _offset("PREV_INTRA_LUMA_PRED_FLAG")
INTRA_CHROMA_PRED_MODE = _offset("INTRA_CHROMA_PRED_MODE")
SPLIT_TRANSFORM_FLAG = _offset("SPLIT_TRANSFORM_FLAG")
CBF_LUMA = _offset("CBF_LUMA")
CBF_CHROMA = _offset("CBF_CHROMA")
LAST_X_PREFIX = _offset("LAST_X_PREFIX")
LAST_Y_PREFIX = _offset("LAST_Y_PREFIX")
CODED_SUB_BLOCK_FLAG = _offset("CODED_SUB_BLOCK_FLAG")
SIG_COEFF_FLAG = _offset("SIG_COEFF_FLAG")
GREATER1_FLAG = _offset("GREATER1_FLAG")
GREATER2_FLAG = _offset("GREATER2_FLAG")
CU_QP_DELTA_ABS = _offset("CU_QP_DELTA_ABS")

# Table 9-53: the next pStateIdx after an LPS.
TRANS_IDX_LPS = (
    *(0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22),
    *(23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36),
    *(36, 36, 37, 37, 37, 38, 38, 63),
)

# Table 9-52: ivlLpsRange by pStateIdx and qRangeIdx.
RANGE_TAB_LPS = (
    *((128, 176, 208, 240), (128, 167, 197, 227), (128, 158, 187, 216), (123, 150, 178, 205)),
    *((116, 142, 169, 195), (111, 135, 160, 185), (105, 128, 152, 175), (100, 122, 144, 166)),
    *((95, 116, 137, 158), (90, 110, 130, 150), (85, 104, 123, 142), (81, 99, 117, 135)),
    *((77, 94, 111, 128), (73, 89, 105, 122), (69, 85, 100, 116), (66, 80, 95, 110)),
    *((62, 76, 90, 104), (59, 72, 86, 99), (56, 69, 81, 94), (53, 65, 77, 89)),
    *((51, 62, 73, 85), (48, 59, 69, 80), (46, 56, 66, 76), (43, 53, 63, 72)),
    *((41, 50, 59, 69), (39, 48, 56, 65), (37, 45, 54, 62), (35, 43, 51, 59)),
    *((33, 41, 48, 56), (32, 39, 46, 53), (30, 37, 43, 50), (29, 35, 41, 48)),
    *((27, 33, 39, 45), (26, 31, 37, 43), (24, 30, 35, 41), (23, 28, 33, 39)),
    *((22, 27, 32, 37), (21, 26, 30, 35), (20, 24, 29, 33), (19, 23, 27, 31)),
    *((18, 22, 26, 30), (17, 21, 25, 28), (16, 20, 23, 27), (15, 19, 22, 25)),
    *((14, 18, 21, 24), (14, 17, 20, 23), (13, 16, 19, 22), (12, 15, 18, 21)),
    *((12, 14, 17, 20), (11, 14, 16, 19), (11, 13, 15, 18), (10, 12, 15, 17)),
    *((10, 12, 14, 16), (9, 11, 13, 15), (9, 11, 12, 14), (8, 10, 12, 14)),
    *((8, 9, 11, 13), (7, 9, 11, 12), (7, 9, 10, 12), (7, 8, 10, 11)),
    *((6, 8, 9, 11), (6, 7, 9, 10), (6, 7, 8, 9), (2, 2, 2, 2)),
)


def state_after_init(init_value: int, qp: int) -> tuple[int, int]:
    """(pStateIdx, valMps) of a context at the start of a slice (H.265 9.3.2.2)."""
    slope, offset = (init_value >> 4) * 5 - 45, ((init_value & 15) << 3) - 16
    pre = min(max(((slope * min(max(qp, 0), 51)) >> 4) + offset, 1), 126)
    return (pre - 64, 1) if pre > 63 else (63 - pre, 0)
