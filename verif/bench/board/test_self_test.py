# amaranth: UnusedElaboratable=no
"""SelfTest beside a pretended core: what it sends, what it makes of what comes, and that it ends."""

import random
import zlib

import pytest

from hdl.board.self_test import CRC, QPS, SelfTest, picture_fields, source_bytes
from hdl.params import Params
from verif.bench.common.simulation import simulate

PARAMS = Params()
SOURCES = source_bytes()
TIMEOUT = 60_000


def crc_tail(data: bytes, wanted: int) -> bytes:
    """Four bytes that make the CRC-32 of all what is wanted."""
    table = [zlib.crc32(bytes((k ^ 255,))) ^ 0xFF000000 for k in range(256)]
    tops = {entry >> 24: k for k, entry in enumerate(table)}
    register, target, path = zlib.crc32(data) ^ 0xFFFFFFFF, wanted ^ 0xFFFFFFFF, []
    for _ in range(4):
        index = tops[target >> 24]
        path.append(index)
        target = (target ^ table[index]) << 8 | index
    tail = bytearray()
    for index in reversed(path):
        byte = (register ^ index) & 255
        tail.append(byte)
        register = register >> 8 ^ table[(register ^ byte) & 255]
    return bytes(tail)


def run(outputs: list[bytes], timeout: int = TIMEOUT):
    """(passed, failed, crc, pictures, sources) when the pretended core answers each picture with `outputs`."""
    dut, pictures, sources, result = SelfTest(PARAMS, timeout), [], [], []
    rng = random.Random(4)

    async def core(ctx):
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        cleared = 0
        while not ctx.get(dut.o_picture.valid):
            cleared += ctx.get(dut.clear)
            await ctx.tick()
        assert cleared == 4 and not ctx.get(dut.clear)
        for output in outputs:
            while not ctx.get(dut.o_picture.valid):
                assert ctx.get(dut.busy)
                await ctx.tick()
            payload = ctx.get(dut.o_picture.payload)
            pictures.append({str(name): getattr(payload, str(name)) for name, _ in payload.shape()})
            ctx.set(dut.o_picture.ready, 1)
            await ctx.tick()
            ctx.set(dut.o_picture.ready, 0)
            source = bytearray()
            while len(source) < len(SOURCES[0]):
                ctx.set(dut.o_source.ready, rng.random() < 0.9)
                _, _, ready, valid, byte = await ctx.tick().sample(
                    dut.o_source.ready, dut.o_source.valid, dut.o_source.payload
                )
                if ready and valid:
                    source.append(byte)
            ctx.set(dut.o_source.ready, 1)
            await ctx.tick().repeat(3)
            assert not ctx.get(dut.o_source.valid), "more source than a picture has"
            ctx.set(dut.o_source.ready, 0)
            sources.append(bytes(source))
            for place, byte in enumerate(output):
                ctx.set(dut.i_byte.payload, {"data": byte, "last": place == len(output) - 1})
                ctx.set(dut.i_byte.valid, 1)
                await ctx.tick().until(dut.i_byte.ready)
                ctx.set(dut.i_byte.valid, 0)
        for _ in range(timeout + 10):
            if not ctx.get(dut.busy):
                break
            await ctx.tick()
        assert not ctx.get(dut.busy)
        result.extend(ctx.get(each) for each in (dut.passed, dut.failed, dut.crc))

    simulate(dut, core)
    return *result, pictures, sources


def test_sends_the_pictures_and_compares():
    outputs = [bytes(random.Random(k).randrange(256) for _ in range(20)) for k in range(len(QPS))]
    passed, failed, crc, pictures, sources = run(outputs)
    assert (passed, failed, crc) == (0, 1, zlib.crc32(b"".join(outputs)))
    assert pictures == [picture_fields(k) for k in range(len(QPS))] and sources == SOURCES


def test_the_right_crc_passes():
    outputs = [b"a", b"b", b"c", b"d"]
    outputs[3] += crc_tail(b"abcd", CRC[PARAMS.ctb_log2_size])
    passed, failed, crc, _, _ = run(outputs)
    assert (passed, failed, crc) == (1, 0, CRC[PARAMS.ctb_log2_size])


@pytest.mark.parametrize("outputs", [[], [b"a"]])
def test_a_core_that_hangs_fails(outputs):
    """It takes no picture, or no second one."""
    passed, failed, _, pictures, _ = run(outputs, timeout=8000)
    assert (passed, failed) == (0, 1) and len(pictures) == len(outputs)


def test_needs_a_stored_result():
    with pytest.raises(ValueError, match="results"):
        SelfTest(Params(ctb_log2_size=6))
