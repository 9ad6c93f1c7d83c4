"""Coverage of what was coded, taken from the reference codec's trace of pictures whose bytes were found equal."""

import numba as nb
import numpy as np

from verif.reference.cabac import REGULAR, encode_bins
from verif.reference.config import PictureConfig
from verif.reference.encoder import PictureResult, PictureTrace
from verif.reference.reconstruction import (
    CU_CHROMA,
    CU_LAST_CTU,
    CU_LOG2,
    CU_NXN,
    CU_QP,
    CU_SPLIT,
    CU_X,
    CU_Y,
    scan_index,
)
from verif.reference.syntax import last_prefix
from verif.reference.tables import CTX_OFFSET, NUM_CTX, SCAN_POS, SCAN_SUB
from verif.uvm.coverage import Coverage, Goal

COMPONENTS = ("Y", "Cb", "Cr")
SIZES = (4, 8, 16, 32)
CHROMA_SIZES = (4, 8, 16)
MODES = 35
MIN_CB = 8
CTB = 32
RUN_LENGTHS = 3  # the last one: and longer
RICE = 5
LONGEST = 14  # prefix of coeff_abs_level_remaining, less the Rice parameter; this bin: and longer
ANALYSIS = "analysis never chooses it; the benches of reconstruction and entropy do"

_OFFSETS = sorted((offset, name.lower()) for name, offset in CTX_OFFSET.items())


def context_name(ctx: int) -> str:
    """Element and ctxInc."""
    offset, name = max(each for each in _OFFSETS if each[0] <= ctx)
    return f"{name}[{ctx - offset}]"


def _prefixes(size: int) -> range:
    return range(2 * size.bit_length() - 2)


def _places(size: int) -> list[str]:
    """What may become of a node of the coding quadtree."""
    inside = [f"{size} whole", f"{size} split"]
    return inside + [f"{size} split by the {edge} edge" for edge in ("right", "bottom", "right and bottom")]


CHROMA_MODES = ("planar", "vertical", "horizontal", "DC", "as luma")
TREE = [place for size in (32, 16) for place in _places(size)]
TREE += ["8 whole", "8 with 4x4 transforms", "8 PART_NxN"]
TREE += ["16 with 8x8 transforms", "32 with 16x16 transforms"]
CODED = [f"{c} {n} {what}" for c in COMPONENTS for n in (SIZES if c == "Y" else CHROMA_SIZES) for what in ("0", "1")]
LAST = [
    f"{c} {n} {axis} prefix {prefix}"
    for c, sizes in (("luma", SIZES), ("chroma", CHROMA_SIZES))
    for n in sizes
    for axis in "xy"
    for prefix in _prefixes(n)
]
CONTEXTS = [f"{context_name(ctx)}={value}" for ctx in range(NUM_CTX) for value in (0, 1)]
UNCHOSEN = [f"{name}[{k}]=1" for name, k in (("intra_chroma_pred_mode", 0), ("split_transform_flag", 0))]
UNCHOSEN += ["split_transform_flag[1]=1", "cbf_chroma[1]=0", "cbf_chroma[1]=1"]

GOALS = (
    Goal("luma_mode", "luma mode x block size", tuple(f"{m} {n}x{n}" for m in range(MODES) for n in SIZES)),
    Goal(
        "chroma_mode",
        "intra_chroma_pred_mode",
        CHROMA_MODES,
        {mode: ANALYSIS for mode in CHROMA_MODES if mode != "as luma"},
    ),
    Goal("transform", "component x transform size x cbf", tuple(CODED)),
    Goal(
        "tree",
        "coding quadtree at every depth and edge",
        tuple(TREE),
        {place: ANALYSIS for place in TREE if place in ("16 with 8x8 transforms", "32 with 16x16 transforms")},
    ),
    Goal(
        "context",
        "CABAC context x value",
        tuple(CONTEXTS),
        dict.fromkeys(UNCHOSEN, ANALYSIS),
    ),
    Goal("last", "last significant coefficient: class x size", tuple(LAST)),
    Goal(
        "escape",
        "coeff_abs_level_remaining: Rice parameter x prefix length",
        tuple(f"rice {r} prefix {p}" for r in range(RICE) for p in range(LONGEST + 1 - r)),
    ),
    Goal(
        "sign_hiding",
        "sign data hiding x component",
        tuple(f"{c} {what}" for c in ("luma", "chroma") for what in ("hidden", "not hidden")),
    ),
    Goal(
        "carry",
        "outstanding bytes x how they end",
        tuple(f"{n} {what}" for n in range(RUN_LENGTHS) for what in ("carry", "no carry")),
    ),
    Goal("emulation", "emulation prevention at every byte phase of the bus", tuple(f"phase {k}" for k in range(16))),
    Goal("emulated", "the byte behind emulation prevention", tuple(f"byte {k}" for k in range(4))),
    Goal("qp", "QpY of a coding-tree unit", tuple(map(str, range(52)))),
    Goal("qp_delta", "CuQpDeltaVal", tuple(map(str, range(-26, 26)))),
    Goal(
        "size",
        "width and height modulo 8",
        tuple(f"{w} x {h}" for w in range(0, 8, 2) for h in range(0, 8, 2)),
    ),
    Goal("hash", "picture hash SEI", ("without", "with")),
    Goal("parameter_sets", "parameter sets", ("without", "with")),
)


def sample(coverage: Coverage, config: PictureConfig, result: PictureResult, phase: int = 0) -> None:
    """Counts one picture (encoded with trace=True). phase: address of its first byte modulo 16."""
    trace = result.trace
    assert trace is not None
    _sample_units(coverage, config, trace)
    _sample_blocks(coverage, trace)
    _sample_bins(coverage, config, trace)
    at = result.data.find(b"\0\0\3")
    while at >= 0:
        coverage.hit("emulation", f"phase {(phase + at + 2) % 16}")
        if at + 3 < len(result.data) and result.data[at + 3] < 4:
            coverage.hit("emulated", f"byte {result.data[at + 3]}")
        at = result.data.find(b"\0\0\3", at + 2)
    coverage.hit("size", f"{config.width % 8} x {config.height % 8}")
    coverage.hit("hash", ("without", "with")[config.write_hash])
    coverage.hit("parameter_sets", ("without", "with")[config.write_parameter_sets])


def _sample_units(coverage: Coverage, config: PictureConfig, trace: PictureTrace) -> None:
    cus = trace.cus
    ctb = 1 << config.ctb_log2_size
    for mode, times in _count(cus[:, CU_CHROMA]):
        coverage.hit("chroma_mode", CHROMA_MODES[mode], times)
    for log2, split, nxn, times in _count(cus[:, [CU_LOG2, CU_SPLIT, CU_NXN]]):
        size = 1 << log2
        if size == MIN_CB:
            coverage.hit("tree", "8 PART_NxN" if nxn else "8 with 4x4 transforms" if split else "8 whole", times)
        else:
            coverage.hit("tree", f"{size} with {size // 2}x{size // 2} transforms" if split else f"{size} whole", times)
    corners = {(x, y): 1 << log2 for x, y, log2 in (cus[:, [CU_X, CU_Y, CU_LOG2]] * [8, 8, 1]).tolist()}
    for size in (s for s in (32, 16) if s <= ctb):
        for y in range(0, config.coded_height, size):
            for x in range(0, config.coded_width, size):
                if corners.get((x, y), size) >= size:
                    continue
                right, bottom = x + size > config.coded_width, y + size > config.coded_height
                edges = " and ".join(name for name, over in (("right", right), ("bottom", bottom)) if over)
                coverage.hit("tree", f"{size} split by the {edges} edge" if edges else f"{size} split")
    qps = cus[cus[:, CU_LAST_CTU] == 1, CU_QP]
    for qp, times in _count(qps):
        coverage.hit("qp", str(qp), times)
    if config.cu_qp_delta_enabled:
        _sample_deltas(coverage, config, cus)


def _sample_deltas(coverage: Coverage, config: PictureConfig, cus: np.ndarray) -> None:
    """CuQpDeltaVal of each coding-tree unit that codes one, which is where a block has coefficients."""
    before, coded = config.qp, False
    for cu in cus.tolist():
        coded = coded or any(cu[12:15])
        if cu[CU_LAST_CTU]:
            if coded:
                coverage.hit("qp_delta", str((cu[CU_QP] - before + 26) % 52 - 26))
                before = cu[CU_QP]
            coded = False


def _sample_blocks(coverage: Coverage, trace: PictureTrace) -> None:
    tbs = trace.tbs
    for mode, log2, times in _count(tbs[tbs[:, 0] == 0][:, [4, 3]]):
        coverage.hit("luma_mode", f"{mode} {1 << log2}x{1 << log2}", times)
    for c_idx, log2, cbf, times in _count(tbs[:, [0, 3, 5]]):
        coverage.hit("transform", f"{COMPONENTS[c_idx]} {1 << log2} {cbf}", times)
    last = np.zeros((2, 6, 2, 12), np.int64)
    remaining = np.zeros((RICE, 40), np.int64)
    hidden = np.zeros((2, 2), np.int64)
    _levels(tbs[tbs[:, 5] == 1], trace.cgs, last, remaining, hidden)
    for chroma, log2, axis, prefix in np.argwhere(last).tolist():
        name = f"{('luma', 'chroma')[chroma]} {1 << log2} {'xy'[axis]} prefix {prefix}"
        coverage.hit("last", name, last[chroma, log2, axis, prefix])
    for rice, prefix in np.argwhere(remaining).tolist():
        coverage.hit("escape", f"rice {rice} prefix {min(prefix, LONGEST - rice)}", remaining[rice, prefix])
    for chroma, hides in np.argwhere(hidden).tolist():
        name = f"{('luma', 'chroma')[chroma]} {('not hidden', 'hidden')[hides]}"
        coverage.hit("sign_hiding", name, hidden[chroma, hides])


def _sample_bins(coverage: Coverage, config: PictureConfig, trace: PictureTrace) -> None:
    regular = trace.bins[trace.bins[:, 0] == REGULAR]
    for ctx, value, times in _count(regular[:, 1:]):
        coverage.hit("context", f"{context_name(ctx)}={value}", times)
    runs = np.zeros((2, RUN_LENGTHS), np.int64)
    encode_bins(trace.bins, config.qp, runs)
    for carry, length in np.argwhere(runs).tolist():
        coverage.hit("carry", f"{length} {('no carry', 'carry')[carry]}", runs[carry, length])


def _count(rows: np.ndarray) -> list[list[int]]:
    """Distinct rows, each with how often it is there."""
    values, times = np.unique(rows.reshape(len(rows), -1), axis=0, return_counts=True)
    return np.column_stack([values, times]).tolist()


@nb.njit(cache=True)
def _levels(tbs, cgs, last, remaining, hidden):
    """Statistics of the coded blocks `tbs`, whose groups follow each other in cgs (syntax as residual_coding)."""
    g = 0
    for t in range(tbs.shape[0]):
        c_idx, log2, mode = tbs[t, 0], tbs[t, 3], tbs[t, 4]
        chroma = 1 if c_idx else 0
        scan = scan_index(log2, c_idx, mode)
        first = True
        while g < cgs.shape[0] and (first or not cgs[g, 17]):
            lowest, highest = 16, -1
            for k in range(16):
                if cgs[g, k]:
                    lowest, highest = min(lowest, k), k
            if first:
                sub, pos = SCAN_SUB[scan, log2, cgs[g, 16]], SCAN_POS[scan, highest]
                x, y = ((sub & 7) << 2) + (pos & 3), ((sub >> 3) << 2) + (pos >> 2)
                if scan == 2:
                    x, y = y, x
                last[chroma, log2, 0, last_prefix(x)[0]] += 1
                last[chroma, log2, 1, last_prefix(y)[0]] += 1
            if highest >= 0:
                hidden[chroma, 1 if highest - lowest > 3 else 0] += 1
                _remaining(cgs[g], remaining)
            first = False
            g += 1


@nb.njit(cache=True)
def _remaining(levels, remaining):
    """coeff_abs_level_remaining of a group: by Rice parameter and number of ones in the prefix."""
    seen = 0
    rice = 0
    greater1 = False
    for k in range(15, -1, -1):
        level = abs(np.int32(levels[k]))
        if level == 0:
            continue
        base = 1
        if seen < 8:
            base = 2 if greater1 or level == 1 else 3
            greater1 = greater1 or level > 1
        seen += 1
        if level >= base:
            rest = level - base
            prefix = rest >> rice
            if prefix > 3:
                escape = (rest >> rice) - 2
                prefix = 3
                while escape > 1:
                    prefix += 1
                    escape >>= 1
            remaining[rice, prefix] += 1
            if level > 3 * (1 << rice):
                rice = min(rice + 1, 4)
