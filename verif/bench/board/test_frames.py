"""FrameReceiver and FrameTransmitter against the host's frames: damaged, cut off, too long, none of ours."""

import random

import pytest

from hdl.board.frame_receiver import FrameReceiver
from hdl.board.frame_transmitter import FrameTransmitter
from hdl.board.protocol import ESCAPE, FLAG
from heron.board.frames import Frames, to_line
from verif.bench.common.simulation import CHANCES, receive, send, simulate

DEPTH = 64


def contents(seed: int, count: int = 12) -> list[bytes]:
    """Random ones, and some made of what has to be escaped."""
    rng = random.Random(seed)
    special = bytes((FLAG, ESCAPE, FLAG ^ 0x20, ESCAPE ^ 0x20, 0))
    found = [bytes((FLAG,)), bytes((ESCAPE,)) * 3, special]
    for _ in range(count):
        found.append(bytes(rng.choice((rng.randrange(256), rng.choice(special))) for _ in range(rng.randint(1, 24))))
    return found


def through_receiver(line: bytes, chances=(1.0, 1.0), seed=0, errors: frozenset[int] = frozenset(), depth=DEPTH):
    """(contents, frames that were dropped); errors: places of bytes that were not received well."""
    dut, got, bad = FrameReceiver(depth), [], 0

    async def feed(ctx):
        values = [{"data": byte, "error": place in errors} for place, byte in enumerate(line)]
        await send(ctx, dut.i, values, chances[0], random.Random(seed))

    async def take(ctx):
        got.extend(await receive(ctx, dut.o, chances[1], random.Random(seed + 1), 400))

    async def count(ctx):
        nonlocal bad
        for _ in range(20 * len(line)):
            _, _, strobe = await ctx.tick().sample(dut.o_bad)
            bad += strobe

    simulate(dut, feed, take, count)
    frames, frame = [], bytearray()
    for value in got:
        frame.append(value.data)
        if value.last:
            frames.append(bytes(frame))
            frame.clear()
    assert not frame, "a frame has no end"
    return frames, bad


@pytest.mark.parametrize("chances", CHANCES)
def test_transmitter_makes_what_the_host_reads(chances):
    dut, wanted, got = FrameTransmitter(), contents(1), []

    async def feed(ctx):
        values = [{"data": byte, "last": k == len(each) - 1} for each in wanted for k, byte in enumerate(each)]
        await send(ctx, dut.i, values, chances[0], random.Random(1))

    async def take(ctx):
        got.extend(await receive(ctx, dut.o, chances[1], random.Random(2), 400))

    simulate(dut, feed, take)
    assert bytes(got) == b"".join(map(to_line, wanted))
    frames = Frames()
    assert frames.feed(bytes(got)) == wanted and frames.bad == 0


@pytest.mark.parametrize("chances", CHANCES)
def test_receiver_takes_what_the_host_makes(chances):
    wanted = contents(2)
    line = b"noise" + b"".join(map(to_line, wanted))
    # as fast as bytes come here, a slow taker fills any buffer
    assert through_receiver(line, chances, depth=1024) == (wanted, 0)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_damaged_comes_through(seed):
    """Each frame with one fault of its own: the frame is dropped and told, those around it are not."""
    rng = random.Random(seed)
    wanted, line, faulty = [], b"", 0
    for each in contents(seed):
        whole = bytearray(to_line(each))
        place = rng.randrange(1, len(whole) - 1)
        kind = rng.choice(("flip", "lose", "extra", "cut", "none"))
        if kind == "flip":
            whole[place] ^= 1 << rng.randrange(8)
        elif kind == "lose":
            del whole[place]
        elif kind == "extra":
            whole.insert(place, rng.randrange(256))
        elif kind == "cut":
            del whole[place:]
            if place == 1:  # nothing but a flag, which is no frame
                kind = "none"
                each = b""
        if kind == "none" and each:
            wanted.append(each)
        faulty += kind != "none"
        line += bytes(whole)
    line += bytes((FLAG,))
    frames, bad = through_receiver(line, depth=1024)
    host = Frames()
    assert host.feed(line) == frames == wanted
    assert faulty and bad == host.bad >= faulty


def test_bytes_that_were_not_received_well():
    line, other = to_line(b"first"), to_line(b"second")
    for place in range(1, len(line) - 1):
        assert through_receiver(line + other, errors=frozenset([place])) == ([b"second"], 1)


def test_an_escape_before_the_end():
    line = to_line(b"first")
    assert through_receiver(line[:-1] + bytes((ESCAPE, FLAG)) + to_line(b"second")) == ([b"second"], 1)


def test_crc_alone_is_no_frame():
    empty = to_line(b"")
    assert through_receiver(empty + to_line(b"x")) == ([b"x"], 1)
    assert Frames().feed(empty) == []


def test_what_has_no_room_is_dropped_and_told():
    """The buffer holds 64: a frame that is longer, and one for which there is no room yet."""
    line = to_line(bytes(80)) + to_line(b"short") + to_line(bytes(DEPTH - 12))
    assert through_receiver(line) == ([b"short", bytes(DEPTH - 12)], 1)
    dut, bad = FrameReceiver(DEPTH), 0
    fitting, later = bytes(range(40)), bytes(range(30))

    async def feed(ctx):
        nonlocal bad
        for byte in to_line(fitting) + to_line(later):
            ctx.set(dut.i.payload, {"data": byte, "error": 0})
            ctx.set(dut.i.valid, 1)
            _, _, strobe = await ctx.tick().sample(dut.o_bad)
            bad += strobe
        ctx.set(dut.i.valid, 0)
        for _ in range(10):
            _, _, strobe = await ctx.tick().sample(dut.o_bad)
            bad += strobe
        got = await receive(ctx, dut.o, 1.0, random.Random(1), 20)
        assert bytes(value.data for value in got) == fitting

    simulate(dut, feed)
    assert bad == 1


def test_the_host_finds_frames_in_any_pieces():
    line = b"\x01\x02" + b"".join(map(to_line, contents(5)))
    for size in (1, 3, 1000):
        frames = Frames()
        pieces = [line[k : k + size] for k in range(0, len(line), size)]
        assert [content for piece in pieces for content in frames.feed(piece)] == contents(5)
        assert frames.bad == 0


def test_noise_without_end_does_not_fill_the_host():
    frames = Frames()
    for _ in range(100):
        assert frames.feed(b"~" + bytes(1000)) == []
    frames.feed(bytes(10000))
    assert frames.feed(to_line(b"x")) == [b"x"]
