"""Runs cocotb benches on Verilator: `run_bench` from a pytest function, `bench_params` inside the simulator.

Environment: HERON_SEED=N replays a seed ('random' draws a fresh one), HERON_WAVES=1 leaves a wave file,
HERON_TESTS=REGEX runs only the cocotb tests whose name matches.
"""

import json
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree
import zlib
from collections.abc import Iterable
from pathlib import Path

import cocotb_tools.config
import find_libpython

from sim import axi_memory, build, toolchain
from sim.toolchain import BUILD
from sim.verilog import Exported, export


def _waves() -> bool:
    return os.environ.get("HERON_WAVES", "0") not in ("", "0")


def _libraries() -> Path:
    return Path(cocotb_tools.config.libs_dir)


def bench_seed(name: str) -> int:
    """The seed of bench `name`: from HERON_SEED, or else always the same one."""
    wanted = os.environ.get("HERON_SEED", "")
    if wanted == "random":
        return random.SystemRandom().randrange(1 << 31)
    return int(wanted) if wanted else zlib.crc32(name.encode()) & 0x7FFFFFFF


def bench_params() -> dict:
    """In the simulator: the `params` that `run_bench` was given."""
    return json.loads(os.environ["HERON_BENCH_PARAMS"])


def bench_inputs() -> list[str]:
    """In the simulator: the inputs of the top but the clock and the reset."""
    ports = json.loads(Path(os.environ["HERON_BENCH_DESIGN"]).read_text())["ports"]
    return [name for name, port in ports.items() if port["direction"] == "input" and name not in ("clk", "rst")]


def run_bench(
    component,
    test_module: str,
    name: str,
    *,
    tests: int,
    params: dict | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 600,
    all_public: bool = False,
    memory: bool = False,
) -> list[str]:
    """Verilate `component`, run the cocotb tests of `test_module` on it; AssertionError unless all pass.

    name: of this bench and of the top module; an identifier, its own for each set of parameters.
    tests: how many cocotb tests there must be at least; fewer, or none, or no results at all is a failure.
    params: JSON-able, what the tests read with `bench_params`.
    all_public: build as cocotb's own runner does, every signal visible and with Verilator's own choice of speed.
    memory: put the memory of sim/axi_memory.py on the component's `m_axi_*` pins.
    Returns the names of the tests that ran. Logs and waves are in build/bench/NAME.
    """
    __tracebackhide__ = True  # what failed is in the message
    exported = export(axi_memory.WithMemory(component) if memory else component, name)
    binary = build_bench(exported, all_public=all_public, memory=memory)
    folder, seed = BUILD / "bench" / name, bench_seed(name)
    waves = f", waves {folder / toolchain.wave_file()}" if _waves() else ""
    print(f"{name}: seed {seed}, log {folder / 'run.log'}{waves}; replay with HERON_SEED={seed}")
    return simulate(binary, test_module, name, folder, seed, tests=tests, params=params, env=env, timeout=timeout)


def build_bench(
    exported: Exported, *, all_public: bool = False, memory: bool = False, public: Iterable[tuple[str, str]] = ()
) -> Path:
    """The simulation of a design with cocotb in it, built or from the cache; options as in `run_bench`.

    public: (module, signal) that cocotb can read besides the ports of the top.
    """
    tracing = (["--trace-fst"] if toolchain.has_fst() else ["--trace"]) if _waves() else []
    libraries = _libraries()
    linker = f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"
    options = ["--exe", "--vpi", "--timescale", "1ns/1ps", "-o", "simulation", "-LDFLAGS", linker]
    if all_public:  # then Verilator keeps what it would have merged, and finds loops among the bits of one signal
        options += ["--public-flat-rw", "-Wno-UNOPTFLAT"]
    sources, headers = [Path(cocotb_tools.config.share_dir) / "lib" / "verilator" / "verilator.cpp"], {}
    if memory:  # what Python finds in its own process must be among the dynamic symbols
        options += ["-LDFLAGS", "-rdynamic"]
        sources += [axi_memory.VERILOG, axi_memory.SOURCE]
        headers = axi_memory.HEADERS
    return build.verilate(
        exported,
        flags=[*options, *tracing],
        sources=sources,
        headers=headers,
        make=[] if all_public else build.BENCH_MAKE,
        target="simulation",
        public=public,
    )


def simulate(
    binary: Path,
    test_module: str,
    name: str,
    folder: Path,
    seed: int,
    *,
    tests: int,
    params: dict | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 600,
) -> list[str]:
    """The second half of `run_bench`, on a binary of `build_bench`; logs and waves go to `folder`."""
    __tracebackhide__ = True  # what failed is in the message
    folder.mkdir(parents=True, exist_ok=True)
    results, log = folder / "results.xml", folder / "run.log"
    results.unlink(missing_ok=True)
    variables = {
        **bench_environment(binary, name, [test_module], seed, params),
        "COCOTB_RESULTS_FILE": str(results),
        **(env or {}),
    }
    wanted = os.environ.get("HERON_TESTS")
    if wanted:
        variables["COCOTB_TEST_FILTER"] = wanted
    with open(log, "w") as output:
        try:
            status = subprocess.run(
                [str(binary), *(["--trace"] if _waves() else [])],
                cwd=folder,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            ).returncode
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name}: no end after {timeout} s, seed {seed}\n{_tail(log)}") from None
    passed, failed = read_results(results)
    if failed or status:
        raise AssertionError(f"{name}: seed {seed}, exit {status}, failed: {failed}\n{_tail(log)}")
    if len(passed) < (1 if wanted else max(1, tests)):
        raise AssertionError(f"{name}: {len(passed)} tests ran, {tests} expected\n{_tail(log)}")
    return passed


def bench_environment(
    binary: Path, name: str, modules: Iterable[str], seed: int, params: dict | None = None
) -> dict[str, str]:
    """What `binary` of `build_bench` needs in its environment to run the cocotb tests of `modules`."""
    return {
        **_cocotb_environment(_libraries()),
        "HERON_BENCH_DESIGN": str(binary.with_name(f"{name}.json")),
        "COCOTB_TOPLEVEL": name,
        "COCOTB_TEST_MODULES": ",".join(modules),
        "COCOTB_RANDOM_SEED": str(seed),
        "HERON_BENCH_PARAMS": json.dumps(params or {}),
    }


def read_results(path: Path) -> tuple[list[str], list[str]]:
    """Names of the tests that passed and that did not (failed, skipped, broken) in a cocotb results file."""
    if not path.exists():
        return [], ["no results file was written"]
    passed, failed = [], []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        (failed if bad else passed).append(case.get("name", "?"))
    return passed, failed


def _tail(log: Path, lines: int = 60) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    return "\n".join(text.splitlines()[-lines:])


def _cocotb_environment(libraries: Path) -> dict[str, str]:
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise toolchain.ToolError("missing libpython: apt install libpython3-dev")
    return {
        **os.environ,
        "PATH": os.environ.get("PATH", "") + os.pathsep + str(libraries),
        "PYTHONPATH": os.pathsep.join([str(toolchain.ROOT), *sys.path]),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": ";".join([libpython, cocotb_tools.config.pygpi_entry_point()]),
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_REWRITE_ASSERTION_FILES": "test_*.py *_bench.py",  # and not whatever they import
        "COCOTB_ANSI_OUTPUT": "0",
    }
