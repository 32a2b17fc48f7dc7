"""Log-mel frames, gain control and resampling: physics, and the same in any pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech import features as F


def voice_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Syllables of a buzz, four a second, with pauses of true silence."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * F.RATE)) / F.RATE
    buzz = sum(np.sin(2 * np.pi * 130 * k * t + rng.uniform(0, 6)) / k for k in range(1, 25))
    envelope = np.clip(np.sin(2 * np.pi * 4 * t), 0, None) * (np.sin(2 * np.pi * 0.4 * t) > -0.5)
    return (0.1 * envelope * buzz).astype(np.float32)


def pieces(length: int, cuts: list[int]) -> list[slice]:
    edges = [0, *sorted(min(c, length) for c in cuts), length]
    return [slice(a, b) for a, b in zip(edges, edges[1:])]


cuts = st.lists(st.integers(0, 16000), max_size=25)


def test_white_noise_reads_its_power_in_every_band():
    noise = np.random.default_rng(1).normal(0, 0.05, 20 * F.RATE)
    power = np.log(np.exp(F.log_mel(noise).astype(float)).mean(0))
    np.testing.assert_allclose(power, 2 * np.log(0.05), atol=0.12)


@pytest.mark.parametrize("hertz", [150, 440, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_its_own_band(hertz):
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(F.RATE) / F.RATE)
    band = F.log_mel(tone)[50].argmax()
    filters = F.mel_filters()
    assert filters[band, round(hertz * F.FFT / F.RATE)] == filters[:, round(hertz * F.FFT / F.RATE)].max()


def test_frames_see_nothing_that_comes_later():
    sound = voice_like(1.0)
    frames = F.log_mel(sound)
    for n in (0, 1, 37, 98):
        end = (n + 1) * F.HOP
        changed = sound.copy()
        changed[end:] = 0.5
        np.testing.assert_array_equal(F.log_mel(changed)[: n + 1], frames[: n + 1])
        changed = sound.copy()
        changed[max(0, end - 200)] += 0.1  # but what lies in the window is seen
        assert (F.log_mel(changed)[n] != frames[n]).any()


@settings(max_examples=25, deadline=None)
@given(cuts)
def test_chunks_give_the_same_bits(cut):
    sound = voice_like(1.0)
    mel, gain = F.MelStream(), F.GainControl()
    frames = [mel.push(sound[part]) for part in pieces(len(sound), cut)]
    features = [gain.push(frame) for frame in frames]
    whole = F.log_mel(sound)
    assert whole.shape == (100, F.BANDS) and whole.dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(frames), whole)
    np.testing.assert_array_equal(np.concatenate(features), F.normalise(whole))


@pytest.mark.parametrize("gain_db", [-24, -12, 12, 20])
def test_the_gain_of_a_recording_hardly_matters(gain_db):
    sound = voice_like(4.0)
    usual = F.normalise(F.log_mel(sound))
    other = F.normalise(F.log_mel(sound * np.float32(10 ** (gain_db / 20))))
    loud = usual.mean(1) > -0.5
    assert loud.sum() > 100
    # After the first tenth of a second of sound.
    first = np.flatnonzero(loud)[0] + 10
    assert np.abs(other - usual)[first:][loud[first:]].max() < 0.2


def test_silence_stays_silence():
    hiss = np.random.default_rng(0).normal(0, 1e-4, 10 * F.RATE)  # -80 dBFS
    assert F.normalise(F.log_mel(hiss)).max() < 0.3
    assert F.normalise(F.log_mel(hiss)).mean() < -0.3
    assert (
        F.normalise(F.log_mel(np.zeros(F.RATE))) == np.float32((F.LOWEST_FEATURE - F.CENTRE) / F.SCALE)
    ).all()


def test_a_pause_does_not_raise_the_background():
    rng = np.random.default_rng(0)
    sound = voice_like(8.0) + rng.normal(0, 3e-4, 8 * F.RATE).astype(np.float32)
    sound[3 * F.RATE :] = rng.normal(0, 3e-4, 5 * F.RATE)
    features = F.normalise(F.log_mel(sound)).mean(1)
    assert features[-50:].mean() - features[320:370].mean() < 0.3


def test_a_quieter_speaker_is_followed_within_seconds():
    sound = voice_like(16.0)
    sound[4 * F.RATE :] *= 0.1
    features = F.normalise(F.log_mel(sound))
    # The sound repeats every 2.5 s; compare with the same moment before the drop.
    assert np.abs(features[1550:1600] - features[300:350]).mean() < 0.35


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050, 44100, 44056, 48000, 96000, 192000])
def test_a_tone_keeps_pitch_phase_and_level_at_any_rate(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    out = F.resample(tone, rate)
    assert abs(len(out) - F.RATE) <= 1 and out.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(len(out)) / F.RATE)
    assert np.abs(out - expected)[100:-100].max() < 1e-4


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_what_16_khz_cannot_hold_is_taken_out(rate):
    tone = np.sin(2 * np.pi * 9500 * np.arange(rate) / rate)
    assert np.abs(F.resample(tone, rate))[100:-100].max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(cuts, st.sampled_from([4000, 8000, 22050, 44100, 48000, 192000]))
def test_resampling_in_chunks_gives_the_same_bits(cut, rate):
    sound = np.random.default_rng(0).normal(size=9000).astype(np.float32)
    resampler = F.Resampler(rate)
    out = [resampler.push(sound[part]) for part in pieces(len(sound), cut)]
    np.testing.assert_array_equal(np.concatenate([*out, resampler.flush()]), F.resample(sound, rate))


@pytest.mark.parametrize("rate", [0, -1, 3999, 200000, 16000.5])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        F.Resampler(rate)


def test_decibels():
    assert F.decibels(10) == pytest.approx(np.log(10))
