"""What must not pass unseen: benches that fail, run nothing or run too little; Verilog with ports nobody meant."""

import cocotb
import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles

from hdl.common.streams import Fifo, Fork
from hdl.payloads import Byte
from sim.runner import read_results, run_bench
from sim.verilog import export
from verif.bench.streams import StreamError, StreamMonitor, StreamSink, start


@cocotb.test(expect_error=StreamError)
async def monitor_sees_payload_change(dut):
    await start(dut)
    dut.o__0__ready.value = 0
    dut.i__payload.value, dut.i__valid.value = 1, 1
    StreamMonitor(dut, "o__0", 8)
    await ClockCycles(dut.clk, 3)
    dut.i__payload.value = 2
    await ClockCycles(dut.clk, 3)


@cocotb.test(expect_error=StreamError)
async def sink_sees_valid_fall(dut):
    await start(dut)
    dut.i__payload.value, dut.i__valid.value = 1, 1
    StreamSink(dut, "o__0", 8, "bursty")
    await ClockCycles(dut.clk, 3)
    dut.i__valid.value = 0
    await ClockCycles(dut.clk, 3)


def bench(tests: int, module: str) -> None:
    run_bench(Fifo(8, 2), module, f"runner_{module.rsplit('.', 1)[1]}", tests=tests)


def test_broken_rules_are_seen():
    run_bench(Fork(8, 1), __name__, "runner_rules", tests=2)


def test_a_failing_test_fails():
    with pytest.raises(AssertionError, match="nothing accepted for 100 cycles"):
        bench(1, "verif.bench.sim.failing_bench")


def test_no_tests_fail():
    with pytest.raises(AssertionError):
        bench(0, "verif.bench.sim.empty_bench")


def test_no_results_fail(tmp_path):
    assert read_results(tmp_path / "results.xml")[1]


def test_a_skipped_test_fails(tmp_path):
    path = tmp_path / "results.xml"
    path.write_text(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite></testsuites>'
    )
    assert read_results(path) == (["a"], ["b"])


def test_export_is_deterministic_and_describes_streams():
    first, second = (export(Fork(Byte, 2), "fork") for _ in range(2))
    assert first.text == second.text and first.digest == second.digest
    assert first.description["streams"] == ["i", "o__0", "o__1"]
    assert first.description["ports"]["o__1__payload"]["fields"]["last"] == {
        "offset": 8,
        "width": 1,
        "signed": False,
    }
    assert first.description["ports"]["i__ready"]["direction"] == "output"


def test_export_refuses_a_domain_that_nobody_defines():
    class Stray(wiring.Component):
        i: In(1)
        o: Out(1)

        def elaborate(self, platform):
            m = Module()
            stored = Signal()
            m.d.forgotten += stored.eq(self.i)
            m.d.comb += self.o.eq(stored)
            return m

    with pytest.raises(ValueError, match="forgotten_clk"):
        export(Stray(), "stray")
