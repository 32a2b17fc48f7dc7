"""Colours brought together: mean and spread in Lab, steady over time.

After Reinhard, Ashikhmin, Gooch and Shirley, "Color Transfer between Images" (2001), in CIE Lab, with limits: a
result that shows something else must not be stretched beyond recognition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .crops import smooth_in_time

MATCHES = ("off", "ring", "face")
_GAIN = (0.6, 1.6)  # most that contrast is changed
_LEAST_SPREAD = 1.0  # Lab units under which there is no contrast to compare
_NOTHING = 1e-3, 0.02  # gain and offset that no eye sees
_ROUNDING = 0.3  # Lab units, at most the standard deviation of what rounding to 8 bits adds to a pixel
_SURE = 4  # standard errors from which a difference is none of rounding


@dataclass(frozen=True, eq=False)
class Tint:
    """A correction in Lab: ``gain · (lab - middle) + middle + shift``, each float32 ``[3]``."""

    gain: np.ndarray
    middle: np.ndarray
    shift: np.ndarray

    @property
    def is_nothing(self) -> bool:
        return bool((np.abs(self.gain - 1) < _NOTHING[0]).all() and (np.abs(self.shift) < _NOTHING[1]).all())

    @property
    def size(self) -> float:
        """Length of the shift: the colour difference (CIE 1976) between both means."""
        return float(np.linalg.norm(self.shift))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """float32 ``[H, W, 3]`` RGB in 0..1, corrected; the image itself if there is nothing to correct."""
        if self.is_nothing:
            return image
        import cv2

        offset = self.middle * (1 - self.gain) + self.shift
        return to_rgb(cv2.transform(to_lab(image), np.column_stack([np.diag(self.gain), offset])))


def to_lab(image: np.ndarray) -> np.ndarray:
    """float32 RGB in 0..1 to Lab: L in 0..100."""
    import cv2

    return cv2.cvtColor(np.clip(image, 0, 1), cv2.COLOR_RGB2Lab)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Lab to float32 RGB in 0..1."""
    import cv2

    return np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1)


def statistics(image: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
    """Weighted mean and spread in Lab, and of how many pixels: float64 ``[7]``; ``None`` where nothing has weight.

    Args:
        image: float32 ``[H, W, 3]`` RGB.
        weight: float32 ``[H, W]``.
    """
    total = float(weight.sum())
    if total < 1:
        return None
    lab, share = (
        to_lab(image).reshape(-1, 3).astype(np.float64),
        (weight / total).reshape(-1).astype(np.float64),
    )
    mean = share @ lab
    return np.concatenate([mean, np.sqrt(share @ np.square(lab - mean)), [total]])


def tints(pairs: Sequence[tuple[np.ndarray, np.ndarray] | None], sigma: float) -> list[Tint]:
    """What brings each frame's colours to those wanted, smoothed over time.

    Args:
        pairs: For each frame ``statistics`` of the result and of what it should look like; ``None`` where unknown.
        sigma: Frames (standard deviation) over which corrections are smoothed, so that they do not flicker.
    """
    known = [t for t, pair in enumerate(pairs) if pair is not None]
    if not known:
        nothing = Tint(np.ones(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32))
        return [nothing] * len(pairs)
    have, want = (np.stack([pairs[t][k] for t in known]) for k in (0, 1))
    spread = (np.maximum(want[:, 3:6], _LEAST_SPREAD), np.maximum(have[:, 3:6], _LEAST_SPREAD))
    gain = np.log(np.clip(spread[0] / spread[1], *_GAIN))
    differs = ~_only_rounded(have, want)[:, None]
    raw = np.concatenate([gain * differs, have[:, :3], (want[:, :3] - have[:, :3]) * differs], 1)
    full = np.column_stack([np.interp(np.arange(len(pairs)), known, column) for column in raw.T])
    smooth = smooth_in_time(full, sigma, "even").astype(np.float32)
    return [Tint(np.exp(row[:3]), row[3:6], row[6:]) for row in smooth]


def _only_rounded(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Which ``statistics [T, 7]`` differ by no more than rounding to 8 bits explains, which counts more the fewer pixels
    there are: bool ``[T]``."""
    error = _SURE * _ROUNDING / np.sqrt(np.minimum(have[:, 6:], want[:, 6:]))
    # Noise adds to the spread itself.
    wider = np.square(_ROUNDING) / (2 * np.maximum(want[:, 3:6], _LEAST_SPREAD))
    off = np.abs(have - want)
    return (off[:, :3] < error).all(1) & (off[:, 3:6] < error + wider).all(1)
