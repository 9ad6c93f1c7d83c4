"""Progress on stderr: a bar on a terminal, a line now and then in a log."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10


class Bar(contextlib.AbstractContextManager):
    """How much of `total` items is done under `label`; parts of an item count."""

    def __init__(self, label: str, total: int | None = None):
        self._label, self._total = label, total
        self._last = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            done = TextColumn("{task.completed:.1f}" + (f"/{total}" if total else ""))
            columns = [TextColumn("{task.description}"), BarColumn(), done, TimeElapsedColumn(), TimeRemainingColumn()]
            note = TextColumn("{task.fields[note]}")
            self._bar = Progress(*columns, note, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(label, total=total, note="")
            self._bar.start()

    def at(self, done: float, note: str = "") -> None:
        """So many items are done now; `note`: what else is worth a look."""
        if self._bar:
            self._bar.update(self._task, completed=done, note=note)
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            of = f" of {self._total}" if self._total else ""
            print(f"{self._label}: {done:.1f}{of} {note}".rstrip(), file=sys.stderr, flush=True)

    def __exit__(self, *_):
        if self._bar:
            self._bar.stop()


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The items, with how many of `total` are done shown under `label`."""
    with Bar(label, total) as bar:
        for done, item in enumerate(items, 1):
            yield item
            bar.at(done)
