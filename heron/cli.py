"""The `heron` command. Bad input is one line on stderr and exit code 2."""

import os
import signal
import sys
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hdl.params import CORE_CTB_LOG2_SIZES, DEFAULT_PRESET, PRESETS
from heron.errors import HeronError
from verif.regress.suites import SUITES

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Heron: an H.265 intra encoder in hardware, its reference codec, and the tools around them.",
)
bench = typer.Typer(no_args_is_help=True, help="Measure: compression, cycles, speed.")
cli.add_typer(bench, name="bench")
board = typer.Typer(no_args_is_help=True, help="An FPGA board on a serial port, or in simulation.")
cli.add_typer(board, name="board")

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="Anything FFmpeg opens, .y4m, or raw .yuv with --size.")]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Size of a raw .yuv input.")]
Fps = Annotated[str | None, typer.Option(metavar="N[/M]", help="Rate of a raw .yuv input (25).")]
Frames = Annotated[int | None, typer.Option(metavar="N", max=1 << 31, help="Only so many frames.")]
Start = Annotated[int, typer.Option(metavar="N", help="First frame, counted from 0.")]
Preset = Annotated[str, typer.Option(metavar="NAME", help="Build of the core: see 'heron presets'.")]
EngineName = Annotated[
    str, typer.Option(metavar="rtl|chip|model", help="The Verilated core or chip, or the reference codec.")
]
Clips = Annotated[
    Path | None,
    typer.Option(envvar="HERON_CLIPS", help="Folder of clips; without it the embedded demo clip."),
]
PortName = Annotated[
    str, typer.Option("--port", metavar="PORT", help="A serial port, or sim:BOARD: see 'heron board list'.")
]
Qps = Annotated[str, typer.Option(metavar="A,B,...", help="Quantisers.")]


def say(text: str) -> None:
    """A note for the user, apart from the command's output."""
    print(text, file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        from sim.verilog import git_hash

        print(f"heron {metadata.version('heron')}, commit {git_hash()[:8]}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print version and commit.")
    ] = False,
) -> None:
    """Options of `heron` itself."""


def _size(text: str | None) -> tuple[int, int] | None:
    from heron.video import parse_size

    return parse_size(text) if text else None


def _qps(text: str) -> list[int]:
    try:
        qps = [int(part) for part in text.split(",")]
    except ValueError:
        raise HeronError(f"qps is '{text}'; it must look like 22,27,32,37") from None
    for qp in qps:
        if not 0 <= qp <= 51:
            raise HeronError(f"qp is {qp}; it must be from 0 to 51")
    return qps


@cli.command()
def encode(
    input: Input,
    output: Annotated[Path, typer.Option("-o", "--output", help=".hevc .h265 .265 .mp4 or .mkv")],
    engine: EngineName = "rtl",
    qp: Annotated[int, typer.Option(help="Quantiser, 0 (best) to 51.")] = 32,
    frames: Frames = None,
    start: Start = 0,
    size: Size = None,
    fps: Fps = None,
    preset: Preset = DEFAULT_PRESET,
    recon: Annotated[Path | None, typer.Option(metavar="FILE.y4m", help="Reconstruction.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Bits, PSNR, cycles.")] = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="Stage boundaries, for 'heron trace'.")] = None,
    stall_seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Random stalls in the RTL.")] = None,
    pixel_format: Annotated[
        str | None, typer.Option(metavar="i420|nv12", help="How the planes lie in the chip's memory.")
    ] = None,
    qp_map: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="QP of each CTU: .npy, or a text of one row of numbers a CTU row."),
    ] = None,
    hash: Annotated[bool, typer.Option("--hash/--no-hash", help="A picture hash SEI after each picture.")] = False,
) -> None:
    """Encode a clip to an H.265 stream."""
    from heron.job import Job, encode_file

    job = Job(
        input=input,
        output=output,
        engine=engine,
        qp=qp,
        frames=frames,
        start=start,
        size=_size(size),
        rate=_rate(fps),
        preset=preset,
        recon=recon,
        report=report,
        trace=trace,
        stall_seed=stall_seed,
        pixel_format=pixel_format,
        qp_map=qp_map,
        write_hash=hash,
    )
    print_report(encode_file(job, say))


def _rate(text: str | None) -> Fraction | None:
    try:
        rate = Fraction(text) if text else None
    except (ValueError, ZeroDivisionError):
        raise HeronError(f"fps is '{text}'; it must look like 25 or 30000/1001") from None
    if rate is not None and not (rate > 0 and max(rate.as_integer_ratio()) < 1 << 31):
        raise HeronError(f"fps is {text}; it must be more than 0, of numbers below 2^31")
    return rate


def print_report(report: dict) -> None:
    """The report as a short table."""
    table = Table(show_header=False, box=None)
    psnr = report["psnr"]
    table.add_row("pictures", f"{report['frames']} of {report['width']}x{report['height']}, QP {report['qp']}")
    table.add_row("engine", f"{report['engine']}, preset {report['preset']}")
    table.add_row("bits", f"{report['bits']:,} ({report['vcl_bits']:,} in slices)")
    table.add_row("PSNR", "  ".join(f"{name.upper()} {psnr[name]:.2f} dB" for name in "yuv"))
    if "cycles" in report:
        table.add_row("cycles", f"{report['cycles']:,} ({report['cycles_per_luma_sample']:.2f} per luma sample)")
        table.add_row("bins", f"{report['bins']:,}")
        for stage, count in report["stall_cycles"].items():
            table.add_row(f"stalls {stage}", f"{count:,} cycles")
    Console().print(table)


@cli.command()
def decode(
    input: Input,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .y4m file.")],
    frames: Frames = None,
    start: Start = 0,
    size: Size = None,
    fps: Fps = None,
) -> None:
    """Decode any video to y4m with FFmpeg."""
    from heron.outputs import Outputs
    from heron.progress import progress
    from heron.video import open_source
    from heron.writers import Y4mWriter

    if output.suffix.lower() != ".y4m":
        raise HeronError(f"{output}: the name must end in .y4m")
    source = open_source(input, _size(size), _rate(fps))
    for note in source.notes:
        say(f"{input}: {note}")
    with Outputs() as outputs:
        writer = Y4mWriter(outputs.open(output), source.width, source.height, source.rate, source.colour)
        for frame in progress(source.frames(start, frames), "decode", source.count(start, frames)):
            writer.write(frame.planes)


@cli.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Any clip, as for 'heron encode'.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another of the same size.")],
    size: Size = None,
    frames: Frames = None,
) -> None:
    """PSNR and SSIM per plane between two clips."""
    from heron.compare import compare_files

    result = compare_files(a, b, _size(size), frames)
    for note in result.notes:
        say(note)
    table = Table("", "Y", "U", "V", title=f"{result.frames} frames")
    table.add_row("PSNR dB", *(f"{value:.4f}" for value in result.psnr))
    table.add_row("SSIM", *(f"{value:.6f}" for value in result.ssim))
    table.add_row("equal", *("yes" if equal else "no" for equal in result.equal))
    Console().print(table)


@cli.command()
def presets() -> None:
    """The builds of the core that have a name."""
    from heron.engines import ENGINES

    table = Table("preset", "CTU", "largest picture", "engines", "")
    for name, params in PRESETS.items():
        largest = f"{params.max_width}x{params.max_height}"
        engines = ", ".join(ENGINES) if params.ctb_log2_size in CORE_CTB_LOG2_SIZES else "model"
        table.add_row(name, str(params.ctb_size), largest, engines, "default" if name == DEFAULT_PRESET else "")
    Console().print(table)


@cli.command()
def verilog(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for NAME.v and NAME.json.")],
    preset: Preset = DEFAULT_PRESET,
    block: Annotated[str | None, typer.Option(metavar="NAME", help="One block instead of the core, or chip.")] = None,
) -> None:
    """Write the core, or one of its blocks, as Verilog with a JSON that describes it."""
    from heron.export import export_verilog

    say(f"wrote {export_verilog(output, preset, block)}")


@cli.command()
def trace(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What 'heron encode --trace DIR' wrote.")],
    picture: Annotated[int, typer.Option(help="Which picture, counted from 0.")] = 0,
    at: Annotated[str | None, typer.Option(metavar="X,Y", help="The block that covers this luma sample.")] = None,
    levels: Annotated[bool, typer.Option("--levels", help="Print the block's coefficient levels too.")] = False,
    bins: Annotated[bool, typer.Option("--bins", help="Print the bins of its coding-tree unit too.")] = False,
) -> None:
    """Look into a trace: which decision, which block, which bits."""
    from heron.trace import print_block, print_summary, read_trace

    data = read_trace(folder, picture)
    if at is None:
        print_summary(data)
        return
    try:
        x, y = (int(part) for part in at.split(","))
    except ValueError:
        raise HeronError(f"at is '{at}'; it must look like 64,32") from None
    print_block(data, x, y, levels, bins)


@cli.command()
def doctor() -> None:
    """Check the tools that Heron needs from the system."""
    from heron.doctor import main

    raise typer.Exit(main())


@bench.command("rd")
def bench_rd(
    engine: EngineName = "model",
    preset: Preset = DEFAULT_PRESET,
    clips: Clips = None,
    anchors: Annotated[Path | None, typer.Option(help="JSON of anchor points; else measured and cached.")] = None,
    anchor: Annotated[str, typer.Option(metavar="PRESET", help="libx265 preset to compare with.")] = "medium",
    qps: Qps = "22,27,32,37",
    frames: Frames = None,
    only: Annotated[str | None, typer.Option(metavar="A,B,...", help="Only clips with these names.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Clips at a time.")] = 1,
) -> None:
    """Compression against libx265, all pictures intra: BD-rate, plots, a page in build/bench/rd."""
    from heron.bench.rd import run

    names = only.split(",") if only else None
    run(clips, engine, preset, _qps(qps), frames, anchors, anchor, names, jobs)


@bench.command("cycles")
def bench_cycles(
    preset: Preset = DEFAULT_PRESET,
    clips: Clips = None,
    qps: Qps = "22,27,32,37",
    frames: Annotated[int, typer.Option(metavar="N", help="Frames of each clip.")] = 1,
    largest: Annotated[str, typer.Option(metavar="WxH", help="Leave out larger clips.")] = "1024x576",
) -> None:
    """Cycles per luma sample of the RTL, with the stages that limit it; a page in build/bench/cycles."""
    from heron.bench.cycles import run
    from heron.video import parse_size

    run(clips, preset, _qps(qps), frames, parse_size(largest))


@bench.command("chip")
def bench_chip(
    preset: Preset = DEFAULT_PRESET,
    clips: Clips = None,
    qp: Annotated[int, typer.Option(min=0, max=51, help="Quantiser.")] = 27,
    largest: Annotated[str, typer.Option(metavar="WxH", help="Leave out larger clips.")] = "352x288",
) -> None:
    """The chip: cycles over the memory's latency, bytes of the bus, the gap between pictures; into build/bench/chip."""
    from heron.bench.chip import run
    from heron.video import parse_size

    run(clips, preset, qp, parse_size(largest))


@bench.command("speed")
def bench_speed(
    preset: Preset = DEFAULT_PRESET,
    qp: Annotated[int, typer.Option(help="Quantiser.")] = 32,
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the picture.")] = "1280x720",
    frames: Annotated[int, typer.Option(metavar="N", min=1, help="Pictures to code.")] = 8,
) -> None:
    """Frames a second of the reference codec on one core."""
    from heron.bench.speed import run
    from heron.video import parse_size

    run(preset, qp, parse_size(size), frames)


@cli.command()
def regress(
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help=f"Only this one of {', '.join(SUITES)}, or MODULE:NAME of your own; repeatable."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Seeds of each suite.")] = 200,
    first: Annotated[int, typer.Option(metavar="S", min=0, help="The first of them.")] = 0,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="S", min=0, help="Replay this seed; given again, one after the other in a process."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(metavar="J", min=1, help="Processes on this machine (1).")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Run on the workers of this Dask scheduler.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="Of a seed, instead of the suite's own.")
    ] = None,
    waves: Annotated[bool, typer.Option("--waves", help="With --seed: leave waves.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Skip what passed last time, of the same sources.")] = False,
    clips: Clips = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="For the reports, instead of build/regress.")
    ] = None,
) -> None:
    """Random runs of the RTL against the reference codec; a report with a replay command for each failure."""
    from verif.regress.run import Options, run

    options = Options(
        suites=suite or list(SUITES),
        seeds=seeds,
        first=first,
        only=seed or [],
        jobs=jobs,
        scheduler=scheduler,
        timeout=timeout,
        waves=waves,
        resume=resume,
        clips=clips,
        output=output,
    )
    raise typer.Exit(run(options))


@board.command("list")
def board_list() -> None:
    """The serial ports there are, and the boards that can be simulated."""
    from heron.board.commands import list_boards

    list_boards()


@board.command("info")
def board_info(port: PortName) -> None:
    """Ask a board who it is."""
    from heron.board.commands import info

    info(port)


@board.command("selftest")
def board_selftest(port: PortName) -> None:
    """Run the test that is built into the board, and stored pictures through it; exit code 1 where one fails."""
    from heron.board.commands import self_test

    if not self_test(port):
        raise typer.Exit(1)


@board.command("encode")
def board_encode(
    input: Input,
    output: Annotated[Path, typer.Option("-o", "--output", help=".hevc .h265 .265 .mp4 or .mkv")],
    port: PortName,
    qp: Annotated[int, typer.Option(help="Quantiser, 0 (best) to 51.")] = 32,
    frames: Frames = None,
    start: Start = 0,
    size: Size = None,
    fps: Fps = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Bits, PSNR, cycles, the line.")] = None,
    hash: Annotated[bool, typer.Option("--hash/--no-hash", help="A picture hash SEI after each picture.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare each picture's bytes with the reference codec's.")
    ] = False,
) -> None:
    """Encode a clip on a board."""
    from heron.board.commands import encode
    from heron.job import Job

    job = Job(
        input=input,
        output=output,
        engine="board",
        preset="",
        qp=qp,
        frames=frames,
        start=start,
        size=_size(size),
        rate=_rate(fps),
        report=report,
        write_hash=hash,
    )
    print_report(encode(port, job, check, say))


@cli.command()
def demo() -> None:
    """Encode the embedded clip with the RTL and prove the result; leaves build/demo."""
    from heron.demo import run

    run()


def app(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command, turns errors into one line and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    sys.exit(_run(lambda: typer.main.get_command(cli).main(arguments, "heron", standalone_mode=False)))


def _run(command: Callable[[], object]) -> int:
    try:
        result = command()
        sys.stdout.flush()
        if result == 130:  # what became of a KeyboardInterrupt on its way here
            return _fail("interrupted", 130)
        return result if isinstance(result, int) else 0
    except HeronError as error:
        return _fail(str(error), 2)
    except typer.Abort:
        return _fail("interrupted", 130)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)
    except Exception as error:
        return _fail(*_other(error))


def _other(error: Exception) -> tuple[str, int]:
    """Usage errors and missing tools have a message of their own; anything else is a fault of this program."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return usage() or "heron --help tells the commands", 2
    if type(error).__name__ == "ToolError":
        return str(error), 2
    if os.environ.get("HERON_DEBUG"):
        raise error
    kind = type(error).__name__
    return f"internal error, {kind}: {error} (HERON_DEBUG=1 shows where)", 1


def _fail(message: str, code: int) -> int:
    print(f"heron: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    app()
