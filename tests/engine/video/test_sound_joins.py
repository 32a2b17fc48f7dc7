"""Sounds of clips put one after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.video.audio import Audio
from troupe.engine.video.sound_joins import crossfade_sound

RATE = 8000


def tone(seconds: float, hertz: float, rate: int = RATE, channels: int = 1) -> Audio:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return Audio(np.tile(wave, (channels, 1)).astype(np.float32), rate)


def loudness(sound: Audio, start: float, end: float) -> float:
    part = sound.samples[:, round(start * sound.rate) : round(end * sound.rate)]
    return float(np.sqrt(np.mean(np.square(part))))


def test_loudness_stays_where_two_sounds_meet():
    joined = crossfade_sound(tone(2, 440), tone(2, 617), 1.5, 0.5, 3.5)
    assert joined.samples.shape == (1, round(3.5 * RATE))
    levels = [loudness(joined, t, t + 0.1) for t in np.arange(0, 3.4, 0.1)]
    assert np.allclose(levels, 0.5 / np.sqrt(2), rtol=0.12)
    assert (joined.samples[0, :RATE] == tone(2, 440).samples[0, :RATE]).all(), (
        "before the fade nothing changes"
    )


def test_a_cut_neither_clicks_nor_overlaps():
    joined = crossfade_sound(tone(1, 100), tone(1, 150), 1.0, 0.0, 2.0)
    steps = np.abs(np.diff(joined.samples[0]))
    assert steps.max() < 1.2 * 0.5 * 2 * np.pi * 150 / RATE


def test_a_silent_clip_is_silent_and_no_sound_is_none():
    joined = crossfade_sound(None, tone(1, 300), 1.0, 0.2, 2.0)
    assert loudness(joined, 0, 1.0) == 0 and loudness(joined, 1.3, 1.9) > 0.3
    assert crossfade_sound(None, None, 1.0, 0.2, 2.0) is None


def test_rates_and_channels_meet_at_the_higher():
    joined = crossfade_sound(tone(1, 300, 8000), tone(1, 300, 16_000, channels=2), 0.8, 0.2, 1.8)
    assert joined.rate == 16_000 and joined.samples.shape == (2, 28_800)
    pitch = np.argmax(np.abs(np.fft.rfft(joined.samples[0, :8000]))) * 2
    assert pitch == 300


@settings(max_examples=40, deadline=None)
@given(
    first=st.floats(0.01, 3),
    second=st.floats(0.01, 3),
    begin=st.floats(0, 2),
    fade=st.floats(0, 1),
    more=st.floats(0, 2),
)
def test_any_lengths_give_the_length_asked_for(first, second, begin, fade, more):
    joined = crossfade_sound(tone(first, 200), tone(second, 300), begin, fade, begin + more)
    assert joined.samples.shape[1] == round((begin + more) * RATE)
    assert np.abs(joined.samples).max(initial=0) <= 0.5 * np.sqrt(2) + 1e-6


@pytest.mark.parametrize("fade", [0.0, 0.3])
def test_sound_longer_than_its_clip_does_not_run_into_the_next(fade):
    joined = crossfade_sound(tone(5, 440), None, 1.0, fade, 3.0)
    assert loudness(joined, 1.0 + max(fade, 0.01), 3.0) == 0
