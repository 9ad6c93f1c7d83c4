"""`heron bench chip`: what the memory's latency costs the chip, its bytes per sample, and the gap between pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from heron.bench.clips import bench_sources
from heron.bench.page import page, table_html
from heron.chip_engine import ChipEngine
from heron.engines import core_params
from heron.outputs import write_file
from heron.progress import progress
from sim.toolchain import BUILD
from verif.reference.config import PictureConfig

LATENCIES = 1, 20, 50, 100, 200, 400
FORMATS = {"I420": False, "NV12": True}
COLUMNS = ["clip", "format", "latency", "cycles", "per sample", "against 1", "read B/sample", "written B/sample"]


def measure(engine: ChipEngine, config: PictureConfig, planes, latency: int) -> dict[str, Any]:
    """One picture with a memory that answers each burst after so many cycles, and takes 32 before it must."""
    engine.memory.timing((latency, latency), capacity=32)
    _, _, stats = engine.encode_picture(config, planes)
    samples = config.width * config.height
    return {
        "cycles": stats["cycles"],
        "cycles_per_sample": round(stats["cycles"] / samples, 4),
        "read_per_sample": round(stats["bytes_read"] / samples, 4),
        "written_per_sample": round(stats["bytes_written"] / samples, 4),
    }


def measure_gap(engine: ChipEngine, config: PictureConfig) -> int:
    """Cycles from the last answer that a picture gets to the first address of the next, which waits in the queue."""
    planes = [np.full((config.height >> s, config.width >> s), 99, np.uint8) for s in (0, 1, 1)]
    engine.memory.timing((20, 20))
    first = engine.place(config, planes)
    second = engine.place(config, planes, base=first.end)
    engine.memory.finished_bursts()
    engine.run([first, second])
    bursts = engine.memory.finished_bursts()
    end = max(burst.answered for burst in bursts if burst.address < first.end)
    return min(burst.taken for burst in bursts if burst.address >= first.end) - end


def run(folder: Path | None, preset: str, qp: int, largest: tuple[int, int], output: Path = BUILD / "bench" / "chip"):
    """Measures, prints a table, writes results.json and index.html; returns what results.json holds."""
    output.mkdir(parents=True, exist_ok=True)
    params = core_params(preset)
    sources = {
        name: source
        for name, source in bench_sources(folder).items()
        if source.width <= largest[0] and source.height <= largest[1]
    }
    engines = {name: ChipEngine(params, nv12=nv12) for name, nv12 in FORMATS.items()}
    runs = [(clip, form, latency) for clip in sources for form in FORMATS for latency in LATENCIES]
    rows = []
    for clip, form, latency in progress(runs, "chip", len(runs)):
        source = sources[clip]
        config = PictureConfig(width=source.width, height=source.height, qp=qp, ctb_log2_size=params.ctb_log2_size)
        planes = next(iter(source.frames(0, 1))).planes
        row = measure(engines[form], config, planes, latency)
        ideal = row if latency == LATENCIES[0] else next(r for r in rows if (r["clip"], r["format"]) == (clip, form))
        rows.append(
            {"clip": clip, "format": form, "latency": latency, **row} | {"ratio": row["cycles"] / ideal["cycles"]}
        )
    small = PictureConfig(width=96, height=64, qp=qp, ctb_log2_size=params.ctb_log2_size)
    gap = max(measure_gap(engine, small) for engine in engines.values())
    summary = {"preset": preset, "qp": qp, "gap": gap, "rows": rows}
    write_file(output / "results.json", json.dumps(summary, indent=1))
    _show(summary, output)
    return summary


def _show(summary, output: Path) -> None:
    cells = [
        [
            row["clip"],
            row["format"],
            str(row["latency"]),
            f"{row['cycles']:,}",
            f"{row['cycles_per_sample']:.3f}",
            f"{100 * (row['ratio'] - 1):+.2f} %",
            f"{row['read_per_sample']:.3f}",
            f"{row['written_per_sample']:.3f}",
        ]
        for row in summary["rows"]
    ]
    cells.append(["gap between pictures", "", "", str(summary["gap"]), "", "", "", ""])
    title = f"Heron chip ({summary['preset']}, QP {summary['qp']}): cycles over the memory's latency, bytes of the bus"
    table = Table(*COLUMNS, title=title)
    for row in cells:
        table.add_row(*row)
    Console(width=max(120, Console().width)).print(table)
    write_file(output / "index.html", page(title, table_html(COLUMNS, cells)))
    print(f"wrote {output}/index.html")
