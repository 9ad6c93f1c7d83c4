"""Control, with a bench that plays core, readers, writers and ports: how pictures begin and how they may end."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.config_check import ConfigCheck
from hdl.chip.control import Control
from hdl.chip.payloads import BusError, Counters, ErrorCode, Master, PictureJob, Results
from hdl.params import Params
from hdl.payloads import Picture
from sim.runner import run_bench
from verif.bench.chip.test_config_check import good_job
from verif.bench.payload import Packer
from verif.bench.streams import start

INPUTS = ("start", "abort", "soft_reset", "watchdog", "finished", "writing", "full", "bad_qp_map", "acknowledged")
LAUNCH = ConfigCheck.latency + 2  # cycles from a start to `launch`
DELAYS = [0, 1, 2, 3, LAUNCH // 2, LAUNCH - 2, LAUNCH - 1, LAUNCH, LAUNCH + 1, LAUNCH + 2, LAUNCH + 6]
"""Of a command after a start."""


class Bench:
    """Everything around Control, idle at first."""

    def __init__(self, dut):
        self.dut = dut
        self.rng = random.Random(random.getrandbits(64))
        for name in (*INPUTS, "coded_byte", "moving", "read_error", "write_error", "o_picture__ready", "counters"):
            getattr(dut, name).value = 0
        self.set(idle=1, writes_idle=1)

    def set(self, **values) -> None:
        for name, value in values.items():
            getattr(self.dut, name).value = int(value)

    def get(self, *names: str) -> Any:
        values = [int(getattr(self.dut, name).value) for name in names]
        return values[0] if len(values) == 1 else tuple(values)

    async def cycle(self, count: int = 1) -> None:
        await ClockCycles(self.dut.clk, count)

    async def strobe(self, name: str, value: int = 1) -> None:
        """High for one cycle; returns after the edge that sees it."""
        self.set(**{name: value})
        await self.cycle()
        self.set(**{name: 0})

    def job(self) -> dict:
        return good_job(self.rng, Params())

    async def submit(self, job: dict) -> None:
        self.set(job=Packer(PictureJob).pack(job))
        await self.strobe("start")
        self.set(job=self.rng.getrandbits(Packer(PictureJob).width))  # the registers are software's again

    async def until(self, name: str, limit: int = 100) -> int:
        """Cycles until an output is high, looked at just after each edge's settling."""
        for count in range(limit):
            await RisingEdge(self.dut.clk)
            if self.get(name):
                return count
        raise AssertionError(f"{name} did not rise in {limit} cycles")

    async def begin(self, job: dict | None = None) -> dict:
        """Submits a picture and plays its first cycles: the core takes it, the writers are busy."""
        job = job or self.job()
        await self.submit(job)
        await self.until("launch")
        assert Packer(PictureJob).unpack(self.get("active")) == job
        self.set(writing=1, idle=0, writes_idle=0, o_picture__ready=1)
        await self.cycle(4)
        assert self.get("busy", "stopping", "o_picture__valid") == (1, 0, 0)
        return job

    def quiet(self) -> None:
        """Writers done, ports idle."""
        self.set(writing=0, idle=1, writes_idle=1)

    async def result(self) -> dict:
        """Waits for the picture's end and takes its results."""
        await self.until("finished_set")
        self.set(finished=1)
        await self.cycle(2)
        return Packer(Results).unpack(self.get("results"))

    async def acknowledge(self) -> None:
        self.set(finished=0)
        await self.cycle()

    async def recovered(self) -> None:
        """After a picture: the next one must run well."""
        await self.acknowledge()
        job = await self.begin()
        await self.strobe("acknowledged", 77)
        self.quiet()
        result = await self.result()
        assert (result["code"], result["tag"], result["position"]) == (ErrorCode.OK, job["tag"], 77)
        await self.acknowledge()


def bus_error(master: Master, resp: int, address: int) -> int:
    return Packer(BusError).pack({"valid": 1, "master": master, "resp": resp, "address": address})


@cocotb.test()
async def launches_what_was_submitted(dut):
    await start(dut)
    bench = Bench(dut)
    job = bench.job()
    await bench.submit(job)
    assert await bench.until("launch") == LAUNCH - 1
    assert Packer(PictureJob).unpack(bench.get("active")) == job
    await bench.cycle(2)
    picture = Packer(Picture).unpack(bench.get("o_picture__payload"))
    for name, value in picture.items():
        expected = {"width": job["source"]["width"], "height": job["source"]["height"]}
        expected["cu_qp_delta_enabled"] = job["qp_map"]
        assert value == expected.get(name, job.get(name)), name
    for _ in range(5):
        assert bench.get("o_picture__valid") == 1
        await bench.cycle()
    bench.set(o_picture__ready=1)
    await bench.cycle(2)
    assert bench.get("o_picture__valid") == 0


@cocotb.test()
async def tells_each_start_once(dut):
    """And writers that are busy only two cycles after the launch are waited for."""
    await start(dut)
    bench = Bench(dut)
    started = []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            started.append(bench.get("started_set"))

    cocotb.start_soon(watch())
    for count in range(1, 6):
        await bench.cycle(5)
        await bench.submit(bench.job())
        await bench.until("launch")
        await bench.cycle(2)
        bench.set(writing=1)
        await bench.cycle(5)
        assert bench.get("busy") == 1
        bench.quiet()
        await bench.result()
        await bench.acknowledge()
        assert sum(started) == count


@cocotb.test()
async def tells_how_a_picture_ended(dut):
    await start(dut)
    bench = Bench(dut)
    for _ in range(20):
        job = await bench.begin()
        position = coded = 0
        for _ in range(bench.rng.randint(0, 20)):
            count, byte = bench.rng.randint(0, 256), bench.rng.randrange(2)
            bench.set(acknowledged=count, coded_byte=byte)
            position, coded = position + count, coded + byte
            await bench.cycle()
        bench.set(acknowledged=0, coded_byte=0)
        counters = Packer(Counters).unpack(bench.rng.getrandbits(Packer(Counters).width))
        bench.set(counters=Packer(Counters).pack(counters))
        bench.set(writing=0)
        await bench.cycle(3)
        assert bench.get("busy") == 1, "the ports are not idle yet"
        bench.quiet()
        result = await bench.result()
        assert result["counters"] == counters
        told = {name: result[name] for name in ("code", "resp", "address", "tag", "position", "bits")}
        wanted = {"code": 0, "resp": 0, "address": 0, "tag": job["tag"], "position": position, "bits": 8 * coded}
        assert told == wanted
        assert bench.get("busy", "stopping", "fault", "queued") == (0, 0, 0, 0)
        await bench.acknowledge()


@cocotb.test()
async def counts_the_cycles_of_the_picture(dut):
    await start(dut)
    bench = Bench(dut)
    for length in (0, 1, 50, 333):
        await bench.begin()
        await bench.cycle(length)
        bench.quiet()
        bench.set(finished=1)  # software is late: that is none of the picture's time
        await bench.cycle(200)
        bench.set(finished=0)
        result = await bench.result()
        assert result["cycles"] == 5 + length, length
        await bench.acknowledge()


@cocotb.test()
async def keeps_results_until_they_are_read(dut):
    await start(dut)
    bench = Bench(dut)
    first = await bench.begin()
    bench.quiet()
    result = await bench.result()
    second = bench.job()
    await bench.submit(second)
    await bench.until("launch")
    for _ in range(100):
        await bench.cycle()
        assert bench.get("finished_set") == 0
        assert Packer(Results).unpack(bench.get("results")) == result
    assert bench.get("busy") == 1
    bench.set(finished=0)
    result = await bench.result()
    assert (first["tag"], second["tag"]) != (result["tag"], first["tag"]) and result["tag"] == second["tag"]


@cocotb.test()
async def queues_one_picture(dut):
    await start(dut)
    bench = Bench(dut)
    first = await bench.begin()
    second = bench.job()
    await bench.submit(second)
    await bench.cycle()
    assert bench.get("queued") == 1
    bench.set(start=1, job=0)
    await RisingEdge(dut.clk)
    assert bench.get("start_lost_set") == 1
    bench.set(start=0)
    bench.quiet()
    assert (await bench.result())["tag"] == first["tag"]
    assert await bench.until("launch") <= LAUNCH, "the gap between two pictures"
    await bench.acknowledge()
    assert (await bench.result())["tag"] == second["tag"]


@cocotb.test()
async def refuses_without_starting(dut):
    await start(dut)
    bench = Bench(dut)
    bench.set(counters=bench.rng.getrandbits(Packer(Counters).width))  # of the picture before
    job = bench.job()
    job["qp"] = 52
    await bench.submit(job)
    for _ in range(LAUNCH + 5):
        await RisingEdge(dut.clk)
        assert bench.get("launch") == 0
        if bench.get("finished_set"):
            break
    bench.set(finished=1)
    await bench.cycle(2)
    result = Packer(Results).unpack(bench.get("results"))
    assert (result["code"], result["tag"], result["position"]) == (ErrorCode.BAD_QP, job["tag"], 0)
    assert not any(result["counters"].values())
    await bench.recovered()


@cocotb.test()
@cocotb.parametrize(delay=DELAYS)
async def aborts_at_any_time(dut, delay):
    await start(dut)
    bench = Bench(dut)
    for queued in (False, True):
        job = bench.job()
        launched = delay >= LAUNCH
        if launched:
            bench.set(writing=1, idle=0, writes_idle=0)
        await bench.submit(job)
        await bench.cycle(delay)
        if queued and delay:
            await bench.submit(bench.job())
        await bench.strobe("abort")
        await bench.cycle()
        if delay == 0:  # it had not left the queue
            await bench.cycle(20)
            assert bench.get("busy", "queued", "stopping") == (0, 0, 0)
            continue
        if launched:
            for _ in range(20):
                await bench.cycle()
                assert bench.get("stop", "clear", "busy") == (1, 1, 1)
        bench.quiet()
        result = await bench.result()
        assert (result["code"], result["tag"]) == (ErrorCode.ABORTED, job["tag"])
        await bench.cycle(20)
        assert bench.get("busy", "queued", "stopping", "fault") == (0, 0, 0, 0)
        await bench.recovered()


@cocotb.test()
async def abort_when_idle_does_nothing(dut):
    await start(dut)
    bench = Bench(dut)
    await bench.strobe("abort")
    for _ in range(20):
        await RisingEdge(dut.clk)
        assert bench.get("busy", "stopping", "finished_set") == (0, 0, 0)
    await bench.recovered()


@cocotb.test()
async def tells_where_the_bus_failed(dut):
    await start(dut)
    bench = Bench(dut)
    for _ in range(30):
        job = await bench.begin()
        await bench.submit(bench.job())  # dropped by the fault
        read, write = bench.rng.choice([(1, 0), (0, 1), (1, 1)])
        master = bench.rng.choice([Master.SOURCE, Master.QP_MAP] if read else [Master.RECON, Master.BITSTREAM])
        resp, address = bench.rng.choice([2, 3]), bench.rng.getrandbits(40)
        errors = {"read_error": bus_error(master, resp, address)} if read else {}
        if write:
            other = bus_error(Master.RECON, 2, bench.rng.getrandbits(40)) if read else bus_error(master, resp, address)
            errors["write_error"] = other
        bench.set(**errors)
        await bench.cycle()
        bench.set(read_error=0, write_error=0)
        await bench.cycle(2)
        # A later one changes nothing, and neither does anything but a soft reset.
        await bench.strobe("write_error", bus_error(Master.BITSTREAM, 3, 1))
        await bench.cycle(5)
        assert bench.get("stop", "clear", "busy") == (1, 1, 1)
        bench.quiet()
        result = await bench.result()
        told = tuple(result[name] for name in ("code", "master", "resp", "address", "tag"))
        assert told == (ErrorCode.BUS_ERROR, master, resp, address, job["tag"])
        assert bench.get("fault", "stop", "queued") == (1, 1, 0)
        await bench.acknowledge()
        bench.set(start=1)
        await RisingEdge(dut.clk)
        assert bench.get("start_lost_set") == 1
        bench.set(start=0)
        await bench.strobe("abort")
        await bench.cycle(5)
        assert bench.get("fault", "busy") == (1, 0)
        await bench.strobe("soft_reset")
        await bench.cycle(4)
        assert bench.get("fault", "resetting", "stopping", "results") == (0, 0, 0, 0)
        await bench.recovered()


@cocotb.test()
async def an_error_while_stopping_is_the_worse_news(dut):
    await start(dut)
    bench = Bench(dut)
    await bench.begin()
    await bench.strobe("abort")
    await bench.cycle(3)
    await bench.strobe("read_error", bus_error(Master.QP_MAP, 3, 0x1234))
    bench.quiet()
    result = await bench.result()
    assert (result["code"], result["master"], result["address"]) == (ErrorCode.BUS_ERROR, Master.QP_MAP, 0x1234)
    await bench.acknowledge()
    await bench.strobe("soft_reset")
    await bench.cycle(4)
    await bench.recovered()


@cocotb.test()
@cocotb.parametrize(abort=[False, True], silent=[0, 30, 48, 49, 50, 51, 55, 70])
async def the_first_of_two_faults_is_told(dut, abort, silent):
    """A bus that answers with an error and then no more; or that is silent too long, and answers with an error then."""
    await start(dut)
    bench = Bench(dut)
    bench.set(watchdog=50)
    await bench.begin()
    await bench.strobe("abort" if abort else "moving")
    address = 0x12_3456_7890
    finished = False
    for cycle in range(110):
        bench.set(write_error=bus_error(Master.BITSTREAM, 2, address) if cycle == silent else 0)
        await RisingEdge(dut.clk)
        finished = finished or bench.get("finished_set")
        bench.set(finished=finished)
    assert finished
    result = Packer(Results).unpack(bench.get("results"))
    told = tuple(result[name] for name in ("code", "master", "resp", "address"))
    error, watchdog = (ErrorCode.BUS_ERROR, Master.BITSTREAM, 2, address), (ErrorCode.WATCHDOG, 0, 0, 0)
    assert told in ([error] if silent < 49 else [watchdog] if silent > 51 else [error, watchdog])
    assert bench.get("fault", "stop") == (1, 1)
    await bench.acknowledge()
    bench.quiet()
    await bench.strobe("soft_reset")
    await bench.cycle(4)
    bench.set(watchdog=0)
    await bench.recovered()


@cocotb.test()
@cocotb.parametrize(early=[0, 1, 2, 3])
async def a_start_around_a_fault_is_kept_or_told(dut, early):
    """A start in the cycles around the one that publishes a fault: dropped with the fault before, lost from then on."""
    await start(dut)
    bench = Bench(dut)
    await bench.begin()
    await bench.strobe("read_error", bus_error(Master.SOURCE, 2, 0))
    bench.set(finished=1)  # the fault waits to be told
    bench.quiet()
    await bench.cycle(4)
    if early == 0:
        await bench.strobe("start")
        await bench.cycle()
        assert bench.get("queued") == 1
    bench.set(finished=0)
    for cycle in range(1, 4):
        bench.set(start=cycle == early)
        await RisingEdge(dut.clk)
        assert bench.get("start_lost_set") == (cycle == early)
        assert bench.get("finished_set") == (cycle == 1)
    bench.set(start=0)
    await bench.cycle()
    assert bench.get("queued", "fault") == (0, 1)


@cocotb.test()
@cocotb.parametrize(other=["abort", "soft_reset"])
async def a_start_with_another_command_is_told(dut, other):
    """One write of CONTROL: the start is lost, idle or busy, and says so."""
    await start(dut)
    bench = Bench(dut)
    for busy in (False, True):
        if busy:
            await bench.begin()
        bench.set(**{"start": 1, other: 1})
        await RisingEdge(dut.clk)
        assert bench.get("start_lost_set") == 1
        bench.set(**{"start": 0, other: 0})
        bench.quiet()
        if busy and other == "abort":
            assert (await bench.result())["code"] == ErrorCode.ABORTED
        await bench.cycle(LAUNCH)
        assert bench.get("busy", "queued", "resetting") == (0, 0, 0)
        await bench.recovered()


@cocotb.test()
async def a_full_buffer_is_written_first(dut):
    await start(dut)
    bench = Bench(dut)
    job = await bench.begin()
    bench.set(full=1)
    for _ in range(30):
        await bench.cycle()
        assert bench.get("stopping") == 0
    await bench.strobe("acknowledged", 13)
    bench.set(writes_idle=1)
    await bench.cycle(2)
    assert bench.get("stopping") == 1
    bench.set(full=0)
    bench.quiet()
    result = await bench.result()
    told = result["code"], result["position"], result["tag"]
    assert told == (ErrorCode.BITSTREAM_FULL, 13, job["tag"])
    await bench.recovered()


@cocotb.test()
async def a_bad_qp_map_stops(dut):
    await start(dut)
    bench = Bench(dut)
    await bench.begin()
    bench.set(counters=bench.rng.getrandbits(Packer(Counters).width))  # of what the reset may have cleared already
    await bench.strobe("bad_qp_map")
    bench.quiet()
    result = await bench.result()
    assert result["code"] == ErrorCode.BAD_QP_MAP and not any(result["counters"].values())
    await bench.recovered()


@cocotb.test()
async def the_watchdog_counts_quiet_cycles(dut):
    await start(dut)
    bench = Bench(dut)
    bench.set(watchdog=50)
    await bench.begin()
    for _ in range(5):
        await bench.cycle(45)
        assert bench.get("stopping") == 0
        await bench.strobe("moving")
    assert await bench.until("stopping", 60) in range(49, 53)
    # The bus owes an answer and gives none: told all the same, after as long again.
    assert await bench.until("finished_set", 60) in range(49, 53)
    bench.set(finished=1)
    await bench.cycle(2)
    result = Packer(Results).unpack(bench.get("results"))
    assert result["code"] == ErrorCode.WATCHDOG
    assert bench.get("fault", "stop") == (1, 1)
    await bench.acknowledge()
    # A soft reset cannot end either, and says so.
    await bench.strobe("soft_reset")
    await bench.cycle()
    assert bench.get("resetting") == 1
    await bench.until("fault_set", 60)
    await bench.cycle(2)
    assert bench.get("resetting", "fault") == (0, 1)
    # The bus comes back.
    await bench.strobe("soft_reset")
    bench.quiet()
    await bench.cycle(4)
    assert bench.get("resetting", "fault", "stopping") == (0, 0, 0)
    bench.set(watchdog=0)
    await bench.recovered()


@cocotb.test()
@cocotb.parametrize(delay=range(45, 55))
async def a_soft_reset_as_another_one_expires_is_kept(dut, delay):
    await start(dut)
    bench = Bench(dut)
    bench.set(watchdog=50, idle=0)
    await bench.strobe("soft_reset")
    await bench.cycle(delay)
    await bench.strobe("soft_reset")
    for _ in range(45):
        await RisingEdge(dut.clk)
        assert bench.get("resetting") == 1
    await bench.until("fault_set", 10)
    await bench.cycle(2)
    assert bench.get("resetting", "fault", "stopping") == (0, 1, 1)


@cocotb.test()
async def no_watchdog_when_it_is_zero(dut):
    await start(dut)
    bench = Bench(dut)
    await bench.begin()
    await bench.cycle(3000)
    assert bench.get("busy", "stopping") == (1, 0)
    bench.quiet()
    assert (await bench.result())["code"] == ErrorCode.OK


@cocotb.test()
@cocotb.parametrize(delay=DELAYS)
async def resets_at_any_time(dut, delay):
    await start(dut)
    bench = Bench(dut)
    for told in (False, True):
        launched = delay >= LAUNCH
        bench.set(finished=told)  # a picture that ended and waits to tell is dropped too
        if launched:
            bench.set(writing=1, idle=0, writes_idle=0)
        await bench.submit(bench.job())
        await bench.cycle(delay)
        if launched:
            if told:
                bench.quiet()
                await bench.cycle(6)
                assert bench.get("busy") == 1
        await bench.strobe("soft_reset")
        for _ in range(10):
            await RisingEdge(dut.clk)
            assert bench.get("finished_set", "launch") == (0, 0)
        if launched and not told:
            assert bench.get("resetting", "stop", "clear") == (1, 1, 1)
        bench.quiet()
        await bench.cycle(6)
        assert bench.get("busy", "queued", "stopping", "fault", "resetting", "results") == (0, 0, 0, 0, 0, 0)
        await bench.recovered()


def test_control():
    run_bench(Control(Params()), __name__, "control", tests=68)
