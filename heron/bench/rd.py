"""`heron bench rd`: BD-rate against libx265 over clips, with plots and a page."""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

import bjontegaard
import numpy as np
from rich.console import Console
from rich.table import Table

from heron.bench.clips import bench_sources
from heron.bench.page import image, page, table_html, write_plot
from heron.bench.x265 import Anchors, Point
from heron.encoder import Encoder
from heron.errors import HeronError
from heron.outputs import write_file
from heron.progress import progress
from heron.video import Source
from sim.toolchain import BUILD


def measure(
    source: Source, engine: str, preset: str, qps: list[int], frames: int | None, name: str
) -> tuple[list[Point], float]:
    """Points of this encoder over a clip, as those of the anchors, and the seconds that they took."""
    begin = time.monotonic()
    encoders = [
        Encoder(source.width, source.height, qp=qp, engine=engine, preset=preset, rate=source.rate, name=name)
        for qp in qps
    ]
    for frame in progress(source.frames(0, frames), f"{name}: heron {engine}", source.count(0, frames)):
        for encoder in encoders:
            encoder.encode_picture(frame.planes)
    points = []
    for encoder in encoders:
        report = encoder.report()
        psnr = [report["psnr"][plane] for plane in "yuv"]
        point = {"qp": report["qp"], "bits": report["vcl_bits"], "frames": report["frames"], "psnr": psnr}
        points.append(point)
    return points, time.monotonic() - begin


def bd_rate(anchor: list[Point], points: list[Point]) -> float:
    """Bjontegaard delta rate of Y in per cent, interpolated by Akima's method."""

    def curve(some):
        ordered = sorted(some, key=lambda point: point["bits"])
        return [point["bits"] for point in ordered], [point["psnr"][0] for point in ordered]

    rate = bjontegaard.bd_rate(*curve(anchor), *curve(points), method="akima", min_overlap=0)
    return float(cast(float, rate))


def run(
    folder: Path | None,
    engine: str,
    preset: str,
    qps: list[int],
    frames: int | None,
    anchors: Path | None,
    anchor: str,
    only: list[str] | None = None,
    jobs: int = 1,
    output: Path = BUILD / "bench" / "rd",
) -> dict[str, Any]:
    """Measures, prints a table, writes results.json, plots and index.html; returns what results.json holds."""
    if len(qps) < 4:
        raise HeronError(f"qps is {','.join(map(str, qps))}; a BD-rate needs four or more")
    output.mkdir(parents=True, exist_ok=True)
    yardstick = Anchors(anchors, output / "anchors.json")
    results = {}
    sources = bench_sources(folder, only)
    for name, (points, seconds) in _all_points(sources, engine, preset, qps, frames, jobs):
        source = sources[name]
        theirs = yardstick.points(name, source, anchor, qps, frames, points[0]["frames"])
        results[name] = {
            "bd_rate": round(bd_rate(theirs, points), 3),
            "size": f"{source.width}x{source.height}",
            "frames": points[0]["frames"],
            "seconds": round(seconds, 2),
            "points": points,
            "anchor": theirs,
        }
        print(f"{name}: {results[name]['bd_rate']:+.2f} % ({seconds:.0f} s)", flush=True)
    summary = {
        "engine": engine,
        "preset": preset,
        "anchor": f"libx265 {anchor}, all intra",
        "mean_bd_rate": round(float(np.mean([result["bd_rate"] for result in results.values()])), 3),
        "clips": results,
    }
    write_file(output / "results.json", json.dumps(summary, indent=1))
    _write_page(summary, output)
    _print(summary)
    print(f"wrote {output}/index.html")
    return summary


def _all_points(sources: dict[str, Source], engine: str, preset: str, qps: list[int], frames: int | None, jobs: int):
    """Name and result of `measure` for each clip, in order; `jobs` clips at a time."""
    if jobs == 1:
        for name, source in sources.items():
            yield name, measure(source, engine, preset, qps, frames, name)
        return
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {
            name: pool.submit(measure, source, engine, preset, qps, frames, name) for name, source in sources.items()
        }
        try:
            for name, result in waiting.items():
                yield name, result.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _rows(summary) -> list[list[str]]:
    rows = []
    for name, result in summary["clips"].items():
        psnr = " / ".join(f"{point['psnr'][0]:.2f}" for point in result["points"])
        rows.append([name, result["size"], str(result["frames"]), psnr, f"{result['bd_rate']:+.2f} %"])
    return [*rows, ["mean", "", "", "", f"{summary['mean_bd_rate']:+.2f} %"]]


COLUMNS = ("clip", "size", "frames", "PSNR-Y dB by QP", "BD-rate")


def _print(summary) -> None:
    table = Table(*COLUMNS, title=f"{summary['engine']}, {summary['preset']} against {summary['anchor']}")
    for row in _rows(summary):
        table.add_row(*row)
    Console().print(table)


def _write_page(summary, output: Path) -> None:
    body = [table_html(COLUMNS, _rows(summary))]
    for name, result in summary["clips"].items():
        curves = {
            label: (
                [point["bits"] / result["frames"] / 1000 for point in result[key]],
                [point["psnr"][0] for point in result[key]],
            )
            for label, key in (("heron", "points"), (summary["anchor"], "anchor"))
        }
        title = f"{name}: BD-rate {result['bd_rate']:+.2f} %"
        write_plot(output / f"{name}.png", curves, title, "kilobits a frame", "PSNR-Y (dB)")
        body.append(image(f"{name}.png", title))
    title = f"Heron ({summary['preset']}) against {summary['anchor']}"
    write_file(output / "index.html", page(title, "\n".join(body)))
