"""The melody and force of speech, 50 rows a second, forward in time: what brows and head follow.

Pitch is the first strong peak of the normalised autocorrelation (McLeod and Wyvill 2005, "A smarter way to find
pitch"), on sound thinned to 4 kHz; force is the level in the same band, where vowels are. Both are told relative to
the speaker's own running mean and spread, so that voices and recordings of any kind drive a face alike. Tones, noise
and music without a voice in front read as not speaking, as far as pitch and level can tell.
"""

from __future__ import annotations

from math import exp, log2, log10

import numpy as np

from .features import RATE

FPS = 50
# Columns of a row: whether there is voice now (0 or 1), pitch and force in the speaker's own deviations from their
# own mean (0 where there is no voice), and whether somebody is speaking (0 or 1; short stops count as speaking).
VOICED, PITCH, FORCE, SPEAKING = range(4)
WIDTH = 4

_THIN = 4
_ROW = RATE // FPS  # samples
_STEP = 2 * _ROW  # pitch and force are taken at every other row, which is often enough for syllables
_KEPT = _STEP // _THIN  # of these samples after thinning
_TAPS = 40
_LOWEST, _HIGHEST = 60.0, 480.0  # Hz
_LONG, _SHORT = int(RATE / _THIN / _LOWEST), int(RATE / _THIN / _HIGHEST)
_WINDOW = _KEPT  # 40 ms
_CLEAR, _CERTAIN = 0.6, 0.8  # of the autocorrelation's peak, to be a voice: as one goes on, as one begins
_FIRST = (
    0.87  # of the highest peak: the first one that reaches this is the period, later ones are its multiples
)

_QUIET = -65.0  # dB of full scale: under this nobody speaks
_ABOVE = 9.0  # dB over the background
_FALL, _RISE = (
    0.1,
    1.5,
)  # seconds in which the background is followed down; dB a second in which it is followed up
_SETTLE = 5  # steps in which it is followed up as quickly
_HANG = 5  # steps that speaking goes on after the last voice
_MEMORY = 8.0  # seconds that mean and spread remember
_LEAST_PITCH, _LEAST_FORCE = 2.0, 4.0  # semitones and dB: the least spread anybody is credited with
_LEAP = 7.0  # semitones from step to step that no voice leaps: a click, or an octave misheard
_MOST = 3.0  # deviations
_KNOWN = 8  # steps after which deviations count in full
_QUICK = 1.0 - exp(-_STEP / (RATE * _FALL))


def _low_pass() -> np.ndarray:
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(at * 0.8 / _THIN) * np.hamming(_TAPS)
    return taps / taps.sum()


_FILTER = _low_pass()


class _Running:
    """Mean and spread of what has been, forgetting slowly; the first values count at once."""

    def __init__(self, least: float) -> None:
        self._least, self._count = least, 0
        self._mean = self._square = 0.0

    def place(self, value: float) -> float:
        """Where ``value`` lies, in deviations from the mean, before it is counted in."""
        self._count += 1
        share = max(1.0 / self._count, _STEP / (RATE * _MEMORY))
        if self._count == 1:
            self._mean, self._square = value, 0.0
        off = value - self._mean
        spread = max(self._square**0.5, self._least)
        self._mean += share * off
        self._square += share * (off * off - self._square)
        known = min(self._count / _KNOWN, 1.0)  # nobody is known by the first sound
        return known * min(max(off / spread, -_MOST), _MOST)


class Prosody:
    """Prosody of sound that comes in pieces of any length; the same for any pieces."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._tail = np.zeros(_TAPS - _THIN)
        self._thin = np.zeros(_WINDOW + _LONG)
        self._pitch, self._force = _Running(_LEAST_PITCH), _Running(_LEAST_FORCE)
        self._background, self._steps = 0.0, 0
        self._last: float | None = None
        self._since_voice = _HANG
        self._half, self._heard = False, (0.0, 0.0, 0.0, 0.0)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Rows that are complete with these samples.

        Args:
            samples: Finite ``[S]`` at 16 kHz, full scale 1.

        Returns:
            float32 ``[n, 4]``, columns ``VOICED``, ``PITCH``, ``FORCE``, ``SPEAKING``. Row ``n`` is heard in the 80 ms
            that end at ``(n + 1) / 50`` seconds.
        """
        sound = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        heard, at = [], 0  # where the step that is not over yet begins
        while len(sound) - at >= (_STEP if self._half else _ROW):
            if self._half:
                self._heard = self._step(sound[at : at + _STEP])
                at += _STEP
            self._half = not self._half
            heard.append(self._heard)
        self._rest = sound[at:].copy()
        return np.array(heard, np.float32).reshape(len(heard), WIDTH)

    def _step(self, sound: np.ndarray) -> tuple[float, float, float, float]:
        line = np.concatenate([self._tail, sound])
        self._tail = line[_STEP:]
        self._thin = np.concatenate([self._thin[_KEPT:], np.convolve(line, _FILTER, "valid")[::_THIN]])
        heard = self._thin - self._thin.sum() / len(self._thin)
        squares = heard * heard
        level = 10.0 * log10(float(squares[_LONG:].sum()) / _WINDOW + 1e-12)
        pitch, clear = _pitch_of(heard, squares) if self._is_loud(level) else (None, 0.0)
        last, self._last = self._last, pitch
        if pitch is not None and (clear < _CERTAIN if last is None else abs(pitch - last) > _LEAP):
            pitch = None  # believed if it goes on from there
        if pitch is None:
            self._since_voice += 1
            return 0.0, 0.0, 0.0, float(self._since_voice < _HANG)
        self._since_voice = 0
        return 1.0, self._pitch.place(pitch), self._force.place(level), 1.0

    def _is_loud(self, level: float) -> bool:
        """Whether the level stands out; follows the background."""
        self._steps += 1
        if self._steps == 1:
            self._background = level
        off = level - self._background
        if off < 0 or self._steps < _SETTLE:
            self._background += _QUICK * off
        else:
            self._background += min(off, _RISE * _STEP / RATE)
        return level > max(_QUIET, self._background + _ABOVE)


def _pitch_of(heard: np.ndarray, squares: np.ndarray) -> tuple[float | None, float]:
    """Semitones of the voice's pitch above 1 Hz, or None without a voice; and how clear it is (0..1).

    Args:
        heard: Thinned sound of ``_WINDOW + _LONG`` samples; ``squares`` the same squared.
    """
    same = np.correlate(heard, heard[_LONG:], "valid")[::-1]  # by lag, from 0
    before = np.cumsum(squares)
    power = before[_WINDOW - 1 :].copy()
    power[1:] -= before[:_LONG]
    power = power[::-1]
    near = 2.0 * same[_SHORT - 1 :] / (power[0] + power[_SHORT - 1 :] + 1e-20)
    values = near.tolist()  # few enough for a plain loop to be quicker than arrays
    tops = [i for i in range(1, len(values) - 1) if values[i - 1] < values[i] >= values[i + 1]]
    clear = max((values[i] for i in tops), default=0.0)
    if clear < _CLEAR:
        return None, clear
    at = next(i for i in tops if values[i] >= _FIRST * clear)
    left, here, right = values[at - 1 : at + 2]
    bend = left - 2 * here + right
    lag = _SHORT - 1 + at + (0.5 * (left - right) / bend if bend < 0 else 0.0)
    return 12.0 * log2(RATE / _THIN / lag), clear
