"""What became of each seed: the record, its signature, and the file in which it outlives the run."""

import fcntl
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from heron.errors import HeronError
from sim.build import digest
from sim.toolchain import ROOT
from verif.regress.suites import Suite

PASSED, FAILED, CRASHED, HUNG, LOST = "passed", "failed", "crashed", "hung", "lost"
"""Of a run: no exception, an exception, its process died, it had no end in time, its machine did not answer."""

SOURCES = ("hdl", "heron", "sim", "synth", "verif")
PINS = ("pyproject.toml", "constraints.txt")

_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|\b(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{6,}\b|\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of one seed. version: of the sources and of the suite's inputs. before: seeds in the same process."""

    suite: str
    seed: int
    status: str
    version: str
    seconds: float = 0.0
    kind: str = ""
    message: str = ""
    details: str = ""
    before: list[int] = field(default_factory=list)
    host: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.status == PASSED

    @property
    def headline(self) -> str:
        return f"{self.kind}: {first_line(self.message)}"

    @property
    def signature(self) -> str:
        """What failures of one cause have in common: kind and first line of the message, numbers aside."""
        return f"{self.kind}: {normalised(self.message)}"


def normalised(message: str) -> str:
    """The first line with # for each number, hexadecimal or not, and for each list of numbers."""
    return re.sub(r"#(?:, ?#)+", "#", _NUMBER.sub("#", first_line(message)))[:300]


def first_line(message: str) -> str:
    return next(iter(message.strip().splitlines()), "")


def replay_command(result: Result, clips: Path | None = None) -> str:
    """The command that runs this seed again."""
    where = ["--clips", str(clips)] if clips else []
    return shlex.join(["heron", "regress", "--suite", result.suite, "--seed", str(result.seed), *where])


def groups(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Failures by signature, the most frequent first, each in the order of suites and seeds."""
    found: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: (result.suite, result.seed)):
        if not result.passed:
            found.setdefault(result.signature, []).append(result)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def merged_coverage(results: Iterable[Result]) -> dict[str, int]:
    """The hits of each bin in all runs that told theirs."""
    total: Counter[str] = Counter()
    for result in results:
        total.update(result.data.get("coverage", {}))
    return dict(sorted(total.items()))


def source_version() -> str:
    """Digest of all sources as they are in the working tree, and of the versions of all tools."""
    names = (path for folder in SOURCES for path in (ROOT / folder).rglob("*"))
    files = sorted(path for path in names if path.is_file() and "__pycache__" not in path.parts)
    files += [ROOT / name for name in PINS]
    return digest(*(part for path in files for part in (str(path.relative_to(ROOT)), path.read_bytes())))


def version(suite: Suite) -> str:
    """Of the sources, and of what else the suite reads."""
    return f"{source_version()} {suite.inputs()}".strip()


class ResultsFile:
    """results.jsonl: a line for each result as it comes, so that an end of any kind leaves what was done.

    kept: of the last run, the seeds that passed, for those who ask to resume; all others are forgotten. One process
    at a time has the file.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._file = path, open(path, "a+")
        self._before = self._file
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HeronError(f"{path}: another regression is writing it; give this one its own --output") from None

    def restart(self, keep: Iterable[tuple[str, int, str]] = ()) -> list[Result]:
        """Forgets all but what passed among these (suite, seed, version); returns it."""
        wanted, kept = set(keep), {}
        self._file.seek(0)
        for line in self._file if wanted else ():
            try:
                result = Result(**json.loads(line))
            except (ValueError, TypeError):  # cut off by an end of the last run, or of another format
                continue
            if result.passed and (key := (result.suite, result.seed, result.version)) in wanted:
                kept[key] = result
        part = self._path.with_suffix(".part")
        self._before, self._file = self._file, open(part, "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        for result in kept.values():
            self.add(result)
        os.replace(part, self._path)  # whole and locked; who has opened the one before finds that locked, too
        return list(kept.values())

    def add(self, result: Result) -> None:
        self._file.write(json.dumps(asdict(result)) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self._before.close()
