"""Pitch and force of voices, whoever speaks, however loud; and nothing of what is no voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech.prosody import FORCE, FPS, PITCH, SPEAKING, VOICED, Prosody, _pitch_of

RATE = 16000


def voice(hertz, seconds: float | None = None, size=0.2) -> np.ndarray:
    """Something like a vowel: twelve harmonics of a pitch, constant or ``[S]``, each weaker than the last."""
    hertz = np.full(round(seconds * RATE), float(hertz)) if seconds else np.asarray(hertz, float)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    out = sum(np.sin(n * phase) / n**1.3 * (n * hertz < 7000) for n in range(1, 13))
    return (size * out / 2).astype(np.float32)


def noise(seconds: float, size: float, seed: int = 0) -> np.ndarray:
    return (size * np.random.default_rng(seed).normal(size=round(seconds * RATE))).astype(np.float32)


def heard(sound: np.ndarray) -> np.ndarray:
    """Rows of a sound that comes after a little background."""
    return Prosody().push(np.concatenate([noise(0.5, 1e-4), sound]))[FPS // 2 :]


@pytest.mark.parametrize("hertz", [70, 110, 180, 250, 330, 440])
def test_pitch_is_found(hertz):
    thin = sum(np.sin(2 * np.pi * n * hertz * np.arange(226) / 4000) / n for n in range(1, 4))
    semitones, clear = _pitch_of(thin, thin * thin)
    assert clear > 0.9 and abs(semitones - 12 * np.log2(hertz)) < 0.3


def test_voices_are_voices():
    rows = heard(voice(140, 1.0))
    assert rows[6:, VOICED].mean() > 0.95 and rows[6:, SPEAKING].all()


@pytest.mark.parametrize("make", [
    lambda: np.zeros(2 * RATE, np.float32), lambda: noise(2, 0.1), lambda: noise(2, 1e-3),
    lambda: np.full(2 * RATE, 0.3, np.float32),
    lambda: (0.3 * np.sin(2 * np.pi * 50 * np.arange(2 * RATE) / RATE)).astype(np.float32),
    lambda: (0.3 * np.sin(2 * np.pi * 3000 * np.arange(2 * RATE) / RATE)).astype(np.float32),
    lambda: np.where(np.arange(2 * RATE) % 5000 == 0, 0.9, 0).astype(np.float32),
])  # fmt: skip
def test_silence_noise_hum_and_clicks_are_not(make):
    assert heard(make())[10:, SPEAKING].mean() < 0.1


def rising_speech(gain: float = 1.0, pitch: float = 1.0) -> np.ndarray:
    """Six syllables, the fourth higher and louder."""
    parts = []
    for n in range(6):
        stressed = n == 3
        t = np.arange(int(0.18 * RATE)) / RATE
        course = pitch * 120 * (1.5 if stressed else 1.0) * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))
        parts += [voice(course) * np.hanning(len(t)) * (1.0 if stressed else 0.45), noise(0.08, 1e-4, n)]
    return gain * np.concatenate(parts)


@pytest.mark.parametrize("gain, pitch", [(1, 1), (0.05, 1), (3, 1), (1, 1.9)])
def test_a_stress_stands_out_whoever_speaks_however_loud(gain, pitch):
    rows = heard(rising_speech(gain, pitch))
    syllable = (np.arange(len(rows)) / FPS / 0.26).astype(int)
    best = [
        max((rows[(syllable == n) & (rows[:, VOICED] > 0)][:, k]), default=-9)
        for k in (PITCH, FORCE)
        for n in (1, 2, 3, 4, 5)
    ]
    assert np.argmax(best[:5]) == 2 and np.argmax(best[5:]) == 2
    assert best[2] > 1.0 and rows[:, PITCH].min() >= -3 and rows[:, PITCH].max() <= 3


def test_short_stops_are_speech_and_pauses_are_not():
    rows = heard(np.concatenate([voice(150, 0.4), noise(0.12, 1e-4), voice(150, 0.4), noise(0.8, 1e-4)]))
    speaking = rows[:, SPEAKING]
    assert speaking[10:44].all() and not speaking[-20:].any()
    assert not rows[24:26, VOICED].any()


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 24000), max_size=20))
def test_the_same_in_any_pieces(cuts):
    sound = np.concatenate([rising_speech(), noise(0.3, 0.01)])[:24000]
    edges = [0, *sorted(cuts), len(sound)]
    stream = Prosody()
    parts = [stream.push(sound[a:b]) for a, b in zip(edges, edges[1:])]
    whole = Prosody().push(sound)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(whole) == len(sound) // 320 and whole.shape[1] == 4 and whole.dtype == np.float32


@pytest.mark.parametrize("cut", [8000, 12345])
def test_deaf_to_the_future(cut):
    sound = rising_speech()
    other = sound.copy()
    other[cut:] = 0.3
    rows = cut // 320
    np.testing.assert_array_equal(Prosody().push(sound)[:rows], Prosody().push(other)[:rows])
