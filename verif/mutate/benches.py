"""The benches there are: what the pytest functions below verif/bench hand to `run_bench`, without running them."""

from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import pytest
from amaranth.lib import wiring

from sim.axi_memory import WithMemory
from sim.toolchain import ROOT

BENCHES = Path("verif/bench")
LEFT_OUT = BENCHES / "sim"
"""Benches of the simulation itself, which are meant to fail."""


@dataclass(frozen=True)
class Bench:
    """One call of `run_bench`; `test` is the pytest id that makes it."""

    name: str
    test: str
    component: wiring.Component = field(compare=False)
    module: str
    tests: int
    params: dict = field(compare=False)
    memory: bool = False

    @property
    def source(self) -> Path:
        return ROOT / self.test.split("::")[0]


class _Found(Exception):
    """Ends a test where it calls `run_bench`."""


def calls(function, name: str, seen: frozenset = frozenset()) -> bool:
    """Whether the code of `function`, or of a function of its module that it names, names `name`."""
    names = function.__code__.co_names
    inner = (function.__globals__.get(each) for each in names if each not in seen)
    below = (each for each in inner if isinstance(each, FunctionType) and each.__module__ == function.__module__)
    return name in names or any(calls(each, name, seen | set(names)) for each in below)


class _Collector:
    def __init__(self):
        self.benches: list[Bench] = []

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if calls(item.function, "run_bench")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        def run_bench(component, test_module, name, *, tests, params=None, memory=False, **_):
            top = WithMemory(component) if memory else component
            self.benches.append(Bench(name, pyfuncitem.nodeid, top, test_module, tests, params or {}, memory))
            raise _Found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pyfuncitem.module, "run_bench", run_bench)
            arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
            with pytest.raises(_Found):
                pyfuncitem.obj(**arguments)
        return True


def find_benches(*paths: Path) -> list[Bench]:
    """The benches below `paths` (of verif/bench, the simulation's own left out); RuntimeError when a test fails."""
    collector = _Collector()
    where = [*map(str, paths)] or [str(ROOT / BENCHES), f"--ignore={ROOT / LEFT_OUT}"]
    options = [f"--rootdir={ROOT}", "--import-mode=importlib", "-o", "addopts="]
    quiet = [option for plugin in ("cacheprovider", "terminal", "xdist") for option in ("-p", f"no:{plugin}")]
    code = pytest.main([*options, *quiet, *where], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"the benches could not be collected: pytest ended with {code!r}")
    return collector.benches
