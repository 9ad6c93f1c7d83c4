"""Which clips a measurement runs over."""

import hashlib
from pathlib import Path

from heron.clip import DemoSource
from heron.errors import HeronError
from heron.video import Source, open_source

SUFFIXES = (".mkv", ".mp4", ".y4m", ".mov", ".webm", ".avi")


def bench_sources(folder: Path | None, only: list[str] | None = None) -> dict[str, Source]:
    """Clips by name: the videos of a folder, or the embedded demo clip when there is no folder."""
    if folder is None:
        return {"demo": DemoSource()}
    if not folder.is_dir():
        raise HeronError(f"{folder}: no such folder of clips")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    sources = {path.stem: open_source(path) for path in paths if not only or path.stem in only}
    missing = set(only or ()) - set(sources)
    if missing or not sources:
        raise HeronError(f"{folder}: holds no clip {', '.join(sorted(missing))}".rstrip())
    return sources


def digest(source: Source) -> str:
    """Identifies a clip's content."""
    if isinstance(source, DemoSource):
        return source.path.name
    with source.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
