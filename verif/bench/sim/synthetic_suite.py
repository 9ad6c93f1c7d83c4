"""A suite whose seeds pass, fail, crash and hang by their number, for the tests of `heron regress`."""

import os
import signal
import sys
import time
from pathlib import Path

from verif.regress.suites import Suite

TIMEOUT = 2.0


def run(seed: int, waves: Path | None) -> dict:
    """What comes of a seed is its last digit's choice."""
    if waves:
        (waves / "dump.fst").write_bytes(b"")
    match seed % 10:
        case 3:
            print(f"on the way to {seed}")
            raise AssertionError(f"picture {seed}: Y differs first at {seed},{seed + 1}: RTL {seed:#x}\nmore")
        case 4:
            raise RuntimeError(f"nothing moved for {1000 * seed} cycles")
        case 5:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 6:
            sys.exit(seed)
        case 7:
            hang()
        case 8:
            assert seed < 0
    return {"coverage": {"always": 1, f"digit {seed % 10}": 1, "never": 0}}


def hang() -> None:
    time.sleep(1000)


SUITE = Suite(run=run, timeout=TIMEOUT)
