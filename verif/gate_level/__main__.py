"""`python -m verif.gate_level`: has synthesis changed the core? Its netlist of ECP5 cells encodes small pictures."""

import contextlib
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from hdl.core import Core
from hdl.params import DEFAULT_PRESET, PRESETS
from sim import harness
from sim.toolchain import BUILD, ToolError
from verif import rtl
from verif.cases import random_case
from verif.gate_level import ecp5

SEEDS = (0, 1)
"""One picture without and one with a QP map."""
LARGEST = 72
NAME = "core_netlist"


def encode(preset: str, seeds: list[int]) -> None:
    """The netlist of `preset` encodes the cases of the seeds; AssertionError where its answer is not the reference's.

    The C++ harness of the core drives it, under random stalls, one picture after the other.
    """
    params = PRESETS[preset]
    netlist = ecp5.exported(Core(params), NAME, BUILD / "synth" / preset / "core")
    with contextlib.closing(harness.Core(params, component=netlist)) as core:
        for seed in seeds:
            case = random_case(seed, (params.ctb_log2_size,), LARGEST)
            picture = asdict(case.config)
            del picture["ctb_log2_size"]
            begin = time.monotonic()
            answer = core.encode_picture(picture, case.planes, case.qp_map, stall_seed=case.stall_seed)
            stats = rtl.check_answer(case.config, case.planes, case.qp_map, answer, str(case))
            took = time.monotonic() - begin
            print(f"{case}: equal, {len(answer[0])} bytes, {stats['cycles']:,} cycles, {took:.0f} s", flush=True)


def main(
    preset: Annotated[str, typer.Option(metavar="NAME", help="Which core.")] = DEFAULT_PRESET,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Of a picture (may be repeated).")] = None,
) -> None:
    """Synthesise the core for ECP5 and encode small pictures with the netlist: the reference's bytes and samples."""
    if preset not in PRESETS:
        print(f"--preset is one of {', '.join(PRESETS)}", file=sys.stderr)
        raise typer.Exit(2)
    try:
        encode(preset, seeds or list(SEEDS))
    except (AssertionError, ToolError, harness.CoreError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
