"""PSNR, SSIM, levels, BD-rate and the libx265 yardstick."""

import json

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from heron.annexb import nal_units, vcl_bits
from heron.bench import rd
from heron.bench.cycles import limiting_stage
from heron.bench.x265 import Anchors, measure
from heron.clip import DemoSource
from heron.errors import HeronError
from heron.levels import choose_level
from heron.metrics import LOSSLESS_PSNR, PsnrSum, psnr, ssim
from verif.content import CONTENT


def test_psnr_is_of_the_whole_sequence():
    black = np.zeros((16, 16), np.uint8)
    total = PsnrSum()
    own = [total.add([black] * 3, [black + step] * 3)[0] for step in (0, 2)]
    assert own == [LOSSLESS_PSNR, psnr(4 * 256, 256)]
    assert total.values() == pytest.approx([10 * np.log10(255**2 / 2)] * 3)


def test_ssim_is_that_of_scikit_image():
    rng = np.random.default_rng(2)
    a = CONTENT["texture"](64, 48, rng)[0]
    b = np.clip(a + rng.normal(0, 9, a.shape), 0, 255).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    assert ssim(a, b) == pytest.approx(structural_similarity(a, b, **options), abs=1e-6)
    assert ssim(a, a) == pytest.approx(1)


def test_nal_units_add_up():
    stream = b"\0\0\0\1\x40\1ab\0\0\1\x26\1cde\0\0\0\1\x50\1f"
    units = nal_units(stream)
    assert [unit.type for unit in units] == [32, 19, 40]
    assert sum(unit.size for unit in units) == len(stream)
    assert vcl_bits(stream) == 8 * 8


@pytest.mark.parametrize(
    ("width", "height", "rate", "expected"),
    [
        (176, 144, 15, (30, 0)),
        (352, 288, 30, (60, 0)),
        (640, 480, 30, (90, 0)),
        (1280, 720, 30, (93, 0)),
        (1920, 1080, 30, (120, 1)),
        (1920, 1080, 60, (123, 1)),
        (3840, 2160, 60, (153, 1)),
        (4096, 2304, 60, (180, 1)),
        (8192, 4320, 1000, (186, 1)),
        (4096, 16, None, (120, 1)),
    ],
)
def test_level_and_tier(width, height, rate, expected):
    assert choose_level(width, height, rate) == expected


def test_beyond_the_last_level():
    with pytest.raises(HeronError, match=r"6\.2"):
        choose_level(20000, 16)


def test_bd_rate_of_known_curves():
    points = [{"bits": bits, "psnr": [y]} for bits, y in ((1000, 30), (2000, 34), (4000, 38), (8000, 42))]
    tenth_more = [{"bits": point["bits"] * 1.1, "psnr": point["psnr"]} for point in points]
    assert rd.bd_rate(points, points) == pytest.approx(0, abs=1e-9)
    assert rd.bd_rate(points, tenth_more) == pytest.approx(10, abs=1e-6)


@pytest.mark.parametrize(
    ("waited", "limit"),
    [
        ((99, 9, 90, 9), "reconstruction"),
        ((90, 9, 60, 0), "analysis"),
        ((9, 9, 9, 0), "the source"),
        ((99, 99, 99, 80), "entropy"),
    ],
)
def test_the_slow_stage_is_the_last_that_is_waited_for(waited, limit):
    stages = ("fetch", "analysis", "reconstruction", "entropy")
    assert limiting_stage(dict(zip(stages, waited)), 100) == limit


def test_rd_bench_leaves_a_page_and_a_cache(tmp_path):
    summary = rd.run(None, "model", "ctu32", [22, 27, 32, 37], 1, None, "ultrafast", output=tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == summary
    assert "demo.png" in (tmp_path / "index.html").read_text() and (tmp_path / "demo.png").stat().st_size > 1000
    anchors = Anchors(None, tmp_path / "anchors.json")
    assert [point["qp"] for point in anchors.points("demo", DemoSource(), "ultrafast", [22, 37], 1, 1)] == [22, 37]
    points = summary["clips"]["demo"]["points"]
    assert [point["bits"] for point in points] == sorted((point["bits"] for point in points), reverse=True)


def test_given_anchors_are_taken_where_the_frames_agree(tmp_path):
    given = {"demo": {"x265-medium-intra": [{"qp": 30, "bits": 7, "frames": 1, "psnr": [1, 2, 3]}]}}
    (tmp_path / "given.json").write_text(json.dumps(given))
    anchors = Anchors(tmp_path / "given.json", tmp_path / "cache.json")
    assert anchors.points("demo", DemoSource(), "medium", [30], 1, 1)[0]["bits"] == 7
    assert not (tmp_path / "cache.json").exists()


def test_libx265_counts_every_frame():
    (point,) = measure(DemoSource(), "ultrafast", [37], 2, "demo")
    assert point["frames"] == 2 and point["bits"] > 10000 and 25 < point["psnr"][0] < 45
