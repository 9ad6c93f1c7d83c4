"""`heron regress` on a suite that passes, fails, crashes and hangs: here, on a Dask cluster, interrupted, resumed."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from distributed import LocalCluster

from heron.cli import app
from heron.errors import HeronError
from verif.bench.sim import synthetic_suite
from verif.regress.report import Summary, print_report, write_reports
from verif.regress.results import Result, ResultsFile, groups, merged_coverage, normalised, replay_command
from verif.regress.suites import SUITES, Suite, load_suite
from verif.test_tool_sources import pictures, write_y4m

SUITE = f"{synthetic_suite.__name__}:SUITE"
SEEDS = 9
OUTCOMES = {
    3: ("failed", "AssertionError: picture #: Y differs first at #: RTL #"),
    4: ("failed", "RuntimeError: nothing moved for # cycles"),
    5: ("crashed", "Crash: killed by SIGSEGV in run (synthetic_suite.py)"),
    6: ("failed", "SystemExit: #"),
    7: ("hung", "Hang: no end after # s in hang (synthetic_suite.py)"),
    8: ("failed", "AssertionError: assert seed < # in run"),
}


def regress(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        app(["regress", *map(str, arguments)])
    return int(stopped.value.code or 0)


def results_of(folder: Path) -> dict[int, Result]:
    lines = (folder / "results.jsonl").read_text().splitlines()
    return {result.seed: result for result in (Result(**json.loads(line)) for line in lines)}


def outcomes_of(folder: Path) -> dict[int, tuple[str, str]]:
    return {seed: (result.status, result.signature) for seed, result in results_of(folder).items() if not result.passed}


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """The reports of the suite on two local processes."""
    folder = tmp_path_factory.mktemp("local")
    assert regress("--suite", SUITE, "--seeds", SEEDS, "--jobs", 2, "-o", folder) == 1
    return folder


def test_each_end_is_that_seeds_alone(local):
    results = results_of(local)
    assert sorted(results) == list(range(SEEDS))
    assert outcomes_of(local) == OUTCOMES
    assert results[3].message.endswith("more") and "on the way to 3" in results[3].details
    assert "Fatal Python error: Segmentation fault" in results[5].details
    assert results[7].seconds < synthetic_suite.TIMEOUT + 10


def test_junit(local):
    (suite,) = ElementTree.parse(local / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("9", "4", "2")
    bad = {case.get("name"): case[0] for case in suite if len(case)}
    assert set(bad) == {f"seed {seed}" for seed in OUTCOMES}
    assert bad["seed 7"].tag == "error" and bad["seed 3"].tag == "failure"
    assert f"heron regress --suite {SUITE} --seed 3" in str(bad["seed 3"].text)


def test_page_stands_alone(local):
    page = (local / "index.html").read_text()
    assert "6 of 9 failed" in page and page.count("<svg") == 2
    assert "http" not in page and "src=" not in page
    for seed, (_, signature) in OUTCOMES.items():
        assert f"--seed {seed}\n" in page or f"--seed {seed}<" in page
        assert signature.replace("<", "&lt;") in page


def test_coverage_is_added_up(local):
    assert json.loads((local / "coverage.json").read_text()) == {
        "seeds": {SUITE: SEEDS},
        "bins": {"always": 3, "digit 0": 1, "digit 1": 1, "digit 2": 1, "never": 0},
    }


def test_replay_command_shows_the_failure_again_with_waves(local, tmp_path):
    command = shlex.split(replay_command(results_of(local)[3]))
    assert command[:2] == ["heron", "regress"]
    assert regress(*command[2:], "--waves", "-o", tmp_path) == 1
    assert outcomes_of(tmp_path) == {3: OUTCOMES[3]}
    assert [path.name for path in tmp_path.glob("waves/*-3/*")] == ["dump.fst"]


def test_seeds_of_a_replay_follow_each_other_in_a_process(tmp_path):
    assert regress("--suite", SUITE, "--seed", 12, "--seed", 10, "--seed", 3, "-o", tmp_path) == 1
    assert results_of(tmp_path)[3].before == [12, 10]


def test_resume_runs_what_did_not_pass_and_what_is_new(local, tmp_path):
    lines = (local / "results.jsonl").read_text().splitlines()
    records = [json.loads(line) | {"host": "earlier"} for line in lines]
    records[0]["version"] = "another" if records[0]["status"] == "passed" else records[0]["version"]
    cut = '{"suite": "'  # what a killed process may leave
    (tmp_path / "results.jsonl").write_text("\n".join([*map(json.dumps, records), cut]))
    kept = {r["seed"] for r in records if r["status"] == "passed" and r["version"] != "another"}
    assert regress("--suite", SUITE, "--seeds", 4, "--resume", "-o", tmp_path) == 1
    again = results_of(tmp_path)
    assert sorted(again) == [0, 1, 2, 3]
    assert {seed for seed, result in again.items() if result.host == "earlier"} == kept
    assert len(kept) >= 2


def test_what_a_resume_keeps_is_never_half_there_and_one_regression_has_the_file(local, tmp_path, monkeypatch):
    path, text = tmp_path / "results.jsonl", (local / "results.jsonl").read_text()
    path.write_text(text)
    wanted = [(result.suite, result.seed, result.version) for result in results_of(local).values()]

    def die(*_):
        raise KeyboardInterrupt

    file = ResultsFile(path)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("os.replace", die)
        file.restart(wanted)
    file.close()
    assert path.read_text() == text
    file = ResultsFile(path)
    with pytest.raises(HeronError, match="another regression is writing it"):
        ResultsFile(path)
    kept = file.restart(wanted)
    with pytest.raises(HeronError, match="another regression is writing it"):  # of the new file, too
        ResultsFile(path)
    assert kept and sorted(results_of(tmp_path)) == sorted(result.seed for result in kept)


def test_a_cluster_of_two_workers_gives_the_same(local, tmp_path):
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address
        assert regress("--suite", SUITE, "--seeds", SEEDS, "--scheduler", address, "-o", tmp_path) == 1
    assert outcomes_of(tmp_path) == OUTCOMES
    here, there = results_of(local), results_of(tmp_path)
    assert {seed: result.data for seed, result in there.items()} == {seed: r.data for seed, r in here.items()}
    assert (tmp_path / "coverage.json").read_text() == (local / "coverage.json").read_text()
    assert len({result.host for result in there.values()}) == 2


def processes_of(mark: str) -> list[psutil.Process]:
    """All that were started with this HERON_TEST_MARK, wherever they are now in the tree of processes."""
    found = psutil.process_iter(["environ"])
    return [process for process in found if (process.info["environ"] or {}).get("HERON_TEST_MARK") == mark]


def test_an_interrupt_reports_what_was_done_and_leaves_no_process(tmp_path):
    command = [sys.executable, "-m", "heron.cli", "regress", "--suite", SUITE, "--seeds", "1000", "-o", str(tmp_path)]
    mark = uuid.uuid4().hex
    environment = {**os.environ, "HERON_TEST_MARK": mark}
    # A process that a shell puts into the background ignores interrupts, and so would its children.
    heeding = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=heeding)
    file = tmp_path / "results.jsonl"
    while not file.exists() or file.read_text().count("\n") < 2:
        assert process.poll() is None
        time.sleep(0.05)
    while len(processes_of(mark)) < 2:  # between the sandbox of a seed that failed and the next there is none
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "did not run" in output
    assert "did not run" in (tmp_path / "index.html").read_text()
    assert not psutil.wait_procs(processes_of(mark), timeout=60)[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--suite", "nothing"], "there is no suite 'nothing'"),
        (["--suite", "verif.rtl:nothing"], "has no attribute 'nothing'"),
        (["--suite", ":nothing"], "suite ':nothing'"),
        (["--suite", SUITE, "--scheduler", "host"], "must look like tcp://HOST:PORT"),
        (["--suite", SUITE, "--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler answers"),
        (["--suite", SUITE, "--waves"], "--waves goes with --seed"),
        (["--suite", SUITE, "--resume", "--seed", "1"], "--resume does not go with --seed"),
        (["--seed", "1"], "--seed goes with one --suite"),
        (["--suite", SUITE, "--jobs", "0"], "--jobs"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("verif.regress.run.CONNECT_TIMEOUT", 1)
    assert regress(*arguments, "-o", tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_no_clip_of_a_size_that_a_suite_takes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HERON_CLIPS", "")  # and back to what it was
    (tmp_path / "a.y4m").write_bytes(b"YUV4MPEG2 W320 H416 F25:1 Ip C420jpeg\nFRAME\n" + bytes(320 * 416 * 3 // 2))
    assert regress("--suite", "clips", "--clips", tmp_path, "-o", tmp_path / "o") == 2
    assert "suite clips has no seed here: no clip has a size that it takes" in capsys.readouterr().err


def test_clips_of_the_command_line_are_those_that_count(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HERON_CLIPS", "")  # and back to what it was
    write_y4m(tmp_path / "a.y4m", pictures())
    assert regress("--suite", "clips", "--clips", tmp_path, "--seed", 4, "-o", tmp_path / "o") == 2
    assert "suite clips has no seed 4; it has 4, from 0 on" in capsys.readouterr().err


def test_signatures_leave_numbers_out():
    lines = ["Y at 3,4: RTL 0xff, [1, 2, 3]\nother", "Y at 10,0: RTL 0x3, [7]", "Y at 1.5,2: RTL deadbee1, [1,2]"]
    assert {normalised(line) for line in lines} == {"Y at #: RTL #, [#]"}
    assert normalised("added decade face") == "added decade face"


def test_groups_come_by_size_and_coverage_adds():
    def result(seed, message, **data):
        return Result(suite="s", seed=seed, status="failed", version="", kind="E", message=message, data=data)

    found = groups([result(3, "a 1"), result(2, "b 7"), result(1, "b 9", coverage={"x": 2})])
    assert {name: [member.seed for member in members] for name, members in found.items()} == {
        "E: b #": [1, 2],
        "E: a #": [3],
    }
    assert merged_coverage([result(1, "", coverage={"x": 2, "y": 0}), result(2, "", coverage={"x": 1})]) == {
        "x": 3,
        "y": 0,
    }


@pytest.mark.parametrize("message", ["no \udcff.y4m", "a\0b\x1b[31m [bold]x[/nope] & <z> ]]>", "\ufffe \U0001f600", ""])
def test_reports_of_odd_messages_and_of_what_did_not_run(message, tmp_path, capsys):
    bad = Result(suite="s", seed=1, status="failed", version="v", kind="E", message=message, details=message)
    summary = Summary(Path("clips \udcff"), [("s", seed) for seed in range(3)], [bad])
    write_reports(summary, tmp_path)
    print_report(summary, tmp_path)
    (suite,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {case.get("name"): case[0].tag for case in suite} == {
        "seed 1": "failure",
        "seed 0": "skipped",
        "seed 2": "skipped",
    }
    assert [suite.get(count) for count in ("tests", "failures", "errors", "skipped")] == ["3", "1", "0", "2"]
    assert "--seed 1" in (tmp_path / "index.html").read_text() and "--seed 1" in capsys.readouterr().out


def test_seeds_of_a_finite_suite_come_once():
    def run(seed, waves):
        return {}

    finite = Suite(run=run, timeout=1, count=lambda: 3)
    assert (finite.seeds(0, 9), finite.seeds(7, 9), finite.seeds(5, 2)) == ([0, 1, 2], [1, 2, 0], [2, 0])
    assert Suite(run=run, timeout=1).seeds(7, 3) == [7, 8, 9]


@pytest.mark.parametrize("name", SUITES)
def test_registered_suites_load(name):
    suite = load_suite(name)
    assert isinstance(suite, Suite) and len(suite.seeds(0, 4)) == 4
