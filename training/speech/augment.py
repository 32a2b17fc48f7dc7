"""Other throats, rooms, microphones and noise, made on log-mel frames: cheap enough to be done anew for every batch.

All functions take and give log-mel ``[B, N, BANDS]`` float32 as ``engine.speech.features`` makes them (natural
logarithm of power, gain not controlled), never in place, and one random generator. ``strength`` 0..1 says how far they
may go: training ramps it up, for a network that meets everything at once learns little.
"""

from __future__ import annotations

import numpy as np

from troupe.engine.speech.features import (
    BANDS,
    FLOOR,
    HIGHEST,
    LOWEST,
    MEL_FPS,
    SILENCE,
    GainControl,
    decibels,
)

SILENT = float(np.log(SILENCE))
WARP = 0.17  # how far a throat may be longer or shorter
TILT, EQUALISER = 12.0, 5.0  # decibels
NOISIEST, CLEANEST = 4.0, 55.0  # signal to noise, decibels
GAIN = 16.0  # decibels either way


def _centres() -> np.ndarray:
    """Hertz of the bands' centres."""

    def mel(hertz: float) -> float:
        return 2595 * np.log10(1 + hertz / 700)

    return 700 * (10 ** (np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)[1:-1] / 2595) - 1)


HERTZ = _centres()
_ACROSS = np.linspace(-1, 1, BANDS, dtype=np.float32)
# How many spectral bins a band holds: the fewer, the more its power flickers in noise.
_BINS = np.maximum(1.0, 0.6 * np.gradient(HERTZ) / 40.0)


def powers(mel: np.ndarray) -> np.ndarray:
    return np.exp(mel)


def logs(power: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(power, np.float32(SILENCE)))


def speech_level(mel: np.ndarray) -> np.ndarray:
    """Loudness ``[B]`` of the loud parts."""
    return np.percentile(np.log(np.exp(mel).mean(-1) + SILENCE), 85, axis=1).astype(np.float32)


def throat(mel: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Vocal tract length perturbation (Jaitly & Hinton 2013): all frequencies by one factor."""
    factor = np.exp(rng.uniform(-1, 1, (len(mel), 1)) * strength * WARP)
    at = np.stack([np.interp(HERTZ * f, HERTZ, np.arange(BANDS)) for f in factor[:, 0]])
    low = np.minimum(at.astype(int), BANDS - 2)
    part = (at - low).astype(np.float32)[:, None]
    below = np.take_along_axis(mel, low[:, None], 2)
    return below + part * (np.take_along_axis(mel, low[:, None] + 1, 2) - below)


def blur(mel: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Some recordings lose the harmonics of the voice, or its quick changes."""
    out = mel
    over = (rng.random((len(mel), 1, 1)) < 0.25 * strength).astype(np.float32) * np.float32(0.5)
    if over.any():
        wide = np.pad(out, ((0, 0), (0, 0), (1, 1)), mode="edge")
        out = out * (1 - over) + over * 0.5 * (wide[:, :, 2:] + wide[:, :, :-2])
    over = (rng.random((len(mel), 1, 1)) < 0.2 * strength).astype(np.float32) * np.float32(0.4)
    if over.any():
        before = np.concatenate([out[:, :1], out[:, :-1]], 1)
        out = out * (1 - over) + over * before
    return out


def microphone(mel: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Tilt, a smooth equaliser, and now and then the narrow band of a telephone."""
    count = len(mel)
    curve = rng.uniform(-1, 1, (count, 1)) * decibels(TILT) / 2 * _ACROSS
    for ripple in range(2, 7):
        phase = rng.uniform(0, np.pi, (count, 1))
        curve = curve + rng.normal(0, decibels(EQUALISER) / ripple, (count, 1)) * np.cos(
            ripple * np.pi * _ACROSS / 2 + phase
        )
    narrow = rng.random(count) < 0.3
    top = np.where(narrow, np.exp(rng.uniform(np.log(3000), np.log(7500), count)), 1e5)[:, None]
    bottom = np.where(rng.random(count) < 0.3, np.exp(rng.uniform(np.log(80), np.log(350), count)), 1.0)[
        :, None
    ]
    octaves = np.maximum(np.log2(HERTZ / top), 0) * 4 + np.maximum(np.log2(bottom / HERTZ), 0)
    curve = curve - np.minimum(octaves * decibels(18), decibels(60))
    return mel + (strength * curve).astype(np.float32)[:, None]


def room(mel: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A tail of reverberation: power that dies away exponentially, faster at high frequencies."""
    count = len(mel)
    echoing = rng.random(count) < 0.5 * strength
    if not echoing.any():
        return mel
    seconds = np.exp(rng.uniform(np.log(0.15), np.log(0.7), (count, 1)))  # until 60 dB are lost
    frames = MEL_FPS * seconds * (1 - 0.25 * (_ACROSS + 1) / 2 * rng.uniform(0, 1, (count, 1)))
    keep = np.exp(-np.log(1e6) / frames).astype(np.float32)
    gain = (10 ** (rng.uniform(-2.2, -0.5, (count, 1))) * echoing[:, None] * (1 - keep)).astype(np.float32)
    power = powers(mel)
    tail, out = np.zeros((count, BANDS), np.float32), power.copy()
    for n in range(1, mel.shape[1]):
        tail = keep * (tail + gain * power[:, n - 1])
        out[:, n] += tail
    return logs(out)


def noise_like(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Power of noise of any colour ``[B, N, BANDS]``, mean about 1, steady or swelling."""
    count, frames, _ = mel.shape
    slope = rng.uniform(-2.2, 0.6, (count, 1))
    profile = (HERTZ / 1000) ** slope
    ripple = rng.normal(0, 1.2, (count, 5)) @ np.cos(np.arange(1, 6)[:, None] * np.pi * (_ACROSS + 1) / 2)
    profile = profile * np.exp(ripple)
    profile /= profile.mean(1, keepdims=True)
    keys = rng.normal(0, 1, (count, 8)) * rng.choice([0.0, 0.3, 1.0], (count, 1))
    at = np.linspace(0, 6.999, frames)
    low = at.astype(int)
    swell = np.exp(keys[:, low] * (1 - at + low) + keys[:, low + 1] * (at - low))
    # A sum of few squared spectral bins: log-normal is near enough.
    flicker = rng.standard_normal((count, frames, BANDS), np.float32)
    flicker[:, 1:] = 0.8 * flicker[:, 1:] + 0.6 * flicker[:, :-1]  # windows overlap
    flicker *= (1.1 / np.sqrt(_BINS)).astype(np.float32)
    return (profile[:, None] * swell[..., None]).astype(np.float32) * np.exp(flicker)


def noise(mel: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Noise of a room or of other voices, under the speech by so many decibels."""
    count = len(mel)
    noisy = rng.random(count) < 0.35 + 0.35 * strength
    clean = CLEANEST - 10
    under = rng.uniform(clean - (clean - NOISIEST) * strength, CLEANEST, count)
    power = noise_like(mel, rng)
    babble = rng.random(count) < 0.25
    if babble.any():
        # Three of the other items at once, from another moment on; never louder than 8 dB under the speech.
        others = powers(mel - speech_level(mel)[:, None, None])
        mixed = sum(np.roll(others, (k, int(rng.integers(mel.shape[1]))), (0, 1)) for k in (1, 2, 3)) / 3
        power = np.where(babble[:, None, None], mixed, power)
        under = np.where(babble, np.maximum(under, 8.0), under)
    level = np.maximum(speech_level(mel), FLOOR - 4) - decibels(1.0) * under
    scale = np.where(noisy, np.exp(level), 0.0).astype(np.float32)
    return logs(powers(mel) + scale[:, None, None] * power)


def holes(features: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """SpecAugment (Park et al. 2019), mildly: a few bands that tell nothing (their own mean)."""
    out = features.copy()
    for item in np.flatnonzero(rng.random(len(features)) < 0.3 * strength):
        first, width = int(rng.integers(0, BANDS - 6)), int(rng.integers(1, 7))
        out[item, :, first : first + width] = out[item, :, first : first + width].mean()
    return out


def levelled(mel: np.ndarray, rng: np.random.Generator, from_start: np.ndarray) -> np.ndarray:
    """Features as the gain control makes them: as at the start of a stream, or as in the middle of one where the level
    is about right."""
    about = speech_level(mel) + rng.uniform(-2.0, 1.0, len(mel))
    level = np.where(from_start, FLOOR, np.maximum(about, FLOOR))
    return np.stack([GainControl(float(first)).push(item) for first, item in zip(level, mel)])


def augmented(
    mel: np.ndarray, rng: np.random.Generator, strength: float, from_start: np.ndarray
) -> np.ndarray:
    """Everything in the order in which sound meets it; features ``[B, N, BANDS]``.

    Args:
        mel: ``[B, N, BANDS]``.
        rng: Of chance.
        strength: 0..1.
        from_start: bool ``[B]``: these crops begin a stream.
    """
    mel = throat(mel, rng, strength)
    mel = blur(mel, rng, strength)
    mel = room(mel, rng, strength)
    mel = noise(mel, rng, strength)
    mel = microphone(mel, rng, strength)
    mel = mel + (rng.uniform(-1, 1, (len(mel), 1, 1)) * decibels(GAIN)).astype(np.float32)
    return holes(levelled(np.maximum(mel, np.float32(SILENT)), rng, from_start), rng, strength)
