"""Pack against the reference's headers and NAL units: all parameters, emulation prevention at every phase, stalls."""

import random

import cocotb
import pytest

from hdl.pack.pack import Pack
from hdl.pack.payloads import Checksum
from hdl.params import Params
from hdl.payloads import Byte, Picture
from sim.runner import bench_params, run_bench
from verif.bench.streams import PATTERNS, StreamSink, StreamSource, start
from verif.reference import headers
from verif.reference.config import PictureConfig


def random_config(rng, **fixed) -> PictureConfig:
    fields = {
        "width": rng.choice([16, 18, 64, 352, 1920, 4096, 8192, 2 * rng.randint(8, 4096)]),
        "height": rng.choice([16, 22, 288, 1080, 2304, 4320, 2 * rng.randint(8, 2160)]),
        "qp": rng.choice([0, 25, 26, 27, 51, rng.randint(0, 51)]),
        "cu_qp_delta_enabled": rng.getrandbits(1),
        "ctb_log2_size": bench_params()["ctb_log2_size"],
        "level_idc": rng.randrange(256),
        "high_tier": rng.getrandbits(1),
        "write_parameter_sets": rng.getrandbits(1),
        "write_hash": rng.getrandbits(1),
        "full_range": rng.getrandbits(1),
        "colour_primaries": rng.choice([0, 1, 2, rng.randrange(256)]),
        "transfer_characteristics": rng.choice([0, 1, 2, rng.randrange(256)]),
        "matrix_coeffs": rng.choice([0, 1, 2, rng.randrange(256)]),
    }
    return PictureConfig(**{**fields, **fixed})


def picture(cfg: PictureConfig) -> dict:
    return {name: getattr(cfg, name) for name in Picture.as_shape().members}


def slice_bytes(rng) -> bytes:
    """Zeros and small bytes in runs of every length; the last byte holds the stop bit."""
    out = bytearray()
    for _ in range(rng.randint(0, 20)):
        out += bytes(rng.choice([0, 0, 1, 2, 3]) for _ in range(rng.randint(0, 9)))
        out += rng.randbytes(rng.randint(0, 3))
    return bytes(out) + bytes([rng.choice([1, 2, 3, 0x80, 0xFF])])


def stream_of(cfg: PictureConfig, data: bytes, checksums) -> bytes:
    out = headers.parameter_sets(cfg) if cfg.write_parameter_sets else b""
    out += headers.nal_unit(headers.NAL_IDR_W_RADL, headers.slice_header(cfg) + data)
    if cfg.write_hash:
        hashes = b"".join(value.to_bytes(4, "big") for value in checksums)
        out += headers.nal_unit(headers.NAL_SUFFIX_SEI, bytes([132, 13, 2]) + hashes + b"\x80")
    return out


class Bench:
    def __init__(self, dut, idle="none", backpressure="none"):
        self.pictures = StreamSource(dut, "i_picture", Picture, idle, timeout=100_000)
        self.data = StreamSource(dut, "i_slice_data", Byte, idle, timeout=100_000)
        self.checksums = StreamSource(dut, "i_checksum", Checksum, idle, timeout=100_000)
        self.sink = StreamSink(dut, "o", Byte, backpressure)

    async def picture(self, cfg, data, checksums):
        self.pictures.send([picture(cfg)])
        self.data.send({"data": byte, "last": k == len(data) - 1} for k, byte in enumerate(data))
        if cfg.write_hash:
            self.checksums.send([{"component": checksums}])
        wanted = stream_of(cfg, data, checksums)
        got = await self.sink.receive(len(wanted))
        assert bytes(byte["data"] for byte in got) == wanted
        assert [byte["last"] for byte in got] == [0] * (len(wanted) - 1) + [1]


@cocotb.test()
@cocotb.parametrize(idle=PATTERNS, backpressure=PATTERNS)
async def packs_pictures(dut, idle, backpressure):
    rng = random.Random(random.getrandbits(32))
    await start(dut)
    bench = Bench(dut, idle, backpressure)
    for _ in range(10):
        checksums = [rng.choice([0, 1, 3 << 24, rng.getrandbits(32)]) for _ in range(3)]
        await bench.picture(random_config(rng), slice_bytes(rng), checksums)
    await bench.sink.nothing_more()


@cocotb.test()
async def emulation_at_every_phase(dut):
    """Runs of zeros of every length before every byte that matters, after slice headers of many QPs."""
    await start(dut)
    bench = Bench(dut)
    rng = random.Random(1)
    for zeros in range(8):
        for byte in (1, 2, 3, 4, 0x80):
            data = (bytes(zeros) + bytes([byte])) * 3
            cfg = random_config(rng, qp=(zeros * 7 + byte) % 52, write_parameter_sets=0, write_hash=zeros % 2)
            await bench.picture(cfg, data, [0, 3 << 16, 1])
    await bench.sink.nothing_more()


@pytest.mark.parametrize("ctb_log2_size", [4, 5, 6])
def test_pack(ctb_log2_size):
    p = Params(ctb_log2_size=ctb_log2_size)
    run_bench(Pack(p), __name__, f"pack_{p.ctb_size}", tests=10, params={"ctb_log2_size": ctb_log2_size})
