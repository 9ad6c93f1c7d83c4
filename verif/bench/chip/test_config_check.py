"""ConfigCheck against the rules of the register map, in words of their own."""

import random
from dataclasses import dataclass

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from hdl.chip.config_check import ConfigCheck
from hdl.chip.payloads import ErrorCode, PictureJob
from hdl.params import Params
from sim.runner import bench_params, run_bench
from verif.bench.payload import Packer
from verif.bench.streams import start

TOP = 1 << 40


def good_job(rng: random.Random, p: Params) -> dict:
    """A job that the chip must take."""
    align = p.axi_data_width // 8
    width, height = (2 * rng.randint(8, largest // 2) for largest in (p.max_width, p.max_height))
    nv12 = rng.randrange(2)

    def planes(columns: int) -> dict:
        least = columns if nv12 else columns // 2
        return {
            "width": width,
            "height": height,
            "nv12": nv12,
            **dict.fromkeys(("y", "cb", "cr"), 0),
            "stride_y": -(-columns // align) * align + rng.randrange(4) * align,
            "stride_c": -(-least // align) * align + rng.randrange(4) * align,
        }

    job = Packer(PictureJob).unpack(rng.getrandbits(Packer(PictureJob).width)) | {
        "source": planes(width),
        "recon": planes(-(-width // 8) * 8),
        "qp": rng.randrange(52),
        "bitstream_size": rng.choice([1, 100, (1 << 32) - 1, rng.randint(1, (1 << 32) - 1)]),
    }
    for buffer in buffers(p, job):
        buffer.put(rng.choice([0, buffer.highest, rng.randrange(0, buffer.highest + 1, buffer.align)]))
    return job


@dataclass
class Buffer:
    """The part of a job that holds an address, under `name`; the highest one that leaves room for the buffer."""

    holder: dict
    name: str
    size: int
    align: int

    @property
    def highest(self) -> int:
        return (TOP - self.size) // self.align * self.align

    def put(self, address: int) -> None:
        self.holder[self.name] = address


def buffers(p: Params, job: dict) -> list[Buffer]:
    """All buffers of a job, used or not."""
    align, source = p.axi_data_width // 8, job["source"]
    height, found = source["height"], []
    for name, rows in (("source", height), ("recon", -(-height // 8) * 8)):
        planes = job[name]
        for plane in ("y", "cb", "cr"):
            size = rows * planes["stride_y"] if plane == "y" else rows // 2 * planes["stride_c"]
            found.append(Buffer(planes, plane, size, align))
    ctus = -(-source["width"] // p.ctb_size) * -(-height // p.ctb_size)
    return [
        *found,
        Buffer(job, "qp_map_address", ctus, align),
        Buffer(job, "bitstream_address", job["bitstream_size"], 1),
    ]


def roomy_job(rng: random.Random, p: Params) -> dict:
    """A job that the chip must take, whatever its sizes and strides become: all buffers at 0."""
    job = good_job(rng, p)
    for buffer in buffers(p, job):
        buffer.put(0)
    return job


def spoil(rng: random.Random, p: Params, job: dict) -> ErrorCode:
    """Breaks one rule; the code that tells of it."""
    align = p.axi_data_width // 8
    source, recon = job["source"], job["recon"]
    which = rng.choice([code for code in ErrorCode if 0 < code < ErrorCode.BITSTREAM_FULL])
    if which == ErrorCode.BAD_SIZE:
        name, largest = rng.choice([("width", p.max_width), ("height", p.max_height)])
        source[name] = rng.choice([0, 14, source[name] ^ 1, largest + 2, largest + 1])
    elif which == ErrorCode.BAD_QP:
        job["qp"] = rng.choice([52, 63, 64, 255])
    elif which == ErrorCode.BAD_ALIGNMENT:
        names = ["y", "cb", "stride_y", "stride_c"] + ([] if source["nv12"] else ["cr"])
        planes, name = rng.choice(
            [(source, n) for n in names] + [(recon, n) for n in names] + [(job, "qp_map_address")]
        )
        planes[name] += rng.randrange(1, align)
        if planes is recon:
            job["recon_enable"] = 1
        if planes is job:
            job["qp_map"] = 1
    elif which == ErrorCode.BAD_STRIDE:
        planes = rng.choice([source, recon])
        planes[rng.choice(["stride_y", "stride_c"])] = 0
        if planes is recon:
            job["recon_enable"] = 1
    elif rng.random() < 0.2:
        job["bitstream_size"] = 0
    else:
        job |= {"recon_enable": 1, "qp_map": 1}
        used = [b for b in buffers(p, job) if b.name != "cr" or not source["nv12"]]
        buffer = rng.choice([b for b in used if b.size > b.align])
        buffer.put(rng.choice([buffer.highest + buffer.align, TOP - buffer.align]))
    return which


async def verdict(dut, job: dict) -> int:
    dut.job.value = Packer(PictureJob).pack(job)
    dut.enable.value = 1
    await ClockCycles(dut.clk, ConfigCheck.latency)
    assert not dut.done.value
    await ClockCycles(dut.clk, 1)
    assert dut.done.value
    dut.enable.value = 0
    await ClockCycles(dut.clk, 1)
    return dut.code.value.to_unsigned()


@cocotb.test()
async def takes_what_is_possible(dut):
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for _ in range(300):
        job = good_job(rng, p)
        assert await verdict(dut, job) == ErrorCode.OK, job
        (ctus,) = (buffer.size for buffer in buffers(p, job) if buffer.name == "qp_map_address")
        assert dut.ctus.value.to_unsigned() == ctus


@cocotb.test()
async def refuses_each_thing_that_is_not(dut):
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    seen = set()
    for _ in range(1000):
        job = good_job(rng, p)
        code = spoil(rng, p, job)
        seen.add(code)
        assert await verdict(dut, job) == code, job
    assert len(seen) == 5


@cocotb.test()
async def tells_where_each_buffer_ends(dut):
    """The highest place of each buffer by itself, and a step above it."""
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for _ in range(20):
        job = roomy_job(rng, p)
        job["recon_enable"] = job["qp_map"] = 1
        for each in buffers(p, job):
            if each.name == "cr" and job["source"]["nv12"]:
                continue
            each.put(each.highest)
            assert await verdict(dut, job) == ErrorCode.OK, (each.name, job)
            if each.size > each.align:
                each.put(each.highest + each.align)
                assert await verdict(dut, job) == ErrorCode.BAD_BUFFER, (each.name, job)
            each.put(0)


@cocotb.test()
async def tells_by_how_much_a_buffer_is_beyond(dut):
    """Each power of two by itself: no bit of an end is without meaning."""
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    job = roomy_job(rng, p)
    job |= {"recon_enable": 1, "qp_map": 1}
    job["source"]["nv12"] = job["recon"]["nv12"] = 0
    for each in buffers(p, job):
        step = each.align
        while step < each.size:
            each.put(each.highest + step)
            assert await verdict(dut, job) == ErrorCode.BAD_BUFFER, (each.name, step, job)
            step *= 2
        each.put(0)


@cocotb.test()
async def ignores_what_is_not_used(dut):
    """The reconstruction's planes, Cr of NV12 and the QP map may be anything when nobody looks at them."""
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for _ in range(300):
        job = good_job(rng, p)
        job["recon_enable"] = job["qp_map"] = 0
        job["qp_map_address"] = rng.randrange(TOP)
        job["recon"] = Packer(PictureJob).unpack(rng.getrandbits(Packer(PictureJob).width))["recon"]
        if job["source"]["nv12"]:
            job["source"]["cr"] = rng.randrange(TOP)
        assert await verdict(dut, job) == ErrorCode.OK, job


@cocotb.test()
async def smallest_and_largest(dut):
    """The limits themselves, and one step beyond them."""
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for name, largest in (("width", p.max_width), ("height", p.max_height)):
        for value, code in ((16, ErrorCode.OK), (14, 1), (18, 0), (15, 1), (largest, 0), (largest + 2, 1), (17, 1)):
            job = roomy_job(rng, p)
            job["recon_enable"] = 0
            job["source"] |= {"stride_y": 1 << 15, "stride_c": 1 << 15, name: value}
            assert await verdict(dut, job) == code, (name, value)
    align = p.axi_data_width // 8
    for nv12 in (0, 1):
        for planes, columns in (("source", 130), ("recon", 136)):
            job = roomy_job(rng, p)
            job["recon_enable"] = 1
            for each in ("source", "recon"):
                job[each] |= {"width": 130, "nv12": nv12, "stride_y": 1 << 15, "stride_c": 1 << 15}
            for stride, row in (("stride_y", columns), ("stride_c", columns if nv12 else columns // 2)):
                exact = -(-row // align) * align
                for bytes_, code in ((exact, ErrorCode.OK), (exact - align, ErrorCode.BAD_STRIDE)):
                    probe = job | {planes: job[planes] | {stride: bytes_}}
                    assert await verdict(dut, probe) == code, (nv12, planes, stride, bytes_)


@cocotb.test()
async def knows_every_qp(dut):
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for qp in range(256):
        job = good_job(rng, p) | {"qp": qp}
        assert await verdict(dut, job) == (ErrorCode.OK if qp <= 51 else ErrorCode.BAD_QP), qp


@cocotb.test()
async def refuses_each_bit_of_each_address(dut):
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for bit in range((p.axi_data_width // 8).bit_length() - 1):
        for planes in ("source", "recon"):
            for name in ("y", "cb", "cr", "stride_y", "stride_c"):
                job = good_job(rng, p)
                job |= {"recon_enable": 1, "qp_map": 0}
                job["source"]["nv12"] = job["recon"]["nv12"] = 0
                job[planes][name] += 1 << bit
                assert await verdict(dut, job) == ErrorCode.BAD_ALIGNMENT, (planes, name, bit)
        job = good_job(rng, p)
        assert await verdict(dut, job | {"qp_map": 1, "qp_map_address": 1 << bit}) == ErrorCode.BAD_ALIGNMENT, bit


@cocotb.test()
async def any_bit_makes_a_buffer(dut):
    rng, p = random.Random(random.getrandbits(32)), Params(**bench_params())
    await start(dut)
    for bit in range(32):
        job = good_job(rng, p) | {"bitstream_address": rng.randrange(1 << 39), "bitstream_size": 1 << bit}
        assert await verdict(dut, job) == ErrorCode.OK, bit


@pytest.mark.parametrize("axi_data_width", [64, 128])
def test_config_check(axi_data_width):
    p = Params(axi_data_width=axi_data_width)
    run_bench(ConfigCheck(p), __name__, f"config_check_{axi_data_width}", tests=9, params=p.to_json())
