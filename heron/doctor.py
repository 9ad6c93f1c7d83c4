"""What Heron needs from the system, and what brings it. Runs on any Python 3, before anything is installed."""

import importlib.util
import os
import re
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = (("g++", "g++"), ("make", "make"), ("perl", "perl"))
DISK = 3 << 30  # bytes that .venv and build/ take together


def missing_system():
    """One line for each thing that is missing, with the package that brings it."""
    lines = []
    if sys.version_info < (3, 11):  # noqa: UP036  this file runs before the version is known
        version = ".".join(map(str, sys.version_info[:3]))
        lines.append("Python %s is too old: 3.11 or later is needed (make PYTHON=python3.12 ...)" % version)  # noqa: UP031
    have_venv = os.path.exists(os.path.join(ROOT, ".venv", "bin", "python"))
    if importlib.util.find_spec("ensurepip") is None and not have_venv:
        lines.append("python3 -m venv does not work: apt install python3-venv")
    for tool, package in TOOLS:
        if shutil.which(tool) is None:
            lines.append("missing " + tool + ": apt install " + package)
    if shutil.disk_usage(ROOT).free < DISK and not os.path.exists(os.path.join(ROOT, "build")):
        lines.append("less than 3 GB are free in " + ROOT)
    return lines


def wrong_packages():
    """One line for each Python package that is not the one that pyproject.toml pins."""
    from importlib import metadata

    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        dependencies = file.read().split("\ndependencies = [")[1].split("]")[0]
    lines = []
    for name, version in re.findall(r'"([\w.-]+)==([\w.]+)"', dependencies):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            lines.append("missing the Python package " + name + ": make .venv/.installed")
            continue
        if found != version:
            lines.append(name + " is " + found + ", pyproject.toml says " + version + ": make .venv/.installed")
    return lines


def main(system_only=False, quiet=False):
    """Prints what is missing, or, unless quiet, that nothing is; 0 when nothing is."""
    lines = missing_system() if system_only else missing_system() + wrong_packages()
    for line in lines:
        print("doctor: " + line, file=sys.stderr)
    if lines:
        return 1
    if quiet:
        return 0
    print("doctor: all that is needed " + ("from the system " if system_only else "") + "is here")
    if shutil.which("libde265-dec265") is None:
        print("doctor: libde265-dec265, a second decoder for the tests, is not here: apt install libde265-examples")
    if not all(os.path.exists("/usr/include/" + header) for header in ("lz4.h", "zlib.h")):
        print("doctor: waves are VCD; for FST, which is smaller: apt install liblz4-dev zlib1g-dev")
    return 0


if __name__ == "__main__":
    sys.exit(main("--system" in sys.argv, "--quiet" in sys.argv))
