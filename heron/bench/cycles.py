"""`heron bench cycles`: cycles per luma sample of the core over clips and QPs, and the stage that limits them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from heron.bench.clips import bench_sources
from heron.bench.page import page, table_html
from heron.encoder import Encoder
from heron.outputs import write_file
from heron.progress import progress
from sim.toolchain import BUILD


def limiting_stage(stall_cycles: dict[str, int], cycles: int) -> str:
    """The stage that the others wait for.

    `stall_cycles`, in the order of the pipeline, counts for each stage the cycles in which a payload waited at its
    input. A slow stage holds up all before it and none behind it: so it is the last one whose input waited three
    quarters of the time. fetch, which passes on a group a cycle, waits for analysis where it waits at all.
    """
    held_up = [stage for stage, count in stall_cycles.items() if 4 * count >= 3 * cycles]
    if not held_up:
        return "the source"
    return "analysis" if held_up[-1] == "fetch" else held_up[-1]


def measure(source, preset: str, qp: int, frames: int, label: str) -> dict[str, Any]:
    """The encoder's report over the first frames of a clip."""
    encoder = Encoder(source.width, source.height, qp=qp, preset=preset, rate=source.rate, name=label)
    for frame in progress(source.frames(0, frames), label, source.count(0, frames)):
        encoder.encode_picture(frame.planes)
    return encoder.report()


def run(
    folder: Path | None,
    preset: str,
    qps: list[int],
    frames: int,
    largest: tuple[int, int],
    output: Path = BUILD / "bench" / "cycles",
) -> dict[str, Any]:
    """Measures, prints a table, writes results.json and index.html; returns what results.json holds."""
    output.mkdir(parents=True, exist_ok=True)
    sources = {
        name: source
        for name, source in bench_sources(folder).items()
        if source.width <= largest[0] and source.height <= largest[1]
    }
    rows = []
    for name, source in sources.items():
        for qp in qps:
            report = measure(source, preset, qp, frames, f"{name} QP {qp}")
            samples = report["frames"] * report["width"] * report["height"]
            limit = limiting_stage(report["stall_cycles"], report["cycles"])
            stalls = {stage: round(count / samples, 3) for stage, count in report["stall_cycles"].items()}
            row = {
                "clip": name,
                "qp": qp,
                "frames": report["frames"],
                "cycles_per_luma_sample": report["cycles_per_luma_sample"],
                "bins_per_luma_sample": round(report["bins"] / samples, 3),
                "stalls_per_luma_sample": stalls,
                "limited_by": limit,
            }
            rows.append(row)
            print(f"{name} QP {qp}: {row['cycles_per_luma_sample']:.3f} cycles per luma sample", flush=True)
    mean = round(float(np.mean([row["cycles_per_luma_sample"] for row in rows])), 4) if rows else None
    summary = {"preset": preset, "mean_cycles_per_luma_sample": mean, "rows": rows}
    write_file(output / "results.json", json.dumps(summary, indent=1))
    _show(summary, output)
    return summary


def _show(summary, output: Path) -> None:
    rows = summary["rows"]
    stages = list(rows[0]["stalls_per_luma_sample"]) if rows else []
    columns = ["clip", "QP", "cycles", "bins", *stages, "limited by"]
    cells = [
        [
            row["clip"],
            str(row["qp"]),
            f"{row['cycles_per_luma_sample']:.3f}",
            f"{row['bins_per_luma_sample']:.3f}",
            *(f"{row['stalls_per_luma_sample'][stage]:.3f}" for stage in stages),
            row["limited_by"],
        ]
        for row in rows
    ]
    mean = summary["mean_cycles_per_luma_sample"]
    cells.append(["mean", "", f"{mean:.3f}" if mean else "", "", *("" for _ in stages), ""])
    title = f"Heron ({summary['preset']}): cycles, bins, and cycles waited at each stage's input, per luma sample"
    table = Table(*columns, title=title)
    for row in cells:
        table.add_row(*row)
    Console(width=max(120, Console().width)).print(table)
    write_file(output / "index.html", page(title, table_html(columns, cells)))
    print(f"wrote {output}/index.html")
