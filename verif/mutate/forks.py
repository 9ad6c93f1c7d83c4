"""In the simulator: the last of cocotb's test modules, which forks a process for each line that comes on stdin.

A line is `SECONDS FOLDER`. The child goes on to run the tests, in that folder, with run.log and results.xml there; the
parent answers with the child's exit status, or TIMED_OUT, and never gets past the import.
"""

import ctypes
import os
import select
import signal
import sys

ANSWER = "fork: "
TIMED_OUT = "timed out"
SERVES = "HERON_FORKS"
"""Set in the environment of a simulation that is to fork."""


def serve() -> None:
    """Returns only in the children."""
    for line in sys.stdin:
        seconds, folder = line.split(maxsplit=1)
        child = os.fork()
        if child == 0:
            _work_in(folder.strip())
            return
        print(f"{ANSWER}{_end_of(child, float(seconds))}", flush=True)
    os._exit(0)


def _work_in(folder: str) -> None:
    os.chdir(folder)
    os.environ["COCOTB_RESULTS_FILE"] = os.path.join(folder, "results.xml")
    log = os.open("run.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Verilator ends by joining a thread that a fork does not have: leave before it, with the status there is.
    libc = ctypes.CDLL(None)
    libc.on_exit(libc._exit, None)


def _end_of(child: int, seconds: float) -> str:
    handle = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([handle], [], [], seconds)
    finally:
        os.close(handle)
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return str(os.waitstatus_to_exitcode(status)) if ended else TIMED_OUT


if os.environ.get(SERVES):
    serve()
