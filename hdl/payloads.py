"""The payloads that cross a stage boundary. Every stream between two stages carries one of these."""

from amaranth import signed, unsigned
from amaranth.lib import data


class Picture(data.Struct):
    """Parameters of one picture; each stage takes one from its `i_picture` before the picture's first payload."""

    width: 14  # luma samples, even, of the source (the conformance window); coded size is the next multiple of 8
    height: 14
    qp: 6  # SliceQpY, 0..51
    cu_qp_delta_enabled: 1  # each coding-tree unit has a QP of its own, a CtuQp
    level_idc: 8  # general_level_idc
    high_tier: 1  # general_tier_flag
    write_parameter_sets: 1  # VPS, SPS and PPS before this picture
    write_hash: 1  # a decoded-picture-hash SEI (checksum) after this picture
    full_range: 1  # video_full_range_flag
    colour_primaries: 8
    transfer_characteristics: 8
    matrix_coeffs: 8


class CtuQp(data.Struct):
    """QpY of one coding-tree unit. One for each in raster order, for pictures with cu_qp_delta_enabled, else none."""

    qp: 6  # 0..51


class Samples(data.Struct):
    """Eight horizontally adjacent samples of one component, leftmost first.

    Order on `i_source` and `o_recon`: coding-tree blocks in raster order; in each, the rows of Y from the top, then
    of Cb, then of Cr; in each row, from the left. Only rows and groups that hold a sample of the picture are there
    (source: of width x height; reconstruction: of the coded size, width and height rounded up to a multiple of 8).
    A chroma row of the coded picture may end in half a group: the rest is not looked at.
    """

    sample: data.ArrayLayout(unsigned(8), 8)


class CodingUnit(data.Struct):
    """One coding unit as analysis decided it, in coding order (H.265 7.3.8.5)."""

    x: 10  # of its top left luma sample in the picture, in units of 8
    y: 10
    log2_size: 3  # log2CbSize, 3..6
    part_nxn: 1  # PART_NxN: four luma modes, only at log2_size 3
    split_transform: 1  # split_transform_flag of the transform tree's root (coded or inferred; 1 when part_nxn)
    luma_mode: data.ArrayLayout(unsigned(6), 4)  # IntraPredModeY, z-order; all four equal when not part_nxn
    luma_second: data.ArrayLayout(unsigned(6), 4)  # the next best modes, for a choice in the closed loop:
    luma_third: data.ArrayLayout(unsigned(6), 4)  # equal to luma_second where there are only two
    chroma_mode: 3  # intra_chroma_pred_mode, 0..4
    qp: 6  # of its coding-tree unit, by which it is quantised: its QpY once cu_qp_delta_abs is coded
    last_in_ctu: 1
    last_in_picture: 1


class CodedUnit(data.Struct):
    """A coding unit after reconstruction: its decision and its coded block flags.

    Bit i of a cbf is transform block i in z-order. When the root is not split only bit 0 is used; when the root of
    an 8x8 is split into 4x4, chroma has one 4x4 block each, bit 0.
    Sent after the unit's last coefficient group, so whoever has this has all the groups.
    """

    cu: CodingUnit
    cbf_luma: 4
    cbf_cb: 4
    cbf_cr: 4


class CoefficientGroup(data.Struct):
    """Sixteen levels (TransCoeffLevel) of one sub-block, in scan order: level[0] is scan position 0.

    For each transform block whose cbf is 1, in the order of the bitstream (luma i, Cb i, Cr i, ...; 8x8 split to 4x4:
    four luma, Cb, Cr), the groups from the one that holds the last significant coefficient down to group 0.
    """

    level: data.ArrayLayout(signed(16), 16)
    index: 6  # i of the standard: the group's position in the sub-block scan
    first: 1  # first of its transform block: holds the last significant coefficient


class Byte(data.Struct):
    """One byte of the Annex B stream; `last` on the last byte of a picture."""

    data: 8
    last: 1
