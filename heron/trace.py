"""Traces of the reference codec on disk, and a look into them: which decision, which block, which bits."""

import json
import math
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from heron.errors import HeronError
from heron.outputs import Outputs
from verif.reference.config import PictureConfig
from verif.reference.reconstruction import CU_QP
from verif.reference.tables import CTX_OFFSET, TRANS_IDX_LPS, init_states

ARRAYS = ("cus", "cgs", "tbs", "pred", "coeff", "bins")
REGULAR, BYPASS, TERMINATE = range(3)
COMPONENTS = ("Y", "Cb", "Cr")
CHROMA_MODES = ("planar", "vertical", "horizontal", "DC", "as luma")


@dataclass(frozen=True)
class Trace:
    """One picture's trace: its parameters, and the arrays of verif.reference.encoder.PictureTrace.

    same_bytes: whether the engine's bytes were those of the reference codec that wrote the trace.
    """

    config: PictureConfig
    same_bytes: bool
    cus: np.ndarray
    cgs: np.ndarray
    tbs: np.ndarray
    pred: np.ndarray
    coeff: np.ndarray
    bins: np.ndarray


def write_trace(folder: Path, index: int, config: PictureConfig, planes, data: bytes, qp_map=None) -> None:
    """Runs the reference codec on a picture and keeps its trace as FOLDER/picture_NNNN.npz."""
    from verif.reference.encoder import encode_picture

    folder.mkdir(parents=True, exist_ok=True)
    result = encode_picture(config, *planes, trace=True, qp_map=qp_map)
    head = json.dumps(asdict(config) | {"same_bytes": result.data == data})
    arrays = {name: getattr(result.trace, name) for name in ARRAYS}
    with Outputs() as outputs:
        file = outputs.open(folder / f"picture_{index:04d}.npz")
        np.savez_compressed(file, head=np.array(head), **arrays)


def read_trace(folder: Path, index: int) -> Trace:
    """Reads what `write_trace` wrote."""
    path = folder / f"picture_{index:04d}.npz"
    if not path.is_file():
        raise HeronError(f"{path}: no such trace; 'heron encode --trace {folder}' writes it")
    try:
        with np.load(path) as content:
            head = json.loads(str(content["head"]))
            same_bytes = head.pop("same_bytes")
            arrays = {name: content[name] for name in ARRAYS}
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise HeronError(f"{path}: is not a trace ({error})") from error
    return Trace(PictureConfig(**head), same_bytes, **arrays)


def syntax_element(kind: int, ctx_idx: int) -> str:
    """Name of the syntax element that a bin belongs to, as far as its context tells."""
    if kind == BYPASS:
        return "bypass"
    if kind == TERMINATE:
        return "end_of_slice_segment_flag"
    return max((offset, name) for name, offset in CTX_OFFSET.items() if offset <= ctx_idx)[1].lower()


def bits_of_bins(bins: np.ndarray, qp: int) -> np.ndarray:
    """What each bin costs in bits, by the state of its context when it was coded."""
    states = init_states(qp).tolist()
    decay = (0.01875 / 0.5) ** (1 / 63)
    lps = [-math.log2(0.5 * decay**state) for state in range(64)]
    mps = [-math.log2(1 - 0.5 * decay**state) for state in range(64)]
    next_lps = TRANS_IDX_LPS.tolist()
    costs = np.ones(len(bins))
    for i, (kind, ctx_idx, value) in enumerate(bins.tolist()):
        if kind == REGULAR:
            state, most_probable = states[ctx_idx] >> 1, states[ctx_idx] & 1
            if value == most_probable:
                costs[i] = mps[state]
                states[ctx_idx] = min(state + 1, 62) << 1 | most_probable
            else:
                costs[i] = lps[state]
                states[ctx_idx] = next_lps[state] << 1 | (most_probable ^ (state == 0))
        elif kind == TERMINATE:
            costs[i] = 7.0 if value else 0.01
    return costs


def mode_name(mode: int) -> str:
    """Name of a luma intra mode."""
    return {0: "planar", 1: "DC", 10: "10 (horizontal)", 26: "26 (vertical)"}.get(mode, str(mode))


def _ctus(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """For each CTU in coding order: index after its last coding unit, and after its last bin."""
    return np.flatnonzero(trace.cus[:, 10]) + 1, np.flatnonzero(trace.bins[:, 0] == TERMINATE) + 1


def print_summary(trace: Trace) -> None:
    """The picture as a whole: block sizes, modes, and where the bits went."""
    console, cus = Console(), trace.cus
    config = trace.config
    console.print(
        f"{config.width}x{config.height}, QP {config.qp}, {len(_ctus(trace)[0])} CTUs of {1 << config.ctb_log2_size}, "
        f"{len(cus)} coding units, {len(trace.tbs)} transform blocks, {len(trace.bins)} bins"
    )
    if not trace.same_bytes:
        console.print("[red]the engine's bytes were not those of this trace[/red]")
    table = Table("coding units", "number", "area %", "split transform", "NxN")
    area = 4.0 ** cus[:, 2]
    for log2 in sorted(set(cus[:, 2].tolist()), reverse=True):
        mine = cus[:, 2] == log2
        share = 100 * area[mine].sum() / area.sum()
        row = [f"{1 << log2}x{1 << log2}", int(mine.sum()), f"{share:.1f}", int(cus[mine, 4].sum())]
        table.add_row(*map(str, row), str(int(cus[mine, 3].sum())))
    console.print(table)
    modes = Counter(cus[:, 5].tolist()).most_common(8)
    console.print("most used luma modes: " + ", ".join(f"{mode_name(mode)} x{n}" for mode, n in modes))
    names = [syntax_element(kind, ctx) for kind, ctx, _ in trace.bins.tolist()]
    costs = bits_of_bins(trace.bins, config.qp)
    number, bits = Counter(names), Counter()
    for name, cost in zip(names, costs.tolist()):
        bits[name] += cost
    table = Table("bins of", "number", "bits (estimate)", "%")
    for name, cost in bits.most_common():
        table.add_row(name, str(number[name]), f"{cost:.0f}", f"{100 * cost / costs.sum():.1f}")
    console.print(table)


def print_block(trace: Trace, x: int, y: int, levels: bool, bins: bool) -> None:
    """The coding unit that covers luma sample (x, y): decision, transform blocks, and the bits of its CTU."""
    config, console = trace.config, Console()
    if not (0 <= x < config.coded_width and 0 <= y < config.coded_height):
        raise HeronError(f"{x},{y} is outside the coded {config.coded_width}x{config.coded_height} samples")
    cus = trace.cus
    left, top, side = cus[:, 0] * 8, cus[:, 1] * 8, 1 << cus[:, 2]
    inside = (left <= x) & (x < left + side) & (top <= y) & (y < top + side)
    index = int(np.flatnonzero(inside)[0])
    cu = cus[index].tolist()
    x0, y0, size = int(left[index]), int(top[index]), int(side[index])
    last_cu, last_bin = _ctus(trace)
    ctu = int(np.searchsorted(last_cu, index, side="right"))
    first_bin = int(last_bin[ctu - 1]) if ctu else 0
    costs = bits_of_bins(trace.bins[: last_bin[ctu]], config.qp)[first_bin:]
    luma = ", ".join(mode_name(mode) for mode in (cu[5:9] if cu[3] else cu[5:6]))
    console.print(
        f"coding unit {index} at {x0},{y0}, {size}x{size}, QP {cu[CU_QP]}{', PART_NxN' if cu[3] else ''}"
        f"{', transform split' if cu[4] else ''}; luma {luma}; chroma {CHROMA_MODES[cu[9]]}; "
        f"cbf Y {cu[12]:04b} Cb {cu[13]:04b} Cr {cu[14]:04b}"
    )
    console.print(f"CTU {ctu}: bins {first_bin} to {last_bin[ctu] - 1}, about {costs.sum():.0f} bits")
    table = Table("transform block", "at", "size", "mode", "cbf", "levels", "sum of magnitudes")
    groups = _groups_by_block(trace)
    for i, block in enumerate(trace.tbs.tolist()):
        c_idx, tx, ty, log2, mode, cbf = block[:6]
        scale = 1 if c_idx == 0 else 2
        if not (x0 <= tx * scale < x0 + size and y0 <= ty * scale < y0 + size):
            continue
        values = trace.cgs[groups[i], :16]
        count, total = int(np.count_nonzero(values)), int(np.abs(values.astype(np.int32)).sum())
        row = [COMPONENTS[c_idx], f"{tx},{ty}", str(1 << log2), mode_name(mode), cbf, count, total]
        table.add_row(*map(str, row))
        if levels:
            for group, line in zip(trace.cgs[groups[i], 16], values.tolist()):
                table.add_row(f"  sub-block {group}", " ".join(map(str, line)))
    console.print(table)
    if bins:
        for (kind, ctx_idx, value), cost in zip(trace.bins[first_bin : last_bin[ctu]].tolist(), costs):
            console.print(f"{value}  {syntax_element(kind, ctx_idx)}  context {ctx_idx}  {cost:.2f} bits")


def _groups_by_block(trace: Trace) -> list[slice]:
    """For each transform block, its coefficient groups: those of coded blocks follow each other."""
    starts = np.flatnonzero(trace.cgs[:, 17]).tolist() + [len(trace.cgs)]
    result, coded = [], 0
    for cbf in trace.tbs[:, 5].tolist():
        result.append(slice(starts[coded], starts[coded + 1]) if cbf else slice(0, 0))
        coded += bool(cbf)
    return result
