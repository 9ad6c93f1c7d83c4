"""Everything around the slice data as a list of syntax elements, in the order of H.265 clause 7.3, for HeaderWriter.

An element is a constant, or a field of the picture (`FIELDS`) by its name. `compile_headers` gives the microcode.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

FIELDS = (
    "high_tier",
    "level_idc",
    "coded_width",
    "coded_height",
    "conf_win_right_offset",
    "conf_win_bottom_offset",
    "full_range",
    "cu_qp_delta_enabled",
    "colour_primaries",
    "transfer_characteristics",
    "matrix_coeffs",
    "slice_qp_delta",  # mapped to the codeNum of se(v)
    *(f"checksum_{component}_{half}" for component in ("y", "cb", "cr") for half in ("high", "low")),
)

NAL_IDR_W_RADL, NAL_VPS, NAL_SPS, NAL_PPS, NAL_SUFFIX_SEI = 19, 32, 33, 34, 40


class Kind(IntEnum):
    CONSTANT = 0  # `count` bits of `value`
    FIELD = 1  # `count` bits of field number `value`
    UE_FIELD = 2  # ue(v) of field number `value`
    TRAILING = 3  # a one, then zeros up to the byte


@dataclass(frozen=True)
class Step:
    """One step of microcode.

    raw: no emulation prevention; qp_delta: left out unless cu_qp_delta_enabled; stop: the last of its section.
    """

    kind: Kind
    count: int = 0
    value: int = 0
    raw: bool = False
    qp_delta: bool = False
    stop: bool = False


class Section(IntEnum):
    """What is written in one go; `compile_headers` gives the first step of each."""

    PARAMETER_SETS = 0
    SLICE_HEADER = 1
    PICTURE_HASH = 2


class _Listing:
    """Collects steps with the descriptors of clause 7.2."""

    def __init__(self):
        self.steps: list[Step] = []

    def u(self, count: int, value: int | str, raw: bool = False, qp_delta: bool = False) -> None:
        if isinstance(value, str):
            self.steps.append(Step(Kind.FIELD, count, FIELDS.index(value)))
            return
        while count:
            part = count % 16 or 16
            count -= part
            self.steps.append(Step(Kind.CONSTANT, part, (value >> count) & 0xFFFF & ((1 << part) - 1), raw, qp_delta))

    def ue(self, value: int | str, qp_delta: bool = False) -> None:
        if isinstance(value, str):
            self.steps.append(Step(Kind.UE_FIELD, 0, FIELDS.index(value)))
        else:
            self.u(2 * (value + 1).bit_length() - 1, value + 1, qp_delta=qp_delta)

    def nal_unit(self, nal_unit_type: int) -> None:
        """start_code_prefix with its zero_byte (Annex B), then the header: layer 0, temporal id 0."""
        self.u(32, 1, raw=True)
        self.u(16, nal_unit_type << 9 | 1)

    def trailing(self) -> None:
        self.steps.append(Step(Kind.TRAILING))

    def stop(self) -> None:
        self.steps[-1] = replace(self.steps[-1], stop=True)


def _profile_tier_level(w: _Listing) -> None:
    w.u(2, 0)  # general_profile_space
    w.u(1, "high_tier")
    w.u(5, 1)  # general_profile_idc: Main
    w.u(32, 0x60000000)  # general_profile_compatibility_flag: Main, Main 10
    w.u(4, 0b1001)  # progressive_source, interlaced_source, non_packed_constraint, frame_only_constraint
    w.u(44, 0)  # reserved
    w.u(8, "level_idc")


def _video_parameter_set(w: _Listing) -> None:
    w.nal_unit(NAL_VPS)
    w.u(4, 0)  # vps_video_parameter_set_id
    w.u(2, 3)  # vps_base_layer_internal_flag, vps_base_layer_available_flag
    w.u(6, 0)  # vps_max_layers_minus1
    w.u(3, 0)  # vps_max_sub_layers_minus1
    w.u(1, 1)  # vps_temporal_id_nesting_flag
    w.u(16, 0xFFFF)  # vps_reserved_0xffff_16bits
    _profile_tier_level(w)
    w.u(1, 1)  # vps_sub_layer_ordering_info_present_flag
    w.ue(0)  # vps_max_dec_pic_buffering_minus1
    w.ue(0)  # vps_max_num_reorder_pics
    w.ue(0)  # vps_max_latency_increase_plus1
    w.u(6, 0)  # vps_max_layer_id
    w.ue(0)  # vps_num_layer_sets_minus1
    w.u(1, 0)  # vps_timing_info_present_flag
    w.u(1, 0)  # vps_extension_flag
    w.trailing()


def _sequence_parameter_set(w: _Listing, ctb_log2_size: int) -> None:
    w.nal_unit(NAL_SPS)
    w.u(4, 0)  # sps_video_parameter_set_id
    w.u(3, 0)  # sps_max_sub_layers_minus1
    w.u(1, 1)  # sps_temporal_id_nesting_flag
    _profile_tier_level(w)
    w.ue(0)  # sps_seq_parameter_set_id
    w.ue(1)  # chroma_format_idc: 4:2:0
    w.ue("coded_width")  # pic_width_in_luma_samples
    w.ue("coded_height")  # pic_height_in_luma_samples
    w.u(1, 1)  # conformance_window_flag
    w.ue(0)  # conf_win_left_offset
    w.ue("conf_win_right_offset")
    w.ue(0)  # conf_win_top_offset
    w.ue("conf_win_bottom_offset")
    w.ue(0)  # bit_depth_luma_minus8
    w.ue(0)  # bit_depth_chroma_minus8
    w.ue(0)  # log2_max_pic_order_cnt_lsb_minus4
    w.u(1, 1)  # sps_sub_layer_ordering_info_present_flag
    w.ue(0)  # sps_max_dec_pic_buffering_minus1
    w.ue(0)  # sps_max_num_reorder_pics
    w.ue(0)  # sps_max_latency_increase_plus1
    w.ue(0)  # log2_min_luma_coding_block_size_minus3
    w.ue(ctb_log2_size - 3)  # log2_diff_max_min_luma_coding_block_size
    w.ue(0)  # log2_min_luma_transform_block_size_minus2
    w.ue(min(5, ctb_log2_size) - 2)  # log2_diff_max_min_luma_transform_block_size
    w.ue(0)  # max_transform_hierarchy_depth_inter
    w.ue(1)  # max_transform_hierarchy_depth_intra
    w.u(1, 0)  # scaling_list_enabled_flag
    w.u(1, 0)  # amp_enabled_flag
    w.u(1, 0)  # sample_adaptive_offset_enabled_flag
    w.u(1, 0)  # pcm_enabled_flag
    w.ue(0)  # num_short_term_ref_pic_sets
    w.u(1, 0)  # long_term_ref_pics_present_flag
    w.u(1, 0)  # sps_temporal_mvp_enabled_flag
    w.u(1, 1)  # strong_intra_smoothing_enabled_flag
    w.u(1, 1)  # vui_parameters_present_flag
    w.u(1, 0)  # aspect_ratio_info_present_flag
    w.u(1, 0)  # overscan_info_present_flag
    w.u(1, 1)  # video_signal_type_present_flag
    w.u(3, 5)  # video_format: unspecified
    w.u(1, "full_range")  # video_full_range_flag
    w.u(1, 1)  # colour_description_present_flag
    w.u(8, "colour_primaries")
    w.u(8, "transfer_characteristics")
    w.u(8, "matrix_coeffs")
    w.u(1, 0)  # chroma_loc_info_present_flag
    w.u(3, 0)  # neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    w.u(1, 0)  # default_display_window_flag
    w.u(1, 0)  # vui_timing_info_present_flag
    w.u(1, 0)  # bitstream_restriction_flag
    w.u(1, 0)  # sps_extension_present_flag
    w.trailing()


def _picture_parameter_set(w: _Listing) -> None:
    w.nal_unit(NAL_PPS)
    w.ue(0)  # pps_pic_parameter_set_id
    w.ue(0)  # pps_seq_parameter_set_id
    w.u(1, 0)  # dependent_slice_segments_enabled_flag
    w.u(1, 0)  # output_flag_present_flag
    w.u(3, 0)  # num_extra_slice_header_bits
    w.u(1, 1)  # sign_data_hiding_enabled_flag
    w.u(1, 0)  # cabac_init_present_flag
    w.ue(0)  # num_ref_idx_l0_default_active_minus1
    w.ue(0)  # num_ref_idx_l1_default_active_minus1
    w.ue(0)  # init_qp_minus26, se(v)
    w.u(1, 0)  # constrained_intra_pred_flag
    w.u(1, 0)  # transform_skip_enabled_flag
    w.u(1, "cu_qp_delta_enabled")  # cu_qp_delta_enabled_flag
    w.ue(0, qp_delta=True)  # diff_cu_qp_delta_depth: a quantization group is a coding-tree unit
    w.ue(0)  # pps_cb_qp_offset, se(v)
    w.ue(0)  # pps_cr_qp_offset, se(v)
    w.u(1, 0)  # pps_slice_chroma_qp_offsets_present_flag
    w.u(2, 0)  # weighted_pred_flag, weighted_bipred_flag
    w.u(1, 0)  # transquant_bypass_enabled_flag
    w.u(1, 0)  # tiles_enabled_flag
    w.u(1, 0)  # entropy_coding_sync_enabled_flag
    w.u(1, 0)  # pps_loop_filter_across_slices_enabled_flag
    w.u(1, 1)  # deblocking_filter_control_present_flag
    w.u(1, 0)  # deblocking_filter_override_enabled_flag
    w.u(1, 1)  # pps_deblocking_filter_disabled_flag
    w.u(1, 0)  # pps_scaling_list_data_present_flag
    w.u(1, 0)  # lists_modification_present_flag
    w.ue(0)  # log2_parallel_merge_level_minus2
    w.u(1, 0)  # slice_segment_header_extension_present_flag
    w.u(1, 0)  # pps_extension_present_flag
    w.trailing()


def _slice_segment_header(w: _Listing) -> None:
    w.nal_unit(NAL_IDR_W_RADL)
    w.u(1, 1)  # first_slice_segment_in_pic_flag
    w.u(1, 0)  # no_output_of_prior_pics_flag
    w.ue(0)  # slice_pic_parameter_set_id
    w.ue(2)  # slice_type: I
    w.ue("slice_qp_delta")
    w.trailing()  # byte_alignment


def _decoded_picture_hash(w: _Listing) -> None:
    w.nal_unit(NAL_SUFFIX_SEI)
    w.u(8, 132)  # payload_type: decoded picture hash
    w.u(8, 13)  # payload_size
    w.u(8, 2)  # hash_type: checksum
    for component in ("y", "cb", "cr"):
        w.u(16, f"checksum_{component}_high")
        w.u(16, f"checksum_{component}_low")
    w.trailing()


def compile_headers(ctb_log2_size: int) -> tuple[list[Step], dict[Section, int]]:
    """(microcode, first step of each section)."""
    w, entry = _Listing(), {}
    entry[Section.PARAMETER_SETS] = len(w.steps)
    _video_parameter_set(w)
    _sequence_parameter_set(w, ctb_log2_size)
    _picture_parameter_set(w)
    w.stop()
    entry[Section.SLICE_HEADER] = len(w.steps)
    _slice_segment_header(w)
    w.stop()
    entry[Section.PICTURE_HASH] = len(w.steps)
    _decoded_picture_hash(w)
    w.stop()
    return _merged(w.steps), _moved(w.steps, entry)


def _runs(steps: list[Step]) -> list[list[int]]:
    """Indices of steps that become one: neighbouring constants of up to 16 bits, all or none `raw`, none `qp_delta`."""
    runs: list[list[int]] = []
    for index, step in enumerate(steps):
        before = [steps[k] for k in runs[-1]] if runs else []
        fits = sum(s.count for s in before) + step.count <= 16
        alike = all(s.kind == step.kind == Kind.CONSTANT and s.raw == step.raw for s in before)
        alike &= not any(s.qp_delta for s in [*before, step])
        if before and fits and alike:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _merged(steps: list[Step]) -> list[Step]:
    merged = []
    for run in _runs(steps):
        step = steps[run[0]]
        if len(run) > 1:
            value = 0
            for index in run:
                value = value << steps[index].count | steps[index].value
            step = Step(Kind.CONSTANT, sum(steps[k].count for k in run), value, step.raw)
        merged.append(step)
    return merged


def _moved(steps: list[Step], entry: dict[Section, int]) -> dict[Section, int]:
    """A section starts with a raw step after a trailing one, so its first step is the first of a run."""
    firsts = [run[0] for run in _runs(steps)]
    return {section: firsts.index(index) for section, index in entry.items()}
