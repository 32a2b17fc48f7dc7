"""Recordings as drives: who speaks when, and what is heard of all together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.drive import open_drives
from troupe.engine.drive_speech import (
    MIX_RATE,
    Recording,
    Voice,
    few_channels,
    mixed,
    placed,
    read_recording,
    resampled,
)
from troupe.engine.errors import TroupeError
from troupe.engine.speech.channels import aperture
from troupe.engine.video import Audio

SPEECH = Path(__file__).resolve().parents[2] / "assets" / "speech.wav"


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Float samples ``[C, N]`` as they are, NaN and all."""
    from scipy.io import wavfile

    wavfile.write(path, rate, samples.T.astype(np.float32))
    return path


# --- Voice and Recording ---------------------------------------------------------------------------------------


def test_voices_that_cannot_be():
    assert Voice() == Voice(language="english", seed=0) and Voice(language="de").language == "de"
    with pytest.raises(TroupeError, match="klingon.*english, british"):
        Voice(language="klingon")


@given(st.floats(0, 50), st.floats(0.01, 60), st.integers(1, 2000), st.sampled_from([4000, 16000]))
def test_what_is_heard_until_the_end_is_the_beginning(start, end, count, rate):
    audio = Audio(np.linspace(-1, 1, count, dtype=np.float32)[None], rate)
    recording = Recording(audio, start)
    assert recording.seconds == pytest.approx(start + count / rate)
    if start >= end:
        with pytest.raises(TroupeError, match="'a.wav' is not heard: it begins at .* Begin earlier"):
            recording.until(end, "'a.wav'")
        return
    heard = recording.until(end, "'a.wav'")
    kept = heard.audio.samples.shape[1]
    assert heard.start == start and heard.seconds <= max(end, start) + 1 / rate
    assert kept == count or heard.seconds >= end - 1 / rate
    np.testing.assert_array_equal(heard.audio.samples, audio.samples[:, :kept])


def test_a_recording_is_read_and_cut(speech):
    whole = read_recording(SPEECH, 1.5)
    np.testing.assert_array_equal(whole.audio.samples, speech.samples)
    assert whole.start == 1.5 and whole.seconds == pytest.approx(1.5 + speech.duration)
    part = read_recording(SPEECH, 1.5, 2.0)
    assert part.audio.duration == pytest.approx(0.5) and part.seconds == pytest.approx(2.0)
    assert read_recording(SPEECH, 0, 1000).audio.duration == speech.duration


def test_recordings_that_cannot_be_read(tmp_path):
    with pytest.raises(TroupeError, match="'speech.wav' is not heard.*begins at 5 s, and all ends at 2 s"):
        read_recording(SPEECH, 5, 2)
    from troupe.engine.video import write_video

    write_video(tmp_path / "mute.mp4", np.zeros((5, 64, 64, 3), np.uint8), 25)
    (tmp_path / "mute.mp4").rename(tmp_path / "mute.m4a")
    with pytest.raises(TroupeError, match="'mute.m4a' has no sound.*recording of speech"):
        read_recording(tmp_path / "mute.m4a", 0)
    nan = write_wav(tmp_path / "nan.wav", np.full((1, 8000), np.nan), 16000)
    with pytest.raises(TroupeError, match="'nan.wav' is damaged.*NaN"):
        read_recording(nan, 0)
    empty = write_wav(tmp_path / "empty.wav", np.zeros((1, 0)), 16000)
    with pytest.raises(TroupeError, match="'empty.wav'"):
        read_recording(empty, 0)


# --- in time ---------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 3), st.floats(0, 5), st.integers(1, 4000), st.integers(1, 6), st.sampled_from([4000, 11025])
)
def test_placed_sound_is_the_recording_in_silence(start, seconds, count, channels, rate):
    samples = np.random.default_rng(count).uniform(0.1, 1, (channels, count)).astype(np.float32)
    sound = placed(Recording(Audio(samples, rate), start), seconds)
    begin = round(start * rate)
    assert sound.rate == rate
    assert sound.samples.shape == (channels, max(begin + count, round(seconds * rate)))
    np.testing.assert_array_equal(sound.samples[:, begin : begin + count], samples)
    assert not sound.samples[:, :begin].any() and not sound.samples[:, begin + count :].any()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from([8000, 16000, 44100, 48000, 96000]), st.floats(0, 3)),
        min_size=2,
        max_size=3,
    ),
    st.floats(0.5, 3),
)
def test_any_recordings_mix(parts, seconds):
    """Mono beside stereo beside 5.1, at any rates, also if one begins after the end."""
    recordings = [
        Recording(Audio(np.full((channels, rate // 2), 0.6, np.float32), rate), start)
        for channels, rate, start in parts
    ]
    sound = mixed(recordings, seconds)
    channels = 2 if any(c == 2 for c, _, _ in parts) else 1
    assert sound.samples.shape == (channels, round(seconds * MIX_RATE)) and sound.rate == MIX_RATE
    assert np.abs(sound.samples).max() <= 1
    at = np.arange(sound.samples.shape[1]) / MIX_RATE
    for _, _, start in parts:
        inside = (at > start + 0.05) & (at < start + 0.45)
        assert (sound.samples[:, inside] > 0.1).all()


def test_one_recording_from_the_beginning_is_heard_as_it_is(speech):
    assert mixed([Recording(speech)], 99.0) is speech


@given(st.integers(1, 8), st.integers(0, 200))
def test_surround_becomes_one_channel_as_loud_as_its_loudest(channels, count):
    samples = np.random.default_rng(count).uniform(-0.5, 0.5, (channels, count)).astype(np.float32)
    few = few_channels(Audio(samples, 8000))
    if channels <= 2:
        np.testing.assert_array_equal(few.samples, samples)
        return
    assert few.samples.shape == (1, count)
    assert np.abs(few.samples).max(initial=0) <= np.abs(samples).max(initial=0) + 1e-6
    alone = few_channels(Audio(np.pad(samples[:1], ((2, 3), (0, 0))), 8000))
    np.testing.assert_array_equal(alone.samples, samples[:1])


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_resampled_sound_keeps_its_tone(rate, channels):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000, dtype=np.float32)
    out = resampled(Audio(np.repeat(tone[None], channels, 0), 16000), rate)
    assert out.shape[0] == (channels if channels <= 2 else 1) and abs(out.shape[1] - rate) < rate // 50
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(out.shape[1]) / rate)
    middle = slice(rate // 10, -rate // 10)
    assert np.abs(out[:, middle] - expected[middle]).max() < 0.03


# --- drives together -------------------------------------------------------------------------------------------


def test_two_who_talk_in_turn(speech):
    played = open_drives([str(SPEECH), f"{SPEECH}@3"], fps=50)
    first, second = (aperture(m.blendshapes) for m in played.motions)
    assert played.seconds == pytest.approx(3 + speech.duration, abs=0.02) and played.notes == ()
    assert played.sound.duration == pytest.approx(played.seconds, abs=0.01) and played.sound.rate == MIX_RATE
    assert first[20:140].max() > 0.2 > 0.05 > second[20:140].max()
    end = int(50 * speech.duration) + 25
    assert second[end:].max() > 0.2 > 0.05 > first[end:].max()
    blinks = [m.column("eyeBlinkLeft") > 0.5 for m in played.motions]
    assert (blinks[0] != blinks[1]).any(), "they blink together"


def test_a_length_cuts_the_recording_and_its_motion():
    played = open_drives([str(SPEECH)], seconds=1.0)
    assert played.seconds == 1 and len(played.motions[0]) == 25 and played.sound.duration == 1.0
    with pytest.raises(TroupeError, match="'speech.wav' is not heard"):
        open_drives([f"{SPEECH}@2"], seconds=1.0)


def test_remarks_name_their_recording(tmp_path):
    write_wav(tmp_path / "quiet.wav", np.zeros((1, 16000)), 16000)
    played = open_drives([str(tmp_path / "quiet.wav"), "happy"])
    assert played.notes == ("quiet.wav: The sound is silent: the face listens.",)
    assert len(played.motions[1]) == 25
