"""A bench's simulation that loads Python and the bench once and then runs one mutant after the other, each in a fork.

Starting Python in the simulator takes longer than most mutants live.
"""

import shutil
import subprocess
from pathlib import Path

from sim.runner import bench_environment, bench_seed, build_bench, read_results, simulate
from verif.mutate.benches import Bench
from verif.mutate.design import SELECTOR, Mutated
from verif.mutate.forks import ANSWER, SERVES, TIMED_OUT


class Simulation:
    """The bench on the design, ready for mutants; a context manager. Folders of mutants are made in `folder`."""

    def __init__(self, design: Mutated, bench: Bench, folder: Path):
        self._bench, self._folder = bench, folder
        folder.mkdir(parents=True, exist_ok=True)
        modules = [bench.module, "verif.mutate.forks"]
        binary = build_bench(design.exported, memory=bench.memory)
        environment = bench_environment(binary, bench.name, modules, bench_seed(bench.name), bench.params)
        process = subprocess.Popen(
            [binary],
            cwd=folder,
            env=environment | {"COCOTB_MAX_FAILURES": "1", SERVES: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        self._process, self._orders, self._answers = process, process.stdin, process.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._orders.close()
        self._answers.close()
        self._process.wait()

    def attempt(self, number: int, timeout: float) -> str:
        """Run the bench with this mutant up to its first failure; the test that failed, or an empty string."""
        folder = self._folder / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / SELECTOR).write_text(f"{number}\n")
        self._orders.write(f"{timeout} {folder}\n")
        self._orders.flush()
        answer = next((line for line in self._answers if line.startswith(ANSWER)), None)
        if answer is None:
            raise RuntimeError(f"the simulation of {self._bench.name} ended before mutant {number}")
        status = answer.removeprefix(ANSWER).strip()
        if status == TIMED_OUT:
            return f"no end after {timeout:.0f} s"
        passed, failed = read_results(folder / "results.xml")
        if failed:
            return failed[0]
        if status != "0":
            return f"exit {status}"
        return "" if len(passed) >= self._bench.tests else f"{len(passed)} of {self._bench.tests} tests"


def replay(design: Mutated, bench: Bench, number: int, folder: Path) -> None:
    """Run the whole bench with this mutant, as `run_bench` does; AssertionError when it notices."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / SELECTOR).write_text(f"{number}\n")
    binary, seed = build_bench(design.exported, memory=bench.memory), bench_seed(bench.name)
    simulate(binary, bench.module, bench.name, folder, seed, tests=bench.tests, params=bench.params, timeout=3600)
