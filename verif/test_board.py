"""The whole board in simulation, behind the tool that drives a real one: `heron board`."""

import json
import zlib
from fractions import Fraction

import numpy as np
import pytest
from serial.tools import list_ports

from hdl.board import self_test
from heron.board.ports import BOARDS
from heron.board.vectors import VECTORS
from heron.cli import app
from heron.clip import photograph, to_yuv
from heron.outputs import Outputs
from heron.video import Colour
from heron.writers import Y4mWriter
from sim.sample_order import from_groups
from synth import boards
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_picture

QCIF = 176, 144
LINE = "sim:ulx3s_85f?errors=3e-5&lost=3e-5&extra=3e-5&seed=3"


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        app([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.fixture
def clip(tmp_path):
    """A picture of QCIF size."""
    planes = to_yuv(np.asarray(photograph("astronaut.png").crop((120, 40, 120 + QCIF[0], 40 + QCIF[1]))))
    path = tmp_path / "qcif.y4m"
    with Outputs() as outputs:
        Y4mWriter(outputs.open(path), *QCIF, Fraction(25), Colour()).write(planes)
    return path


def test_encode_over_a_bad_line(tmp_path, clip, capfd):
    """The bytes are the reference codec's whatever the line does."""
    out, report_path, model = tmp_path / "o.hevc", tmp_path / "r.json", tmp_path / "m.hevc"
    files = ("-o", out, "--report", report_path)
    assert run("board", "encode", clip, *files, "--port", LINE, "--qp", 30, "--hash", "--check") == 0
    wanted_path = tmp_path / "m.json"
    preset = BOARDS["ulx3s_85f"]
    files = ("-o", model, "--report", wanted_path)
    assert run("encode", clip, *files, "--engine", "model", "--preset", preset, "--qp", 30, "--hash") == 0
    data, report, wanted = out.read_bytes(), json.loads(report_path.read_text()), json.loads(wanted_path.read_text())
    assert data == model.read_bytes()
    assert (report["psnr"], report["bits"]) == (wanted["psnr"], wanted["bits"])
    assert report["repeated"] > 0 and report["damaged"] > 0 and report["checked"]
    assert (report["engine"], report["preset"], report["frames"]) == ("board", preset, 1)
    output = capfd.readouterr().out
    assert output.index("git hash") < output.index("preset") < output.index("clock") < output.index("line:")


def test_self_test_of_the_board(capfd):
    assert run("board", "selftest", "--port", "sim:ulx3s_85f") == 0
    output = capfd.readouterr().out
    assert output.count("passed") == 1 + len(VECTORS) and "FAILED" not in output


@pytest.mark.parametrize("ctb_log2_size", sorted(self_test.CRC))
def test_stored_results_are_the_reference_codecs(ctb_log2_size):
    crc = 0
    for index, source in enumerate(self_test.source_bytes()):
        groups = np.frombuffer(source, np.uint8).reshape(-1, 8)
        y, u, v = from_groups(groups, self_test.SIZE, self_test.SIZE, 1 << ctb_log2_size)
        config = PictureConfig(ctb_log2_size=ctb_log2_size, **self_test.picture_fields(index))
        crc = zlib.crc32(encode_picture(config, y, u, v).data, crc)
    assert crc == self_test.CRC[ctb_log2_size]
    for vector in VECTORS:
        data = encode_picture(vector.config(ctb_log2_size), *vector.planes()).data
        assert zlib.crc32(data) == vector.crc[ctb_log2_size]


def test_list(capsys, monkeypatch):
    assert run("board", "list") == 0
    listed = capsys.readouterr().out
    assert all(f"sim:{name}" in listed for name in boards.BOARDS) and all(
        port.device in listed for port in list_ports.comports()
    )


@pytest.mark.parametrize(
    "port,message",
    [
        ("/dev/nothing", "no such port"),
        ("sim:nothing", "there is no simulated board 'nothing'"),
        ("sim:ulx3s_85f?errors=x", "must look like"),
        ("sim:ulx3s_85f?error=1", "must look like"),
    ],
)
def test_bad_ports_are_one_line(tmp_path, clip, capsys, port, message):
    for command in (["info"], ["selftest"], ["encode", clip, "-o", tmp_path / "o.hevc"]):
        assert run("board", *command, "--port", port) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["qcif.y4m"]
