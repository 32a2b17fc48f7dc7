"""Beats: short gestures with a course of their own, such as a blink or a nod."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curves import apply_curve
from .face_motion import BLENDSHAPES, HEAD
from .names import channel_pose

Keys = tuple[tuple[float, float], ...]
Sides = float | tuple[float, float]


@dataclass(frozen=True)
class Beat:
    """A gesture as tracks of (seconds, share of the peak) keys, smooth between keys, 0 outside them.

    Attributes:
        seconds: Its natural length.
        tracks: Pairs of (channel values at the peak, keys).
        span: What a given length does: ``hold`` stays at the peak, ``repeat`` plays whole cycles,
            ``stretch`` plays it slower or faster.
    """

    seconds: float
    tracks: tuple[tuple[dict[str, Sides], Keys], ...]
    span: str = "stretch"

    @property
    def peak(self) -> tuple[np.ndarray, np.ndarray]:
        """Blendshapes ``[52]`` and head ``[6]`` with every track at its peak."""
        merged: dict[str, Sides] = {}
        for values, _ in self.tracks:
            merged |= values
        return channel_pose(merged)

    def sample(self, times: np.ndarray, seconds: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values at ``times`` (seconds from its begin): float32 blendshapes ``[T, 52]`` and head ``[T, 6]``.

        Args:
            times: float ``[T]``; before 0 and after the end everything is 0.
            seconds: Length to fill, see ``span``; default its natural one.
        """
        times = np.asarray(times, np.float64)
        length = self.seconds if seconds is None else seconds
        inside = (times >= 0) & (times < length)
        local = self._local(np.where(inside, times, 0.0), length)
        shapes = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
        head = np.zeros((len(times), len(HEAD)), np.float32)
        for values, keys in self.tracks:
            share = (_between(local, keys) * inside).astype(np.float32)[:, None]
            s, h = channel_pose(values)
            shapes += share * s
            head += share * h
        return np.clip(shapes, 0, 1), head

    def _local(self, times: np.ndarray, length: float) -> np.ndarray:
        """Times of a span of ``length`` seconds in the beat's own time."""
        if self.span == "repeat":
            cycles = max(1, round(length / self.seconds))
            return np.mod(times * cycles / length, 1.0) * self.seconds
        if self.span == "hold" and length > self.seconds:
            peak = max(self.tracks[0][1], key=lambda k: k[1])[0]
            return np.where(times < peak, times, np.maximum(peak, times - (length - self.seconds)))
        return times * (self.seconds / length)


def _between(times: np.ndarray, keys: Keys) -> np.ndarray:
    """Smooth interpolation: at rest in every key, so that nothing overshoots."""
    at, value = np.array(keys).T
    i = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
    p = apply_curve("ease_in_out", (times - at[i]) / (at[i + 1] - at[i]))
    return value[i] + (value[i + 1] - value[i]) * p


# 80 ms closing, 60 ms shut, 180 ms opening.
_LID: Keys = ((0, 0), (0.08, 1), (0.14, 1), (0.32, 0))
_WINK: Keys = ((0, 0), (0.11, 1), (0.26, 1), (0.46, 0))


def _wink(side: int) -> Beat:
    """A wink of the left (0) or right (1) eye: the cheek helps, the other eye hardly moves."""

    def sides(this: float, other: float) -> tuple[float, float]:
        return (this, other) if side == 0 else (other, this)

    face = {
        "cheekSquint": sides(0.55, 0.08),
        "eyeSquint": sides(0.3, 0.1),
        "mouthSmile": sides(0.6, 0.2),
        "browDown": sides(0.22, 0.0),
        "roll": 2.5 if side == 0 else -2.5,
    }
    return Beat(
        0.8, (({"eyeBlink": sides(1, 0)}, _WINK), (face, ((0, 0), (0.16, 1), (0.34, 1), (0.8, 0)))), "hold"
    )


def _laugh() -> Beat:
    """Two bursts of four 'ha' at about five a second, the head thrown back a little, then a smile that fades."""
    mirth: Keys = ((0, 0), (0.3, 1), (2.0, 0.95), (2.6, 0))
    pulses: list[tuple[float, float]] = [(0.0, 0.0), (0.15, 0.3)]
    for begin, size in ((0.25, 1.0), (1.2, 0.75)):
        for n in range(4):
            height = size * (1 - 0.13 * n)
            pulses += [(begin + 0.2 * n, height), (begin + 0.2 * n + 0.11, 0.35 * height)]
    pulses += [(2.4, 0.0)]
    face = {
        "mouthSmile": (0.85, 0.8), "cheekSquint": (0.75, 0.7), "eyeSquint": (0.5, 0.48), "eyeBlink": (0.22, 0.22),
        "mouthUpperUp": (0.3, 0.28), "mouthLowerDown": (0.2, 0.2), "noseSneer": (0.14, 0.12),
        "browInnerUp": 0.12, "pitch": -5.0, "roll": 1.5,
    }  # fmt: skip
    return Beat(2.6, ((face, mirth), ({"jawOpen": 0.45, "y": -0.012}, tuple(pulses))), "repeat")


def _yawn() -> Beat:
    """The jaw drops slowly and wide, the eyes narrow and shut, the head tips back; then it all lets go."""
    gape: Keys = ((0, 0), (0.5, 0.12), (1.7, 1), (2.5, 0.95), (3.4, 0))
    eyes: Keys = ((0, 0), (0.9, 0.15), (1.8, 1), (2.7, 0.9), (3.5, 0))
    mouth = {
        "jawOpen": 0.85, "mouthFunnel": 0.25, "mouthStretch": (0.18, 0.16), "mouthLowerDown": 0.15,
        "mouthShrugUpper": 0.12, "noseSneer": (0.22, 0.2), "tongueOut": 0.06, "pitch": -7.0, "roll": 2.0,
    }  # fmt: skip
    lids = {
        "eyeBlink": (0.85, 0.85),
        "eyeSquint": (0.6, 0.58),
        "browInnerUp": 0.3,
        "cheekSquint": (0.35, 0.32),
    }
    return Beat(3.6, ((mouth, gape), (lids, eyes)))


BEATS: dict[str, Beat] = {
    "blink": Beat(0.34, (({"eyeBlink": 1, "eyeSquint": 0.1, "browDown": 0.03}, _LID),), "hold"),
    "wink": _wink(0),
    "wink_right": _wink(1),
    "nod": Beat(
        1.1,
        (({"pitch": 9.0, "y": 0.02}, ((0, 0), (0.08, -0.12), (0.34, 1), (0.62, -0.15), (0.82, 0.35), (1.1, 0))),
         ({"eyeLookUp": 0.16}, ((0, 0), (0.34, 1), (0.6, 0), (1.1, 0)))),
        "repeat",
    ),
    "shake": Beat(
        1.3,
        (({"yaw": 11.0, "roll": 1.2}, ((0, 0), (0.22, 0.85), (0.52, -1), (0.82, 0.7), (1.06, -0.3), (1.3, 0))),
         ({"mouthPress": (0.22, 0.2), "browDown": (0.16, 0.14)}, ((0, 0), (0.25, 1), (0.9, 1), (1.3, 0)))),
        "repeat",
    ),
    "kiss": Beat(
        1.1,
        (({"mouthPucker": 0.8, "mouthFunnel": 0.18, "jawForward": 0.08, "pitch": -2.0, "z": -0.1},
          ((0, 0), (0.4, 1), (0.62, 1), (1.1, 0))),
         ({"eyeBlink": (0.4, 0.4), "browInnerUp": 0.15}, ((0, 0), (0.4, 1), (0.62, 1), (0.9, 0)))),
        "hold",
    ),
    "laugh": _laugh(),
    "yawn": _yawn(),
}  # fmt: skip
