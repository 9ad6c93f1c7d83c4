"""Which level and tier a stream declares (H.265 Annex A, tables A.8 and A.9)."""

from fractions import Fraction

from heron.errors import HeronError

# general_level_idc: MaxLumaPs, MaxLumaSr, whether the level has a High tier
LEVELS = {
    30: (36864, 552960, False),
    60: (122880, 3686400, False),
    63: (245760, 7372800, False),
    90: (552960, 16588800, False),
    93: (983040, 33177600, False),
    120: (2228224, 66846720, True),
    123: (2228224, 133693440, True),
    150: (8912896, 267386880, True),
    153: (8912896, 534773760, True),
    156: (8912896, 1069547520, True),
    180: (35651584, 1069547520, True),
    183: (35651584, 2139095040, True),
    186: (35651584, 4278190080, True),
}


def choose_level(width: int, height: int, rate: Fraction | float | None = None) -> tuple[int, int]:
    """general_level_idc and general_tier_flag for pictures of width x height at `rate` pictures a second.

    The lowest level whose MaxLumaPs, side limit (square root of 8 MaxLumaPs) and MaxLumaSr hold the coded size.
    High tier wherever the level has one: intra pictures at a fixed QP take more bits than Main tier allows.
    A rate beyond the last level declares the last level.
    """
    coded_width, coded_height = (width + 7) & ~7, (height + 7) & ~7
    samples = coded_width * coded_height
    fitting = [
        (idc, max_rate, high)
        for idc, (max_ps, max_rate, high) in LEVELS.items()
        if samples <= max_ps and max(coded_width, coded_height) ** 2 <= 8 * max_ps
    ]
    if not fitting:
        raise HeronError(f"{width}x{height} is beyond level 6.2, the last of H.265")
    for idc, max_rate, high in fitting:
        if samples * (rate or 0) <= max_rate:
            return idc, int(high)
    return fitting[-1][0], int(fitting[-1][2])
