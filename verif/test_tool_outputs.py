"""`heron encode` and its files: streams, containers, reconstruction, report; nothing left after a failure."""

import gc
import io
import json
import math
import os
import subprocess
import sys
import warnings
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import av
import numpy as np
import pytest
from amaranth.hdl import UnusedElaboratable
from PIL import Image

import heron
from hdl.params import Params
from heron import demo, progress
from heron.annexb import nal_units, vcl_bits
from heron.cli import app
from heron.export import make_block
from heron.outputs import Outputs
from heron.video import open_source
from heron.writers import stream_writer
from sim.verilog import git_hash
from verif import decoders
from verif.content import CONTENT
from verif.test_tool_sources import HEIGHT, WIDTH, pictures, write_container, write_y4m


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        app([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "in.y4m"
    write_y4m(path, pictures())
    return path


def test_stream_recon_and_report(tmp_path, clip):
    out, recon, report = tmp_path / "o.hevc", tmp_path / "r.y4m", tmp_path / "r.json"
    files = ("-o", out, "--recon", recon, "--report", report)
    assert run("encode", clip, *files, "--engine", "model", "--qp", 27, "--hash") == 0
    data, content = out.read_bytes(), json.loads(report.read_text())
    recons = [frame.planes for frame in open_source(recon).frames()]
    decoders.check(decoders.ffmpeg, data, recons)
    expected = {"width": WIDTH, "height": HEIGHT, "frames": 4, "qp": 27, "engine": "model", "preset": "ctu32"}
    assert expected.items() <= content.items()
    assert content["bits"] == 8 * len(data) and content["vcl_bits"] == vcl_bits(data)
    assert set(content["psnr"]) == {"y", "u", "v"}
    assert sum(frame["bits"] for frame in content["per_frame"]) == content["bits"]
    assert [nal.type for nal in nal_units(data)] == [32, 33, 34, *[19, 40] * 4]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_containers_keep_the_time(tmp_path, suffix):
    times = [0, 40, 95, 120]
    write_container(tmp_path / "in.mkv", "ffv1", "yuv420p", pictures(), times, color_range=2)
    out, raw = tmp_path / f"o.{suffix}", tmp_path / "o.hevc"
    assert run("encode", tmp_path / "in.mkv", "-o", out, "--engine", "model") == 0
    assert run("encode", tmp_path / "in.mkv", "-o", raw, "--engine", "model") == 0
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None and stream.codec_context.color_range == 2
        if suffix == "mp4":
            assert stream.codec_context.codec_tag == "hvc1"
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert all(packet.is_keyframe for packet in packets)
        assert [(packet.pts or 0) * packet.time_base for packet in packets] == [Fraction(t, 1000) for t in times]
    with av.open(str(out)) as container:
        inside = [frame.to_ndarray() for frame in container.decode(video=0)]
    with av.open(io.BytesIO(raw.read_bytes()), "r", format="hevc") as container:
        outside = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(inside) == 4 and all(map(np.array_equal, inside, outside))


def test_decode_and_compare(tmp_path, clip, capsys):
    out, recon, decoded = tmp_path / "o.hevc", tmp_path / "r.y4m", tmp_path / "d.y4m"
    assert run("encode", clip, "-o", out, "--recon", recon, "--engine", "model") == 0
    assert run("decode", out, "-o", decoded) == 0
    capsys.readouterr()
    assert run("compare", decoded, recon) == 0
    assert capsys.readouterr().out.count("yes") == 3


def test_decode_of_a_raw_file(tmp_path):
    """The same samples, with a header that tells their size and rate."""
    raw, out = tmp_path / "a.yuv", tmp_path / "o.y4m"
    raw.write_bytes(bytes(range(64)) * 6 * 2)
    assert run("decode", raw, "-o", out, "--size", "16x16", "--fps", "30000/1001") == 0
    source = open_source(out)
    assert (source.width, source.height, source.rate) == (16, 16, Fraction(30000, 1001))
    assert out.read_bytes().split(b"FRAME\n")[1:] == [raw.read_bytes()[:384]] * 2


def test_trace_is_shown(tmp_path, clip, capsys):
    folder = tmp_path / "trace"
    assert run("encode", clip, "-o", tmp_path / "o.hevc", "--engine", "model", "--frames", 2, "--trace", folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["picture_0000.npz", "picture_0001.npz"]
    capsys.readouterr()
    assert run("trace", folder) == 0
    assert "coding units" in capsys.readouterr().out
    assert run("trace", folder, "--picture", 1, "--at", "17,9", "--levels", "--bins") == 0
    output = capsys.readouterr().out
    assert "coding unit" in output and "end_of_slice_segment_flag" in output


def test_python_api_gives_the_same_bytes(tmp_path, clip):
    out = tmp_path / "o.hevc"
    assert run("encode", clip, "-o", out, "--engine", "model", "--qp", 30) == 0
    planes = [frame.planes for frame in open_source(clip).frames()]
    result = heron.encode(planes, qp=30, engine="model", rate=Fraction(30000, 1001))
    assert result.data == out.read_bytes()
    assert result.report["frames"] == len(result.recon) == 4
    assert all(a.shape == b.shape for a, b in zip(result.recon[0], planes[0]))
    y, u, v = (plane.astype(np.int16) for plane in planes[0])
    with pytest.raises(heron.HeronError, match="uint8"):
        heron.encode([(y, u, v)], engine="model")


@pytest.mark.parametrize("name", ["map.npy", "map.txt"])
def test_qp_map(tmp_path, clip, name):
    planes = [frame.planes for frame in open_source(clip).frames()]
    qp_map = np.random.default_rng(5).integers(10, 52, (-(-HEIGHT // 16), -(-WIDTH // 16)), np.uint8)
    if name.endswith(".npy"):
        np.save(tmp_path / name, qp_map)
    else:
        (tmp_path / name).write_text("\n".join(" ".join(map(str, row)) for row in qp_map.tolist()) + "\n")
    out, folder = tmp_path / "o.hevc", tmp_path / "trace"
    options = ["--engine", "model", "--preset", "ctu16", "--qp", 30, "--trace", folder]
    assert run("encode", clip, "-o", out, "--qp-map", tmp_path / name, *options) == 0
    result = heron.encode(planes, qp=30, engine="model", preset="ctu16", rate=Fraction(30000, 1001), qp_map=qp_map)
    assert result.data == out.read_bytes()
    decoders.check(decoders.ffmpeg, result.data, result.recon)
    assert run("trace", folder, "--at", "17,9") == 0


BAD = {
    "missing file": (["nothing.mkv", "-o", "o.hevc"], "no such file"),
    "folder": ([".", "-o", "o.hevc"], "folder"),
    "truncated y4m": (["cut.y4m", "-o", "o.hevc"], "cut short in frame 3"),
    "empty y4m": (["empty.y4m", "-o", "o.hevc"], "not a YUV4MPEG2"),
    "part of a raw frame": (["part.yuv", "-o", "o.hevc", "--size", "50x34"], "not a whole number"),
    "raw without size": (["part.yuv", "-o", "o.hevc"], "--size"),
    "size that is none": (["part.yuv", "-o", "o.hevc", "--size", "big"], "352x288"),
    "odd size": (["odd.y4m", "-o", "o.hevc"], "must be even"),
    "small size": (["part.yuv", "-o", "o.hevc", "--size", "8x8"], "16x16"),
    "rate out of range": (["part.yuv", "-o", "o.hevc", "--size", "50x34", "--fps", "5000000000"], "below 2^31"),
    "stalls of no seed": (["in.y4m", "-o", "o.hevc", "--stall-seed", "-1"], "--stall-seed"),
    "frames beyond count": (["in.y4m", "-o", "o.hevc", "--frames", "99999999999999999999"], "--frames"),
    "rate of a y4m": (["in.y4m", "-o", "o.hevc", "--fps", "30"], "--fps is for raw"),
    "y4m without motion": (["still.y4m", "-o", "o.hevc"], "header is damaged"),
    "over the preset": (["wide.yuv", "-o", "o.hevc", "--size", "4104x16"], "4096x2304"),
    "over the format": (["wide.yuv", "-o", "o.hevc", "--size", "8208x16"], "8192x4320"),
    "qp 52": (["in.y4m", "-o", "o.hevc", "--qp", "52"], "qp is 52"),
    "qp in words": (["in.y4m", "-o", "o.hevc", "--qp", "low"], "--qp"),
    "audio only": (["sound.wav", "-o", "o.hevc"], "no video"),
    "not a video": (["notes.txt", "-o", "o.hevc"], "notes.txt"),
    "unknown engine": (["in.y4m", "-o", "o.hevc", "--engine", "fpga"], "rtl, chip, model"),
    "unknown preset": (["in.y4m", "-o", "o.hevc", "--preset", "big"], "no preset 'big'"),
    "preset without a core": (["in.y4m", "-o", "o.hevc", "--preset", "ctu64", "--engine", "rtl"], "the core has ctu32"),
    "no folder for the trace": (["in.y4m", "-o", "o.hevc", "--trace", "nowhere/t"], "does not exist"),
    "trace is a file": (["in.y4m", "-o", "o.hevc", "--trace", "notes.txt"], "is a file"),
    "unknown suffix": (["in.y4m", "-o", "o.avi"], "must end in"),
    "output is a folder": (["in.y4m", "-o", "folder.hevc"], "is a folder"),
    "no such folder": (["in.y4m", "-o", "nowhere/o.hevc"], "does not exist"),
    "output is the input": (["in.y4m", "-o", "o.hevc", "--recon", "in.y4m"], "named twice"),
    "recon in another format": (["in.y4m", "-o", "o.hevc", "--recon", "r.mp4"], "must end in .y4m"),
    "start past the end": (["in.y4m", "-o", "o.hevc", "--start", "9"], "no frame 9"),
    "no frames": (["in.y4m", "-o", "o.hevc", "--frames", "0"], "1 or more"),
    "no such map": (["in.y4m", "-o", "o.hevc", "--qp-map", "nothing.txt"], "nothing.txt"),
    "map of words": (["in.y4m", "-o", "o.hevc", "--qp-map", "notes.txt"], "is not a QP map"),
    "map of no numpy": (["in.y4m", "-o", "o.hevc", "--qp-map", "bad.npy"], "is not a QP map"),
    "ragged map": (["in.y4m", "-o", "o.hevc", "--qp-map", "ragged.txt"], "row 2 has 1 numbers, the first 2"),
    "map of large QPs": (["in.y4m", "-o", "o.hevc", "--qp-map", "large.txt"], "from 0 to 51"),
    "map of another size": (["in.y4m", "-o", "o.hevc", "--qp-map", "small.txt"], "must be uint8[2, 2]"),
    "no output": (["in.y4m"], "output"),
    "unknown option": (["in.y4m", "-o", "o.hevc", "--fast"], "--fast"),
    "truncated mkv": (["cut.mkv", "-o", "o.hevc"], "cut short after frame"),
    "truncated mp4": (["cut.mp4", "-o", "o.hevc"], "is cut short"),
    "damaged y4m": (["damaged.y4m", "-o", "o.mp4"], "damaged"),
}


@pytest.fixture
def bad_inputs(tmp_path, clip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", math.inf)  # a slow machine would say how far it is
    whole = clip.read_bytes()
    (tmp_path / "cut.y4m").write_bytes(whole[:-10])
    (tmp_path / "damaged.y4m").write_bytes(whole.replace(b"FRAME", b"FRAUD"))
    (tmp_path / "empty.y4m").write_bytes(b"")
    (tmp_path / "odd.y4m").write_bytes(b"YUV4MPEG2 W17 H16 F25:1 C420\nFRAME\n" + bytes(1000))
    (tmp_path / "still.y4m").write_bytes(whole.replace(b"F30000:1001", b"F0:1"))
    (tmp_path / "part.yuv").write_bytes(bytes(WIDTH * HEIGHT * 3 // 2 + 1))
    (tmp_path / "wide.yuv").write_bytes(bytes(4104 * 16 * 3 // 2))
    (tmp_path / "bad.npy").write_bytes(b"map")
    (tmp_path / "ragged.txt").write_text("1 2\n3\n")
    (tmp_path / "large.txt").write_text("1 2\n3 52\n")
    (tmp_path / "small.txt").write_text("1 2\n")
    (tmp_path / "notes.txt").write_text("not a video\n")
    (tmp_path / "folder.hevc").mkdir()
    with av.open("sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    for name in ("whole.mkv", "whole.mp4"):
        with av.open(name, "w", options={"movflags": "faststart"} if name.endswith("mp4") else {}) as container:
            stream = container.add_stream("libx264", rate=25, options={"g": "1"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for _ in range(10):
                noise = np.random.default_rng(1).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="yuv420p")))
            container.mux(stream.encode(None))
        data = Path(name).read_bytes()
        Path(name.replace("whole", "cut")).write_bytes(data[: len(data) // 2])
    return tmp_path


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(bad_inputs, capfd, case):
    arguments, words = BAD[case]
    before = sorted(bad_inputs.rglob("*"))
    engine = [] if "--engine" in arguments else ["--engine", "model"]
    assert run("encode", *arguments, *engine) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("heron: ") and words in lines[0], lines
    assert sorted(bad_inputs.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "words"),
    [(["speed", "--size", "3x3"], "must be even"), (["speed", "--frames", "0"], "1"), (["chip", "--qp", "52"], "51")],
)
def test_bad_question_to_a_bench(capfd, command, words):
    """Told before anything is built."""
    assert run("bench", *command) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("heron: ") and words in lines[0], lines


# Everything is loaded and compiled before the limit falls, so that only the outputs meet it.
FULL_DISK = """
import math, resource, sys
import numpy as np
import heron
import heron.progress
from heron.cli import app
grey = [np.full((16 >> shift, 16 >> shift), 128, np.uint8) for shift in (0, 1, 1)]
heron.encode([grey], engine="model")
heron.progress.SECONDS_BETWEEN_LINES = math.inf
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
app(sys.argv[1:])
"""


@pytest.mark.parametrize("name", ["o.hevc", "o.mp4", "o.mkv"])
def test_a_full_disk_leaves_nothing(tmp_path, clip, name):
    """A limit on the size of files stands for the full disk: a write fails in the middle."""
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-B", "-c", FULL_DISK, "encode", clip, "-o", tmp_path / name]
    options = ["--engine", "model", "--qp", "0"]
    result = subprocess.run([*map(str, command), *options], capture_output=True, text=True)
    lines = result.stderr.splitlines()
    assert result.returncode == 2 and len(lines) == 1 and "File too large" in lines[0], result.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["o.hevc", "o.mp4", "o.mkv"])
def test_a_failure_in_the_middle_is_silent(tmp_path, capfd, name):
    grey = CONTENT["flat"](16, 16, np.random.default_rng(0))
    data = heron.encode([grey], engine="model").data
    with pytest.raises(RuntimeError), Outputs() as outputs:
        stream_writer(outputs, tmp_path / name, Fraction(25), Fraction(1, 25)).write(data, 0)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [] and capfd.readouterr().err == ""


def test_failure_between_two_outputs_leaves_neither(tmp_path):
    with pytest.raises(RuntimeError), Outputs() as outputs:
        outputs.open(tmp_path / "a").write(b"a")
        outputs.open(tmp_path / "b").write(b"b")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_demo_leaves_its_files(tmp_path):
    """With the model as the engine; `make demo` is the same with the RTL."""
    report = demo.run(tmp_path, engine="model")
    assert {path.name for path in tmp_path.iterdir()} == {"demo.hevc", "demo.mp4", "demo.png", "report.json"}
    assert json.loads((tmp_path / "report.json").read_text()) == report and report["frames"] == 8
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width > 3 * 2 * 352


def test_everything_generated_is_in_one_folder(tmp_path):
    """HERON_BUILD moves the simulations, and what numba compiles of the reference codec."""
    code = "import numba, sim.toolchain, verif.reference; print(numba.config.CACHE_DIR, sim.toolchain.BUILD)"
    environment = os.environ | {"HERON_BUILD": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    cache, build = map(Path, result.stdout.split())
    assert cache.parent == tmp_path / "numba" and build == tmp_path


def test_doctor_names_the_package(tmp_path):
    """Run by any Python, with nothing on PATH."""
    script = str(Path(heron.__file__).with_name("doctor.py"))
    result = subprocess.run([sys.executable, script, "--system"], capture_output=True, text=True, env={"PATH": ""})
    assert result.returncode == 1 and "missing g++: apt install g++" in result.stderr.splitlines()[0]


def test_verilog_is_the_same_twice(tmp_path, capfd):
    for folder in ("a", "b"):
        assert run("verilog", "-o", tmp_path / folder, "--block", "fetch") == 0
    for name in ("fetch.v", "fetch.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / "fetch.json").read_text())["ports"]
    assert run("verilog", "-o", tmp_path / "c", "--block", "nothing") == 2
    assert "no block 'nothing'" in capfd.readouterr().err and not (tmp_path / "c").exists()


GIVEN_UP = """
from amaranth import Module
from amaranth.lib import wiring
from sim.verilog import export
class Interrupted(wiring.Component):
    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = Module()
        raise KeyboardInterrupt
try:
    export(Interrupted({}), "interrupted")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupted_export_is_silent():
    """Amaranth warns of every block that is made and not used."""
    result = subprocess.run([sys.executable, "-c", GIVEN_UP], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("interrupted\n", "")


def test_exported_chip_knows_its_commit():
    with warnings.catch_warnings(action="ignore", category=UnusedElaboratable):
        commit = make_block("chip", Params()).git_hash
        gc.collect()  # it is not elaborated, of which Amaranth warns when it goes
    assert f"{commit:08x}" == git_hash()[:8]


def test_version_tells_the_commit(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.split() == ["heron", metadata.version("heron") + ",", "commit", git_hash()[:8]]


def test_every_command_has_help(capsys):
    commands = "encode decode compare verilog presets trace doctor demo bench".split()
    for command in [[], *([name] for name in commands), ["bench", "rd"], ["bench", "cycles"], ["bench", "speed"]]:
        assert run(*command, "--help") == 0
        assert "Usage: heron" in capsys.readouterr().out
