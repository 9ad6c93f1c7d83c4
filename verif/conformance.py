"""`make conformance`: the reference codec's streams of whole clips, judged by FFmpeg and libde265 sample by sample."""

import os
import sys
import time
from pathlib import Path

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


def main() -> int:
    """Exit code 1 when a decoder disagrees; over HERON_CLIPS, or the embedded clip."""
    folder = os.environ.get("HERON_CLIPS")
    failed = 0
    for name, source in bench_sources(Path(folder) if folder else None).items():
        pictures = [frame.planes for frame in source.frames()]
        failed += sum(judge(name, pictures, qp) for qp in QPS)
    print(f"{failed} failed" if failed else f"all equal in {' and '.join(decoders.available())}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
