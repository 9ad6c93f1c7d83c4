"""Verilator builds, cached by content under build/sim and safe against others building the same thing."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from sim import coverage, toolchain
from sim.toolchain import BUILD, ToolError
from sim.verilog import Exported

WAIVERS = Path(__file__).with_name("waivers.vlt")
VERILATOR_FLAGS = [
    "--cc",
    "--prefix",
    "Vtop",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--no-assert",
]
# -O1 for what runs, nothing for what runs once: compile time outweighs speed in a block bench.
BENCH_MAKE = ["OPT_FAST=-O1", "OPT_SLOW=", "OPT_GLOBAL=-O1"]


@contextlib.contextmanager
def locked(folder: Path):
    """Only one process at a time between here and the end of the `with`."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(path: Path, text: str) -> None:
    """Write the file as a whole, or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def run(command: list, cwd: Path, log: Path) -> None:
    """Run a tool with its output in `log`; ToolError with the end of the log when it fails."""
    with open(log, "a") as output:
        print("$", *command, file=output, flush=True)
        result = subprocess.run(
            list(map(str, command)),
            cwd=cwd,
            env=toolchain.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if result.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        raise ToolError(f"{command[0]} failed with {result.returncode}; the end of {log}:\n{tail}")


def digest(*parts: str | bytes) -> str:
    """Short name of a build from everything that decides its result."""
    total = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode()
        total.update(len(raw).to_bytes(8, "little") + raw)
    return total.hexdigest()[:20]


def verilate(
    exported: Exported,
    *,
    flags: Iterable[str],
    sources: Iterable[Path],
    make: Iterable[str],
    target: str,
    headers: dict[str, str] | None = None,
    public: Iterable[tuple[str, str]] = (),
) -> Path:
    """The path of `target`, which Verilator and make produce from the Verilog, `sources` and flags.

    sources: C++, SystemVerilog. headers: name to text, for the C++ to include. make: variables and options for make.
    public: (module, signal) to keep, for VPI to read.
    """
    toolchain.check()
    flags, make, sources, public = [*VERILATOR_FLAGS, *flags], list(make), list(sources), list(public)
    contents = [source.read_bytes() for source in [WAIVERS, *sources]]
    tools = [toolchain.verilator_version(), sys.version, str(toolchain.verilator_root())]
    uncounted = coverage.waivers(exported.text, f"{exported.name}.v") if set(coverage.FLAGS) <= set(flags) else []
    key = digest(
        exported.text,
        exported.name,
        repr(flags),
        repr(make),
        target,
        repr(headers),
        *tools,
        *contents,
        *map(repr, public),
        *uncounted,
    )
    folder = BUILD / "sim" / f"{exported.name}-{key}"
    with locked(folder):
        if not (folder / ".done").exists():
            for name, text in (headers or {}).items():
                (folder / name).write_text(text)
            _build(exported, folder, flags, sources, make, target, public, uncounted)
            (folder / ".done").touch()
    return folder / target


def _build(exported, folder: Path, flags, sources, make, target, public, uncounted) -> None:
    log = folder / "build.log"
    log.unlink(missing_ok=True)
    verilog = exported.write(folder)
    config = folder / "signals.vlt"
    lines = [f'public_flat_rw -module "{exported.name}" -var "{port}"' for port in exported.description["ports"]]
    lines += [f'public_flat_rd -module "{module}" -var "{signal}"' for module, signal in public]
    lines = [*(lines if "--vpi" in flags else []), *uncounted]
    config.write_text("\n".join(["`verilator_config", *lines]) + "\n")
    command = [toolchain.verilator(), *flags, "--top-module", exported.name, "-Mdir", "."]
    run([*command, WAIVERS, config, *sources, verilog.name], folder, log)
    # Verilator's own runtime does not depend on the design: compile it once for each set of flags.
    runtime = BUILD / "sim" / f"runtime-{digest(repr(flags), repr(make), toolchain.verilator_version())}"
    for compiled in runtime.glob("verilated*.o"):
        shutil.copyfile(compiled, folder / compiled.name)
    command = ["make", "-j", str(min(2, os.cpu_count() or 1)), "-f", "Vtop.mk", f"PYTHON3={sys.executable}"]
    # The wheel's makefile names a way to include precompiled headers that g++ refuses.
    run([*command, "CFG_CXXFLAGS_PCH_I=-include", *make, target], folder, log)
    with locked(runtime):
        for compiled in folder.glob("verilated*.o"):
            if not (runtime / compiled.name).exists():
                shutil.copyfile(compiled, runtime / f".{compiled.name}")
                os.replace(runtime / f".{compiled.name}", runtime / compiled.name)
