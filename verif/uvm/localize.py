"""Where to look when a picture is wrong: the first differing sample, syntax element, block and stage.

`explain` compares what came out with the reference codec. The reconstruction is compared block by block in coding
order. The bytes are decoded with the reference's own bins: up to the first bin that differs both have the same syntax,
so no parser is needed to find it. Its name and place come from the line of the reference codec that writes it.
"""

import linecache
import re
import sys
from dataclasses import dataclass
from unittest import mock

import numpy as np

from heron.trace import syntax_element
from verif import decoders
from verif.reference import headers, syntax
from verif.reference.cabac import BYPASS, REGULAR, TERMINATE
from verif.reference.config import PictureConfig
from verif.reference.encoder import PictureResult, PictureTrace, encode_picture
from verif.reference.reconstruction import CU_LAST_CTU, CU_LOG2, CU_SPLIT, CU_X, CU_Y
from verif.reference.tables import RANGE_TAB_LPS, SCAN_POS, TRANS_IDX_LPS, init_states

COMPONENTS = ("Y", "Cb", "Cr")
NAL_NAMES = {
    headers.NAL_VPS: "VPS",
    headers.NAL_SPS: "SPS",
    headers.NAL_PPS: "PPS",
    headers.NAL_IDR_W_RADL: "slice",
    headers.NAL_SUFFIX_SEI: "picture hash SEI",
}
TREE = ("split_cu_flag", "part_mode", "split_transform_flag")
MODES = ("prev_intra_luma_pred_flag", "mpm_idx", "rem_intra_luma_pred_mode", "intra_chroma_pred_mode")


@dataclass(frozen=True)
class Place:
    """Where a bin belongs: syntax element, coding unit (its number, -1 unknown), and the rest in words."""

    element: str
    cu: int
    text: str


def explain(config: PictureConfig, planes, data: bytes, recon=None, qp_map: np.ndarray | None = None) -> str:
    """What is wrong with `data` and `recon` (planes of the coded size; None: not looked at); '' when nothing is."""
    expected = encode_picture(config, *planes, trace=True, qp_map=qp_map)
    trace = expected.trace
    assert trace is not None
    block = -1 if recon is None else first_block(trace, expected.recon, recon)
    sample, ours = ("", -1) if block < 0 else _describe_block(config, trace, block, expected.recon, recon)
    wrong, place = _compare_bytes(config, expected, trace, data)
    if not sample and not wrong:
        return ""
    lines = [f"look at: {_stage(place, wrong, ours)}", wrong, sample]
    if recon is not None and wrong and sample:
        lines.append(_consistency(config, data, recon))
    return "\n".join(line for line in lines if line)


def _stage(place: Place | None, wrong: str, block_cu: int) -> str:
    """The stage whose output is the first that is not as it should be, as far as bytes and samples tell."""
    if not wrong:
        return "what follows the levels: scaler, inverse transform, adder; or the way of the samples to where they are"
    if place is None:
        return "pack, or the way of the bytes to where they are"
    if block_cu < 0 or (place.cu >= 0 and place.cu < block_cu):
        after = "" if block_cu < 0 else " (the samples differ later)"
        if place.element in TREE:
            return f"analysis: the tree of blocks; or entropy: {place.element}{after}"
        return f"entropy: {place.element}, or the arithmetic coder{after}"
    if place.cu > block_cu:
        return "reconstruction: prediction, or what follows the levels (those of the first wrong block are right)"
    if place.element in TREE:
        return "analysis: the tree of blocks"
    if place.element in MODES:
        return "analysis: the candidates; or reconstruction: the choice among them"
    return "reconstruction: prediction, transform or quantizer of this block"


# ---- samples


def first_block(trace: PictureTrace, expected, recon) -> int:
    """Number of the first transform block, in coding order, with a sample that differs; -1 when none has."""
    different = [np.asarray(a) != b for a, b in zip(expected, recon)]
    if not any(plane.any() for plane in different):
        return -1
    for index, (c_idx, x, y, log2, *_) in enumerate(trace.tbs.tolist()):
        if different[c_idx][y : y + (1 << log2), x : x + (1 << log2)].any():
            return index
    raise AssertionError("a sample differs that no block holds")


def _describe_block(config, trace, block, expected, recon) -> tuple[str, int]:
    c_idx, x, y, log2, mode, cbf = trace.tbs[block, :6].tolist()
    n = 1 << log2
    ours, theirs = recon[c_idx][y : y + n, x : x + n], expected[c_idx][y : y + n, x : x + n]
    row, column = np.argwhere(ours != theirs)[0].tolist()
    cu = int(np.searchsorted(_blocks_so_far(trace.cus), block, side="right"))
    return (
        f"samples: {COMPONENTS[c_idx]} at {x + column},{y + row} is {ours[row, column]}, should be "
        f"{theirs[row, column]}; transform block {block}, {n}x{n} at {x},{y}, mode {mode}, cbf {cbf}, "
        f"{np.count_nonzero(ours != theirs)} of its samples differ; {_describe_cu(config, trace, cu)}"
    ), cu


def _blocks_so_far(cus: np.ndarray) -> np.ndarray:
    """Transform blocks up to and with each coding unit."""
    return np.cumsum(np.where(cus[:, CU_SPLIT] == 0, 3, np.where(cus[:, CU_LOG2] == 3, 6, 12)))


def _describe_cu(config: PictureConfig, trace: PictureTrace, cu: int) -> str:
    row, ctu = trace.cus[cu], int(trace.cus[:cu, CU_LAST_CTU].sum())
    columns = config.ctus[1]
    size = 1 << row[CU_LOG2]
    return (
        f"coding unit {cu}, {size}x{size} at {row[CU_X] * 8},{row[CU_Y] * 8}, in CTU {ctu} "
        f"(column {ctu % columns}, row {ctu // columns})"
    )


# ---- bytes


def split_nals(data: bytes) -> list[bytes]:
    """NAL units of a stream whose start codes all have four bytes, without them; what stands before is its own."""
    return [part for part in re.split(rb"\x00\x00\x00\x01", data) if part]


def to_rbsp(nal: bytes) -> bytes:
    """Without emulation prevention (7.3.1.1)."""
    return nal.replace(b"\0\0\3", b"\0\0")


def _compare_bytes(config, expected: PictureResult, trace, data: bytes) -> tuple[str, Place | None]:
    """(what differs in words, the place in the slice data if it is there)."""
    if data == expected.data:
        return "", None
    first = _first_difference(data, expected.data)
    head = f"bytes: the first that differs is {first} of {len(data)}, should be of {len(expected.data)}; "
    ours, theirs = split_nals(data), split_nals(expected.data)
    for index, nal in enumerate(theirs):
        name = NAL_NAMES[nal[0] >> 1]
        if index >= len(ours):
            return f"{head}NAL unit {index}, {name}, is missing", None
        if ours[index] == nal:
            continue
        if ours[index][:2] != nal[:2]:
            kind = NAL_NAMES.get(ours[index][0] >> 1, f"type {ours[index][0] >> 1}")
            return f"{head}NAL unit {index} begins like {kind}, should be {name}", None
        mine, right = to_rbsp(ours[index]), to_rbsp(nal)
        if mine == right:
            at = _first_difference(ours[index], nal)
            return f"{head}{name}: emulation prevention at byte {at} of the NAL unit", None
        begin = 2 + len(headers.slice_header(config))
        if name == "slice" and mine[:begin] == right[:begin]:
            return _compare_slice_data(config, trace, mine[begin:], head)
        bit = _first_bit(mine, right)
        return f"{head}{name}, bit {bit - 16} of its payload: {_header_element(config, expected, nal, bit - 16)}", None
    return f"{head}{len(ours) - len(theirs)} NAL units too many", None


def _compare_slice_data(config, trace, data: bytes, head: str) -> tuple[str, Place | None]:
    index, bit = _first_bin(trace.bins, config.qp, data)
    short = f", the slice data has {len(data)} bytes, should have {len(trace.slice_data)}"
    if index == len(trace.bins):
        return f"{head}slice: every bin is right, but not the bytes: the end of the arithmetic code{short}", None
    place = place_of_bin(config, trace, index)
    return (
        f"{head}slice: bin {index} of {len(trace.bins)} is {1 - trace.bins[index, 2]}, should be "
        f"{trace.bins[index, 2]}: {place.element}, {place.text}; read at bit {bit} of the slice data{short}"
    ), place


def _first_difference(a: bytes, b: bytes) -> int:
    return next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def _first_bit(a: bytes, b: bytes) -> int:
    k = _first_difference(a, b)
    x, y = (each[k] if k < len(each) else 0 for each in (a, b))
    return 8 * k + 8 - (x ^ y).bit_length()


def _first_bin(bins: np.ndarray, qp: int, data: bytes) -> tuple[int, int]:
    """The arithmetic decoder (9.3.4.3) on known bins: (the first that is decoded otherwise, bits read)."""
    states, table, next_lps = init_states(qp).tolist(), RANGE_TAB_LPS.tolist(), TRANS_IDX_LPS.tolist()
    bits = int.from_bytes(data, "big") << 64  # zeros behind the end
    left = 8 * len(data) + 64 - 9
    ivl_offset, ivl_range = bits >> left, 510
    text = f"{bits:0{8 * len(data) + 64}b}"
    for index, (kind, ctx, value) in enumerate(bins.tolist()):
        before = left
        if kind == REGULAR:
            state, mps = states[ctx] >> 1, states[ctx] & 1
            lps = table[state][ivl_range >> 6 & 3]
            ivl_range -= lps
            decoded = mps
            if ivl_offset >= ivl_range:
                decoded, ivl_offset, ivl_range = 1 - mps, ivl_offset - ivl_range, lps
                states[ctx] = next_lps[state] << 1 | (mps if state else 1 - mps)
            else:
                states[ctx] = min(state + 1, 62) << 1 | mps
            left -= 9 - ivl_range.bit_length()
            ivl_range <<= before - left
        elif kind == BYPASS:
            left -= 1
        else:
            ivl_range -= 2
            decoded = int(ivl_offset >= ivl_range)
            if ivl_range < 256:
                left, ivl_range = left - 1, ivl_range << 1
        for bit in text[len(text) - before : len(text) - left]:
            ivl_offset = ivl_offset << 1 | (bit == "1")
        if kind == BYPASS:
            decoded = int(ivl_offset >= ivl_range)
            ivl_offset -= decoded * ivl_range
        if decoded != value or left < 64 - 9:
            return index, len(text) - left
    return len(bins), len(text) - left


# ---- names, from the lines of the reference codec


class _Found(Exception):
    """The bin that was looked for has been written."""


def _comment(frame) -> str:
    """The comment at the end of the line that a frame is in: there the reference codec names the syntax element."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().partition("# ")[2]


def place_of_bin(config: PictureConfig, trace: PictureTrace, index: int) -> Place:
    """Runs the reference's syntax as Python, until it writes bin `index`."""
    found: list[Place] = []
    if trace.bins[index, 0] == TERMINATE:
        cu = int(np.flatnonzero(trace.cus[:, CU_LAST_CTU])[np.count_nonzero(trace.bins[:index, 0] == TERMINATE)])
        return Place(syntax_element(TERMINATE, 0), cu, f"after {_describe_cu(config, trace, cu)}")

    def write(n, count, ctx):
        if n <= index < n + count:
            frame = sys._getframe(2)
            name = _comment(frame) if ctx < 0 else syntax_element(REGULAR, ctx)
            found.append(_place(config, trace, frame, f"context {ctx}" if ctx >= 0 else "bypass", name))
            raise _Found
        return n + count

    plain = {name: getattr(syntax, name).py_func for name in ("residual_coding", "remaining", "cu_qp_delta")}
    plain["_transform_tree"] = syntax._transform_tree.py_func
    writers = {
        "_regular": lambda bins, n, ctx, value: write(n, 1, ctx),
        "_bypass": lambda bins, n, value, count: write(n, count, -1),
    }
    width, height = config.coded_width, config.coded_height
    with mock.patch.multiple(syntax, **plain, **writers):
        try:
            syntax.slice_data.py_func(
                *(trace.cus, len(trace.cus), trace.cgs, width, height, config.ctb_log2_size),
                *(config.qp, config.cu_qp_delta_enabled, np.zeros_like(trace.bins)),
            )
        except _Found:
            return found[0]
    raise AssertionError(f"bin {index} was not written")


def _place(config, trace, frame, how: str, name: str) -> Place:
    """From the local variables of the functions that were writing."""
    at = {}
    while frame.f_code.co_name != "slice_data":
        at.setdefault(frame.f_code.co_name, frame.f_locals)
        frame = frame.f_back
    cu = frame.f_locals["k"]
    text = [how]
    block = at.get("residual_coding")
    if block is not None:
        inside = "levels" in block  # of a group, which `g` is already past
        coded = int((trace.cgs[: block["g"], 17] != 0).sum()) - inside
        c_idx, x, y, log2 = trace.tbs[trace.tbs[:, 5] != 0][coded, :4].tolist()
        if inside:
            text.append(f"sub-block {block['i']}")
            if name.startswith(("sig", "greater1", "coeff_abs")):
                position = SCAN_POS[block["scan_idx"], block["k"]]
                text.append(f"coefficient {4 * block['xs'] + (position & 3)},{4 * block['ys'] + (position >> 2)}")
        text.append(f"{COMPONENTS[c_idx]} block {1 << log2}x{1 << log2} at {x},{y}")
    elif "_transform_tree" in at and "i" in at["_transform_tree"]:
        text.append(f"transform block {at['_transform_tree']['i']}")
    return Place(name, cu, ", ".join([*text, _describe_cu(config, trace, cu)]))


def _header_element(config: PictureConfig, expected: PictureResult, nal: bytes, bit: int) -> str:
    """The reference's line that writes this bit of a parameter set, slice header or SEI."""
    lines: list[str] = []

    class Writer(headers.BitWriter):
        def u(self, count, value):
            depth = 1
            while sys._getframe(depth).f_code.co_name in ("ue", "se"):
                depth += 1
            frame = sys._getframe(depth)
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            lines.extend([f"{frame.f_code.co_name}: {line}"] * count)
            super().u(count, value)

    payloads = {
        headers.NAL_VPS: lambda: headers.video_parameter_set(config),
        headers.NAL_SPS: lambda: headers.sequence_parameter_set(config),
        headers.NAL_PPS: lambda: headers.picture_parameter_set(config),
        headers.NAL_IDR_W_RADL: lambda: headers.slice_header(config),
        headers.NAL_SUFFIX_SEI: lambda: headers.picture_hash_sei(expected.recon),
    }
    with mock.patch.object(headers, "BitWriter", Writer):
        payloads[nal[0] >> 1]()
    return lines[bit] if 0 <= bit < len(lines) else "its trailing bits or its length"


# ---- does the stream say what the reconstruction is?


def _consistency(config: PictureConfig, data: bytes, recon) -> str:
    """FFmpeg's verdict: a stream with another decision still decodes to the reconstruction that came with it."""
    if not config.write_parameter_sets:
        data = headers.parameter_sets(config) + data
    cropped = [plane[: config.height >> s, : config.width >> s] for plane, s in zip(recon, (0, 1, 1))]
    try:
        decoders.check(decoders.ffmpeg, data, [tuple(cropped)])
    except Exception as error:  # whatever FFmpeg says about a broken stream
        return f"FFmpeg decodes the bytes to other samples, they do not fit together: {str(error).splitlines()[0]}"
    return "FFmpeg decodes the bytes to these samples: they fit together, so a decision differs from the reference's"
