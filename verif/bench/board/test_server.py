"""Server against a model of its answers: random requests, right and wrong ones, under every pattern of pauses."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.board.payloads import FrameByte
from hdl.board.protocol import (
    ANSWERED,
    DATA_BYTES,
    FAILED,
    PASSED,
    REFUSED,
    WORDS,
    Command,
    State,
)
from hdl.board.server import PICTURE_BYTES, Server
from hdl.payloads import Picture
from heron.board.link import ANSWER, HEADER
from sim.runner import run_bench
from verif.bench.payload import Packer
from verif.bench.streams import PATTERNS, StreamSink, StreamSource, start

STROBES = "clear", "test", "rewind", "release", "opened"


class Bench:
    """The server's surroundings, and what it has to answer in them."""

    def __init__(self, dut, idle: str, backpressure: str):
        self.dut = dut
        self.requests = StreamSource(dut, "i", FrameByte, idle)
        self.answers = StreamSink(dut, "o", FrameByte, backpressure)
        self.output = StreamSource(dut, "i_output", 8, idle)
        self.source = StreamSink(dut, "o_source", 8, backpressure)
        self.pictures = StreamSink(dut, "o_picture", Picture, backpressure)
        self.words = [random.getrandbits(32) for _ in WORDS]
        dut.words.value = sum(word << 32 * k for k, word in enumerate(self.words))
        self.room = 4096
        self.set(source_room=self.room, position=0, end=0, ended=0, testing=0, passed=0, failed=0, i_test=0)
        self.set(bad_frame=0)
        self.session = self.number = self.taken = self.position = self.end = self.tag = 0
        self.state, self.result, self.kept = State.IDLE, 0, 0
        self.strobes = dict.fromkeys(STROBES, 0)
        cocotb.start_soon(self._count())

    def set(self, **values) -> None:
        for name, value in values.items():
            getattr(self.dut, name).value = value

    async def _count(self):
        while True:
            await RisingEdge(self.dut.clk)
            for name in STROBES:
                self.strobes[name] += int(getattr(self.dut, name).value)

    async def answer(self) -> bytes:
        content = bytearray()
        while True:
            (byte,) = await self.answers.receive(1)
            content.append(byte["data"])
            if byte["last"]:
                return bytes(content)

    def send(self, content: bytes) -> None:
        self.requests.send({"data": byte, "last": k == len(content) - 1} for k, byte in enumerate(content))

    def header(self, command: int, refused: bool = False) -> bytes:
        flags = self.state | self.result | (REFUSED if refused else 0)
        return ANSWER.pack(
            command | ANSWERED,
            self.tag,
            self.session,
            flags,
            self.number,
            self.room,
            self.taken,
            self.position,
            self.end,
        )

    async def ask(self, command: int, first: int = 0, second: int = 0, data: bytes = b"", session: int | None = None):
        """A request; whether its answer and what came of it are right."""
        self.tag = random.randrange(256)
        session = self.session if session is None else session
        before = dict(self.strobes)
        wanted = dict.fromkeys(STROBES, 0)
        refused, words, source, output = False, b"", b"", b""
        mine = session == self.session and session != 0
        coding = self.state in (State.ENCODING, State.DONE)
        picture = False
        if command == Command.READ:
            words = b"".join(
                self.words[k].to_bytes(4, "little") for k in range(first & 255, (first & 255) + (first >> 8))
            )
        elif command == Command.OPEN:
            self.session, self.number, self.taken, self.state = session, 0, 0, State.IDLE
            wanted |= {"clear": 4, "opened": 1}
        elif command == Command.START:
            following = first == (self.number + 1) % 256 and self.state != State.ENCODING
            if mine and following:
                self.number, self.taken, self.state, picture = first, 0, State.ENCODING, True
                wanted["clear"] = 4
            else:
                refused = not (mine and coding and first == self.number)
        elif command in (Command.EXCHANGE, Command.RESUME):
            if mine and coding:
                wanted |= {"release": 1, "rewind": int(command == Command.RESUME)}
                if first == self.taken and self.room >= DATA_BYTES:
                    source = data
                    self.taken += len(data)
                output = random.randbytes(min(self.end - self.position, DATA_BYTES))
            else:
                refused = True
        elif command == Command.SELF_TEST:
            wanted["test"] = 1
        else:
            refused = True
        if wanted["clear"]:
            self.set(ended=0)
        self.output.send(output)
        self.send(HEADER.pack(command, self.tag, session, first, second) + data)
        answer = await self.answer()
        assert answer == self.header(command, refused) + words + output
        assert bytes(await self.source.receive(len(source))) == source
        if picture:
            (payload,) = await self.pictures.receive(1)
            assert payload == Packer(Picture).unpack(int.from_bytes(data, "little") & (1 << Packer(Picture).width) - 1)
        if wanted["release"]:
            assert self.dut.keep_from.value.to_unsigned() == second
        assert {name: self.strobes[name] - before[name] for name in STROBES} == wanted
        self.position += len(output)
        self.set(position=self.position)

    async def surroundings(self):
        """Something of them changes."""
        kind = random.randrange(4)
        if kind == 0:
            self.room = random.choice((0, DATA_BYTES - 1, DATA_BYTES, 8192))
            self.set(source_room=self.room)
        elif kind == 1:
            self.end = self.position + random.choice((0, 1, 7, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 1, 3000))
            self.set(end=self.end)
        elif kind == 2 and self.state == State.ENCODING:
            self.state = State.DONE
            self.set(ended=1)
        elif kind == 3 and random.random() < 0.3:
            self.result = random.choice((0, PASSED, FAILED))
            self.set(passed=int(self.result == PASSED), failed=int(self.result == FAILED))
        await ClockCycles(self.dut.clk, 4)

    async def random_request(self):
        command = random.choice((*Command, *[Command.EXCHANGE] * 5, Command.START, Command.RESUME, 99))
        wrong = random.random() < 0.15
        session = random.randrange(1 << 16) if wrong else None
        data = b""
        another = self.taken ^ 1 << random.randrange(32)
        first, second = random.choice((self.taken, self.taken, self.taken + 8, another)), random.getrandbits(32)
        if command == Command.READ:
            first = random.randrange(len(WORDS))
            first |= random.randint(0, len(WORDS) - first) << 8
        elif command == Command.START:
            first = random.choice(((self.number + 1) % 256, (self.number + 1) % 256, self.number, 17))
            data = random.randbytes(PICTURE_BYTES)
        elif command == Command.OPEN:
            session = random.randrange(1, 1 << 16)
        elif command == Command.EXCHANGE:
            data = random.randbytes(random.choice((0, 1, 8, DATA_BYTES, random.randint(0, DATA_BYTES))))
        await self.ask(command, first, second, data, session)


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def answers(dut, idle, backpressure):
    await start(dut, upset=0)
    bench = Bench(dut, idle, backpressure)
    await bench.ask(Command.EXCHANGE, session=0)
    await bench.ask(Command.OPEN, session=random.randrange(1, 1 << 16))
    for _ in range(60):
        await bench.surroundings()
        await bench.random_request()
    for sink in (bench.answers, bench.source, bench.pictures):
        await sink.nothing_more()


@cocotb.test()
async def many_pictures(dut):
    """The picture's number goes round."""
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")
    await bench.ask(Command.OPEN, session=1)
    for number in range(1, 260):
        await bench.ask(Command.START, number % 256, data=random.randbytes(PICTURE_BYTES))
        await bench.ask(Command.START, number % 256, data=random.randbytes(PICTURE_BYTES))
        bench.state = State.DONE
        bench.set(ended=1)
        await ClockCycles(dut.clk, 3)


@cocotb.test()
async def knows_every_command(dut):
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")
    await bench.ask(Command.OPEN, session=1)
    for command in range(256):
        if command not in list(Command) or command == Command.BAD_FRAME:
            await bench.ask(command, 1 << 8)


@cocotb.test()
async def settles(dut):
    """How long `clear` lasts, and when the picture and an answer come."""
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")
    cycle = 0
    seen = {name: [] for name in ("clear", "picture", "request", "answer")}

    async def watch():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            request = dut.i__valid.value and dut.i__ready.value
            now = dut.clear.value, dut.o_picture__valid.value, request, dut.o__valid.value
            for cycles, value in zip(seen.values(), now):
                if value:
                    cycles.append(cycle)

    cocotb.start_soon(watch())
    await bench.ask(Command.OPEN, session=1)
    assert seen["answer"][0] - seen["request"][-1] == 12
    for cycles in seen.values():
        cycles.clear()
    await bench.ask(Command.START, 1, data=random.randbytes(PICTURE_BYTES))
    first = seen["clear"][0]
    assert seen["clear"] == [first, first + 1, first + 2, first + 3]
    assert seen["picture"] == [first + 8]


@cocotb.test()
async def damaged_and_short_frames(dut):
    await start(dut, upset=0)
    bench = Bench(dut, "random", "random")
    await bench.ask(Command.OPEN, session=7)

    async def told_bad():
        answer, wanted = await bench.answer(), bench.header(Command.BAD_FRAME)
        assert (answer[0], answer[2:]) == (wanted[0], wanted[2:])  # the tag says nothing

    for length in range(1, 12):
        bench.send(bytes(length))
        await told_bad()
    bench.set(bad_frame=1)
    await ClockCycles(dut.clk, 1)
    bench.set(bad_frame=0)
    await told_bad()
    await bench.answers.nothing_more(200)
    await bench.ask(Command.READ, 1 << 8)


@cocotb.test()
async def a_self_test_ends_the_session(dut):
    """Whatever there was: a picture that the core has not taken yet is dropped."""
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")
    for _ in range(3):
        await bench.ask(Command.OPEN, session=9)
        await bench.ask(Command.START, 1, data=random.randbytes(PICTURE_BYTES))
        await bench.ask(Command.SELF_TEST)
        bench.set(testing=1)
        await ClockCycles(dut.clk, 5)
        bench.state, bench.session, bench.number = State.TESTING, 0, 1
        await bench.ask(Command.EXCHANGE, session=9)
        await bench.ask(Command.START, 2, data=random.randbytes(PICTURE_BYTES), session=9)
        bench.set(testing=0)
        await ClockCycles(dut.clk, 5)
        bench.state = State.IDLE
        await bench.ask(Command.EXCHANGE, session=9)


@cocotb.test()
async def a_button_waits_for_the_end_of_a_request(dut):
    """Whenever it is pushed: output that was promised in an answer is still there."""
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")

    async def self_test():
        await RisingEdge(dut.test)
        await RisingEdge(dut.clk)
        bench.set(testing=1)
        await ClockCycles(dut.clk, 20)
        bench.set(testing=0)

    async def push(delay: int):
        await ClockCycles(dut.clk, delay)
        bench.set(i_test=1)
        await ClockCycles(dut.clk, 1)
        bench.set(i_test=0)

    for delay in (*range(40), 60, 100, 200):
        await bench.ask(Command.OPEN, session=9)
        await bench.ask(Command.START, 1, data=random.randbytes(PICTURE_BYTES))
        bench.position, bench.end = 0, 100
        bench.set(position=0, end=100)
        await ClockCycles(dut.clk, 4)
        running, pushing = cocotb.start_soon(self_test()), cocotb.start_soon(push(delay))
        await bench.ask(Command.EXCHANGE, 0, 0, random.randbytes(8))
        await running
        await pushing
        await ClockCycles(dut.clk, 5)
        bench.state, bench.session = State.IDLE, 0
        await bench.ask(Command.EXCHANGE, 8, session=9)


@cocotb.test()
async def a_new_session_ends_the_self_test(dut):
    await start(dut, upset=0)
    bench = Bench(dut, "none", "none")
    await bench.ask(Command.SELF_TEST)
    bench.set(testing=1)

    async def end():
        await RisingEdge(dut.clear)
        await RisingEdge(dut.clk)
        bench.set(testing=0)

    ending = cocotb.start_soon(end())
    await bench.ask(Command.OPEN, session=5)
    await ending
    await bench.ask(Command.START, 1, data=random.randbytes(PICTURE_BYTES))


def test_server():
    run_bench(Server(), __name__, "board_server", tests=16)
