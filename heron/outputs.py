"""Output files that appear complete or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from heron.errors import HeronError


class OutputFile:
    """A binary file under construction; its errors name the file that it will become."""

    def __init__(self, file: BinaryIO, target: Path):
        self._file, self._target = file, target

    @contextlib.contextmanager
    def _named(self):
        try:
            yield
        except OSError as error:
            raise HeronError(f"{self._target}: {error.strerror}") from error

    def write(self, data) -> int:
        with self._named():
            return self._file.write(data)

    def flush(self) -> None:
        with self._named():
            self._file.flush()

    def close(self) -> None:
        with self._named():
            self._file.close()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._named():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class Outputs(contextlib.AbstractContextManager):
    """Several output files as one transaction.

    `open` gives a temporary file in the target's folder. Leaving the `with` block normally closes and renames all of
    them; leaving it by any exception, a full disk at the last flush included, removes all of them.
    """

    def __init__(self):
        self._files: list[tuple[OutputFile, Path, Path]] = []
        self._before_closing: list[Callable[[], None]] = []

    def open(self, path: str | os.PathLike) -> OutputFile:
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
        file = OutputFile(os.fdopen(handle, "w+b"), target)
        self._files.append((file, Path(temporary), target))
        return file

    def before_closing(self, action: Callable[[], None]) -> None:
        """`action` runs on the way out while the files are still open."""
        self._before_closing.append(action)

    def __exit__(self, kind, value, traceback):
        try:
            for action in self._before_closing:
                action()
            if kind is None:
                self._commit()
        finally:
            for file, temporary, _ in self._files:
                with contextlib.suppress(HeronError):
                    file.close()
                temporary.unlink(missing_ok=True)
            self._files.clear()

    def _commit(self):
        mask = os.umask(0)
        os.umask(mask)
        for file, temporary, _ in self._files:
            file.close()
            temporary.chmod(0o666 & ~mask)
        for _, temporary, target in self._files:
            temporary.replace(target)


def write_file(path: str | os.PathLike, data: bytes | str) -> None:
    """One whole file, atomically."""
    with Outputs() as outputs:
        outputs.open(path).write(data.encode() if isinstance(data, str) else data)
