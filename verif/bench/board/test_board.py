"""The board with a core that echoes: its requests, and the host's side of the link over lines that fail."""

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from hdl.board.protocol import ANSWERED, DATA_BYTES, FLAG, REFUSED, STATISTICS, WORDS, Command, State
from hdl.board.self_test import CRC
from hdl.params import Params
from heron.board import client, ports
from heron.board.client import BoardClient, pack
from heron.board.frames import Frames, to_line
from heron.board.link import ANSWER, HEADER, Answer, Link
from heron.board.ports import BoardError, Patience, Port
from heron.board.vectors import VECTORS
from heron.cli import app
from heron.outputs import Outputs
from heron.video import Colour
from heron.writers import Y4mWriter
from sim.board import Faults, SimBoard
from sim.sample_order import to_groups
from verif.bench.board.echo_core import BoardEchoCore
from verif.bench.sim.echo_core import HANGING_QP
from verif.bench.sim.test_harness import coded
from verif.reference.config import PictureConfig

PARAMS = Params()


@pytest.fixture(scope="module")
def board():
    with SimBoard(PARAMS, core=BoardEchoCore(PARAMS), name="echo_board") as running:
        yield running


@pytest.fixture
def port(board, monkeypatch):
    """A port of the board, whose line is good to begin with."""
    monkeypatch.setattr(Port, "patience", Patience(0.5, 20))
    board.faults(Faults())
    with Port(board.path, "echo") as opened:
        yield opened


def picture(width: int, height: int, seed: int = 1, qp: int = 20):
    """(parameters, planes, what the echo makes of them)."""
    rng = np.random.default_rng(seed)
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in shapes)
    planes = y, u, v
    echo = to_groups(coded(planes), PARAMS.ctb_size, fill=None).tobytes()
    return PictureConfig(width=width, height=height, qp=qp), planes, echo


def check_picture(board: BoardClient, width: int = 64, height: int = 48, seed: int = 1) -> dict:
    config, planes, wanted = picture(width, height, seed)
    data, recon, statistics = board.encode_picture(config, planes)
    assert data == wanted and recon is None
    assert statistics["bins"] == len(wanted) // 8
    return statistics


class Raw:
    """Single requests, each once, and every answer that comes."""

    def __init__(self, port: Port):
        self.port, self.frames, self.session = port, Frames(), 0x1234
        self.tag = 0

    def send(self, command: int, first: int = 0, second: int = 0, data: bytes = b"", session: int | None = None):
        self.tag = self.tag + 1 & 255
        session = self.session if session is None else session
        return self.content(HEADER.pack(command, self.tag, session, first, second) + data)

    def content(self, content: bytes) -> list[Answer]:
        return self.line(to_line(content))

    def line(self, data: bytes, patience: float = 5) -> list[Answer]:
        self.port.write(data)
        answers, end = [], time.monotonic() + patience
        while time.monotonic() < end:
            for each in self.frames.feed(self.port.read(0.02)):
                answers.append(Answer(*ANSWER.unpack_from(each), data=each[ANSWER.size :]))
                end = time.monotonic() + 0.05  # for one too many
        return answers

    def one(self, *arguments, **named) -> Answer:
        (answer,) = self.send(*arguments, **named)
        assert (answer.tag, answer.command) == (self.tag, arguments[0] | ANSWERED)
        return answer


def test_requests_say_what_they_did(port):
    raw = Raw(port)
    config, _, wanted = picture(16, 16)
    assert raw.one(Command.OPEN).session == raw.session
    assert raw.one(Command.EXCHANGE).refused, "no picture yet"
    assert raw.one(Command.START, 2, data=pack(config)).refused, "not the next picture"
    assert raw.one(Command.START, 1, data=pack(config), session=7).refused, "another session"
    answer = raw.one(Command.START, 1, data=pack(config))
    assert not answer.refused and (answer.picture, answer.state, answer.taken) == (1, State.ENCODING, 0)
    assert answer.room == 8192
    assert raw.one(Command.EXCHANGE, 8, data=wanted[:8]).taken == 0, "not the place that comes next"
    assert raw.one(Command.EXCHANGE, 0, data=wanted[:16]).taken == 16
    assert raw.one(Command.EXCHANGE, 0, data=wanted[:16]).taken == 16, "a repetition"
    again = raw.one(Command.START, 1, data=pack(config))
    assert not again.refused and again.taken == 16, "a repetition"
    assert raw.one(Command.START, 2, data=pack(config)).refused, "while a picture is coded"
    assert raw.one(Command.EXCHANGE, 16, data=wanted[16:24], session=7).refused, "another session"
    answer = raw.one(Command.EXCHANGE, 16, data=wanted[16 : 16 + DATA_BYTES])
    assert answer.taken == 16 + DATA_BYTES and answer.position == 16 and not answer.refused
    answer = raw.one(Command.RESUME, 0)
    assert answer.position == 0 and answer.data == wanted[: len(answer.data)] and len(answer.data) == DATA_BYTES
    answer = raw.one(Command.RESUME, 0, 100)
    assert answer.position == 100 and answer.data == wanted[100 : 100 + len(answer.data)]
    answer = raw.one(Command.EXCHANGE, 16 + DATA_BYTES, 100, data=wanted[16 + DATA_BYTES :])
    assert answer.taken == len(wanted)
    answer = raw.one(Command.RESUME, 0, 200)
    assert answer.state == State.DONE and answer.end == len(wanted) and answer.data == wanted[200:]
    assert raw.one(Command.EXCHANGE, len(wanted), len(wanted)).data == b""
    assert not raw.one(Command.START, 2, data=pack(config)).refused
    assert raw.one(Command.OPEN, session=9).state == State.IDLE


def test_requests_that_are_none(port):
    raw = Raw(port)
    raw.one(Command.OPEN)
    assert raw.one(77).flags & REFUSED
    (answer,) = raw.content(b"short")
    assert answer.command == Command.BAD_FRAME | ANSWERED
    damaged = bytearray(to_line(HEADER.pack(Command.OPEN, 1, 9, 0, 0)))
    damaged[3] ^= 1
    (answer,) = raw.line(bytes(damaged))
    assert answer.command == Command.BAD_FRAME | ANSWERED and answer.session == raw.session
    assert raw.line(bytes((FLAG,)) * 5, 0.3) == []


def test_words(port):
    raw = Raw(port)
    everything = raw.one(Command.READ, len(WORDS) << 8).data
    assert len(everything) == 4 * len(WORDS)
    for k in (0, 3, len(WORDS) - 1):
        assert raw.one(Command.READ, k | 1 << 8).data == everything[4 * k : 4 * k + 4]
    board = BoardClient(port)
    assert board.require_known() == PARAMS
    identity = board.identity
    assert (identity.git_hash, identity.clock_hz, identity.preset) == (0, 24_000_000, "ctu32")
    assert identity.test_expected == CRC[5]


@pytest.mark.parametrize("width,height", [(16, 16), (18, 34), (64, 48), (98, 70)])
def test_pictures_on_a_good_line(port, width, height):
    board = BoardClient(port)
    board.open()
    for seed in range(2):
        statistics = check_picture(board, width, height, seed)
    assert (board.link.counters.damaged, board.link.counters.repeated) == (0, 0)
    assert 0 < statistics["starved"] < statistics["cycles"]


@pytest.mark.parametrize("flip,lose,extra", [(1e-4, 0, 0), (0, 1e-3, 0), (0, 0, 1e-3), (3e-4, 3e-4, 3e-4)])
def test_pictures_on_a_bad_line(board, port, flip, lose, extra):
    client_ = BoardClient(port)
    client_.open()
    before = board.counts().faults
    board.faults(Faults(flip, lose, extra, seed=5))
    for seed in range(2):
        statistics = check_picture(client_, seed=seed)
    board.faults(Faults())
    assert board.counts().faults - before > 10
    assert client_.link.counters.repeated > 5 and statistics["bad_frames"] > 0


def test_line_that_comes_and_goes(board, port):
    """All is lost for a while, in the middle of a picture."""
    board_ = BoardClient(port)
    board_.open()
    config, planes, wanted = picture(96, 64)
    cuts = 0

    def progress(part, _):
        nonlocal cuts
        if cuts < 3 and part > cuts / 4:
            cuts += 1
            board.faults(Faults(lose=1.0))
            threading.Timer(0.3, board.faults, [Faults()]).start()

    assert board_.encode_picture(config, planes, progress)[0] == wanted
    assert cuts == 3 and board_.link.counters.repeated >= 3


def test_cable_out_and_in_again(board, port, monkeypatch):
    monkeypatch.setattr(Port, "patience", Patience(0.1, 1))
    board_ = BoardClient(port)
    board_.open()
    config, planes, wanted = picture(96, 64)
    begin = time.monotonic()
    with pytest.raises(BoardError, match="no longer answers"):
        board_.encode_picture(config, planes, lambda part, _: part > 0.3 and board.faults(Faults(lose=1.0)))
    assert time.monotonic() - begin < 10
    board.faults(Faults())
    board_.open()
    assert board_.encode_picture(config, planes)[0] == wanted


def test_a_line_that_is_too_bad(board, port, monkeypatch):
    """Nothing comes through whole, before a picture or in it: an error, and no end that never comes."""
    monkeypatch.setattr(Port, "patience", Patience(0.1, 1))
    board_ = BoardClient(port)
    board_.open()
    noise = Faults(flip=0.05, seed=1)
    config, planes, _ = picture(96, 64)
    begin = time.monotonic()
    with pytest.raises(BoardError):
        board_.encode_picture(config, planes, lambda part, _: part > 0.3 and board.faults(noise))
    with pytest.raises(BoardError):
        board_.open()
    assert time.monotonic() - begin < 20
    board.faults(Faults())
    board_.open()
    check_picture(board_)


class Killed(Exception):
    pass


def test_host_that_dies_and_one_that_follows(board, port):
    """The second host finds the board in the middle of the first one's picture, and the line full of its answers."""
    first = BoardClient(port)
    first.open()
    config, planes, _ = picture(96, 64)

    def die(part, _):
        if part > 0.3:
            raise Killed

    with pytest.raises(Killed):
        first.encode_picture(config, planes, die)
    port.write(to_line(bytes(100))[:50])  # a frame that was cut off
    second = BoardClient(port)
    second.open()
    check_picture(second)
    with pytest.raises(BoardError, match="another session"):
        first.encode_picture(config, planes)


def test_garbage_before_and_between(port):
    rng = random.Random(3)
    for _ in range(5):
        port.write(rng.randbytes(500))
        board = BoardClient(port)
        port.write(rng.randbytes(200))
        board.open()
        port.write(rng.randbytes(200))
        check_picture(board, 16, 16)


def test_output_that_nobody_takes_stalls_the_core(port):
    """More than the board's output buffer, before the host asks for any."""
    raw = Raw(port)
    config, _, wanted = picture(128, 64)
    raw.one(Command.OPEN)
    raw.one(Command.START, 1, data=pack(config))
    taken = 0
    while True:
        answer = raw.one(Command.EXCHANGE, taken, 0, data=wanted[taken : taken + DATA_BYTES])
        if answer.taken == taken:
            break
        taken = answer.taken
    assert 8192 + 4090 - DATA_BYTES < taken < 8192 + 4096 + 100 and answer.end <= 4094
    link = Link(port)
    link.session = raw.session
    rest = link.transfer(wanted, answer.room, 8192)
    assert rest == wanted


def test_a_core_that_hangs_and_a_new_session(port, monkeypatch):
    monkeypatch.setattr(Port, "patience", Patience(0.2, 2))
    board = BoardClient(port)
    board.open()
    config, planes, _ = picture(16, 16, qp=HANGING_QP)
    with pytest.raises(BoardError, match="nothing moves"):
        board.encode_picture(config, planes)
    board.open()
    check_picture(board)


def test_reset_button_ends_the_session(board, port):
    client_ = BoardClient(port)
    client_.open()
    assert board.leds() >> 1 & 1
    board.buttons(1)
    wait_until(lambda: not board.leds() >> 1 & 1)
    board.buttons(0)
    config, planes, _ = picture(16, 16)
    with pytest.raises(BoardError, match="reset"):
        client_.encode_picture(config, planes)
    client_.open()
    check_picture(client_)


def test_self_test_that_fails(board, port):
    """The echo's CRC is another one: by the button and by request, on the LEDs and in the answer."""
    client_ = BoardClient(port)
    client_.open()
    board.buttons(2)
    wait_until(lambda: board.leds() >> 7 & 1)
    board.buttons(0)
    assert not board.leds() >> 6 & 1
    with pytest.raises(BoardError, match="reset"):
        check_picture(client_)
    result = client_.self_test()
    assert not result.passed and result.crc != result.expected
    client_.open()
    check_picture(client_)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_self_test_button_in_a_picture(port, board, part):
    """While requests and answers are on the line: the session ends, and the next one is well."""
    client_ = BoardClient(port)
    client_.open()
    config, planes, _ = picture(128, 96)  # 60 ms of the line; the button takes 10
    with pytest.raises(BoardError, match="reset"):
        client_.encode_picture(config, planes, lambda done, _: done > part and board.buttons(2))
    board.buttons(0)
    wait_until(lambda: board.leds() >> 7 & 1)
    client_.open()
    check_picture(client_)


def test_a_new_session_ends_the_self_test(port, board):
    client_ = BoardClient(port)
    client_.link.ask(Command.SELF_TEST)
    client_.open()
    check_picture(client_)


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def test_boards_that_are_not_ours(board, port, monkeypatch):
    monkeypatch.setattr(client, "MAGIC", 1)
    with pytest.raises(BoardError, match="no Heron board: magic 0x44425248"):
        BoardClient(port)
    monkeypatch.undo()
    monkeypatch.setattr(client, "VERSION", 9)
    with pytest.raises(BoardError, match="protocol 1, this tool 9"):
        BoardClient(port).require_known()
    monkeypatch.undo()
    monkeypatch.setattr(client, "PRESETS", {"other": Params(max_width=64)})
    with pytest.raises(BoardError, match="preset 4f59f887 is not known"):
        BoardClient(port).require_known()


def test_ports_that_are_none(board, tmp_path, monkeypatch):
    monkeypatch.setattr(Port, "patience", Patience(0.1, 0.5))
    for path, message in (
        ("/dev/nothing", "no such port"),
        (str(tmp_path), "not a serial port"),
        ("/dev/null", "not a serial port"),
    ):
        with pytest.raises(BoardError, match=message):
            ports.open_port(path)
    with Port(board.path, "echo") as port:
        with pytest.raises(BoardError, match="in use"):
            Port(board.path, "second")
        board.faults(Faults(lose=1.0))
        with pytest.raises(BoardError, match="no answer at 3000000 baud"):
            BoardClient(port)
        board.faults(Faults())


def test_a_port_that_is_anothers(monkeypatch):
    """Whoever it is, it sends back what it gets."""
    monkeypatch.setattr(Port, "patience", Patience(0.1, 0.5))
    master, slave = os.openpty()
    end = threading.Event()

    def repeat():
        while not end.is_set():
            if select.select([master], [], [], 0.05)[0]:
                os.write(master, os.read(master, 100))

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        with Port(os.ttyname(slave), "loop") as port, pytest.raises(BoardError, match="not a Heron board's"):
            BoardClient(port)
    finally:
        end.set()
        thread.join()
        os.close(master)
        os.close(slave)


def test_statistics_are_words():
    assert set(STATISTICS) < set(WORDS) and len(set(WORDS)) == len(WORDS)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "in.y4m"
    with Outputs() as outputs:
        writer = Y4mWriter(outputs.open(path), 96, 64, Fraction(25), Colour())
        for seed in range(3):
            writer.write(picture(96, 64, seed)[1])
    return path


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        app([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def test_wrong_bytes_are_found_and_leave_no_file(port, board, clip, tmp_path, capsys):
    """The echo codes nothing, and answers all the same."""
    port.close()
    assert run("board", "encode", clip, "-o", tmp_path / "o.hevc", "--port", board.path, "--check") == 2
    error = capsys.readouterr().err
    assert "picture 0: the board's bytes are not the reference codec's from byte 0 on" in error
    assert run("board", "selftest", "--port", board.path) == 1
    assert capsys.readouterr().out.count("FAILED") == 1 + len(VECTORS)
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


def test_a_clip_that_is_cut_short(port, board, clip, tmp_path, capsys):
    port.close()
    clip.write_bytes(clip.read_bytes()[:-100])
    assert run("board", "encode", clip, "-o", tmp_path / "o.hevc", "--port", board.path) == 2
    assert capsys.readouterr().err == f"heron: {clip}: is cut short in frame 2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


@pytest.mark.parametrize("name,code", [("SIGKILL", -9), ("SIGINT", 130)])
def test_a_command_that_is_stopped_in_a_picture(port, board, clip, tmp_path, name, code):
    port.close()
    before = board.counts().to_board
    command = [sys.executable, "-m", "heron.cli", "board", "encode", str(clip)]
    # What a shell starts in the background ignores interrupts, and so would the command.
    heeding = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    command += ["-o", str(tmp_path / "o.hevc"), "--port", board.path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=heeding)
    wait_until(lambda: board.counts().to_board > before + 1500, 60)
    process.send_signal(getattr(signal, name))
    assert process.wait(20) == code
    assert not (tmp_path / "o.hevc").exists()
    with Port(board.path, "echo") as second:
        board_ = BoardClient(second)
        board_.open()
        check_picture(board_)
