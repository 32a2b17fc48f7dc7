"""What the speech network hears: log-mel frames of 16 kHz sound, levelled by a causal gain control.

Everything here runs forward in time with carried state, so that a live stream gives what a whole recording gives.
Frame ``n`` covers the 25 ms that end at ``(n + 1) / 100`` seconds; before the sound begins there is silence.
Plain numpy: the network can run where PyTorch is not installed.
"""

from __future__ import annotations

from math import gcd, log

import numpy as np

RATE = 16000
HOP, WINDOW, FFT = 160, 400, 512
BANDS = 40
MEL_FPS = RATE / HOP
LOWEST, HIGHEST = 60.0, 7600.0
# Power of digital silence, far under the rounding noise of 16-bit sound (1e-10).
SILENCE = 1e-12

_BLOCK = 2048
_FRAMES = 64
_WINDOWS = np.arange(_FRAMES)[:, None] * HOP + np.arange(WINDOW)
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)  # O'Shaughnessy's formula, as HTK uses it


def mel_filters() -> np.ndarray:
    """float64 ``[BANDS, FFT // 2 + 1]``: triangles that overlap by half, each of sum 1."""
    edges = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)[:, None]
    at = _mel(np.arange(FFT // 2 + 1) * RATE / FFT)
    rise = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    filters = np.clip(np.minimum(rise, fall), 0.0, None)
    return filters / filters.sum(1, keepdims=True)


# Real and imaginary parts of a spectrum in turn, squared, times this are the bands of a frame.
_BANDS = np.repeat(mel_filters().T / (_HANN @ _HANN), 2, 0)


def _mel_frames(windows: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(windows * _HANN, FFT, axis=1).view(np.float64)
    spectrum *= spectrum
    bands = np.empty((len(windows), BANDS))
    # Frame by frame: one product for all may round differently from one number of frames to another, and chunks are
    # to give the same bits.
    for power, row in zip(spectrum, bands):
        np.dot(power, _BANDS, row)
    bands += SILENCE
    return np.log(bands, bands).astype(np.float32)


class MelStream:
    """Log-mel frames of sound that comes in pieces of any length; the same bits for any pieces."""

    def __init__(self) -> None:
        self._rest = np.zeros(WINDOW - HOP, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Frames that are complete with these samples.

        Args:
            samples: Finite ``[S]`` at 16 kHz, full scale 1.

        Returns:
            float32 ``[n, BANDS]``: natural logarithm of the mean power in each band (white noise of effective
            value r reads ``2 ln r``), 100 frames a second.
        """
        sound = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        count = max(0, (len(sound) - WINDOW) // HOP + 1)
        frames = np.empty((count, BANDS), np.float32)
        for start in range(0, count, _FRAMES):
            at = _WINDOWS[: count - start]
            frames[start : start + _FRAMES] = _mel_frames(sound[start * HOP :][at])
        self._rest = sound[count * HOP :].copy()
        return frames


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log-mel frames of a whole recording.

    Args:
        samples: Finite ``[S]`` at 16 kHz, full scale 1.

    Returns:
        float32 ``[S // 160, BANDS]``, see ``MelStream.push``.
    """
    return MelStream().push(samples)


# --- gain control ---------------------------------------------------------------------------------------------

# The running level is the logarithm of a frame's mean power over the bands. It follows louder sound within tens of
# milliseconds and quieter sound within seconds; what lies PAUSE below it counts as a pause, in which the level holds
# but for a slow drift. It never falls under FLOOR (speech of about -50 dBFS), so that silence stays silence.
ATTACK, RELEASE, DRIFT = (
    0.04,
    3.0,
    0.12,
)  # seconds, seconds, nepers of power (about half a decibel) per second
FLOOR = -11.5
PAUSE = 5.75
LOWEST_FEATURE = -14.0
CENTRE, SCALE = -5.0, 3.5  # what makes features of speech about zero in the mean and one in deviation
_UP, _DOWN, _SINK = (
    1.0 - float(np.exp(-1 / (MEL_FPS * ATTACK))),
    1.0 - float(np.exp(-1 / (MEL_FPS * RELEASE))),
    DRIFT / MEL_FPS,
)


def loudness(mel: np.ndarray) -> np.ndarray:
    """float64 ``[...]``: logarithm of the mean power over the bands of ``[..., BANDS]``."""
    return np.log(np.add.reduce(np.exp(mel.astype(np.float64)), -1) / mel.shape[-1])


def scaled(mel: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Features of log-mel frames ``[..., BANDS]`` and their running level ``[...]``: float32, about -2.6 to 2."""
    return ((np.maximum(mel - level[..., None], LOWEST_FEATURE) - CENTRE) / SCALE).astype(np.float32)


class GainControl:
    """Takes the loudness of the recording out of log-mel frames, forward in time, in pieces of any length.

    Args:
        level: Where the running level begins; at the start of a stream nothing has been heard yet.
    """

    def __init__(self, level: float = FLOOR) -> None:
        self.level = level

    def push(self, mel: np.ndarray) -> np.ndarray:
        """Log-mel frames float32 ``[n, BANDS]`` to features float32 ``[n, BANDS]``."""
        level, levels = self.level, np.empty(len(mel))
        for n, loud in enumerate(loudness(mel).tolist()):  # plain floats: a hundred a second need no more
            above = loud - level
            step = _UP * above if above > 0 else _DOWN * above if above > -PAUSE else -_SINK
            levels[n] = level = max(level + step, FLOOR)
        self.level = level
        return scaled(mel, levels)


def normalise(mel: np.ndarray) -> np.ndarray:
    """Features of the log-mel frames of a whole recording, float32 ``[N, BANDS]`` both."""
    return GainControl().push(mel)


# --- sampling rate --------------------------------------------------------------------------------------------

LOWEST_RATE, HIGHEST_RATE = 4000, 192000
ZEROS = 16  # zero crossings of the sinc on either side: 1 ms of delay
_ROLLOFF, _KAISER = 0.94, 9.0


class Resampler:
    """Sound of any rate to 16 kHz, in pieces of any length: a windowed sinc by phases.

    Output sample ``n`` is the sound at ``n / 16000`` seconds; it comes out once the 1 ms (at rates under 16 kHz,
    16 samples) of sound after that moment is there.

    Args:
        rate: Whole number of samples a second, 4000 to 192000.
    """

    def __init__(self, rate: int) -> None:
        if not (LOWEST_RATE <= rate <= HIGHEST_RATE and rate == int(rate)):
            raise ValueError(f"rate must be a whole number in {LOWEST_RATE}..{HIGHEST_RATE}, got {rate}")
        common = gcd(int(rate), RATE)
        self._up, self._down = RATE // common, int(rate) // common
        widest = max(1.0, self._down / self._up)
        self._reach = int(np.ceil(ZEROS * widest))
        # Row p weighs the samples around an output that falls p / up of a sample after one of them.
        away = np.arange(-self._reach + 1, self._reach + 1) - np.arange(self._up)[:, None] / self._up
        inside = np.clip(1.0 - (away / (ZEROS * widest)) ** 2, 0.0, None)
        rows = np.sinc(away * _ROLLOFF / widest) * np.i0(_KAISER * np.sqrt(inside)) * (inside > 0)
        self._filters = (rows / rows.sum(1, keepdims=True)).astype(np.float32)
        self._rest = np.zeros(self._reach - 1, np.float32)
        self._phase = 0  # of the next output, and how many samples into _rest its window begins
        self._skip = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """float32 ``[n]`` at 16 kHz, as far as it can be known after these samples ``[S]``."""
        samples = np.asarray(samples, np.float32)
        if self._up == self._down:
            return samples
        sound = np.concatenate([self._rest, samples])
        room = len(sound) - 2 * self._reach - self._skip
        count = 0 if room < 0 else ((room + 1) * self._up - self._phase - 1) // self._down + 1
        out = np.empty(count, np.float32)
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(sound, 2 * self._reach)
            for start in range(0, count, _BLOCK):
                at = self._phase + self._down * np.arange(start, min(count, start + _BLOCK), dtype=np.int64)
                rows = windows[self._skip + at // self._up] * self._filters[at % self._up]
                out[start : start + _BLOCK] = rows.sum(1)
        end = self._phase + self._down * count
        self._phase, first = end % self._up, self._skip + end // self._up
        self._rest, self._skip = sound[first:].copy(), max(0, first - len(sound))
        return out

    def flush(self) -> np.ndarray:
        """What is left when the sound has ended: float32 ``[n]``."""
        return (
            np.empty(0, np.float32)
            if self._up == self._down
            else self.push(np.zeros(self._reach, np.float32))
        )


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """A whole recording ``[S]`` of ``rate`` as float32 ``[about S * 16000 / rate]`` at 16 kHz."""
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def decibels(ratio: float) -> float:
    """Nepers of power (the unit of log-mel) of decibels."""
    return ratio * log(10.0) / 10.0
