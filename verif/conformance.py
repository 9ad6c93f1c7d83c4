"""`make conformance`: the reference codec's streams of whole clips, judged by FFmpeg and libde265 sample by sample."""

import time
from pathlib import Path
from typing import Annotated

import typer

import heron
from heron.bench.clips import bench_sources
from heron.engines import Planes
from verif import decoders

QPS = (22, 27, 32, 37)


def judge(name: str, pictures: list[Planes], qp: int) -> int:
    """Encodes a clip and prints each decoder's verdict; returns how many decoders disagree."""
    begin, failed, verdicts = time.monotonic(), 0, []
    result = heron.encode(pictures, qp=qp, engine="model", write_hash=True)
    for decoder, decode in decoders.available().items():
        try:
            decoders.check(decode, result.data, result.recon)
            verdicts.append(f"{decoder} equal")
        except AssertionError as error:
            failed += 1
            verdicts.append(f"{decoder} FAILED: {error}")
    print(f"{name} QP {qp}: {', '.join(verdicts)} ({time.monotonic() - begin:.0f} s)", flush=True)
    return failed


def main(
    folder: Annotated[
        Path | None,
        typer.Option("--clips", envvar="HERON_CLIPS", exists=True, file_okay=False, help="Else the embedded clip."),
    ] = None,
) -> None:
    """Every picture of all clips at four QPs: each decoder must give the reference codec's reconstruction."""
    failed = 0
    for name, source in bench_sources(folder).items():
        pictures = [frame.planes for frame in source.frames()]
        failed += sum(judge(name, pictures, qp) for qp in QPS)
    print(f"{failed} failed" if failed else f"all equal in {' and '.join(decoders.available())}")
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
