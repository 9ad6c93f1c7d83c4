"""Output files that appear complete or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from heron.errors import HeronError


class Outputs(contextlib.AbstractContextManager):
    """Several output files as one transaction.

    `open` gives a temporary file in the target's folder. Leaving the `with` block normally closes and renames all of
    them; leaving it by any exception, a full disk at the last flush included, removes all of them.
    """

    def __init__(self):
        self._files: list[tuple[BinaryIO, Path, Path]] = []

    def open(self, path: str | os.PathLike) -> BinaryIO:
        """A new binary file that becomes `path` in the end."""
        target = Path(path)
        if target.exists() and not target.is_file():
            raise HeronError(
                f"{target}: is {'a folder' if target.is_dir() else 'not a regular file'}, cannot be an output"
            )
        if not target.parent.is_dir():
            raise HeronError(f"{target}: the folder {target.parent} does not exist")
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        except OSError as error:
            raise HeronError(f"{target}: {error.strerror}") from error
        file = os.fdopen(handle, "w+b")
        self._files.append((file, Path(temporary), target))
        return file

    def __exit__(self, kind, value, traceback):
        try:
            if kind is None:
                self._commit()
        finally:
            for file, temporary, _ in self._files:
                with contextlib.suppress(OSError):
                    file.close()
                temporary.unlink(missing_ok=True)
            self._files.clear()

    def _commit(self):
        mask = os.umask(0)
        os.umask(mask)
        for file, temporary, target in self._files:
            try:
                file.close()
                temporary.chmod(0o666 & ~mask)
            except OSError as error:
                raise HeronError(f"{target}: {error.strerror}") from error
        for _, temporary, target in self._files:
            temporary.replace(target)


def write_file(path: str | os.PathLike, data: bytes | str) -> None:
    """One whole file, atomically."""
    with Outputs() as outputs:
        outputs.open(path).write(data.encode() if isinstance(data, str) else data)
