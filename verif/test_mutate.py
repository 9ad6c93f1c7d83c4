"""The mutation tool on a Fifo: a good bench kills what a weak one lets live; proofs; who judges whom."""

import pytest
from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.streams import Fifo
from sim.toolchain import ROOT
from verif.mutate import judge
from verif.mutate.benches import BENCHES, Bench, find_benches
from verif.mutate.blocks import all_blocks, judges
from verif.mutate.design import Mutated, mutated
from verif.mutate.formal import proved
from verif.mutate.judge import INSPECTED, KILLED, SURVIVED, Judgement, Record
from verif.mutate.page import page, row
from verif.mutate.simulation import replay

FIFO = "common.fifo"


@pytest.fixture(scope="module")
def design() -> Mutated:
    return mutated(Fifo(8, 2), "mutated_fifo", [FIFO], 10, seed=3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Instead of verif/mutate/records and build/mutate."""
    monkeypatch.setattr(judge, "RECORDS", tmp_path)
    monkeypatch.setattr(judge, "FOLDER", tmp_path)
    return tmp_path


def bench(mask: int, backpressure: str) -> Bench:
    params = {"mask": mask, "backpressure": backpressure}
    test = f"{BENCHES}/sim/masked_bench.py::{mask}"
    return Bench("mutated_fifo", test, Fifo(8, 2), "verif.bench.sim.masked_bench", 1, params)


def kept() -> Record:
    """What is kept of the Fifo."""
    record = Record.read(FIFO)
    assert record is not None
    return record


WEAK, GOOD = bench(15, "none"), bench(255, "random")


def test_a_good_bench_kills_what_a_weak_one_lets_live(design, folder, monkeypatch):
    weak = Judgement(design, WEAK, {FIFO: None}, formal_seconds=10)
    assert len(weak.open()) == len(list(weak.run(1))) == 10 and not weak.open()
    record = kept()
    alive = [each.mutant for each in record.verdicts if each.outcome == SURVIVED]
    assert alive and record.count(KILLED) and "below" in row(record)[-1]
    assert f"- `{FIFO}` {alive[0].number}: `{alive[0]}`" in page({FIFO: record}, [FIFO, "other"], ["core"], 3, 10)

    # With another bench only the survivors are run again.
    monkeypatch.setattr(judge, "bench_version", lambda bench: bench.test)
    good = Judgement(design, GOOD, {FIFO: None}, formal_seconds=10)
    assert good.open() == alive
    assert [each.outcome for each in good.run(2)] == [KILLED] * len(alive)
    assert kept().score == 1

    replay(design, WEAK, alive[0].number, folder / "replay")
    with pytest.raises(AssertionError, match="bits_pass"):
        replay(design, GOOD, alive[0].number, folder / "replay")


def test_inspection_needs_the_same_module(design, folder, monkeypatch):
    mutant = design.mutants[0]
    record = Record(FIFO, "b", "t", None, 1, design.key, "v", 1.0, 1, (judge.Verdict(mutant, SURVIVED, "", 1.0),))
    record.write()
    monkeypatch.setattr(judge, "INSPECTION", folder / "inspection.json")
    for identity, outcome in ((mutant.identity, INSPECTED), (mutant.identity + "x", SURVIVED)):
        judge.INSPECTION.write_text(f'{{"{FIFO}": {{"{identity}": "why"}}}}')
        assert kept().verdicts[0].outcome == outcome


class Redundant(wiring.Component):
    """Counts 0, 1, 2 in two bits, so that `impossible` never is; and a memory that formal leaves out."""

    __module__ = "hdl.redundant"
    step: In(1)
    o: Out(8)
    stored: Out(8)

    def elaborate(self, platform):
        m = Module()
        count = Signal(2)
        impossible = Signal()
        m.submodules.memory = words = memory.Memory(shape=8, depth=32, init=[])
        read, write = words.read_port(), words.write_port()
        with m.If(self.step):
            m.d.sync += count.eq(Mux(count == 2, 0, count + 1))
        m.d.comb += [
            impossible.eq(count == 3),
            self.o.eq(Mux(impossible, 0xFF, count)),
            *(port.addr.eq(count * 5) for port in (read, write)),
            write.en.eq(self.step),
            write.data.eq(self.o),
            self.stored.eq(read.data),
        ]
        return m


class Quiet(wiring.Component):
    """Sends what it gets, and 0xAA while there is nothing."""

    __module__ = "hdl.quiet"
    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(Mux(self.i.valid, self.i.payload, 0xAA)),
            self.i.ready.eq(self.o.ready),
        ]
        return m


def test_proofs_are_of_what_changes_nothing():
    design = mutated(Redundant(), "redundant", ["redundant"], 1000, seed=1)
    quiet = mutated(Quiet(), "quiet", ["quiet"], 1000, seed=1)

    def verdict(design: Mutated, mode: str, **where: str) -> str | None:
        matches = (
            mutant
            for mutant in design.mutants
            if mutant.option("mode") == mode and all(mutant.option(name) == each for name, each in where.items())
        )
        return proved(design, next(matches), 10)

    assert verdict(design, "const0", wire="impossible", port="Y") == "redundant"
    assert verdict(design, "const1", wire="impossible", port="Y") is None
    assert verdict(design, "inv", port="WR_EN") is None
    assert verdict(design, "inv", port="CLK") is None
    assert verdict(quiet, "inv", port="A") == "quiet"
    assert verdict(quiet, "inv", port="B") is None


def test_every_block_has_a_name_and_every_bench_a_judge():
    benches = find_benches(ROOT / BENCHES / "common", ROOT / BENCHES / "pack")
    assert {"fifo_2", "fifo_5", "pack_32"} <= {each.name for each in benches}
    known, complaints = judges(benches)
    assert not complaints and known.keys() <= set(all_blocks())
    assert known[FIFO].bench.name == "fifo_2" and known[FIFO].stage is None
    prevention = known["pack.emulation_prevention"]
    assert (prevention.bench.name, prevention.stage) == ("pack_32", "pack.pack")
