"""Sources and sinks of the tool: formats, conversion, timing, colour."""

from fractions import Fraction

import av
import numpy as np
import pytest

from heron.clip import DemoSource
from heron.errors import HeronError
from heron.outputs import Outputs
from heron.video import Colour, open_source
from heron.writers import Y4mWriter
from verif.content import CONTENT

WIDTH, HEIGHT = 50, 34


def pictures(count=4):
    rng = np.random.default_rng(5)
    return [CONTENT["texture"](WIDTH, HEIGHT, rng) for _ in range(count)]


def write_y4m(path, clip, colour=Colour()):  # noqa: B008  frozen
    with Outputs() as outputs:
        writer = Y4mWriter(outputs.open(path), WIDTH, HEIGHT, Fraction(30000, 1001), colour)
        for planes in clip:
            writer.write(planes)


def write_container(path, codec, pixel_format, clip, times, **properties):
    """A clip through another encoder, frame i at times[i] milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for name, value in properties.items():
            setattr(stream.codec_context, name, value)
        for planes, time in zip(clip, times):
            rows = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, WIDTH)
            frame = av.VideoFrame.from_ndarray(rows, format="yuv420p")
            for name, value in properties.items():
                setattr(frame, name, value)
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def same(frames, clip) -> bool:
    return len(frames) == len(clip) and all(
        np.array_equal(a, b) for frame, planes in zip(frames, clip) for a, b in zip(frame.planes, planes)
    )


def test_y4m_comes_back(tmp_path):
    clip = pictures()
    write_y4m(tmp_path / "a.y4m", clip, Colour(full_range=1))
    source = open_source(tmp_path / "a.y4m")
    assert (source.width, source.height, source.length) == (WIDTH, HEIGHT, 4)
    assert source.rate == Fraction(30000, 1001) and source.colour.full_range == 1
    assert same(list(source.frames()), clip)


def test_y4m_is_what_ffmpeg_reads(tmp_path):
    clip = pictures()
    write_y4m(tmp_path / "a.y4m", clip)
    with av.open(str(tmp_path / "a.y4m")) as container:
        decoded = [frame.to_ndarray() for frame in container.decode(video=0)]
    for array, planes in zip(decoded, clip):
        assert np.array_equal(array.reshape(-1), np.concatenate([plane.reshape(-1) for plane in planes]))


def test_raw_file(tmp_path):
    clip = pictures()
    (tmp_path / "a.yuv").write_bytes(b"".join(plane.tobytes() for planes in clip for plane in planes))
    source = open_source(tmp_path / "a.yuv", (WIDTH, HEIGHT), Fraction(12))
    assert source.length == 4 and source.rate == 12
    assert same(list(source.frames()), clip)


@pytest.mark.parametrize(("start", "count", "expected"), [(0, None, 4), (1, 2, 2), (3, 5, 1)])
def test_selection(tmp_path, start, count, expected):
    clip = pictures()
    write_y4m(tmp_path / "a.y4m", clip)
    source = open_source(tmp_path / "a.y4m")
    assert same(list(source.frames(start, count)), clip[start : start + expected])
    assert source.count(start, count) == expected


def test_start_past_the_end(tmp_path):
    write_y4m(tmp_path / "a.y4m", pictures())
    with pytest.raises(HeronError, match="no frame 4"):
        list(open_source(tmp_path / "a.y4m").frames(4))


def test_uneven_times_of_a_container(tmp_path):
    clip, times = pictures(), [0, 40, 95, 120]
    write_container(tmp_path / "a.mkv", "ffv1", "yuv420p", clip, times)
    source = open_source(tmp_path / "a.mkv")
    frames = list(source.frames())
    assert same(frames, clip) and source.notes == []
    assert [frame.pts * source.time_base for frame in frames] == [Fraction(time, 1000) for time in times]


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv422p", "yuv420p10le", "gray", "bgr0"])
def test_conversion_is_near_and_reported(tmp_path, pixel_format):
    clip = [CONTENT["gradient"](WIDTH, HEIGHT, np.random.default_rng(1))]
    if pixel_format in ("gray", "bgr0"):
        clip = [(clip[0][0] // 2 + 32, *(np.full_like(plane, 128) for plane in clip[0][1:]))]
    write_container(tmp_path / "a.mkv", "ffv1", pixel_format, clip, [0])
    source = open_source(tmp_path / "a.mkv")
    assert pixel_format in source.notes[0] and "4:2:0" in source.notes[0]
    for got, wanted in zip(next(source.frames()).planes, clip[0]):
        assert np.abs(got.astype(int) - wanted)[2:-2, 2:-2].mean() < 4


def test_colour_description(tmp_path):
    properties = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 13}
    write_container(tmp_path / "a.mkv", "ffv1", "yuv420p", pictures(1), [0], **properties)
    assert open_source(tmp_path / "a.mkv").colour == Colour(1, 1, 13, 1)


def test_odd_y4m_variants(tmp_path):
    """Other chroma formats go through FFmpeg, after the same check that nothing is cut."""
    body = b"YUV4MPEG2 W16 H16 F25:1 C444\nFRAME\n" + bytes(768)
    (tmp_path / "a.y4m").write_bytes(body)
    source = open_source(tmp_path / "a.y4m")
    assert next(source.frames()).u.shape == (8, 8)
    (tmp_path / "b.y4m").write_bytes(body[:-1])
    with pytest.raises(HeronError, match="cut short"):
        open_source(tmp_path / "b.y4m")


def test_unknown_rate_of_a_y4m(tmp_path):
    (tmp_path / "a.y4m").write_bytes(b"YUV4MPEG2 W16 H16 F0:0\nFRAME\n" + bytes(384))
    assert open_source(tmp_path / "a.y4m").rate == 25


def test_demo_clip_is_fixed():
    frames = list(DemoSource().frames())
    assert len(frames) == 8 and frames[0].y.shape == (288, 352)
    assert not np.array_equal(frames[0].y, frames[1].y)
    assert same(list(DemoSource().frames()), [frame.planes for frame in frames])
