"""The inside of a sandbox: runs the seeds that come through one pipe, answers through another, a JSON line each."""

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from verif.regress.results import version
from verif.regress.suites import Suite, load_suite


class VersionError(Exception):
    """The sources changed while the regression ran, or a machine of the cluster has others."""


def main(requests: BinaryIO, replies: BinaryIO) -> None:
    """Serves until killed. Two replies for a request: that the suite is ready, and what became of the seed."""
    faulthandler.enable()
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    prepared: set[str] = set()

    def reply(text: str) -> None:
        replies.write(text.encode() + b"\n")
        replies.flush()

    while True:
        request = waiting.get()
        try:
            suite = _suite(request, prepared)
            reply(json.dumps({"ready": True}))
            faulthandler.dump_traceback_later(request["timeout"])  # into the log, before the parent kills
            waves = Path(request["waves"]) if request["waves"] else None
            answer = json.dumps({"data": suite.run(request["seed"], waves) or {}})
        except BaseException as error:
            details = "".join(traceback.format_exception(error))
            answer = json.dumps({"kind": type(error).__name__, "message": _message(error), "details": details})
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.flush()
        sys.stderr.flush()
        reply(answer)


def _suite(request: dict[str, Any], prepared: set[str]) -> Suite:
    if request["clips"]:
        os.environ["HERON_CLIPS"] = request["clips"]
    suite = load_suite(request["suite"])
    if request["suite"] not in prepared:
        here = version(suite)
        if here != request["version"]:
            raise VersionError(
                f"the sources or inputs of suite {request['suite']} here are not those of the regression"
            )
        suite.prepare()
        prepared.add(request["suite"])
    return suite


def _message(error: BaseException) -> str:
    """What the exception says, or else the line that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return str(error) or f"{frame.line} in {frame.name}"


def _listen(requests: BinaryIO, waiting: queue.SimpleQueue) -> None:
    for line in requests:
        waiting.put(json.loads(line))
    os.killpg(0, signal.SIGKILL)  # nobody is there to answer to: end, with all that this process started


if __name__ == "__main__":
    for descriptor in map(int, sys.argv[1:]):
        os.set_inheritable(descriptor, False)
    main(open(int(sys.argv[1]), "rb"), open(int(sys.argv[2]), "wb"))
