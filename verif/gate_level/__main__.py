"""`python -m verif.gate_level`: has synthesis changed the core? Its netlist of ECP5 cells encodes small pictures.

With a cell library, arithmetic blocks mapped to its cells run beside the RTL.
"""

import contextlib
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hdl.core import Core
from hdl.params import DEFAULT_PRESET, PRESETS
from sim import harness
from sim.toolchain import BUILD, ToolError
from synth.asap7 import Library
from synth.blocks import find
from verif import rtl
from verif.cases import random_case
from verif.gate_level import asap7, ecp5, lockstep

SEEDS = (0, 1)
"""One picture without and one with a QP map."""
LARGEST = 72
NAME = "core_netlist"
ARITHMETIC = (
    "reconstruction.forward4x4",
    "reconstruction.inverse4x4",
    "reconstruction.scaler",
    "reconstruction.quantizer",
    "reconstruction.transform_engine",
    "analysis.forward_dct",
    "entropy.arithmetic_coder",
)
"""Blocks of synth/blocks.py that --pdk checks."""


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


def compare(name: str, preset: str, library: Library | None) -> None:
    """Block `name` beside its netlist of ECP5 cells, or of cells of a library; AssertionError where they differ."""
    block, bench = find(name), f"{'asap7' if library else 'ecp5'}_{name.replace('.', '_')}"
    component = block.component(PRESETS[preset])
    if library:
        netlist = asap7.verilog(component, "gates", BUILD / "silicon" / preset / name, library)
    else:
        netlist = ecp5.verilog(ecp5.netlist(component, BUILD / "synth" / preset / name), "gates")
    lockstep.check(block.component(PRESETS[preset]), netlist, bench, BUILD / "bench" / bench)
    print(
        f"{name}: {lockstep.CYCLES:,} cycles, the {'ASAP7' if library else 'ECP5'} netlist equal to the RTL", flush=True
    )


def main(
    preset: Annotated[str, typer.Option(metavar="NAME", help="Which core.")] = DEFAULT_PRESET,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Of a picture (may be repeated).")] = None,
    blocks: Annotated[
        list[str] | None, typer.Option("--block", metavar="NAME", help="Only this block beside the RTL (repeatable).")
    ] = None,
    pdk: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Of a cell library: arithmetic blocks in its cells instead.")
    ] = None,
) -> None:
    """Synthesise the core for ECP5 and encode small pictures with the netlist: the reference's bytes and samples."""
    if preset not in PRESETS:
        print(f"--preset is one of {', '.join(PRESETS)}", file=sys.stderr)
        raise typer.Exit(2)
    try:
        library = Library(pdk) if pdk else None
        for name in blocks or []:
            find(name)
    except (ToolError, ValueError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    try:
        for name in blocks or (ARITHMETIC if library else []):
            compare(name, preset, library)
        if not blocks and not library:
            encode(preset, seeds or list(SEEDS))
    except (AssertionError, ToolError, harness.CoreError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
