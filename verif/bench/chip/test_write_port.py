"""WritePort against a memory with random latencies, errors on any burst, and `stop` at any time."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.chip.payloads import BusError, Master, WriteRequest, write_beat
from hdl.chip.write_port import WritePort
from hdl.common.axi import BURST_BEATS, DECERR, OKAY, SLVERR, address_layout, response_layout, write_layout
from hdl.params import Params
from sim.runner import bench_params, run_bench
from verif.bench.chip.memory import Memory, WriteSlave, always_okay
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamMonitor, StreamSource, start

IDS = range(2)
SETTLED = 6  # cycles after the last answer in which idle may still be low


class Requests:
    """Random requests of one writer in an area of its own, one after the other, and what they must leave in memory."""

    def __init__(self, which: int, beat_bytes: int):
        self.beat_bytes = beat_bytes
        self.address = (which << 36) + random.randrange(1 << 20) * beat_bytes
        self.expected: dict[int, int] = {}  # address to value

    def make(self, count: int, beats=(1, BURST_BEATS), page_ends=True) -> tuple[list[dict], list[dict]]:
        """`count` requests and their beats. page_ends: every third begins at a 4 KB boundary or closely before."""
        requests, data = [], []
        for k in range(count):
            size = random.randint(*beats)
            if page_ends and k % 3 == 0:
                boundary = (self.address // 4096 + 1) * 4096
                self.address = max(self.address, boundary - random.randint(0, size) * self.beat_bytes)
            strobed = 0
            for _ in range(size):
                word, strobes = random.getrandbits(8 * self.beat_bytes), random.getrandbits(self.beat_bytes)
                strobes = random.choice((strobes, -1 & (1 << self.beat_bytes) - 1))
                data.append({"data": word, "strb": strobes})
                strobed += strobes.bit_count()
            requests.append({"address": self.address, "beats": size, "bytes": strobed})
            self.address += size * self.beat_bytes
        return requests, data

    def expect(self, requests: list[dict], data: list[dict]) -> None:
        position = 0
        for request in requests:
            for beat in range(request["beats"]):
                word = data[position]
                position += 1
                for lane in range(self.beat_bytes):
                    if word["strb"] >> lane & 1:
                        address = request["address"] + beat * self.beat_bytes + lane
                        self.expected[address] = word["data"] >> 8 * lane & 255

    def check(self, memory: Memory) -> None:
        for address, value in self.expected.items():
            assert memory.read(address, 1)[0] == value and memory.times_written(address, 1)[0] == 1, f"{address:#x}"


class Watch:
    """Looks at every cycle: `idle` not before all is answered and told, AW only when its beats are here, none raised
    while `stop`; keeps what the port told."""

    def __init__(self, dut):
        self.acknowledged: list[list[int]] = [[], []]
        self.errors: list[dict] = []
        self.unanswered = 0
        self.w_cycles: list[int] = []
        width = bench_params()["axi_data_width"]
        self.aw = StreamMonitor(dut, "bus__aw", address_layout())
        self.w = StreamMonitor(dut, "bus__w", write_layout(width))
        cocotb.start_soon(self._run(dut))

    async def _run(self, dut):
        edge, address, error = RisingEdge(dut.clk), Packer(address_layout()), Packer(BusError)
        data = [(getattr(dut, f"i_data__{k}__valid"), getattr(dut, f"i_data__{k}__ready")) for k in IDS]
        told = [getattr(dut, f"o_acknowledged__{k}") for k in IDS]
        request = Packer(WriteRequest)
        requests = [[getattr(dut, f"i_request__{k}__{part}") for part in ("payload", "valid", "ready")] for k in IDS]
        here, asked = [0, 0], [0, 0]  # beats, less those of the bursts that were raised
        raised_before, stopped_before = False, False
        cycle = 0
        while True:
            await edge
            cycle += 1
            if dut.bus__w__valid.value and dut.bus__w__ready.value:
                self.w_cycles.append(cycle)
            raised, stopped = bool(dut.bus__aw__valid.value), bool(dut.stop.value)
            if raised and not raised_before:
                assert not stopped_before, "AW raised while stopped"
                burst = address.unpack(dut.bus__aw__payload.value.to_unsigned())
                here[burst["id"]] -= burst["len"] + 1
                asked[burst["id"]] -= burst["len"] + 1
                assert min(here + asked) >= 0, "AW raised before its beats were here, or its request"
            raised_before = raised and not dut.bus__aw__ready.value
            self.unanswered += raised and not raised_before
            told_error = error.unpack(dut.error.value.to_unsigned())
            telling = told_error["valid"] or any(each.value for each in told)
            assert not (dut.idle.value and (raised or self.unanswered or any(asked) or telling)), "idle too early"
            self.unanswered -= bool(dut.bus__b__valid.value and dut.bus__b__ready.value)
            for k, (valid, ready) in enumerate(data):
                here[k] += bool(valid.value and ready.value)
                payload, valid, ready = requests[k]
                if valid.value and ready.value:
                    asked[k] += request.unpack(payload.value.to_unsigned())["beats"]
                if stopped:
                    here[k] = asked[k] = 0
                if told[k].value:
                    self.acknowledged[k].append(told[k].value.to_unsigned())
            if told_error["valid"]:
                self.errors.append(told_error)
            stopped_before = stopped


class Bench:
    """The port with sources for both writers and a memory behind it."""

    def __init__(self, dut, idle="none", *, latency=(1, 60), patterns=("none",) * 3, respond=always_okay):
        self.dut, self.width = dut, bench_params()["axi_data_width"]
        for name in ("stop", "clear_stat"):
            getattr(dut, name).value = 0
        self.memory = Memory()
        self.slave = WriteSlave(
            dut, "bus", self.width, self.memory, latency=latency, respond=respond, patterns=patterns
        )
        self.requests = [StreamSource(dut, f"i_request__{k}", WriteRequest, idle) for k in IDS]
        self.data = [StreamSource(dut, f"i_data__{k}", write_beat(self.width), idle) for k in IDS]
        self.writers = [Requests(k, self.width // 8) for k in IDS]
        self.watch = Watch(dut)

    def send(self, k: int, count: int, **kind) -> tuple[list[dict], list[dict]]:
        requests, data = self.writers[k].make(count, **kind)
        self.requests[k].send(requests)
        self.data[k].send(data)
        return requests, data

    async def finished(self) -> None:
        """Waits until all that was sent was taken and the port is idle; it must then stay so."""
        for source in self.requests + self.data:
            await source.drained()
        await self.idle()

    async def idle(self) -> None:
        for _ in range(5000):
            await ClockCycles(self.dut.clk, 1)
            if self.dut.idle.value:
                break
        else:
            raise AssertionError(f"not idle, {self.watch.unanswered} answers missing")
        await ClockCycles(self.dut.clk, SETTLED)
        assert self.dut.idle.value

    async def stop(self) -> None:
        """Stop, with the writers going on until all that was queued is dropped."""
        self.dut.stop.value = 1
        await self.finished()
        self.dut.stop.value = 0


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def writes_everything(dut, idle, backpressure):
    await start(dut)
    bench = Bench(dut, idle, patterns=(backpressure, backpressure, idle))
    sent = [bench.send(k, 40) for k in IDS]
    await bench.finished()
    for k, (requests, data) in enumerate(sent):
        bench.writers[k].expect(requests, data)
        bench.writers[k].check(bench.memory)
        assert bench.watch.acknowledged[k] == [each["bytes"] for each in requests if each["bytes"]]
    strobed = sum(len(writer.expected) for writer in bench.writers)
    assert bench.memory.bytes_written == strobed == dut.stat_bytes.value.to_unsigned()
    assert not bench.watch.errors
    dut.clear_stat.value = 1
    await ClockCycles(dut.clk, 1)
    dut.clear_stat.value = 0
    await ClockCycles(dut.clk, 1)
    assert dut.stat_bytes.value == 0


@cocotb.test()
@cocotb.parametrize(backpressure=PATTERNS)
async def tells_errors(dut, backpressure):
    """Errors on any burst: the first is told; of each writer only what was requested before its own first counts."""
    await start(dut)
    answers = []  # (id, address, resp) in the order of W
    rate = 0.0

    def respond(which, address):
        bad = random.random() < rate
        answers.append((which, address, random.choice((SLVERR, DECERR, 1)) if bad else OKAY))
        return answers[-1][2]

    bench = Bench(dut, "random", patterns=(backpressure, backpressure, "random"), respond=respond)
    responses = StreamMonitor(dut, "bus__b", response_layout())
    for chance in (0.02, 0.3, 0.0, 0.05):
        rate = chance
        answers.clear()
        for seen in (*bench.watch.acknowledged, bench.watch.errors, responses.seen):
            seen.clear()
        sent = [bench.send(k, 25)[0] for k in IDS]
        await bench.finished()
        for k in IDS:
            good, bad = [], {address for which, address, resp in answers if which == k and resp != OKAY}
            for request in sent[k]:
                first, end = request["address"], request["address"] + request["beats"] * bench.width // 8
                if any(first <= address < end for address in bad):
                    break
                good.append(request["bytes"])
            assert bench.watch.acknowledged[k] == [each for each in good if each]
        bad = next((each for each in responses.seen if each["resp"] != OKAY), None)
        if bad is None:
            assert not bench.watch.errors
        else:
            address = next(a for which, a, resp in answers if which == bad["id"] and resp != OKAY)
            master = (Master.RECON, Master.BITSTREAM)[bad["id"]]
            assert bench.watch.errors == [{"valid": 1, "master": int(master), "resp": bad["resp"], "address": address}]
        await bench.stop()


@cocotb.test()
async def tells_one_error_until_it_was_stopped(dut):
    """Also of the answers that come while it is stopped."""
    await start(dut)
    bench = Bench(dut, latency=(1, 200), respond=lambda *_: SLVERR)
    for count in range(1, 10):
        for k in IDS:
            bench.send(k, 10)
        while len(bench.watch.errors) < count:
            await ClockCycles(dut.clk, 1)
        assert bench.watch.unanswered
        await bench.stop()
        assert len(bench.watch.errors) == count
    assert bench.watch.acknowledged == [[], []]


@cocotb.test()
@cocotb.parametrize(backpressure=PATTERNS)
async def stops_at_any_time(dut, backpressure):
    """What was raised is written and answered, nothing else is; afterwards the port works as before."""
    await start(dut)
    bench = Bench(dut, "random", latency=(1, 80), patterns=(backpressure, backpressure, "none"))
    for _ in range(25):
        for seen in (*bench.watch.acknowledged, bench.watch.aw.seen, bench.watch.w.seen):
            seen.clear()
        sent = [bench.send(k, random.choice((0, 3, 12))) for k in IDS]
        await ClockCycles(dut.clk, random.randrange(250))
        await bench.stop()
        bursts = bench.watch.aw.seen
        assert len(bench.watch.w.seen) == sum(burst["len"] + 1 for burst in bursts)
        for k, (requests, data) in enumerate(sent):
            beats = sum(burst["len"] + 1 for burst in bursts if burst["id"] == k)
            whole, written = [], 0  # requests that were raised whole, and what is left of the next one
            for request in requests:
                part = {**request, "beats": min(request["beats"], beats - written)}
                bench.writers[k].expect([part], data[written:])
                written += part["beats"]
                if part == request:
                    whole.append(request["bytes"])
            assert written == beats
            assert bench.watch.acknowledged[k] == [each for each in whole if each]
            bench.writers[k].check(bench.memory)
        assert bench.memory.bytes_written == sum(len(writer.expected) for writer in bench.writers)
    assert not bench.watch.errors


@cocotb.test()
@cocotb.parametrize(first=("aw", "w"))
async def channels_do_not_wait_for_each_other(dut, first):
    """A slave may take AW after all of W, or W only after AW."""
    await start(dut)
    for name in ("stop", "clear_stat", "bus__b__valid"):
        getattr(dut, name).value = 0
    width = bench_params()["axi_data_width"]
    channels = {
        name: (getattr(dut, f"bus__{name}__valid"), getattr(dut, f"bus__{name}__ready")) for name in ("aw", "w")
    }
    for _, ready in channels.values():
        ready.value = 0
    StreamSource(dut, "i_request__0", WriteRequest).send([{"address": 0x1000, "beats": 16, "bytes": 0}])
    StreamSource(dut, "i_data__0", write_beat(width)).send([{"data": k, "strb": 0} for k in range(16)])
    await ClockCycles(dut.clk, 30)
    assert all(valid.value for valid, _ in channels.values())
    for name in (first, "w" if first == "aw" else "aw"):
        valid, ready = channels[name]
        ready.value = 1
        await ClockCycles(dut.clk, 17)
        assert not valid.value
    assert not dut.idle.value
    dut.bus__b__payload.value, dut.bus__b__valid.value = 0, 1
    await ClockCycles(dut.clk, 1)
    dut.bus__b__valid.value = 0
    await ClockCycles(dut.clk, SETTLED)
    assert dut.idle.value


@cocotb.test()
async def takes_turns(dut):
    await start(dut)
    bench = Bench(dut, latency=(60, 60))
    for k in IDS:
        bench.send(k, 60, beats=(1, 1), page_ends=False)
    await bench.finished()
    ids = [burst["id"] for burst in bench.slave.bursts]
    assert ids[4:-4:2] != ids[5:-4:2] and len(set(ids[4:-4:2])) == len(set(ids[5:-4:2])) == 1


@cocotb.test()
async def holds_what_it_says(dut):
    """Beats without requests, then more requests than those beats are for."""
    await start(dut)
    bench = Bench(dut)
    count = WritePort.BEATS + 10
    requests, data = bench.writers[0].make(count, beats=(1, 1))
    bench.data[0].send(data)
    await ClockCycles(dut.clk, count + 10)
    assert bench.data[0].sent == WritePort.BEATS
    await bench.stop()
    bench.requests[0].send(requests)
    await ClockCycles(dut.clk, count + 10)
    assert bench.requests[0].sent == WritePort.REQUESTS + 1
    await bench.stop()
    assert not bench.slave.bursts


@cocotb.test()
@cocotb.parametrize(last=("request", "data"))
async def has_its_latency(dut, last):
    """From the request, or from the last beat if that comes later, to AW, to W, and from B to what is acknowledged."""
    await start(dut)
    bench = Bench(dut)
    requests, data = bench.writers[0].make(1, page_ends=False)
    for name in ("data", "request") if last == "request" else ("request", "data"):
        source, payloads = {"request": (bench.requests[0], requests), "data": (bench.data[0], data)}[name]
        source.send(payloads)
        await source.drained()
        if name != last:
            await ClockCycles(dut.clk, 10)

    async def until(signal) -> int:
        for cycles in range(1, 100):
            await RisingEdge(dut.clk)
            if signal.value:
                return cycles
        raise AssertionError("nothing came")

    assert await until(dut.bus__aw__valid) == (WritePort.latency if last == "request" else 2)
    assert await until(dut.bus__w__valid) == 2
    await until(dut.bus__b__valid)
    assert await until(dut.o_acknowledged__0) == 2


@cocotb.test()
@cocotb.parametrize(beats=(1, 2, 4), latency=(20, 200))
async def keeps_the_bus_busy(dut, beats, latency):
    """One beat a cycle as long as BURSTS bursts of one writer cover the latency."""
    await start(dut)
    bench = Bench(dut, latency=(latency, latency))
    count = 120
    bench.send(0, count, beats=(beats, beats), page_ends=False)
    await bench.finished()
    cycles = bench.watch.w_cycles[-1] - bench.watch.w_cycles[0] + 1
    cocotb.log.info(f"{count} bursts of {beats} beats, latency {latency}: {cycles / count:.2f} cycles a burst")
    overhead = 9  # from B to the next AW, from AW to W, and the memory's own
    assert cycles / count <= max(beats, (beats + latency + overhead) / WritePort.BURSTS)


@pytest.mark.parametrize("axi_data_width", [64, 128])
def test_write_port(axi_data_width):
    p = Params(axi_data_width=axi_data_width)
    run_bench(
        WritePort(p), __name__, f"write_port_{axi_data_width}", tests=28, params={"axi_data_width": axi_data_width}
    )
