"""A process that runs seeds one after the other, and may crash or hang: only the seed that it ran then fails.

`run_task` is what a scheduler calls, in any thread of any process; each thread at work has a sandbox of its own.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heron.errors import HeronError
from sim.toolchain import ROOT
from verif.regress.results import CRASHED, FAILED, HUNG, PASSED, Result

PREPARE_TIMEOUT = 3600.0
GRACE = 0.5
"""Seconds between the end of a seed's time and the kill, in which the process writes down where it is."""
LOG_TAIL = 16 << 10
BEFORE = 20
_RAN_AT = re.compile(r'(?:(Current) thread|Thread) .*\(most recent call first\):\n  File "(.*?)", line \d+ in (\S+)')


@dataclass(frozen=True, kw_only=True)
class Task:
    """A seed to run. regression: names the call of `heron regress` that it belongs to. version: of that call's sources.

    clips, waves: folders; the former stands for HERON_CLIPS.
    """

    regression: str
    suite: str
    seed: int
    timeout: float
    version: str
    clips: str | None = None
    waves: str | None = None


class Sandbox:
    """The process. Its seeds follow each other in it, so that state that one leaves behind meets the next."""

    def __init__(self):
        reader, self._requests = os.pipe()
        self._replies, writer = os.pipe()
        self._log = tempfile.TemporaryFile("ab+")
        self._buffer = b""
        self._before: list[int] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "verif.regress.child", str(reader), str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(reader, writer),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
            start_new_session=True,
        )
        os.close(reader)
        os.close(writer)

    def kill(self) -> None:
        """Ends the process and all that it started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def close(self) -> None:
        """Ends the process; the sandbox is of no use any more."""
        self.kill()
        os.close(self._requests)
        os.close(self._replies)
        self._log.close()

    def run(self, task: Task) -> Result:
        """One seed; never raises for what the seed does. Unless it passed, this was the sandbox's last."""
        start, begin = os.fstat(self._log.fileno()).st_size, time.monotonic()
        fields: dict[str, Any]
        try:
            self._send(asdict(task))
            reply = self._reply(PREPARE_TIMEOUT)
            if "ready" in reply:
                begin = time.monotonic()
                reply = self._reply(task.timeout + GRACE)
            fields = {"status": FAILED, **reply} if "kind" in reply else {"status": PASSED, **reply}
        except TimeoutError:
            self.kill()
            message = f"no end after {time.monotonic() - begin - GRACE:.1f} s{_ran_at(self._tail(start))}"
            fields = {"status": HUNG, "kind": "Hang", "message": message}
        except (EOFError, BrokenPipeError):
            self.kill()
            message = _ended(self._process.returncode) + _ran_at(self._tail(start))
            fields = {"status": CRASHED, "kind": "Crash", "message": message}
        if fields["status"] != PASSED:
            fields["details"] = f"{fields.get('details', '')}\n{self._tail(start)}".strip()
        before = self._before[-BEFORE:]
        self._before.append(task.seed)
        return Result(
            suite=task.suite,
            seed=task.seed,
            version=task.version,
            seconds=round(time.monotonic() - begin, 3),
            before=before,
            host=f"{socket.gethostname()}:{os.getpid()}",
            **fields,
        )

    def _send(self, request: dict[str, Any]) -> None:
        os.write(self._requests, json.dumps(request).encode() + b"\n")

    def _reply(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not select.select([self._replies], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(self._replies, 1 << 16)
            if not part:
                raise EOFError
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _tail(self, start: int) -> str:
        """The end of what the process printed since then."""
        end = os.fstat(self._log.fileno()).st_size
        start = max(start, end - LOG_TAIL)
        return os.pread(self._log.fileno(), end - start, start).decode(errors="replace")


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit status {code}"


def _ran_at(log: str) -> str:
    """In which function a traceback of faulthandler finds the thread that matters: the one at fault, or the main."""
    threads = _RAN_AT.findall(log)
    if not threads:
        return ""
    _, path, function = next((thread for thread in threads if thread[0]), threads[-1])
    return f" in {function} ({Path(path).name})"


class _Sandboxes:
    """Those of a regression in this process."""

    def __init__(self):
        self._lock = threading.Lock()
        self._idle: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self._ended = False

    def run(self, task: Task) -> Result:
        with self._lock:
            if self._ended:
                raise HeronError("the regression has ended")
            sandbox = self._idle.pop() if self._idle else Sandbox()
            self._busy.add(sandbox)
        result = sandbox.run(task)
        with self._lock:
            self._busy.remove(sandbox)
            if result.passed and not self._ended:
                self._idle.append(sandbox)
            else:
                sandbox.close()
        return result

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for sandbox in self._busy:
                sandbox.kill()
            while self._idle:
                self._idle.pop().close()


_regressions: dict[str, _Sandboxes] = {}


def run_task(task: Task) -> Result:
    """Runs a seed here, in a sandbox that is idle or in a new one."""
    return _regressions.setdefault(task.regression, _Sandboxes()).run(task)


def end_regression(regression: str) -> None:
    """Ends all sandboxes of a regression in this process; what still runs in one counts as crashed."""
    _regressions.setdefault(regression, _Sandboxes()).end()
