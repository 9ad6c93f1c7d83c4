"""Each proof holds, what it covers happens, and its broken blocks are found; no valid waits for a ready."""

import re
import sys

import pytest
from amaranth.hdl import Fragment

from hdl.common.streams import Fifo, Fork
from hdl.core import Core
from hdl.params import DEFAULT_PRESET, PRESETS
from verif.formal import paths, queues
from verif.formal.catalogue import PROOFS
from verif.formal.check import Done, run_all, tasks_of
from verif.formal.proof import Defect, Proof
from verif.formal.report import PAGE, Results, page
from verif.formal.sby import Outcome


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_proof(proof):
    done = run_all([proof], jobs=1)
    assert len(done) == len(proof.arguments) + 1 + len(proof.defects)
    assert Results(done).complaints() == []


@pytest.mark.parametrize("name", sorted({*paths.with_streams()} - {*paths.LARGE}))
def test_valid_does_not_wait(name):
    assert paths.look_at(name) == []


def test_a_valid_that_waits_is_found():
    defect = Defect("", "out.valid.eq(self.i.valid & ~taken[index])", "out.valid.eq(self.i.valid & out.ready)")
    found = paths.waiting(defect.apply(Fork)(8, 2), "waiting")
    assert found == ["o__0.valid depends on o__0.ready", "o__1.valid depends on o__1.ready"]


def test_complaints():
    """A property that fails, one that no defect breaks, and a defect that breaks nothing are told."""
    broken = Defect("order and payload", "read.addr.eq(tail)", "read.addr.eq(head)").apply(queues.Queue)
    harmless = Defect("never more than depth", "self.level != self.depth", "self.level < self.depth")
    proof = Proof(
        name="broken", properties=queues.RamProperties, block=broken, arguments=((8, 2),), defects=(harmless,)
    )
    complaints = "\n".join(Results(run_all([proof], jobs=1)).complaints())
    assert re.search(r"^broken/prove-8-2: FAIL: .*order and payload.* does not hold, see .*\.vcd$", complaints, re.M)
    assert "does not break: never more than depth" in complaints
    assert "broken: no broken block for: level is what is held" in complaints


def test_every_depth_of_the_core_is_proven(monkeypatch):
    used = set()

    class Noted(Fifo):
        def __init__(self, shape, depth):
            used.add(depth)
            super().__init__(shape, depth)

    for module in list(sys.modules.values()):
        if getattr(module, "Fifo", None) is Fifo and module.__name__.startswith("hdl."):
            monkeypatch.setattr(module, "Fifo", Noted)
    Fragment.get(Core(PRESETS[DEFAULT_PRESET]), None)
    proven = {depth for proof in (queues.REGISTERS, queues.BUFFERED) for _, depth in proof.arguments}
    assert used and used <= proven


def test_page_is_current():
    """docs/formal.md has today's proofs and properties; only the seconds may differ."""
    done = []
    for proof in PROOFS:
        for task in tasks_of(proof):
            properties = proof.build(task.arguments, task.defect)
            properties.rtlil()
            done.append(Done(task, properties, Outcome("FAIL" if task.defect else "PASS", [], None, 0)))
    expected, found = (re.sub(r"\| \d+ \| holds", "| holds", text) for text in (page(Results(done)), PAGE.read_text()))
    assert found == expected, "python -m verif.formal --update writes it"
