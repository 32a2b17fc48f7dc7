"""Sounds that are no speech, over which a mouth stays shut: silence, noises, tones, chords, clicks, hum, beats."""

from __future__ import annotations

import numpy as np

from troupe.engine.speech.features import RATE


def _coloured(rng: np.random.Generator, samples: int, slope: float) -> np.ndarray:
    """Noise whose power falls with frequency to the power ``slope`` (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1 + samples // 800) ** (-slope / 2)
    return np.fft.irfft(spectrum, samples)


def silence(rng: np.random.Generator, samples: int) -> np.ndarray:
    return np.zeros(samples) if rng.random() < 0.5 else rng.standard_normal(samples) * 1e-3


def noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Steady or swelling noise of any colour, at times in a band."""
    sound = _coloured(rng, samples, rng.uniform(0, 2.2))
    if rng.random() < 0.4:
        spectrum = np.fft.rfft(sound)
        hertz = np.arange(len(spectrum)) * RATE / samples
        low = rng.uniform(50, 3000)
        spectrum[(hertz < low) | (hertz > low * rng.uniform(1.3, 8))] = 0
        sound = np.fft.irfft(spectrum, samples)
    if rng.random() < 0.4:
        sound *= np.interp(np.arange(samples), np.linspace(0, samples, 6), rng.uniform(0.05, 1, 6))
    return sound


def _voice(rng: np.random.Generator, hertz: np.ndarray, partials: int, roll: float) -> np.ndarray:
    """A harmonic tone along a course of frequencies ``[S]``."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = np.zeros(len(hertz))
    for k in range(1, partials + 1):
        sound += np.where(hertz * k < 7500, np.sin(k * phase + rng.uniform(0, 6.3)), 0) * k**-roll
    return sound


def tone(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A pure tone, steady, gliding or switched on and off."""
    ends = np.exp(rng.uniform(np.log(60), np.log(5000), 2))
    hertz = np.geomspace(*(ends if rng.random() < 0.4 else ends[[0, 0]]), samples)
    sound = _voice(rng, hertz, 1, 1.0)
    if rng.random() < 0.4:
        period = int(RATE * rng.uniform(0.15, 1.2))
        sound *= _edges((np.arange(samples) % period < period * rng.uniform(0.3, 0.7)).astype(float))
    return sound


def _edges(gate: np.ndarray, seconds: float = 0.008) -> np.ndarray:
    width = int(seconds * RATE)
    return np.convolve(gate, np.ones(width) / width, "same")


def music(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Chords and runs of plucked or held harmonic notes, at times with a beat under them."""
    sound = np.zeros(samples)
    step = int(RATE * rng.uniform(0.18, 0.9))
    root, scale = rng.uniform(55, 330), (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)
    roll, decay = rng.uniform(0.8, 2.0), rng.choice([0.2, 0.5, 1.5, 6.0])
    for at in range(0, samples, step):
        long = min(int(step * rng.uniform(0.9, 2)), samples - at)
        if long < 200:
            continue
        time = np.arange(long) / RATE
        fade = (
            np.exp(-time / decay) * np.minimum(1, time / 0.006) * np.minimum(1, (long / RATE - time) / 0.02)
        )
        for note in rng.choice(scale, int(rng.integers(1, 5)), replace=False):
            wave = 1 + 0.006 * np.sin(2 * np.pi * rng.uniform(4, 7) * time) * (rng.random() < 0.3)
            pitch = root * 2 ** (note / 12) * np.broadcast_to(wave, long)
            sound[at : at + long] += fade * _voice(rng, pitch, int(rng.integers(1, 10)), roll)
    return sound + (2 * beat(rng, samples) if rng.random() < 0.4 else 0)


def beat(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Drums: short bursts of noise and falling thuds in time."""
    sound, step = np.zeros(samples), int(RATE * rng.uniform(0.12, 0.5))
    for at in range(0, samples, step):
        long = min(int(RATE * rng.uniform(0.03, 0.2)), samples - at)
        time = np.arange(long) / RATE
        if rng.random() < 0.5:
            hit = np.sin(2 * np.pi * 70 * time * np.exp(-8 * time))
        else:
            hit = rng.standard_normal(long)
        sound[at : at + long] += hit * np.exp(-time / rng.uniform(0.01, 0.06)) * rng.uniform(0.2, 1)
    return sound


def clicks(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Keys, knocks and crackle at random times."""
    sound = rng.standard_normal(samples) * 10 ** rng.uniform(-4, -2.3)
    for at in rng.integers(0, samples, max(1, int(samples / RATE * rng.uniform(0.5, 15)))):
        long = min(int(RATE * 10 ** rng.uniform(-3.5, -1.3)), samples - at)
        sound[at : at + long] += (
            rng.standard_normal(long) * np.exp(-4 * np.arange(long) / long) * rng.uniform(0.1, 1)
        )
    return sound


def hum(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Mains hum, fans and engines: a low harmonic drone in noise."""
    hertz = np.full(samples, rng.choice([50.0, 60.0, rng.uniform(25, 180)]))
    hertz *= 1 + 0.02 * np.sin(np.linspace(0, rng.uniform(0, 20), samples))
    drone = _voice(rng, hertz, int(rng.integers(3, 25)), rng.uniform(0.3, 1.5))
    return drone + _coloured(rng, samples, 1.5) * rng.uniform(0.1, 3)


KINDS = {f.__name__: f for f in (silence, noise, tone, music, beat, clicks, hum)}


def negative(rng: np.random.Generator, samples: int) -> tuple[np.ndarray, str]:
    """One such sound at 16 kHz.

    Returns:
        float32 ``[samples]``, at most 1 in size, soft to loud; and its kind.
    """
    kind = str(rng.choice(list(KINDS), p=[0.1, 0.22, 0.2, 0.22, 0.06, 0.1, 0.1]))
    sound = KINDS[kind](rng, samples)
    peak = np.abs(sound).max(initial=0.0)
    if kind != "silence" and peak > 0:
        sound = sound * (10 ** rng.uniform(-2.2, -0.1) / peak)
    return sound.astype(np.float32), kind
