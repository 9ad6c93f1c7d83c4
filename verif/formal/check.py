"""Runs proofs: each with all its arguments, what it covers, and every broken block."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from verif.formal import sby
from verif.formal.proof import Defect, Proof
from verif.formal.properties import Properties
from verif.formal.sby import Outcome


@dataclass(frozen=True)
class Task:
    """One run of SymbiYosys for `proof`: to prove, to cover, or with a defect to find."""

    proof: Proof
    mode: str
    arguments: tuple
    defect: Defect | None = None

    @property
    def name(self) -> str:
        """Of its folder, below build/formal."""
        if self.defect:
            return f"{self.proof.name}/defect{self.proof.defects.index(self.defect)}"
        return "-".join([f"{self.proof.name}/{self.mode}", *map(str, self.arguments)])

    def run(self) -> "Done":
        properties = self.proof.build(self.arguments, self.defect)
        depth = self.proof.depth if self.mode in ("prove", "bmc") and not self.defect else self.proof.cover_depth
        outcome = sby.run(self.name, properties.rtlil(), self.mode, depth)
        return Done(self, properties, outcome)


@dataclass(frozen=True)
class Done:
    """A task that has run. `complaint` says in one sentence what is wrong, or is empty."""

    task: Task
    properties: Properties
    outcome: Outcome

    @property
    def complaint(self) -> str:
        task, outcome = self.task, self.outcome
        failed = [self.properties.name_of(label) for label in outcome.failed]
        trace = f", see {outcome.trace}" if outcome.trace else ""
        if task.defect is None and outcome.status == "PASS":
            return ""
        if task.defect is None:
            said = {"prove": "does not hold", "bmc": "does not hold", "cover": "is never reached"}[task.mode]
            if outcome.status == "UNKNOWN":
                said = "is not shown by induction"
            return f"{task.name}: {outcome.status}: {'; '.join(failed) or 'all'} {said}{trace}"
        if outcome.status == "FAIL":
            return ""
        return f"{task.name}: '{task.defect.new}' for '{task.defect.old}' does not break: {task.defect.breaks}{trace}"


def tasks_of(proof: Proof) -> Iterator[Task]:
    """All runs for a proof; covers and defects with its first arguments."""
    for arguments in proof.arguments:
        yield Task(proof, "prove" if proof.induction else "bmc", arguments)
    yield Task(proof, "cover", proof.arguments[0])
    for defect in proof.defects:
        yield Task(proof, "bmc", proof.arguments[0], defect)


def run_all(proofs: Iterable[Proof], jobs: int, after: Callable[[Done], None] = lambda done: None) -> list[Done]:
    """Every task of the proofs, `jobs` at a time; `after` is called with each when it has run. In order."""
    tasks = [task for proof in proofs for task in tasks_of(proof)]
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(task.run): index for index, task in enumerate(tasks)}
        results = {}
        try:
            for future in as_completed(running):
                results[running[future]] = future.result()
                after(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[index] for index in range(len(tasks))]


def unshaken(done: list[Done]) -> list[str]:
    """Properties of a proof that no defect breaks, so that nothing shows that they can fail; or that are not there."""
    proven = {name for each in done if not each.task.defect for name in each.properties.proven}
    broken = {each.task.defect.breaks for each in done if each.task.defect}
    return sorted(proven ^ broken)
