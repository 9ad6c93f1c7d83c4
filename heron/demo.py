"""`make demo`: the embedded clip through the Verilated core, and the proof that the result is right."""

import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hdl.params import DEFAULT_PRESET
from heron.bench.cycles import limiting_stage
from heron.clip import DemoSource
from heron.encoder import Encoder
from heron.errors import HeronError
from heron.outputs import Outputs
from heron.picture import write_picture
from heron.progress import Bar
from heron.video import open_source
from heron.writers import stream_writer
from sim.toolchain import BUILD

QP = 27


def run(output: Path = BUILD / "demo", engine: str = "rtl", preset: str = DEFAULT_PRESET) -> dict:
    """Encodes, checks, and writes demo.hevc, demo.mp4, demo.png and report.json; returns the report."""
    from verif.reference.encoder import encode_picture

    begin = time.monotonic()

    def step(text):
        print(f"[{time.monotonic() - begin:5.0f} s] {text}", flush=True)

    output.mkdir(parents=True, exist_ok=True)
    source = DemoSource()
    frames = list(source.frames())
    step(f"the core ({engine}, {preset}): exported and built where it is not in build/ yet")
    encoder = Encoder(
        source.width,
        source.height,
        qp=QP,
        engine=engine,
        preset=preset,
        rate=source.rate,
        colour=source.colour,
        write_hash=True,
        name="the embedded clip",
    )
    step(f"encoding {len(frames)} pictures of {source.width}x{source.height} at QP {QP}")
    recons = []
    with Outputs() as outputs, Bar("encode", len(frames)) as bar:
        writers = [
            stream_writer(outputs, output / name, source.rate, source.time_base) for name in ("demo.hevc", "demo.mp4")
        ]
        for index, frame in enumerate(frames):
            config = encoder.config
            picture = encoder.encode_picture(frame.planes, lambda part, _, done=index: bar.at(done + part))
            expected = encode_picture(config, *frame.planes)
            if picture.data != expected.data:
                raise HeronError(f"picture {index}: the bytes of the {engine} differ from the reference codec's")
            recons.append(picture.recon)
            for writer in writers:
                writer.write(picture.data, frame.pts)
            bar.at(index + 1)
        for writer in writers:
            writer.finish()
        report = encoder.report() | {"fps": float(source.rate), "input": "the embedded clip"}
        outputs.open(output / "report.json").write((json.dumps(report, indent=1) + "\n").encode())
    step("every byte equals the reference codec's")
    for name in ("demo.hevc", "demo.mp4"):
        _check_decoded(output / name, recons)
    step("FFmpeg decodes demo.hevc and demo.mp4 to exactly the reconstruction")
    decided = encode_picture(encoder.config, *frames[0].planes, trace=True).trace
    assert decided is not None
    write_picture(output / "demo.png", frames[0].planes, recons[0], decided.cus, source.colour)
    _print(report)
    step(f"wrote {output}: demo.hevc, demo.mp4, demo.png, report.json")
    return report


def _check_decoded(path: Path, recons) -> None:
    decoded = list(open_source(path).frames())
    if len(decoded) != len(recons):
        raise HeronError(f"{path}: decodes to {len(decoded)} pictures, {len(recons)} were encoded")
    for index, (frame, recon) in enumerate(zip(decoded, recons)):
        if not all(np.array_equal(a, b) for a, b in zip(frame.planes, recon)):
            raise HeronError(f"{path}: picture {index} decodes to other samples than the reconstruction")


def _print(report: dict) -> None:
    table = Table("picture", "bits", "PSNR Y", "U", "V", "cycles per luma sample")
    samples = report["width"] * report["height"]
    rows = [(str(i), frame) for i, frame in enumerate(report["per_frame"])]
    total = {"bits": report["bits"], "psnr": report["psnr"]}
    if "cycles" in report:
        total["cycles"] = report["cycles"] / report["frames"]
    for name, frame in [*rows, ("all", total)]:
        psnr = [f"{frame['psnr'][plane]:.2f}" for plane in "yuv"]
        cycles = f"{frame['cycles'] / samples:.3f}" if "cycles" in frame else "-"
        table.add_row(name, f"{frame['bits']:,}", *psnr, cycles)
    console = Console()
    console.print(table)
    if report.get("stall_cycles"):
        console.print(f"the speed was limited by: {limiting_stage(report['stall_cycles'], report['cycles'])}")
