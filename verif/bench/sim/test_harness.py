"""The C++ harness, driving a core that echoes its input."""

import gc
import warnings

import numpy as np
import pytest

from hdl.params import Params
from hdl.payloads import Picture
from sim import harness
from sim.harness import Core, CoreError
from sim.sample_order import from_groups, to_groups
from verif.bench.sim.echo_core import HANGING_QP, EchoCore

PARAMS = Params()


@pytest.fixture(scope="module")
def core():
    return Core(PARAMS, component=EchoCore(PARAMS), name="echo", watchdog=20_000)


def picture(width: int, height: int, **fields) -> dict:
    return {str(name): 0 for name, _ in Picture.as_shape()} | {"width": width, "height": height} | fields


def planes(width: int, height: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    sizes = [(height, width)] + [(height // 2, width // 2)] * 2
    return tuple(rng.integers(0, 256, size, np.uint8) for size in sizes)


def coded(source):
    return tuple(
        np.pad(plane, [(0, -length % multiple) for length in plane.shape], mode="edge")
        for plane, multiple in zip(source, (8, 4, 4))
    )


@pytest.mark.parametrize("width,height", [(16, 16), (50, 38), (98, 70)])
@pytest.mark.parametrize("ctb_size", [16, 32, 64])
def test_sample_order_there_and_back(width, height, ctb_size):
    source = planes(width, height)
    for got, wanted in zip(from_groups(to_groups(source, ctb_size), width, height, ctb_size), source):
        np.testing.assert_array_equal(got, wanted)


def test_pictures_one_after_another(core):
    for width, height in [(50, 38), (16, 16), (98, 70)]:
        source = planes(width, height)
        data, recon, stats = core.encode_picture(picture(width, height), source)
        for got, wanted in zip(recon, coded(source)):
            np.testing.assert_array_equal(got, wanted)
        groups = to_groups(coded(source), PARAMS.ctb_size, fill=None)
        assert data == groups.tobytes()
        assert stats["bins"] == len(groups)
        assert stats["stall_cycles"] == {"bytes": 0}
        assert len(data) <= stats["cycles"] <= len(data) + 20


def test_stalls_change_only_the_time(core):
    source = planes(50, 38)
    still = core.encode_picture(picture(50, 38), source)
    stalled = [core.encode_picture(picture(50, 38), source, stall_seed=seed) for seed in (1, 2, 1)]
    assert all(data == still[0] for data, _, _ in stalled)
    cycles = [stats["cycles"] for _, _, stats in stalled]
    assert cycles[0] == cycles[2] != cycles[1] and min(cycles) > still[2]["cycles"]
    assert stalled[0][2]["stall_cycles"]["bytes"] > 0


def test_qp_map(core):
    source, rng = planes(98, 70), np.random.default_rng(2)
    *_, before = core.encode_picture(picture(98, 70), source)
    for stall_seed in (None, 3):
        qp_map = rng.integers(0, 52, (3, 4), np.uint8)
        *_, after = core.encode_picture(picture(98, 70, cu_qp_delta_enabled=1), source, qp_map, stall_seed=stall_seed)
        assert after["qps"] - before["qps"] == qp_map.sum()
        before = after


@pytest.mark.parametrize(
    ("enabled", "qp_map"),
    [(0, np.zeros((3, 4), np.uint8)), (1, None), (1, np.zeros((4, 3), np.uint8)), (1, np.zeros((3, 4), np.int32))],
)
def test_a_qp_map_that_does_not_fit_is_refused(core, enabled, qp_map):
    with pytest.raises(ValueError, match="QP map"):
        core.encode_picture(picture(98, 70, cu_qp_delta_enabled=enabled), planes(98, 70), qp_map)


def test_watchdog_says_what_hangs_and_the_next_picture_works(core):
    with pytest.raises(CoreError, match=r"nothing moved for 20000 cycles.* qp 51: picture taken"):
        core.encode_picture(picture(32, 32, qp=HANGING_QP), planes(32, 32))
    data, _, _ = core.encode_picture(picture(32, 32), planes(32, 32))
    assert len(data) == 32 * 32 * 3 // 2


def test_progress_can_cancel(core, monkeypatch):
    monkeypatch.setattr(harness, "PROGRESS_CYCLES", 1000)
    seen = []

    def progress(part, cycles):
        seen.append((part, cycles))
        if cycles >= 3000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        core.encode_picture(picture(98, 70), planes(98, 70), progress=progress)
    assert [cycles for _, cycles in seen] == [1000, 2000, 3000] and 0 < seen[0][0] < seen[2][0] < 1


def test_a_picture_without_all_fields_is_refused(core):
    with pytest.raises(ValueError, match="fields"):
        core.encode_picture({"width": 16, "height": 16}, planes(16, 16))


def test_waves_are_complete_when_the_core_is_closed(tmp_path):
    waved = Core(PARAMS, component=EchoCore(PARAMS), name="echo", waves=tmp_path)
    data, _, _ = waved.encode_picture(picture(16, 16), planes(16, 16))
    waved.close()
    assert len(data) == 16 * 16 * 3 // 2
    (file,) = tmp_path.iterdir()
    waves = file.read_bytes()
    if file.suffix == ".fst":
        header, end = waves[0], int.from_bytes(waves[17:25], "big")  # block type, and the header's end time in ticks
        assert header == 0 and end > 0
    else:
        assert b"$enddefinitions" in waves and b"i_source__valid" in waves and waves.count(b"\n#") > 100


def test_a_cached_core_is_not_made_again(monkeypatch):
    """Its statistics come with the library; nothing is elaborated, or left over for Amaranth to warn of."""
    library = harness._build(EchoCore(PARAMS), "echo", PARAMS, False)
    monkeypatch.setattr(harness, "cached_library", lambda *_: library)
    with warnings.catch_warnings(record=True, action="always") as warned:
        cached = Core(PARAMS, watchdog=20_000)
        gc.collect()
    assert not warned
    source = planes(16, 16)
    _, recon, stats = cached.encode_picture(picture(16, 16), source)
    assert all(map(np.array_equal, recon, coded(source)))
    assert stats["bins"] == 16 * 16 * 3 // 2 // 8 and stats["qps"] == 0 and list(stats["stall_cycles"]) == ["bytes"]
