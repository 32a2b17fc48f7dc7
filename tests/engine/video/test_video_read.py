"""Reading clips of every kind, and refusing what is none."""

from __future__ import annotations

import struct
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.video import Audio, VideoReader, VideoWriter, read_audio, read_clip, write_video
from troupe.engine.video.rates import exact_rate, nominal_rate

from .conftest import levels, numbers

# Matrices of the MP4 track header (a, b, c, d) and what an upright reader must do with the stored frame.
UPRIGHT = {
    "as stored": ((1, 0, 0, 1), lambda f: f),
    "quarter turn clockwise": ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),
    "half turn": ((-1, 0, 0, -1), lambda f: np.rot90(f, 2)),
    "quarter turn counter-clockwise": ((0, -1, 1, 0), lambda f: np.rot90(f)),
    "mirrored": ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda f: f[::-1]),
    "transposed": ((0, 1, 1, 0), lambda f: f.transpose(1, 0, 2)),
}


def turn(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write a display matrix into the first track header of an MP4."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") + 4 + 40
    data[begin : begin + 36] = struct.pack(">9i", *(v << 16 for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(data)


def corners(height: int, width: int) -> np.ndarray:
    """A picture with four different quarters."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = 230, 30, 30
    picture[: height // 2, width // 2 :] = 30, 230, 30
    picture[height // 2 :, : width // 2] = 30, 30, 230
    picture[height // 2 :, width // 2 :] = 200, 200, 200
    return picture


@pytest.mark.parametrize(
    "rate", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60), Fraction(23)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])  # Matroska rounds its times to milliseconds
def test_constant_rate_gives_every_frame_once(tmp_path, rate, name):
    write_video(tmp_path / name, levels(40), rate)
    with VideoReader(tmp_path / name) as clip:
        assert clip.rate == rate and (clip.width, clip.height) == (48, 32)
        assert clip.frame_count == 40 and not clip.frame_count_is_exact
        assert numbers(clip) == list(range(40))
        assert clip.frame_count == 40 and clip.frame_count_is_exact and clip.notes == []
        assert clip.duration == pytest.approx(float(40 / rate))


def test_two_passes_are_alike(tmp_path):
    write_video(tmp_path / "a.mp4", levels(10), 25)
    with VideoReader(tmp_path / "a.mp4") as clip:
        begin = [f for _, f in zip(range(3), clip, strict=False)]
        whole, again = list(clip), list(clip)
    assert len(begin) == 3 and len(whole) == 10
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))


@pytest.mark.parametrize("what", UPRIGHT)
def test_rotation_is_applied(tmp_path, what):
    path, picture = tmp_path / "phone.mp4", corners(32, 64)
    write_video(path, [picture] * 3, 25)
    matrix, upright = UPRIGHT[what]
    turn(path, *matrix)
    frames, _, _ = read_clip(path)
    wanted = upright(picture)
    assert frames.shape[1:] == wanted.shape
    assert np.abs(frames[0].astype(int) - wanted).mean() < 6  # chroma of 4:2:0 bleeds at the borders
    with VideoReader(path) as clip:
        assert (clip.height, clip.width) == wanted.shape[:2]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(15, 150), min_size=3, max_size=30))
def test_variable_rate_shows_what_is_on_screen(make_clip, gaps):
    times = np.concatenate([[0], np.cumsum(gaps)])
    path = make_clip("v.mkv", levels(len(times)), times=times.tolist(), rate=30)
    with VideoReader(path) as clip:
        slack = 250 / clip.fps
        shown = numbers(clip)
    for k, number in enumerate(shown):
        t = k * 1000 / clip.fps
        assert times[number] <= t + slack + 1
        assert number + 1 == len(times) or times[number + 1] >= t - 1
    assert shown[-1] == len(times) - 1  # the last frame is held for its own length


def test_jitter_neither_doubles_nor_drops(make_clip):
    rng = np.random.default_rng(1)
    times = np.round(np.arange(50) * 1000 / 30 + rng.uniform(-6, 6, 50) * (np.arange(50) > 0)).astype(int)
    with VideoReader(make_clip("j.mkv", levels(50), times=times.tolist(), rate=30), fps=30) as clip:
        assert numbers(clip) == list(range(50))


def test_a_leap_in_time_is_closed(make_clip):
    times = [0, 40, 80, 9_000_000, 9_000_040]
    with VideoReader(make_clip("l.mkv", levels(5), times=times, rate=25), fps=25) as clip:
        assert numbers(clip) == [0, 1, 2, 3, 4]
        assert any("leap" in note for note in clip.notes)


def test_another_rate(tmp_path):
    write_video(tmp_path / "a.mp4", levels(40), 40)
    with VideoReader(tmp_path / "a.mp4", fps=20) as clip:
        assert clip.frame_count == 20
        assert numbers(clip) == list(range(0, 40, 2))
    with VideoReader(tmp_path / "a.mp4", fps=80) as clip:
        assert numbers(clip) == [i // 2 for i in range(80)]


def test_alpha_is_composited_over_black(make_clip):
    rgba = np.full((3, 32, 48, 4), 200, np.uint8)
    rgba[..., 3] = np.linspace(0, 255, 48).astype(np.uint8)
    wanted = np.round(200 * rgba[0, :, :, 3:].astype(float) / 255).astype(int)
    for name, codec, pix_fmt in (
        ("a.mov", "qtrle", "argb"),
        ("b.mov", "png", "rgba"),
        ("c.mkv", "ffv1", "bgra"),
    ):
        frames, _, _ = read_clip(make_clip(name, rgba, codec=codec, pix_fmt=pix_fmt, source="rgba"))
        assert np.abs(frames[1].astype(int) - wanted).max() <= 1, name


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (31, 48)])
def test_odd_sizes_are_kept(make_clip, size):
    frames, _, _ = read_clip(make_clip("odd.mkv", levels(3, *size)))
    assert frames.shape == (3, *size, 3) and numbers(frames) == [0, 1, 2]


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p10le", "yuv444p16le", "gbrp10le", "gray16le"])
def test_depths_and_grey(make_clip, pix_fmt):
    frames, _, _ = read_clip(make_clip("deep.mkv", levels(50), pix_fmt=pix_fmt))
    # the clip does not say its range; grey and RGB are full, the rest limited by convention
    full = pix_fmt.startswith("g")
    wanted = np.arange(50) * 5.0
    wanted = wanted if full else np.clip((wanted - 16) * 255 / 219, 0, 255)
    assert np.abs(frames.mean((1, 2, 3)) - wanted).max() < 1.5


def test_pixels_are_made_square(make_clip):
    with VideoReader(
        make_clip("wide.mp4", levels(3), aspect=Fraction(4, 3), codec="libx264", pix_fmt="yuv420p")
    ) as clip:
        assert (clip.width, clip.height) == (64, 32)
        assert next(iter(clip)).shape == (32, 64, 3)


def test_one_frame(make_clip):
    frames, fps, sound = read_clip(make_clip("one.mkv", levels(1)))
    assert frames.shape[0] == 1 and 1 <= fps <= 240 and sound is None


def test_cut_short_gives_what_is_there_and_says_so(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 64, 64, 3), np.uint8)
    for name in ("a.mp4", "a.mkv"):
        path = tmp_path / name
        write_video(path, noise, 25)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
        with VideoReader(path) as clip:
            count = sum(1 for _ in clip)
            assert 10 < count < 60
            assert any("cut short" in note for note in clip.notes), name


def test_damage_in_the_middle_is_survived(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3), np.uint8), 25)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    path.write_bytes(data)
    with VideoReader(path) as clip:
        assert sum(1 for _ in clip) > 30


def _wav(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    return path


def _no_index(path: Path) -> Path:
    """The first half of an MP4 whose index was at its end."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d / "nowhere.mp4", "no such file"),
        (lambda d: d, "folder"),
        (lambda d: _written(d / "e.mp4", b""), "empty"),
        (lambda d: _written(d / "r.mp4", np.random.default_rng(0).bytes(5000)), "r.mp4"),
        (lambda d: _written(d / "t.mp4", b"this is not a video\n" * 50), "t.mp4"),
        (lambda d: _wav(d / "s.wav"), "sound only"),
        (lambda d: _no_index(d / "half.mp4"), "half.mp4"),
        (lambda d: Path("bad\0name.mp4"), "no such file|Cannot read"),
    ],
)
def test_what_is_no_clip_is_refused(tmp_path, make, words):
    with pytest.raises(TroupeError, match=words):
        VideoReader(make(tmp_path))


def test_caps(make_clip):
    path = make_clip("a.mkv", levels(20))
    with pytest.raises(TroupeError, match="48x32"):
        VideoReader(path, max_pixels=1000)
    with VideoReader(path, max_frames=7) as clip:
        assert clip.frame_count == 7 and numbers(clip) == list(range(7))
        assert any("first 7" in note for note in clip.notes)
    with VideoReader(path, max_frames=20) as clip:
        assert len(list(clip)) == 20 and clip.notes == []


def test_too_long_for_memory(make_clip, monkeypatch):
    monkeypatch.setattr("troupe.engine.video.read.MAX_MEMORY", 10 * 32 * 48 * 3)
    with pytest.raises(TroupeError, match="too long"):
        read_clip(make_clip("a.mkv", levels(11)))
    assert len(read_clip(make_clip("b.mkv", levels(10)))[0]) == 10


def test_sound_is_aligned_with_the_picture(make_clip):
    late = make_clip("late.mkv", levels(25), tone=(16000, 0.5, 0.25))
    frames, _, sound = read_clip(late)
    assert sound.samples.shape == (1, 16000)  # as long as the picture
    heard = np.flatnonzero(np.abs(sound.samples[0]) > 0.01)
    assert heard[0] == pytest.approx(4000, abs=20) and heard[-1] == pytest.approx(12000, abs=40)
    assert len(frames) == 25


def test_sound_before_the_picture_is_dropped(make_clip):
    times = [500 + 40 * i for i in range(25)]
    sound = read_audio(make_clip("early.mkv", levels(25), times=times, rate=25, tone=(16000, 1.5, 0.0)))
    assert sound.duration == pytest.approx(1.0, abs=0.002)


def test_sound_files_and_none(tmp_path, make_clip):
    sound = read_audio(_wav(tmp_path / "s.wav"))
    assert sound.rate == 16000 and sound.samples.shape == (1, 16000)
    assert read_audio(tmp_path / "s.wav", rate=48000).samples.shape[1] == pytest.approx(48000, abs=2)
    assert read_audio(make_clip("mute.mkv", levels(3))) is None


@given(st.sampled_from([23.976, 29.97, 59.94, 119.88]))
def test_ntsc_rates_are_exact(fps):
    assert exact_rate(fps).denominator == 1001 and float(exact_rate(fps)) == pytest.approx(fps, abs=1e-3)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1000])
def test_rates_out_of_range(fps):
    with pytest.raises(TroupeError, match="out of range"):
        exact_rate(fps)


@pytest.mark.parametrize(
    ("average", "base", "nominal"),
    [
        (Fraction(23), Fraction(23), 23),
        (Fraction(2987, 100), Fraction(90000), 30),
        (Fraction(41), Fraction(60), 48),
        (Fraction(30000, 1001), Fraction(30000, 1001), Fraction(30000, 1001)),
        (Fraction(13), Fraction(60), 15),
        (Fraction(90000), Fraction(90000), 60),
        (None, None, 25),
    ],
)
def test_nominal_rates(average, base, nominal):
    assert nominal_rate(average, base) == nominal


_PEAK = """
import re, sys
from troupe.engine.video import VideoReader, VideoWriter
with VideoReader(sys.argv[1]) as clip:
    with VideoWriter(sys.argv[2], clip.width, clip.height, clip.fps, audio=sys.argv[1]) as out:
        for frame in clip:
            out.write(frame)
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_length(tmp_path):
    peaks = []
    for seconds in (10, 60):
        path = tmp_path / f"{seconds}.mp4"
        sound = Audio(
            np.random.default_rng(0).uniform(-0.1, 0.1, (2, seconds * 48000)).astype(np.float32), 48000
        )
        with VideoWriter(path, 320, 240, 25, audio=sound, preset="ultrafast") as writer:
            for i in range(seconds * 25):
                writer.write(np.full((240, 320, 3), i % 256, np.uint8))
        command = [sys.executable, "-c", _PEAK, str(path), str(tmp_path / "copy.mp4")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] < peaks[0] + 20_000, f"peaks in KiB: {peaks}"
