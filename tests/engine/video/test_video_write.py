"""Writing clips: exact times, true colours, whole files or none."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.video import (
    Audio,
    VideoReader,
    VideoWriter,
    contact_sheet,
    read_audio,
    read_clip,
    save_picture,
    write_video,
)
from troupe.engine.video.sheet import pick

from .conftest import levels, numbers


def tone(seconds: float, rate: int = 48000, channels: int = 1) -> Audio:
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)
    return Audio(np.repeat(wave[None].astype(np.float32), channels, 0), rate)


def patches() -> np.ndarray:
    """Saturated and mixed colours in flat patches of 32 pixels."""
    colours = np.array(
        [[r, g, b] for r in (0, 90, 255) for g in (0, 140, 255) for b in (0, 200, 255)], np.uint8
    )
    return np.kron(colours[:24].reshape(4, 6, 3), np.ones((32, 32, 1), np.uint8))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_colours_do_not_shift(tmp_path, name):
    picture = patches()
    write_video(tmp_path / name, [picture] * 5, 25, crf=10)
    frames, _, _ = read_clip(tmp_path / name)
    inner = (slice(None), *np.ix_(*(np.arange(n) % 32 // 8 % 3 > 0 for n in picture.shape[:2])))
    error = frames[inner].astype(int) - picture[None][inner]
    assert np.abs(error).mean() < 1.0
    assert np.abs(error.mean((0, 1, 2))).max() < 0.5


def test_generations_keep_the_level(tmp_path):
    """Rounding down, as libswscale does by itself, would darken by one level each time."""
    frames = np.full((3, 32, 32, 3), (120, 90, 180), np.uint8)
    for i in range(5):
        write_video(tmp_path / f"{i}.mp4", frames, 25, crf=5)
        frames, _, _ = read_clip(tmp_path / f"{i}.mp4")
    assert np.abs(frames.mean((0, 1, 2)) - (120, 90, 180)).max() < 1.5


def test_the_file_is_what_players_expect(tmp_path):
    write_video(
        tmp_path / "a.mp4", levels(30), 29.97, audio=tone(1.0), metadata={"troupe_note": "made für test"}
    )
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        context = video.codec_context
        assert (context.name, context.pix_fmt, sound.codec_context.name) == ("h264", "yuv420p", "aac")
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (
            1,
            1,
            1,
            1,
        )
        assert video.average_rate == Fraction(30000, 1001) and video.frames == 30
        assert video.start_time == 0 and sound.start_time == 0
        assert container.metadata["troupe_note"] == "made für test"
        times = [p.pts * p.time_base for p in container.demux(video) if p.pts is not None]
    assert sorted(times) == [k * Fraction(1001, 30000) for k in range(30)]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.floats(0.05, 3),
    frames=st.integers(5, 60),
    rate=st.sampled_from([8000, 11025, 16000, 44100, 48000, 96000, 12345]),
    channels=st.sampled_from([1, 2, 6]),
    fps=st.sampled_from([24, 25, 29.97, 60]),
)
def test_sound_is_as_long_as_the_picture(tmp_path, seconds, frames, rate, channels, fps):
    with VideoWriter(tmp_path / "a.mp4", 32, 32, fps, audio=tone(seconds, rate, channels)) as writer:
        for frame in levels(frames, 32, 32):
            writer.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        sound = container.streams.audio[0]
        length = sound.duration * sound.time_base
    assert abs(length - frames / writer.rate) < 0.0015
    heard = read_audio(tmp_path / "a.mp4")
    assert heard.samples.shape[0] == min(2, channels)
    loud = np.abs(heard.samples[0]).max() if seconds > 0.1 else 0.3
    assert 0.2 < loud < 0.45  # neither lost nor overdriven, whatever was resampled or mixed


def test_sound_stays_in_step_over_time(tmp_path):
    """Clicks at known samples come back where they were, at the begin and a minute later."""
    rate, clicks = 48000, (4800, 48000 * 20 + 7, 48000 * 59)
    samples = np.zeros((1, rate * 60), np.float32)
    for click in clicks:
        samples[0, click : click + 240] = 0.9
    with VideoWriter(tmp_path / "a.mp4", 16, 16, 29.97, audio=Audio(samples, rate)) as writer:
        for _ in range(1799):
            writer.write(np.zeros((16, 16, 3), np.uint8))
    heard = np.abs(read_audio(tmp_path / "a.mp4").samples[0])
    for click in clicks:
        window = heard[click - 600 : click + 900]
        middle = (np.arange(len(window)) * window).sum() / window.sum() + click - 600
        assert middle == pytest.approx(click + 120, abs=30)  # 30 samples are 0.6 ms


def test_sound_from_a_file_is_streamed(tmp_path):
    write_video(tmp_path / "source.mp4", levels(50), 25, audio=tone(2.0, 44100, 2))
    write_video(tmp_path / "a.mp4", levels(40), 20, audio=tmp_path / "source.mp4")
    heard = read_audio(tmp_path / "a.mp4")
    assert heard.rate == 44100 and 0 <= heard.samples.shape[1] - 88200 < 1024  # AAC comes in blocks
    wanted = tone(2.0, 44100).samples[0]
    assert np.abs(heard.samples[0, :88200] - wanted)[2000:-2000].max() < 0.05


def test_sound_that_is_none(tmp_path):
    write_video(tmp_path / "mute.mp4", levels(3), 25)
    with pytest.raises(TroupeError, match="no sound"):
        write_video(tmp_path / "a.mp4", levels(3), 25, audio=tmp_path / "mute.mp4")
    assert os.listdir(tmp_path) == ["mute.mp4"]


@pytest.mark.parametrize("size", [(33, 48), (32, 47), (35, 51)])
def test_odd_sides_are_padded(tmp_path, size):
    writer = write_video(tmp_path / "a.mp4", levels(5, *size), 25)
    assert "even sides" in writer.notes[0]
    with VideoReader(tmp_path / "a.mp4") as clip:
        assert (clip.height, clip.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert numbers(clip) == list(range(5))  # a black edge would darken them


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, OSError, SystemExit])
def test_nothing_is_left_of_a_failure(tmp_path, stop):
    (tmp_path / "a.mp4").write_bytes(b"what was there")
    with (
        pytest.raises(stop, match="^enough$"),
        VideoWriter(tmp_path / "a.mp4", 48, 32, 25, audio=tone(1)) as writer,
    ):
        for i, frame in enumerate(levels(40)):
            if i == 30:
                raise stop("enough")
            writer.write(frame)
    assert os.listdir(tmp_path) == ["a.mp4"] and (tmp_path / "a.mp4").read_bytes() == b"what was there"


def test_no_frames(tmp_path):
    with pytest.raises(TroupeError, match="no frames"):
        write_video(tmp_path / "a.mp4", [], 25)
    with pytest.raises(TroupeError, match="no frames"), VideoWriter(tmp_path / "a.mp4", 32, 32, 25):
        pass
    assert os.listdir(tmp_path) == []


def test_wrong_frames_are_a_mistake_of_the_caller(tmp_path):
    with (
        pytest.raises(ValueError, match=r"\[32, 48, 3\]"),
        VideoWriter(tmp_path / "a.mp4", 48, 32, 25) as writer,
    ):
        writer.write(np.zeros((32, 47, 3), np.uint8))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "size", "fps", "words"),
    [
        ("a.gif", (32, 32), 25, "ends in '.gif'"),
        ("a", (32, 32), 25, "no ending"),
        ("nowhere/a.mp4", (32, 32), 25, "no folder"),
        ("a.mp4", (1, 32), 25, "1x32"),
        ("a.mp4", (100_000, 32), 25, "100000x32"),
        ("a.mp4", (32, 32), 0, "frame rate 0"),
        ("a.mp4", (32, 32), float("nan"), "frame rate nan"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, size, fps, words):
    with pytest.raises(TroupeError, match=words):
        VideoWriter(tmp_path / name, *size, fps)


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(100), 16000, "shape"),
        (np.full((1, 100), np.nan), 16000, "not numbers"),
        (np.zeros((1, 100)), 10, "out of range"),
    ],
)
def test_what_is_no_sound(samples, rate, words):
    with pytest.raises(TroupeError, match=words):
        Audio(samples, rate)


def test_progress_is_reported(tmp_path):
    seen = []
    write_video(tmp_path / "a.mp4", iter(levels(5)), 25, total=5, progress=lambda *p: seen.append(p))
    assert seen == [(i, 5) for i in range(1, 6)]


@given(total=st.integers(0, 500), count=st.integers(1, 20))
def test_picks_are_spread(total, count):
    chosen = pick(total, count)
    assert len(chosen) == min(total, count)
    if total > 1 and count > 1:
        assert chosen[0] == 0 and chosen[-1] == total - 1 and np.ptp(np.diff(chosen)) <= 1


def test_contact_sheet_shows_the_whole_clip(tmp_path):
    frames = levels(50, 60, 80)
    write_video(tmp_path / "a.mp4", frames, 25)
    for source in (frames, list(frames), tmp_path / "a.mp4"):
        sheet = contact_sheet(source, columns=4, count=8, width=660)
        assert sheet.shape == (2 * 124 + 4, 660, 3) and sheet.dtype == np.uint8
        cells = [sheet[y + 30, x + 80] for y in (4, 128) for x in (4, 168, 332, 496)]
        seen = [int(c.mean()) // 5 for c in cells]
        assert (
            seen[0] == 0
            and seen[-1] >= 45
            and all(5 <= b - a <= 9 for a, b in zip(seen, seen[1:], strict=False))
        )
    assert (contact_sheet(frames, fps=25) != contact_sheet(frames)).any()  # the labels
    with pytest.raises(TroupeError, match="no frames"):
        contact_sheet([])


def test_pictures_are_saved_whole(tmp_path):
    save_picture(tmp_path / "a.png", patches())
    save_picture(tmp_path / "a.jpg", patches())
    assert sorted(os.listdir(tmp_path)) == ["a.jpg", "a.png"]
    with pytest.raises(TroupeError, match=r"\.png"):
        save_picture(tmp_path / "a.xyz", patches())
