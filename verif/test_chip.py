"""The whole chip behind its drivers, in memory that checks every access, against the reference codec."""

import ctypes
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import heron
from hdl.chip.payloads import ErrorCode, Master
from hdl.chip.register_map import by_name
from hdl.params import DEFAULT_PRESET, PRESETS
from heron.chip_engine import FIRST_ADDRESS, ChipEngine
from heron.driver import ChipError, PictureError
from heron.engines import PIXEL_FORMATS
from heron.errors import HeronError
from sim.axi_memory import READ, WRITE
from sim.toolchain import ROOT
from verif.cases import random_case
from verif.content import CONTENT
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_picture
from verif.rtl import check_chip_picture, chip_of

PARAMS = PRESETS[DEFAULT_PRESET]


def engine(nv12: bool = False) -> ChipEngine:
    """One chip for all tests: what one leaves behind, the next would notice."""
    return chip_of(PARAMS.ctb_log2_size, nv12)


@pytest.fixture
def chip():
    """The chip with a well-behaved memory."""
    running = engine()
    running.memory.timing((5, 5))
    running.memory.thaw()
    return running


def picture(width=48, height=40, qp=30, seed=1, **more):
    config = PictureConfig(width=width, height=height, qp=qp, ctb_log2_size=PARAMS.ctb_log2_size, **more)
    return config, CONTENT["text"](width, height, np.random.default_rng(seed))


@pytest.mark.parametrize("nv12", [False, True])
def test_random_pictures(nv12):
    """Sizes, contents, QPs and QP maps, with a memory that is late, uneven and answers IDs in any order."""
    running = engine(nv12)
    for seed in range(100 * nv12, 100 * nv12 + 12):
        case = random_case(seed, (PARAMS.ctb_log2_size,))
        running.memory.timing((1, 1 + 40 * (seed % 5)), pace=0.6 + 0.1 * (seed % 5), seed=seed)
        check_chip_picture(running, case.config, case.planes, case.qp_map)


def test_counts_bytes_of_the_bus(chip):
    """A size of whole beats: 1.5 bytes a sample each way and the stream, no more."""
    config, planes = picture(64, 64)
    stats = check_chip_picture(chip, config, planes)
    data, _, again = chip.encode_picture(config, planes)
    assert again == stats, "the same picture takes the same time"
    assert stats["bytes_read"] == 64 * 64 * 3 // 2
    assert stats["bytes_written"] == 64 * 64 * 3 // 2 + len(data)


def test_pictures_follow_from_the_queue(chip):
    config, planes = picture(64, 48)
    expected = encode_picture(config, *planes).data
    first = chip.place(config, planes)
    answers = chip.run([first, chip.place(config, planes, base=first.end)])
    assert [data for data, _, _ in answers] == [expected, expected]


def failing(chip, buffers, changes=None) -> PictureError:
    """Runs a picture that must not end well; what the driver says."""
    with pytest.raises(PictureError) as error:
        chip.run([replace_picture(buffers, changes or {})])
    assert chip.memory.outstanding == (0, 0)
    return error.value


def replace_picture(buffers, changes):
    buffers.picture = replace(buffers.picture, **changes)
    return buffers


def test_refuses_before_the_bus_moves(chip):
    config, planes = picture()
    bad_source = replace(chip.place(config, planes).picture.source, cb=FIRST_ADDRESS + 1)
    bad_stride = replace(chip.place(config, planes).picture.source, stride_y=32)
    good = chip.place(config, planes).picture
    beyond = (1 << 40) - 40 * good.recon.stride_y + 16  # its last beat would be at 2^40
    cases = [
        ("BAD_SIZE", {"width": 47}),
        ("BAD_QP", {"qp": 52}),
        ("BAD_ALIGNMENT", {"source": bad_source}),
        ("BAD_STRIDE", {"source": bad_stride}),
        ("BAD_BUFFER", {"bitstream": (FIRST_ADDRESS, 0)}),
        ("BAD_BUFFER", {"recon": replace(good.recon, y=beyond)}),
    ]
    for code, changes in cases:
        before = [chip.memory.bursts(d, k) for d in (READ, WRITE) for k in range(2)]
        assert failing(chip, chip.place(config, planes), changes).result.code == code
        assert [chip.memory.bursts(d, k) for d in (READ, WRITE) for k in range(2)] == before
        check_chip_picture(chip, config, planes)


def test_full_buffer_is_exact(chip):
    """Every size below the stream's: full to the last byte, nothing behind it; the next picture is whole."""
    config, planes = picture(48, 40)
    data = encode_picture(config, *planes).data
    for size in (1, 2, 15, 16, 17, 63, 64, 65, len(data) // 2, len(data) - 1):
        buffers = chip.place(config, planes)
        address = buffers.bases[2] + 5
        result = failing(chip, buffers, {"bitstream": (address, size)}).result
        assert (result.code, result.position) == ("BITSTREAM_FULL", size)
        written = buffers.arrays[2]
        assert written[5 : 5 + size].tobytes() == data[:size]
        assert not written[:5].any() and not written[5 + size :].any()
    buffers = chip.place(config, planes)
    ((exact, _, _),) = chip.run([replace_picture(buffers, {"bitstream": (buffers.bases[2], len(data))})])
    assert exact == data


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("master", list(Master))
def test_bus_errors(chip, master, resp):
    """An error on any burst of any master: told with its address, drained, and after a soft reset all is well."""
    config, planes = picture(cu_qp_delta_enabled=1)
    qp_map = np.full(config.ctus, 31, np.uint8)
    data = encode_picture(config, *planes, qp_map=qp_map).data
    direction = READ if master in (Master.SOURCE, Master.QP_MAP) else WRITE
    id_ = {Master.SOURCE: 0, Master.QP_MAP: 1, Master.RECON: 0, Master.BITSTREAM: 1}[master]
    for burst in (0, 1, 7) if master != Master.QP_MAP else (0,):
        chip.memory.inject(direction, id_, resp, burst)
        buffers = chip.place(config, planes, qp_map)
        result = failing(chip, buffers).result
        assert (result.code, result.master, result.resp) == ("BUS_ERROR", master.name, resp)
        assert result.address == chip.memory.injected(direction, id_)
        if master == Master.BITSTREAM:  # the bytes before the burst that failed, and no later ones
            assert result.position == result.address - buffers.bases[2]
            assert buffers.arrays[2][: result.position].tobytes() == data[: result.position]
        assert chip.driver.read("STATUS")["fault"] == 1
        with pytest.raises(ChipError, match="reset"):
            chip.submit([chip.place(config, planes)])
        chip.driver.reset()
        check_chip_picture(chip, config, planes, qp_map)


def test_bad_qp_map(chip):
    config, planes = picture(cu_qp_delta_enabled=1)
    qp_map = np.full(config.ctus, 31, np.uint8)
    qp_map[-1, -1] = 52
    assert failing(chip, chip.place(config, planes, qp_map)).result.code == "BAD_QP_MAP"
    qp_map[-1, -1] = 51
    check_chip_picture(chip, config, planes, qp_map)


@pytest.mark.parametrize("channel", range(5))
def test_stuck_bus(chip, channel):
    """A channel that stops for good is an error, not a hang; when the bus comes back a soft reset helps."""
    config, planes = picture()
    chip.driver.write("WATCHDOG", cycles=5000)
    chip.memory.freeze(channel, after=9)
    with pytest.raises(PictureError) as error:
        chip.run([chip.place(config, planes)])
    assert error.value.result.code == "WATCHDOG"
    if chip.memory.outstanding != (0, 0):
        assert chip.driver.read("STATUS")["outstanding"] == 1
        with pytest.raises(ChipError):
            chip.driver.reset()
    chip.memory.thaw()
    chip.driver.reset()
    chip.driver.write("WATCHDOG", cycles=1 << 20)
    check_chip_picture(chip, config, planes)


def test_abort_and_reset_at_any_time(chip):
    """At every phase of a picture: the bus drains, what is in the buffer is a prefix, the next picture is right."""
    config, planes = picture(48, 40)
    data = encode_picture(config, *planes).data
    for delay in (0, 3, 5, 11, 40, 100, 400, 1000, 1700, 2500, 3100):
        for how in ("abort", "reset"):
            buffers = chip.place(config, planes)
            chip.submit([buffers])
            chip.sim.run(delay)
            getattr(chip.driver, how)()
            if how == "abort":
                with pytest.raises(PictureError) as error:
                    chip.driver.finish()
                result = error.value.result
                assert result.code == "ABORTED"
                assert buffers.arrays[2][: result.position].tobytes() == data[: result.position]
            assert chip.memory.outstanding == (0, 0)
            assert not chip.memory.violations()
            check_chip_picture(chip, config, planes)


def test_finish_keeps_other_interrupts_enabled(chip):
    config, planes = picture()
    driver = CDriver(chip.sim)
    for finish in (chip.driver.finish, driver.finish):
        chip.driver.write("IRQ_ENABLE", start_lost=1, fault=1)
        chip.submit([chip.place(config, planes)])
        finish()
        assert chip.driver.read("IRQ_ENABLE") == {"finished": 1, "started": 0, "start_lost": 1, "fault": 1}
    chip.driver.write("IRQ_ENABLE")


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_engine_gives_the_same_stream(pixel_format):
    """The whole encoder on the chip: parameter sets once, a QP map, a late memory; same bytes as the model."""
    pictures = [picture(48, 40, seed=seed)[1] for seed in (1, 2)]
    qp_map = np.array([[20, 40], [51, 0]], np.uint8)
    by_chip = heron.encode(pictures, engine="chip", pixel_format=pixel_format, qp_map=qp_map, stall_seed=5)
    by_model = heron.encode(pictures, engine="model", qp_map=qp_map)
    assert by_chip.data == by_model.data
    assert all(map(np.array_equal, by_chip.recon[1], by_model.recon[1]))
    assert by_chip.report["engine"] == "chip" and by_chip.report["cycles"] > 0


def test_pixel_format_is_of_the_chip():
    for engine_name, pixel_format, words in (("model", "nv12", "no memory"), ("chip", "yuyv", "no pixel format")):
        with pytest.raises(HeronError, match=words):
            heron.encode([picture()[1]], engine=engine_name, pixel_format=pixel_format)


def test_a_dropped_picture_is_not_waited_for(chip):
    """An abort takes the waiting picture along; both drivers say so at once."""
    config, planes = picture()
    driver = CDriver(chip.sim)
    for finish in (chip.driver.finish, lambda: driver.finish()[0]):
        first = chip.place(config, planes)
        chip.submit([first, chip.place(config, planes, base=first.end)])
        chip.driver.abort()
        with pytest.raises(PictureError):
            chip.driver.finish()
        if finish == chip.driver.finish:
            with pytest.raises(ChipError, match="no picture"):
                finish()
        else:
            assert finish() == -8
    check_chip_picture(chip, config, planes)


class _Io(ctypes.Structure):
    READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
    WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
    WAIT = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
    _fields_ = [("read", READ), ("write", WRITE), ("wait", WAIT), ("context", ctypes.c_void_p)]


class _Planes(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ("y", "cb", "cr")] + [
        (n, ctypes.c_uint32) for n in ("stride_y", "stride_c")
    ]


class _Picture(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_uint32) for n in ("width", "height")),
        *((n, _Planes) for n in ("source", "recon")),
        ("bitstream", ctypes.c_uint64),
        ("bitstream_size", ctypes.c_uint32),
        ("qp_map", ctypes.c_uint64),
        ("qp", ctypes.c_uint32),
        *((n, ctypes.c_bool) for n in ("nv12", "write_recon", "use_qp_map", "write_parameter_sets", "write_hash")),
        *((n, ctypes.c_bool) for n in ("high_tier", "full_range")),
        *((n, ctypes.c_uint32) for n in ("level_idc", "colour_primaries", "transfer_characteristics", "matrix_coeffs")),
        ("tag", ctypes.c_uint32),
    ]


class _Result(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_int),
        ("master", ctypes.c_int),
        ("resp", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
        *((n, ctypes.c_uint32) for n in ("tag", "position", "cycles", "bins", "bits", "bytes_read", "bytes_written")),
        ("sse", ctypes.c_uint64 * 3),
        ("stalls", ctypes.c_uint32 * 8),
    ]


class CDriver:
    """drivers/c/heron.c, compiled, on a bus of Python."""

    ANYTHING = (1 << 64) - 1  # in what is not looked at

    def __init__(self, bus):
        self._folder = tempfile.TemporaryDirectory()
        library = Path(self._folder.name) / "libheron.so"
        flags = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1", "-shared", "-fPIC"]
        subprocess.run(["g++", "-x", "c", *flags, ROOT / "drivers" / "c" / "heron.c", "-o", library], check=True)
        self.library = ctypes.CDLL(str(library))
        self.library.heron_error_name.restype = ctypes.c_char_p
        self.io = _Io(
            _Io.READ(lambda _, offset: bus.read(offset)),
            _Io.WRITE(lambda _, offset, value: bus.write(offset, value)),
            _Io.WAIT(lambda _: bus.wait()),
            None,
        )
        self.chip = ctypes.create_string_buffer(256)
        assert self.library.heron_open(self.chip, ctypes.byref(self.io)) == 0

    def submit(self, picture) -> int:
        """A picture of heron.driver, to C."""
        ours = _Picture()
        self.library.heron_picture_init(ctypes.byref(ours))
        for name, *_ in _Picture._fields_:
            if hasattr(picture, name) and name not in ("source", "recon", "bitstream", "qp_map"):
                setattr(ours, name, getattr(picture, name))
        for name in ("source", "recon"):
            planes = getattr(picture, name)
            fields = (getattr(planes, field, self.ANYTHING) for field, *_ in _Planes._fields_)
            setattr(ours, name, _Planes(*fields))
        ours.write_recon = picture.recon is not None
        ours.bitstream, ours.bitstream_size = picture.bitstream
        ours.use_qp_map = picture.qp_map is not None
        ours.qp_map = picture.qp_map if ours.use_qp_map else self.ANYTHING
        return self.library.heron_submit(self.chip, ctypes.byref(ours))

    def finish(self) -> tuple[int, _Result]:
        result = _Result()
        return self.library.heron_finish(self.chip, ctypes.byref(result)), result


def test_c_driver_does_the_same(chip):
    """The same pictures by both drivers: results equal to the last field."""
    driver = CDriver(chip.sim)
    for nv12 in (False, True):
        running = engine(nv12)
        case = random_case(3, (PARAMS.ctb_log2_size,))
        buffers = running.place(case.config, case.planes, case.qp_map)
        chip.map([buffers])
        chip.driver.submit(buffers.picture)
        expected = chip.driver.finish()
        again = running.place(case.config, case.planes, case.qp_map)
        chip.map([again])
        assert driver.submit(again.picture) == 0
        status, result = driver.finish()
        assert status == 0 and result.code == ErrorCode.OK
        assert again.arrays[2].tobytes() == buffers.arrays[2].tobytes()
        for name in ("tag", "position", "cycles", "bins", "bits", "bytes_read", "bytes_written"):
            assert getattr(result, name) == getattr(expected, name), name
        assert tuple(result.sse) == expected.sse
        assert list(result.stalls) == list(expected.stall_cycles.values())


def test_c_driver_tells_what_went_wrong(chip):
    driver = CDriver(chip.sim)
    config, planes = picture()
    buffers = chip.place(config, planes)
    chip.map([buffers])
    assert driver.submit(replace(buffers.picture, width=47)) == 0
    status, result = driver.finish()
    assert (status, result.code) == (-4, ErrorCode.BAD_SIZE)
    assert driver.submit(replace(buffers.picture, width=1 << 14)) == -6
    chip.memory.inject(READ, 0, 3, 2)
    assert driver.submit(buffers.picture) == 0
    status, result = driver.finish()
    assert (status, result.code, result.master, result.resp) == (-4, ErrorCode.BUS_ERROR, Master.SOURCE, 3)
    assert result.address == chip.memory.injected(READ, 0)
    assert driver.submit(buffers.picture) == -7
    assert driver.library.heron_reset(driver.chip) == 0
    for picture_ in (buffers.picture, replace(buffers.picture, recon=None)):
        assert driver.submit(picture_) == 0
    assert driver.submit(buffers.picture) == -2
    assert driver.finish()[0] == 0
    driver.library.heron_abort(driver.chip)
    assert driver.finish()[1].code == ErrorCode.ABORTED
    names = {each.value: each.name for each in by_name()["ERROR"].field("code").values}
    for code, name in names.items():
        assert driver.library.heron_error_name(code).decode() == name


def test_c_header_is_plain_c_and_cplusplus(tmp_path: Path):
    source = tmp_path / "use.c"
    source.write_text('#include "heron.h"\n#include "heron_registers.h"\nint use(void) { return HERON_DONE; }\n')
    for language in ("c", "c++"):
        command = ["g++", "-x", language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
        subprocess.run([*command, f"-I{ROOT / 'drivers' / 'c'}", source], check=True)
