"""The transform matrices of H.265 8.6.4.2."""

# First column of the even and odd rows of the 32-point DCT: every entry is one of these, with a sign.
_COSINE = (64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64) + (
    61,
    57,
    54,
    50,
    46,
    43,
    38,
    36,
    31,
    25,
    22,
    18,
    13,
    9,
    4,
    0,
)


def dct(k: int, i: int, size: int) -> int:
    """transMatrix of `size` points, row (frequency) k, column (sample) i."""
    if k == 0:
        return 64
    phase = k * (2 * i + 1) * (32 // size) % 128
    phase = min(phase, 128 - phase)
    return _COSINE[phase] if phase <= 32 else -_COSINE[64 - phase]


DST4 = ((29, 55, 74, 84), (74, 74, 0, -74), (84, -29, -74, 55), (55, -84, 74, -29))
