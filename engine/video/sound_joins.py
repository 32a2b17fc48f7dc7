"""Sound of clips that are put one after the other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .audio import Audio

_CLICK = 0.005  # seconds that a plain cut takes: a hard one clicks


def crossfade_sound(
    first: Audio | None, second: Audio | None, begin: float, fade: float, seconds: float
) -> Audio | None:
    """The sound of two clips that overlap: the first fades out as the second fades in, at constant power.

    Args:
        first, second: Of the clips, each from its clip's first frame; ``None`` is silence. What lasts longer than its
            clip is cut, what is shorter goes on in silence.
        begin: Seconds from the start at which the second clip begins.
        fade: Seconds of both that overlap; 0 is a cut.
        seconds: Length of the whole.

    Returns:
        Sound of that length at the higher of both rates; mono only if both are. ``None`` without any sound.
    """
    sounds = [s for s in (first, second) if s is not None]
    if not sounds:
        return None
    rate, channels = max(s.rate for s in sounds), max(len(s.samples) for s in sounds)
    out = np.zeros((channels, round(seconds * rate)), np.float32)
    fade = max(fade, _CLICK)
    for sound, start, end, falls in ((first, 0.0, begin + fade, True), (second, begin, seconds, False)):
        if sound is None:
            continue
        at, until = round(start * rate), min(round(end * rate), out.shape[1])
        samples = _at_rate(sound, rate)[:, : max(0, until - at)]
        t = (np.arange(samples.shape[1]) / rate + start - begin) / fade
        angle = np.clip(t, 0, 1) * (np.pi / 2)
        out[:, at : at + samples.shape[1]] += samples * (np.cos(angle) if falls else np.sin(angle)).astype(
            np.float32
        )
    return Audio(out, rate)


def _at_rate(sound: Audio, rate: int) -> np.ndarray:
    from scipy.signal import resample_poly

    if sound.rate == rate:
        return sound.samples
    ratio = Fraction(rate, sound.rate).limit_denominator(10_000)
    return resample_poly(sound.samples, ratio.numerator, ratio.denominator, axis=1).astype(np.float32)
