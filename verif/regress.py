"""`make regress`: random cases and whole clips through the core, against the reference codec."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hdl.params import CORE_CTB_LOG2_SIZES
from heron.bench.clips import bench_sources
from heron.levels import choose_level
from verif.cases import random_case
from verif.reference.config import PictureConfig
from verif.rtl import check_case, check_picture

QPS = (22, 27, 32, 37)
CIF = 352 * 288
LARGE = 1920 * 1080


def random_cases(first: int, count: int) -> int:
    """Runs seeds first to first + count - 1; returns how many failed."""
    failed = 0
    for done, seed in enumerate(range(first, first + count), 1):
        case = random_case(seed, CORE_CTB_LOG2_SIZES, qp_maps=False)
        begin = time.monotonic()
        try:
            check_case(case)
            verdict = "equal"
        except (AssertionError, RuntimeError) as error:
            failed += 1
            verdict = f"FAILED: {error}"
        print(f"{done}/{count} {case}: {verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    return failed


def clips(folder: Path) -> int:
    """Every picture of the clips up to CIF at four QPs, and the first picture of one clip of 1080 rows."""
    failed, large = 0, 1
    for name, source in bench_sources(folder).items():
        samples = source.width * source.height
        if samples > CIF and (samples < LARGE or not large):
            continue
        count, qps = (None, QPS) if samples <= CIF else (1, (32,))
        large -= samples > CIF
        level_idc, high_tier = choose_level(source.width, source.height, source.rate)
        for qp in qps:
            begin, cycles = time.monotonic(), 0
            try:
                for index, frame in enumerate(source.frames(0, count)):
                    config = PictureConfig(
                        width=source.width,
                        height=source.height,
                        qp=qp,
                        level_idc=level_idc,
                        high_tier=high_tier,
                        write_parameter_sets=int(index == 0),
                    )
                    cycles += check_picture(config, frame.planes, None, f"picture {index}")["cycles"]
                verdict = f"{index + 1} pictures equal, {cycles / (index + 1) / samples:.3f} cycles per luma sample"
            except (AssertionError, RuntimeError) as error:
                failed += 1
                verdict = f"FAILED: {error}"
            print(f"{name} QP {qp}: {verdict} ({time.monotonic() - begin:.0f} s)", flush=True)
    return failed


def main(
    seed: Annotated[
        int | None, typer.Option(envvar="SEED", help="Replay from this case on; no clips.", show_default=False)
    ] = None,
    cases: Annotated[int, typer.Option(envvar="CASES", min=0, help="How many random cases.")] = 200,
    folder: Annotated[
        Path | None,
        typer.Option("--clips", envvar="HERON_CLIPS", exists=True, file_okay=False, help="Folder of clips."),
    ] = None,
) -> None:
    """Random cases, then whole clips, through the Verilated core: all must equal the reference codec's."""
    failed = random_cases(seed or 0, cases)
    if folder and seed is None:
        failed += clips(folder)
    elif not folder:
        print("HERON_CLIPS is not set: no clips were run")
    print(f"{failed} failed" if failed else "all equal")
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
