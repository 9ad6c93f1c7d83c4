"""Parameter sets, slice header, SEI and the byte stream (H.265 7.3.1, 7.3.2, 7.3.6, Annex B, D, E)."""

import numpy as np

from .config import PictureConfig

NAL_IDR_W_RADL, NAL_VPS, NAL_SPS, NAL_PPS, NAL_SUFFIX_SEI = 19, 32, 33, 34, 40


class BitWriter:
    """Collects the syntax elements of one raw byte sequence payload."""

    def __init__(self):
        self.bits: list[int] = []

    def u(self, count: int, value: int) -> None:
        self.bits += [(value >> (count - 1 - k)) & 1 for k in range(count)]

    def ue(self, value: int) -> None:
        length = (value + 1).bit_length()
        self.u(2 * length - 1, value + 1)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def trailing(self) -> None:
        """rbsp_trailing_bits, also byte_alignment of the slice header: a one, then zeros."""
        self.bits.append(1)
        self.bits += [0] * (-len(self.bits) % 8)

    def bytes(self) -> bytes:
        return np.packbits(np.array(self.bits, np.uint8)).tobytes()


def _profile_tier_level(w: BitWriter, cfg: PictureConfig) -> None:
    w.u(2, 0)  # general_profile_space
    w.u(1, cfg.high_tier)
    w.u(5, 1)  # general_profile_idc: Main
    w.u(32, 0x60000000)  # general_profile_compatibility_flag: Main and Main 10
    w.u(4, 0b1001)  # progressive_source, interlaced_source, non_packed_constraint, frame_only_constraint
    w.u(44, 0)
    w.u(8, cfg.level_idc)


def video_parameter_set(cfg: PictureConfig) -> bytes:
    w = BitWriter()
    w.u(4, 0)  # vps_video_parameter_set_id
    w.u(2, 3)  # vps_base_layer_internal_flag, vps_base_layer_available_flag
    w.u(6, 0)  # vps_max_layers_minus1
    w.u(3, 0)  # vps_max_sub_layers_minus1
    w.u(1, 1)  # vps_temporal_id_nesting_flag
    w.u(16, 0xFFFF)
    _profile_tier_level(w, cfg)
    w.u(1, 1)  # vps_sub_layer_ordering_info_present_flag
    w.ue(0)  # vps_max_dec_pic_buffering_minus1
    w.ue(0)  # vps_max_num_reorder_pics
    w.ue(0)  # vps_max_latency_increase_plus1
    w.u(6, 0)  # vps_max_layer_id
    w.ue(0)  # vps_num_layer_sets_minus1
    w.u(1, 0)  # vps_timing_info_present_flag
    w.u(1, 0)  # vps_extension_flag
    w.trailing()
    return w.bytes()


def sequence_parameter_set(cfg: PictureConfig) -> bytes:
    w = BitWriter()
    w.u(4, 0)  # sps_video_parameter_set_id
    w.u(3, 0)  # sps_max_sub_layers_minus1
    w.u(1, 1)  # sps_temporal_id_nesting_flag
    _profile_tier_level(w, cfg)
    w.ue(0)  # sps_seq_parameter_set_id
    w.ue(1)  # chroma_format_idc: 4:2:0
    w.ue(cfg.coded_width)
    w.ue(cfg.coded_height)
    w.u(1, 1)  # conformance_window_flag
    w.ue(0)
    w.ue((cfg.coded_width - cfg.width) // 2)
    w.ue(0)
    w.ue((cfg.coded_height - cfg.height) // 2)
    w.ue(0)  # bit_depth_luma_minus8
    w.ue(0)  # bit_depth_chroma_minus8
    w.ue(0)  # log2_max_pic_order_cnt_lsb_minus4
    w.u(1, 1)  # sps_sub_layer_ordering_info_present_flag
    w.ue(0)  # sps_max_dec_pic_buffering_minus1
    w.ue(0)  # sps_max_num_reorder_pics
    w.ue(0)  # sps_max_latency_increase_plus1
    w.ue(0)  # log2_min_luma_coding_block_size_minus3
    w.ue(cfg.ctb_log2_size - 3)  # log2_diff_max_min_luma_coding_block_size
    w.ue(0)  # log2_min_luma_transform_block_size_minus2
    w.ue(min(5, cfg.ctb_log2_size) - 2)  # log2_diff_max_min_luma_transform_block_size
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
    w.u(1, cfg.full_range)
    w.u(1, 1)  # colour_description_present_flag
    w.u(8, cfg.colour_primaries)
    w.u(8, cfg.transfer_characteristics)
    w.u(8, cfg.matrix_coeffs)
    w.u(1, 0)  # chroma_loc_info_present_flag
    w.u(3, 0)  # neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    w.u(1, 0)  # default_display_window_flag
    w.u(1, 0)  # vui_timing_info_present_flag
    w.u(1, 0)  # bitstream_restriction_flag
    w.u(1, 0)  # sps_extension_present_flag
    w.trailing()
    return w.bytes()


def picture_parameter_set(cfg: PictureConfig) -> bytes:
    w = BitWriter()
    w.ue(0)  # pps_pic_parameter_set_id
    w.ue(0)  # pps_seq_parameter_set_id
    w.u(1, 0)  # dependent_slice_segments_enabled_flag
    w.u(1, 0)  # output_flag_present_flag
    w.u(3, 0)  # num_extra_slice_header_bits
    w.u(1, 1)  # sign_data_hiding_enabled_flag
    w.u(1, 0)  # cabac_init_present_flag
    w.ue(0)  # num_ref_idx_l0_default_active_minus1
    w.ue(0)  # num_ref_idx_l1_default_active_minus1
    w.se(0)  # init_qp_minus26
    w.u(1, 0)  # constrained_intra_pred_flag
    w.u(1, 0)  # transform_skip_enabled_flag
    w.u(1, cfg.cu_qp_delta_enabled)  # cu_qp_delta_enabled_flag
    if cfg.cu_qp_delta_enabled:
        w.ue(0)  # diff_cu_qp_delta_depth: a quantization group is a CTU
    w.se(0)  # pps_cb_qp_offset
    w.se(0)  # pps_cr_qp_offset
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
    return w.bytes()


def slice_header(cfg: PictureConfig) -> bytes:
    """slice_segment_header and byte_alignment of an IDR picture's only slice."""
    w = BitWriter()
    w.u(1, 1)  # first_slice_segment_in_pic_flag
    w.u(1, 0)  # no_output_of_prior_pics_flag
    w.ue(0)  # slice_pic_parameter_set_id
    w.ue(2)  # slice_type: I
    w.se(cfg.qp - 26)  # slice_qp_delta
    w.trailing()
    return w.bytes()


def picture_checksum(plane: np.ndarray) -> int:
    """Checksum of one decoded plane (D.3.19, method 2)."""
    y, x = np.indices(plane.shape, dtype=np.int64)
    mask = (x & 255) ^ (y & 255) ^ (x >> 8) ^ (y >> 8)
    return int(((plane & 255) ^ mask).sum() & 0xFFFFFFFF)


def picture_hash_sei(planes) -> bytes:
    w = BitWriter()
    w.u(8, 132)  # decoded picture hash
    w.u(8, 13)  # payload size
    w.u(8, 2)  # hash_type: checksum
    for plane in planes:
        w.u(32, picture_checksum(plane))
    w.trailing()
    return w.bytes()


def emulation_prevention(rbsp: bytes) -> bytes:
    """7.3.1.1: a byte of 3 before any byte of 0 to 3 that follows two zero bytes."""
    out = bytearray()
    zeros = 0
    # most payloads have few pairs of zeros: look only where they are
    pos = 0
    while True:
        hit = rbsp.find(b"\0\0", pos)
        if hit < 0 or hit + 2 >= len(rbsp):
            out += rbsp[pos:]
            break
        zeros = hit + 2
        if rbsp[zeros] <= 3:
            out += rbsp[pos:zeros] + b"\3"
            pos = zeros
        else:
            out += rbsp[pos : hit + 1]
            pos = hit + 1
    return bytes(out)


def nal_unit(nal_type: int, rbsp: bytes) -> bytes:
    """Start code, two-byte NAL unit header and payload."""
    return b"\0\0\0\1" + bytes([nal_type << 1, 1]) + emulation_prevention(rbsp)


def parameter_sets(cfg: PictureConfig) -> bytes:
    return (
        nal_unit(NAL_VPS, video_parameter_set(cfg))
        + nal_unit(NAL_SPS, sequence_parameter_set(cfg))
        + nal_unit(NAL_PPS, picture_parameter_set(cfg))
    )
