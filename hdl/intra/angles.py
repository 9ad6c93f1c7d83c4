"""Tables of angular intra prediction (H.265 8.4.4.2.6) and what follows from a mode."""

from amaranth import Const, Module, Signal, signed, unsigned

PLANAR, DC, HORIZONTAL, VERTICAL = 0, 1, 10, 26

# Table 8-5: intraPredAngle of IntraPredModeY 2..34.
INTRA_PRED_ANGLE = (
    (32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26)  # 2..17
    + (-32, -26, -21, -17, -13, -9, -5, -2, 0, 2, 5, 9, 13, 17, 21, 26, 32)  # 18..34
)

# Table 8-6, by the absolute value of a negative angle: |invAngle|.
INVERSE_ANGLE = {2: 4096, 5: 1638, 9: 910, 13: 630, 17: 482, 21: 390, 26: 315, 32: 256}

# Smallest distance from modes 10 and 26 that is smoothed, by log2 of the block size (intraHorVerDistThres).
SMOOTHING_DISTANCE = {3: 7, 4: 1, 5: 0}


def angle_of(m: Module, mode, name: str) -> Signal:
    """intraPredAngle of the 6-bit `mode` as signed(7); 0 for planar and DC."""
    angle = Signal(signed(7), name=f"{name}_angle")
    with m.Switch(mode):
        for value, entry in enumerate(INTRA_PRED_ANGLE, start=2):
            with m.Case(value):
                m.d.comb += angle.eq(entry)
    return angle


def is_swapped(mode):
    """1 for the horizontal modes 2..17: predicted as a vertical mode with left and top exchanged, then transposed."""
    return (mode >= 2) & (mode < 18)


def needs_smoothing(m: Module, mode, log2_size, is_luma, name: str) -> Signal:
    """filterFlag of 8.4.4.2.3 for luma: are the reference samples smoothed before this mode uses them?"""
    flag = Signal(name=f"{name}_smooth")
    for log2, limit in SMOOTHING_DISTANCE.items():
        row = 0
        for value in range(35):
            distance = min(abs(value - VERTICAL), abs(value - HORIZONTAL))
            if value == PLANAR or (value != DC and distance > limit):
                row |= 1 << value
        with m.If((log2_size == log2) & is_luma):
            m.d.comb += flag.eq(Const(row, unsigned(64)).bit_select(mode, 1))
    return flag
