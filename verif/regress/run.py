"""`heron regress`: plans the seeds, has them run here or on a Dask cluster, and reports, whatever ends it."""

import contextlib
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from heron.errors import HeronError
from heron.progress import Bar
from sim.toolchain import BUILD
from verif.regress.report import Summary, print_report, write_reports
from verif.regress.results import LOST, Result, ResultsFile, version
from verif.regress.sandbox import Task, end_regression, run_task
from verif.regress.suites import WAVES_TIME, load_suite

ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")
CONNECT_TIMEOUT = 10
Submit = Callable[..., Future]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `heron regress` is asked for. only: these seeds, in this order, instead of `seeds` from `first` on."""

    suites: list[str]
    seeds: int
    first: int = 0
    only: list[int] = field(default_factory=list)
    jobs: int | None = None
    scheduler: str | None = None
    timeout: float | None = None
    waves: bool = False
    resume: bool = False
    clips: Path | None = None
    output: Path | None = None

    def check(self) -> None:
        if self.jobs and self.scheduler:
            raise HeronError("a cluster has as many jobs as its workers have threads: --jobs or --scheduler, not both")
        if self.waves and (not self.only or self.scheduler):
            raise HeronError("waves are for a replay on this machine: --waves goes with --seed and without --scheduler")
        if self.resume and self.only:
            raise HeronError("a replay runs its seeds: --resume does not go with --seed")
        if self.only and len(self.suites) != 1:
            raise HeronError("a seed belongs to one suite: --seed goes with one --suite")

    @property
    def folder(self) -> Path:
        """Where the reports go; a replay has a folder of its own and leaves those of the last regression alone."""
        return self.output or (BUILD / "regress" / "replay" if self.only else BUILD / "regress")


def run(options: Options) -> int:
    """Runs what is asked for and leaves the reports; returns the exit code: 1 when a seed failed."""
    options.check()
    tasks, folder = plan(options), options.folder
    file = ResultsFile(folder / "results.jsonl")
    try:
        pool = DaskPool(options.scheduler) if options.scheduler else LocalPool(options.jobs or 1)
    except BaseException:
        file.close()
        raise
    summary = Summary(options.clips, [(task.suite, task.seed) for task in tasks])
    summary.kept = file.restart([(task.suite, task.seed, task.version) for task in tasks] if options.resume else [])
    summary.results += summary.kept
    known = {(result.suite, result.seed) for result in summary.kept}
    signatures: set[str] = set()
    print(f"{len(tasks)} seeds; each process first builds what its suite needs and is not there yet", file=sys.stderr)
    begin = time.monotonic()
    try:
        for result in _results([task for task in tasks if (task.suite, task.seed) not in known], pool.submit):
            file.add(result)
            summary.results.append(result)
            if not result.passed and result.signature not in signatures:
                signatures.add(result.signature)
                print(f"{result.suite} seed {result.seed} {result.status}: {result.headline}", file=sys.stderr)
    finally:  # an interrupt, a fault of the cluster: what was done is reported
        pool.close(tasks[0].regression)
        file.close()
        summary.seconds = time.monotonic() - begin
        write_reports(summary, folder)
        print_report(summary, folder)
    return 1 if any(not result.passed for result in summary.results) else 0


def plan(options: Options) -> list[Task]:
    """A task for each seed of each suite."""
    regression, tasks = uuid.uuid4().hex, []
    clips = str(options.clips.resolve()) if options.clips else None
    if clips:
        os.environ["HERON_CLIPS"] = clips  # where suites look for them, in every process
    for name in dict.fromkeys(options.suites):
        suite = load_suite(name)
        here, count = version(suite), suite.count() if suite.count else None
        seeds = options.only or suite.seeds(options.first, options.seeds)
        if not seeds:
            raise HeronError(f"suite {name} has no seed here: no clip has a size that it takes")
        for seed in seeds:
            if count is not None and seed >= count:
                raise HeronError(f"suite {name} has no seed {seed}; it has {count}, from 0 on")
            tasks.append(
                Task(
                    regression=regression,
                    suite=name,
                    seed=seed,
                    timeout=options.timeout or suite.timeout * (WAVES_TIME if options.waves else 1),
                    version=here,
                    clips=clips,
                    waves=_waves(options, name, seed),
                )
            )
    return tasks


def _waves(options: Options, suite: str, seed: int) -> str | None:
    if not options.waves:
        return None
    folder = (options.folder / "waves" / f"{suite.replace(':', '.')}-{seed}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _results(tasks: list[Task], submit: Submit) -> Iterator[Result]:
    """What becomes of the tasks, in the order in which they end."""
    with Bar("regress", len(tasks)) as bar:
        futures = {submit(run_task, task): task for task in tasks}
        for done, future in enumerate(as_completed(futures), 1):
            yield _outcome(future, futures[future])
            bar.at(done)


def _outcome(future: Future, task: Task) -> Result:
    try:
        return future.result()
    except Exception as error:  # of the cluster; what a seed raises is in its result
        where = {"suite": task.suite, "seed": task.seed, "version": task.version}
        return Result(**where, status=LOST, kind=type(error).__name__, message=str(error) or "given up by the cluster")


class LocalPool:
    """So many processes of this machine."""

    def __init__(self, jobs: int):
        self._pool = ThreadPoolExecutor(jobs)
        self.submit = self._pool.submit

    def close(self, regression: str) -> None:
        """Ends what still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        end_regression(regression)
        self._pool.shutdown()


class DaskPool:
    """The workers of a Dask scheduler: a seed at a time for each of their threads."""

    def __init__(self, address: str):
        from distributed import Client

        if not ADDRESS.fullmatch(address):
            raise HeronError(f"the scheduler is '{address}'; it must look like tcp://HOST:PORT")
        try:
            self._client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except OSError as error:
            raise HeronError(f"{address}: no Dask scheduler answers") from error
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except TimeoutError:
            self._client.close()
            raise HeronError(f"{address}: the Dask scheduler has no worker") from None
        self._executor = self._client.get_executor(pure=False)
        self.submit = self._executor.submit

    def close(self, regression: str) -> None:
        """Ends what still runs on the workers, as far as they can be reached."""
        with contextlib.suppress(OSError):
            self._executor.shutdown(wait=False)
            self._client.run(end_regression, regression, on_error="ignore")
        self._client.close()
