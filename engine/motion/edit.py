"""Edits: pure functions from face motions to a face motion.

Where two motions meet, the first one rules: the result has its frame rate and start, and the second is sampled
by time. Lengths in seconds are rounded to whole frames.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..errors import TroupeError
from .face_motion import BLENDSHAPES, HEAD, INDEX, FaceMotion, frame_count

_COLUMNS = (*BLENDSHAPES, *HEAD)


def _group(*prefixes: str) -> tuple[int, ...]:
    return tuple(i for i, n in enumerate(BLENDSHAPES) if n.startswith(prefixes))


# Name of a group to its columns; 52 and on are the head's. Every column is in one group.
GROUPS: dict[str, tuple[int, ...]] = {
    "brows": _group("brow"),
    "eyes": _group("eyeBlink", "eyeSquint", "eyeWide"),
    "gaze": _group("eyeLook"),
    "cheeks": _group("cheek"),
    "nose": _group("nose"),
    "jaw": _group("jaw"),
    "mouth": _group("mouth"),
    "tongue": _group("tongue"),
    "head_rotation": (52, 53, 54),
    "head_position": (55, 56, 57),
}

_SWAP = {"Left": "Right", "Right": "Left"}
_MIRROR = np.array(
    [
        INDEX[name[: -len(side)] + _SWAP[side]]
        if (side := next((s for s in _SWAP if name.endswith(s)), ""))
        else i
        for i, name in enumerate(BLENDSHAPES)
    ]
)
_MIRROR_HEAD = np.array([1, -1, -1, -1, 1, 1], np.float32)  # yaw, roll and x change sides


def _check(value: float, low: float, high: float, what: str, usual: str) -> float:
    if not low <= value <= high:
        raise TroupeError(
            f"The {what} {value} is out of range", f"it must lie in {low:g} to {high:g}", f"Use {usual}"
        )
    return float(value)


def _both(motion: FaceMotion) -> np.ndarray:
    return np.concatenate([motion.blendshapes, motion.head], 1)


def _like(motion: FaceMotion, both: np.ndarray) -> FaceMotion:
    split = len(BLENDSHAPES)
    return FaceMotion(both[:, :split], both[:, split:], motion.fps, motion.start)


def _frames(seconds: float, fps: float) -> int:
    return 0 if seconds <= 0 else frame_count(seconds, fps) if seconds * fps >= 0.5 else 0


def _on(a: FaceMotion, b: FaceMotion) -> tuple[np.ndarray, np.ndarray]:
    """``b`` at the times of ``a``."""
    if b.fps == a.fps and len(b) == len(a):
        return b.blendshapes, b.head
    return b.sample(np.arange(len(a)) / a.fps)


def scale(motion: FaceMotion, groups: Mapping[str, float]) -> FaceMotion:
    """Strengthen or weaken parts of the face.

    Args:
        motion: What to change.
        groups: Name in ``GROUPS`` to factor, -10 to 10: 0 removes, 1 leaves as is, 2 doubles. Blendshapes are
            clipped to 0..1 afterwards; a negative factor turns the head the other way.

    Raises:
        TroupeError: on an unknown group or a factor out of range.
    """
    factors = np.ones(len(_COLUMNS), np.float32)
    for name, factor in groups.items():
        if name not in GROUPS:
            near = difflib.get_close_matches(str(name).lower().replace(" ", "_"), GROUPS, 1, 0.5)
            raise TroupeError(
                f"Unknown group '{name}'",
                f"known are {', '.join(GROUPS)}",
                f"Perhaps '{near[0]}' is meant" if near else "Use one of these",
            )
        factors[list(GROUPS[name])] = _check(factor, -10, 10, f"factor of '{name}'", "1")
    return _like(motion, _both(motion) * factors)


def add(a: FaceMotion, b: FaceMotion, weight: float = 1.0) -> FaceMotion:
    """``a + weight * b``: one motion on top of another, such as blinks on speech.

    As long as ``a``; beyond its end ``b`` holds its last frame. Blendshapes are clipped to 0..1.

    Args:
        a, b: The motions.
        weight: -10 to 10.

    Raises:
        TroupeError: on a weight out of range.
    """
    weight = np.float32(_check(weight, -10, 10, "weight", "1"))
    shapes, head = _on(a, b)
    return replace(a, blendshapes=a.blendshapes + weight * shapes, head=a.head + weight * head)


def mix(a: FaceMotion, b: FaceMotion, amount: float) -> FaceMotion:
    """``(1 - amount) * a + amount * b``, as long as ``a``; beyond its end ``b`` holds its last frame.

    Args:
        a, b: The motions.
        amount: 0 is ``a``, 1 is ``b``.

    Raises:
        TroupeError: on an amount out of range.
    """
    amount = np.float32(_check(amount, 0, 1, "amount", "0.5"))
    shapes, head = _on(a, b)
    keep = 1 - amount
    return replace(a, blendshapes=keep * a.blendshapes + amount * shapes, head=keep * a.head + amount * head)


def crossfade(a: FaceMotion, b: FaceMotion, seconds: float) -> FaceMotion:
    """``a``, then ``b``, which begins ``seconds`` before ``a`` ends; 0 is a hard cut.

    Raises:
        TroupeError: if ``seconds`` is negative or longer than one of the motions.
    """
    shorter = min(a.duration, b.duration)
    _check(seconds, 0, shorter, "crossfade of seconds", f"at most {shorter:g}, the shorter motion's length")
    b = b.resample(a.fps)
    over = min(_frames(seconds, a.fps), len(a), len(b))
    frame_count(len(a) + len(b) - over, 1)
    share = ((np.arange(over) + 1) / (over + 1)).astype(np.float32)[:, None]
    share = share * share * (3 - 2 * share)
    first, second = _both(a), _both(b)
    faded = first[len(a) - over :] * (1 - share) + second[:over] * share
    return _like(a, np.concatenate([first[: len(a) - over], faded, second[over:]]))


def delay(motion: FaceMotion, seconds: float, *, hold: bool = False) -> FaceMotion:
    """Let it begin later, or earlier.

    Args:
        motion: What to move.
        seconds: Positive: rest comes before it (with ``hold`` its first frame). Negative: its begin is cut.

    Raises:
        TroupeError: if nothing is left, or the result is too long.
    """
    if np.isnan(seconds):
        raise TroupeError("The delay is not a number", "NaN was given", "Use seconds, such as 0.5")
    if seconds < 0:
        return trim(motion, -seconds, motion.duration)
    count = _frames(seconds, motion.fps)
    frame_count(len(motion) + count, 1)
    both = _both(motion)
    front = np.repeat(both[:1], count, 0) if hold else np.zeros((count, both.shape[1]), np.float32)
    return _like(motion, np.concatenate([front, both]))


def trim(motion: FaceMotion, start: float = 0.0, end: float | None = None) -> FaceMotion:
    """The part from ``start`` to ``end`` seconds (default: to its end), at least one frame.

    Raises:
        TroupeError: if that part is empty or begins outside the motion.
    """
    end = motion.duration if end is None else end
    long = motion.duration + 1
    first, last = (
        round(float(np.clip(np.nan_to_num(t, nan=-1), -1, long)) * motion.fps) for t in (start, end)
    )
    if first < 0 or first >= len(motion) or last <= first:
        raise TroupeError(
            f"Cannot cut the motion from {start:g} to {end:g} seconds",
            f"it lasts {motion.duration:g} seconds, and at least one frame must be left",
            "Choose a start before the end, both within the motion",
        )
    return replace(motion, blendshapes=motion.blendshapes[first:last], head=motion.head[first:last])


def set_fps(motion: FaceMotion, fps: float) -> FaceMotion:
    """The same motion in real time at another frame rate.

    Raises:
        TroupeError: on a frame rate out of range.
    """
    return motion.resample(fps)


def smooth(motion: FaceMotion, seconds: float, *, keep_blinks: bool = True) -> FaceMotion:
    """Low-pass by a Gaussian, without lag (zero phase); the ends are held.

    Anything shorter than about ``seconds`` is flattened: closed lips of m, p and b (60 to 100 ms) survive 0.05
    but not 0.15. Blinks would too, so they are kept: where a lid is more than half shut, it follows the original.

    Args:
        motion: What to smooth.
        seconds: Full width at half maximum, 0 (nothing) to 5. 0.05 to 0.1 calms tracking noise.
        keep_blinks: Leave shut lids as they are.

    Raises:
        TroupeError: on a width out of range.
    """
    _check(seconds, 0, 5, "smoothing of seconds", "0.08")
    sigma = seconds * motion.fps / 2.3548
    if sigma < 0.05:
        return motion
    reach = int(np.ceil(3.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    both = _both(motion)
    padded = np.pad(both.astype(np.float64), ((reach, reach), (0, 0)), mode="edge")
    out = np.stack([np.convolve(c, kernel, "valid") for c in padded.T], 1).astype(np.float32)
    if keep_blinks:
        for name in ("eyeBlinkLeft", "eyeBlinkRight"):
            raw = both[:, INDEX[name]]
            gate = np.clip((raw - 0.35) / 0.3, 0, 1)
            out[:, INDEX[name]] += gate * (raw - out[:, INDEX[name]])
    return _like(motion, out)


def mirror(motion: FaceMotion) -> FaceMotion:
    """Left and right exchanged: sided shapes swap; yaw, roll and x change sign. Twice is the motion itself."""
    return replace(motion, blendshapes=motion.blendshapes[:, _MIRROR], head=motion.head * _MIRROR_HEAD)


def loop(motion: FaceMotion, seconds: float, *, blend: float = 0.5) -> FaceMotion:
    """Repeat it until ``seconds`` are full, without a jump where it begins again.

    Its last ``blend`` seconds are crossfaded with its first ones at each seam; the first pass begins as it is.

    Args:
        motion: What to repeat.
        seconds: Length of the result; shorter than the motion just cuts it.
        blend: Seconds of each crossfade; at most half of the motion is used. 0 is hard cuts.

    Raises:
        TroupeError: on a length or blend out of range.
    """
    _check(blend, 0, 60, "blend of seconds", "0.5")
    count = frame_count(seconds, motion.fps)
    both = _both(motion)
    if count <= len(both):
        return _like(motion, both[:count])
    over = min(_frames(blend, motion.fps), len(both) // 2)
    period = len(both) - over
    share = ((np.arange(over) + 1) / (over + 1)).astype(np.float32)[:, None]
    share = share * share * (3 - 2 * share)
    seam = both[period:] * (1 - share) + both[:over] * share
    turn = np.concatenate([seam, both[over:period]])
    again = np.arange(count - period) % period
    return _like(motion, np.concatenate([both[:period], turn[again]]))
