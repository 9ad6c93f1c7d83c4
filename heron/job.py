"""`heron encode`: from a file to a stream, its reconstruction, report and trace, all of them or none."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from heron.encoder import Encoder
from heron.engines import Engine, Planes
from heron.errors import HeronError
from heron.outputs import Outputs
from heron.progress import Bar
from heron.qp_map import read_qp_map
from heron.trace import write_trace
from heron.video import open_source
from heron.writers import Y4mWriter, check_stream_name, stream_writer
from verif.reference.config import PictureConfig


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of `heron encode`; the fields are its options."""

    input: Path
    output: Path
    engine: str
    preset: str
    qp: int = 32
    frames: int | None = None
    start: int = 0
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    recon: Path | None = None
    report: Path | None = None
    trace: Path | None = None
    stall_seed: int | None = None
    pixel_format: str | None = None
    qp_map: Path | None = None
    write_hash: bool = False

    def check_names(self) -> None:
        """Raises where two of the files are one, or a name does not tell its format."""
        check_stream_name(self.output)
        if self.recon and self.recon.suffix.lower() != ".y4m":
            raise HeronError(f"{self.recon}: the name of a reconstruction must end in .y4m")
        if self.trace and not self.trace.parent.is_dir():
            raise HeronError(f"{self.trace}: the folder {self.trace.parent} does not exist")
        if self.trace and self.trace.exists() and not self.trace.is_dir():
            raise HeronError(f"{self.trace}: is a file; a trace is a folder")
        paths = [path.resolve() for path in (self.input, self.output, self.recon, self.report) if path]
        for path in paths:
            if paths.count(path) > 1:
                raise HeronError(f"{path}: is named twice; each file needs a name of its own")


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Who else looks at a run. note: what the progress shows; check: of each picture's parameters, planes and bytes,
    raises where they are wrong; report: more for the report."""

    note: Callable[[], str] = str
    check: Callable[[PictureConfig, Planes, bytes], None] = lambda *_: None
    report: Callable[[], dict[str, Any]] = dict


def encode_file(
    job: Job, say: Callable[[str], None], engine: Engine | None = None, witness: Witness | None = None
) -> dict[str, Any]:
    """Runs the job; returns the report. `say` is told what is converted. engine: instead of the job's."""
    witness = witness or Witness()
    job.check_names()
    source = open_source(job.input, job.size, job.rate)
    for note in source.notes:
        say(f"{job.input}: {note}")
    encoder = Encoder(
        source.width,
        source.height,
        qp=job.qp,
        engine=engine or job.engine,
        preset=job.preset,
        rate=source.rate,
        colour=source.colour,
        write_hash=job.write_hash,
        qp_map=read_qp_map(job.qp_map) if job.qp_map else None,
        stall_seed=job.stall_seed,
        pixel_format=job.pixel_format,
        name=str(job.input),
    )
    frames = source.frames(job.start, job.frames)
    label = f"encode ({job.engine})"
    with Outputs() as outputs, Bar(label, source.count(job.start, job.frames)) as bar:
        stream = stream_writer(outputs, job.output, source.rate, source.time_base)
        recon = None
        if job.recon:
            recon = Y4mWriter(outputs.open(job.recon), source.width, source.height, source.rate, source.colour)
        report_file = outputs.open(job.report) if job.report else None
        for index, frame in enumerate(frames):
            config = encoder.config
            picture = encoder.encode_picture(
                frame.planes, lambda part, _, done=index: bar.at(done + part, witness.note())
            )
            bar.at(index + 1, witness.note())
            witness.check(config, frame.planes, picture.data)
            stream.write(picture.data, frame.pts)
            if recon:
                recon.write(picture.recon)
            if job.trace:
                write_trace(job.trace, index, config, frame.planes, picture.data, encoder.qp_map)
        stream.finish()
        report = encoder.report() | {"fps": float(source.rate), "input": str(job.input)} | witness.report()
        if report_file:
            report_file.write((json.dumps(report, indent=1) + "\n").encode())
    return report
