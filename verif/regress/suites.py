"""What there is to run: a suite by its name. Only names travel between processes and machines, never functions."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron.errors import HeronError

SUITES = {
    "core": "verif.regress.core:SUITE",
    "clips": "verif.regress.clips:SUITE",
    "chip": "verif.uvm.suite:SUITE",
    "chip-clips": "verif.regress.clips:CHIP_SUITE",
    "board": "verif.regress.board:SUITE",
}
"""Where each suite is, MODULE:NAME; a module is loaded where its suite runs, and not before."""
WAVES_TIME = 10
"""How many times the suite's time a run has that leaves waves: it needs another build, too."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Runs that differ by their seed alone.

    run: one run from a seed, in a process that ran other seeds before it and may run more after it. Returns what is
        worth keeping of it, JSON-able; its item `coverage`, bins and their hits, is added up over all seeds. Any
        exception is a failure: the first line of its message says what is wrong (failures are grouped by it, numbers
        aside), notes and further lines say in which case. With a folder as its second argument it leaves waves there.
    timeout: seconds, after which a run counts as hung.
    prepare: once in each process before its first run, and not part of its time: builds.
    count: how many seeds there are, from 0 on, and then the same again; None for no end of them.
    inputs: names what runs read apart from the sources: a run that passed on other inputs has to be repeated.
    """

    run: Callable[[int, Path | None], dict[str, Any]]
    timeout: float
    prepare: Callable[[], object] = _nothing
    count: Callable[[], int] | None = None
    inputs: Callable[[], str] = str

    def seeds(self, first: int, wanted: int) -> list[int]:
        """So many seeds from `first` on; where they come round again, each once."""
        if self.count is None:
            return list(range(first, first + wanted))
        count = self.count()
        return [seed % count for seed in range(first, first + min(wanted, count))]


def load_suite(name: str) -> Suite:
    """The suite that has this name in SUITES, or that MODULE:NAME leads to."""
    where, known = SUITES.get(name, name), ", ".join(SUITES)
    module, colon, attribute = where.partition(":")
    if not colon:
        raise HeronError(f"there is no suite '{name}'; there are {known}, or MODULE:NAME for one of your own")
    try:
        suite = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise HeronError(f"suite '{name}': {error}") from error
    if not isinstance(suite, Suite):
        raise HeronError(f"suite '{name}' is a {type(suite).__name__}, not a Suite")
    return suite
