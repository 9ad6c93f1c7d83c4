"""Runs mutants against their bench; goes on, on any machine, from what came of each before (verif/mutate/records)."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue

from heron.outputs import write_file
from sim import build
from sim.toolchain import ROOT
from verif.mutate.benches import BENCHES, Bench
from verif.mutate.design import FOLDER, Mutant, Mutated
from verif.mutate.formal import proved
from verif.mutate.simulation import Simulation

KILLED, EQUIVALENT, INSPECTED, SURVIVED = "killed", "equivalent", "equivalent by inspection", "survived"
INSPECTION = Path(__file__).with_name("inspection.json")
"""Mutants that a person showed to change nothing: block, then Mutant.identity, then the reason."""
RECORDS = Path(__file__).with_name("records")
TIMEOUT_FACTOR, TIMEOUT_SECONDS = 5, 60
"""A mutant may take so many times what the design takes, and so many seconds more."""
CLEAN_TIMEOUT = 3600


@dataclass(frozen=True)
class Verdict:
    """What came of one mutant. reason: the first test that failed, the module of the proof, or the reason given."""

    mutant: Mutant
    outcome: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class Record:
    """RECORDS/BLOCK.json: `design` and `bench_version` tell whether it still holds."""

    block: str
    bench: str
    test: str
    stage: str | None
    seed: int
    design: str
    bench_version: str
    clean_seconds: float
    planned: int
    verdicts: tuple[Verdict, ...] = ()

    @classmethod
    def path(cls, block: str) -> Path:
        return RECORDS / f"{block}.json"

    def write(self) -> None:
        fields = asdict(self)
        verdicts = ",\n  ".join(json.dumps(each) for each in fields.pop("verdicts"))
        lines = [*(f'"{name}": {json.dumps(value)}' for name, value in fields.items()), f'"verdicts": [\n  {verdicts}]']
        RECORDS.mkdir(exist_ok=True)
        write_file(self.path(self.block), "{" + ",\n ".join(lines) + "}\n")

    @classmethod
    def read(cls, block: str) -> "Record | None":
        """What was kept of `block`, if anything; verdicts by inspection are those of today's list."""
        if not cls.path(block).exists():
            return None
        fields = json.loads(cls.path(block).read_text())
        return cls(**fields | {"verdicts": tuple(_inspected(_verdict(each)) for each in fields["verdicts"])})

    def count(self, *outcomes: str) -> int:
        return sum(verdict.outcome in outcomes for verdict in self.verdicts)

    @property
    def score(self) -> float | None:
        """Killed, of those that are not equivalent; None when there are none, or not all are judged yet."""
        judged = self.count(KILLED, SURVIVED)
        return self.count(KILLED) / judged if judged and len(self.verdicts) == self.planned else None


def _verdict(fields: dict) -> Verdict:
    mutant = Mutant(**fields["mutant"] | {"sources": tuple(fields["mutant"]["sources"])})
    return Verdict(mutant, fields["outcome"], fields["reason"], fields["seconds"])


def _inspected(verdict: Verdict) -> Verdict:
    if verdict.outcome not in (SURVIVED, INSPECTED):
        return verdict
    reason = json.loads(INSPECTION.read_text()).get(verdict.mutant.block, {}).get(verdict.mutant.identity)
    outcome = INSPECTED if reason else SURVIVED
    return Verdict(verdict.mutant, outcome, reason or "", verdict.seconds)


def bench_version(bench: Bench) -> str:
    """Changes with the files beside the bench and those that all benches share."""
    files = {*bench.source.parent.glob("*.py"), *(ROOT / BENCHES).glob("*.py")}
    return build.digest(*(path.read_bytes() for path in sorted(files)))


class Judgement:
    """All mutants of one design against one bench. stages: each wanted block, and the stage that lends the bench."""

    def __init__(self, design: Mutated, bench: Bench, stages: dict[str, str | None], formal_seconds: int):
        self.design, self.bench, self.stages, self.formal_seconds = design, bench, stages, formal_seconds
        self.version = bench_version(bench)
        self.kept = {block: self._kept(block) for block in stages}

    def _kept(self, block: str) -> dict[int, Verdict]:
        """Verdicts that still hold: a survivor's only while the bench is the same."""
        record = Record.read(block)
        if record is None or record.design != self.design.key:
            return {}
        same = record.bench_version == self.version
        return {each.mutant.number: each for each in record.verdicts if same or each.outcome in (KILLED, EQUIVALENT)}

    def open(self) -> list[Mutant]:
        """Mutants of the wanted blocks without a verdict."""
        wanted = (mutant for mutant in self.design.mutants if mutant.block in self.stages)
        return [mutant for mutant in wanted if mutant.number not in self.kept[mutant.block]]

    def run(self, jobs: int) -> Iterator[Verdict]:
        """Judge what is open, `jobs` at a time; RuntimeError when the bench fails on the design without a mutant."""
        folder = FOLDER / "runs" / self.bench.name
        with contextlib.ExitStack() as stack:
            idle: Queue[Simulation] = Queue()
            for _ in range(jobs):
                idle.put(stack.enter_context(Simulation(self.design, self.bench, folder)))

            def attempt(number: int, timeout: float) -> tuple[str, float]:
                simulation, begin = idle.get(), time.monotonic()
                try:
                    return simulation.attempt(number, timeout), time.monotonic() - begin
                finally:
                    idle.put(simulation)

            failed, clean = attempt(0, CLEAN_TIMEOUT)  # whatever is kept: a bench leans on more than its version tells
            if failed:
                raise RuntimeError(f"it fails without a mutant: {failed}, log in {folder / '0'}")
            timeout = TIMEOUT_FACTOR * clean + TIMEOUT_SECONDS

            def judge(mutant: Mutant) -> Verdict:
                reason, seconds = attempt(mutant.number, timeout)
                outcome, scope = KILLED, None
                if not reason:
                    scope = proved(self.design, mutant, self.formal_seconds)
                    outcome = EQUIVALENT if scope else SURVIVED
                return _inspected(Verdict(mutant, outcome, reason or scope or "", round(seconds, 1)))

            with ThreadPoolExecutor(jobs) as pool:
                for verdict in pool.map(judge, self.open()):
                    self.kept[verdict.mutant.block][verdict.mutant.number] = verdict
                    self._record(verdict.mutant.block, round(clean, 1)).write()
                    yield verdict

    def _record(self, block: str, clean: float) -> Record:
        return Record(
            block=block,
            bench=self.bench.name,
            test=self.bench.test,
            stage=self.stages[block],
            seed=self.design.seed,
            design=self.design.key,
            bench_version=self.version,
            clean_seconds=clean,
            planned=sum(mutant.block == block for mutant in self.design.mutants),
            verdicts=tuple(sorted(self.kept[block].values(), key=lambda each: each.mutant.number)),
        )


def records(blocks: Iterable[str]) -> dict[str, Record]:
    """What is kept of each block."""
    return {block: record for block in blocks if (record := Record.read(block))}
