"""What a speaker feels, over time: the eight emotions mixed, each weighing 0 to 1, and what they do to a face.

The network moves jaw, lips, cheeks and tongue under an emotion (``conditions``). All the rest of an expression, brows,
eyes, nose, how the head is held, and what differs between left and right, is laid over by rule: ``Feelings``. The poses
are those of ``motion.presets``. The opening of the mouth belongs to speech alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from ..motion.names import find_name
from ..motion.presets import ALIASES, check_intensity, preset_pose
from .channels import CHANNEL_FPS, CHANNELS, gather, spread
from .conditions import EMOTIONS

_ALIASES = {k: v for k, v in ALIASES.items() if v in EMOTIONS}
_PART = re.compile(r"(?P<name>[A-Za-z][\w -]*?)\s*[:\s]?\s*(?P<value>-?\d*\.?\d+)?")
_SPAN = re.compile(r"(?P<mix>[^@]+?)\s*(?:@\s*(?P<start>\d*\.?\d+)?\s*(?P<dash>-)?\s*(?P<end>\d*\.?\d+)?)?")
_EXAMPLE = "Write it like 'happy:0.6', 'happy:0.6+surprised:0.2' or 'happy:0.6@0-2; sad:0.4@2-'"
MAX_SPANS = 1000


def emotion_name(name: str) -> str:
    """The one of ``EMOTIONS`` that ``name`` means (``calm`` is ``neutral``, ``anger`` is ``angry``).

    Raises:
        TroupeError: listing them if there is no such emotion.
    """
    return find_name(name, EMOTIONS, "emotion", _ALIASES)


def emotion_mix(weights: Mapping[str, float]) -> np.ndarray:
    """float32 ``[8]`` in the order of ``EMOTIONS`` of weights 0..1 by name.

    ``neutral`` is what the others leave, so it weighs nothing itself. Weights of more than 1 in all are scaled to 1.

    Raises:
        TroupeError: on an unknown emotion or a weight out of range.
    """
    mix = np.zeros(len(EMOTIONS), np.float32)
    for name, weight in weights.items():
        name = emotion_name(name)
        mix[EMOTIONS.index(name)] += check_intensity(weight, name)
    return _fitted(mix[None])[0]


def _fitted(mixes: np.ndarray) -> np.ndarray:
    mixes = mixes.astype(np.float32)
    mixes[:, 0] = 0.0
    return mixes / np.maximum(mixes.sum(1, keepdims=True), 1.0)


@dataclass(frozen=True, eq=False)
class EmotionTrack:
    """Emotions over time, as keys.

    Before the first key its mix holds, after the last one that one's. How suddenly a face may change is not said here:
    ``Feelings`` smooths it.

    Attributes:
        times: float64 ``[K]`` seconds, ascending, at least one; equal times are a jump.
        mixes: float32 ``[K, 8]``, weights 0..1 in the order of ``EMOTIONS``; see ``emotion_mix``.
        held: bool ``[K]``: the mix stays until the next key, rather than gliding to its mix.

    Raises:
        TroupeError: on other shapes, times that do not ascend, or values out of range.
    """

    times: np.ndarray
    mixes: np.ndarray
    held: np.ndarray

    def __post_init__(self):
        times, mixes = np.array(self.times, np.float64), np.array(self.mixes, np.float32)
        held = np.array(self.held, bool)
        if times.ndim != 1 or len(times) == 0 or mixes.shape != (len(times), len(EMOTIONS)):
            raise _wrong(
                f"times have shape {list(times.shape)} and mixes {list(mixes.shape)}, expected [K] and [K, 8]"
            )
        if held.shape != times.shape:
            raise _wrong(f"held has shape {list(held.shape)}, expected {list(times.shape)}")
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise _wrong("its times must be numbers in ascending order")
        if not ((mixes >= 0) & (mixes <= 1)).all():  # also false for what is not a number
            raise _wrong(f"weights must lie in 0 to 1, they go from {mixes.min()} to {mixes.max()}")
        for name, value in (("times", times), ("mixes", _fitted(mixes)), ("held", held)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def constant(cls, weights: Mapping[str, float]) -> EmotionTrack:
        """The same all the time, see ``emotion_mix``."""
        return cls(np.zeros(1), emotion_mix(weights)[None], np.ones(1, bool))

    @classmethod
    def parse(cls, text: str) -> EmotionTrack:
        """A track from text: ``happy:0.6``, ``happy:0.6+surprised:0.2``, ``happy:0.6@0-2; sad:0.4@2-``.

        Mixes are parted by ``;`` or by lines, ``#`` begins a comment. ``@start-end`` is when, in seconds (``@2-`` or
        ``@2`` to the end, ``@-2`` from the beginning); without, it is always. Without a weight it is 1. Where
        several hold at a time they add up; where none does the face is calm.

        Raises:
            TroupeError: if the text cannot be read, naming the part.
        """
        lines = (line.partition("#")[0] for line in text.splitlines())
        parts = [p.strip() for line in lines for p in line.split(";") if p.strip()]
        if not parts:
            raise TroupeError("The emotion is empty", "nothing is written", _EXAMPLE)
        if len(parts) > MAX_SPANS:
            raise TroupeError(
                f"The emotion has {len(parts)} parts", f"at most {MAX_SPANS} can be read", "Use fewer"
            )
        spans = [_span(part) for part in parts]
        edges = sorted({0.0} | {at for start, end, _ in spans for at in (start, end) if np.isfinite(at)})
        mixes = [sum(mix * (start <= at < end) for start, end, mix in spans) for at in edges]
        return cls(np.array(edges), np.minimum(_fitted(np.stack(mixes)), 1.0), np.ones(len(edges), bool))

    def sample(self, times: np.ndarray) -> np.ndarray:
        """Mixes float32 ``[T, 8]`` at any ``times [T]`` in seconds."""
        if len(self.times) == 1:
            return np.repeat(self.mixes, len(times), 0)
        times = np.asarray(times, np.float64)
        here = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, None)
        after = np.minimum(here + 1, len(self.times) - 1)
        span = self.times[after] - self.times[here]
        # Cut before it is divided: of a tiny span, what lies before the first key would be a share beyond all numbers.
        gone = np.clip(times - self.times[here], 0, span)
        share = gone / np.where(span > 0, span, 1.0)
        share = np.where(self.held[here] | (span <= 0), 0.0, share).astype(np.float32)[:, None]
        return self.mixes[here] * (1 - share) + self.mixes[after] * share


def _wrong(why: str) -> TroupeError:
    return TroupeError("This is not an emotion track", why, "Check what made it")


def _span(part: str) -> tuple[float, float, np.ndarray]:
    """Start, end and mix of one part of the text."""
    found = _SPAN.fullmatch(part)
    if not found:
        raise TroupeError(
            f"The emotion '{part[:60]}' cannot be read", "it is not 'name:weight@start-end'", _EXAMPLE
        )
    start, end = float(found["start"] or 0), float(found["end"] or np.inf)
    if "@" in part and not (found["start"] or found["end"]):
        raise TroupeError(f"The emotion '{part[:60]}' cannot be read", "no time follows the '@'", _EXAMPLE)
    if found["end"] and not found["dash"]:
        raise TroupeError(
            f"The emotion '{part[:60]}' cannot be read", "its times lack a '-' between them", _EXAMPLE
        )
    if end <= start:
        raise TroupeError(
            f"The emotion '{part[:60]}' cannot be read", f"it ends before {start:g} s", _EXAMPLE
        )
    mix = np.zeros(len(EMOTIONS), np.float32)
    for one in found["mix"].split("+"):
        named = _PART.fullmatch(one.strip())
        if not named:
            raise TroupeError(
                f"The emotion '{one.strip()[:60]}' cannot be read", "it is not 'name:weight'", _EXAMPLE
            )
        mix += emotion_mix({named["name"]: float(named["value"] or 1)})
    return start, end, _fitted(mix[None])[0]


# --- what they do to a face -----------------------------------------------------------------------------------


def _beyond(name: str) -> np.ndarray:
    """float32 ``[52]``: a pose without what the network makes of it. Shapes of the mouth hold the difference of each
    side from the mean of both, below 0 on one of them; the others are the pose's."""
    pose = preset_pose(name)[0]
    return pose - spread(gather(pose[None]))[0]


POSES = np.stack([_beyond(name) for name in EMOTIONS])  # [8, 52]
HEADS = np.stack([preset_pose(name)[1] for name in EMOTIONS])  # [8, 6]
SMILE = _beyond("smile")
# Shapes that the network moves: here emotions only add the difference of the sides.
HEARD = spread(np.ones((1, len(CHANNELS)), np.float32))[0] > 0  # [52]

# How much more (or less) than a calm speaker's the head and the brows move. That emotions differ in this is known
# (Busso et al. 2007, doi 10.1109/TASL.2006.885910); the numbers are set by eye.
LIVELINESS = np.array([0.0, 0.2, -0.4, 0.25, 0.15, 0.0, -0.1, -0.2], np.float32)

# Seconds. A face leads its words, and an expression takes about half a second to come or go (onsets of spontaneous
# smiles: Schmidt, Cohn and Tian 2003, doi 10.1016/S0301-0511(03)00098-X).
LEAD = 0.2
ONSET = 0.12  # of each of three stages
_STAGES = 3
_STEP = np.float32(1.0 - np.exp(-1.0 / (CHANNEL_FPS * ONSET)))
_SETTLED = 1e-3


class Feelings:
    """A track of emotions frame by frame at 50 Hz, changing as fast as a face does, from calm at the beginning.

    Three equal stages of smoothing make a change begin and end without a jerk. ``track`` may be exchanged at any time.
    """

    def __init__(self, track: EmotionTrack) -> None:
        self.track = track
        self._stages = np.zeros((_STAGES, len(EMOTIONS)), np.float32)
        self._reached: EmotionTrack | None = None  # a track that does not change, once it is felt in full

    def step(self, first: int, count: int) -> np.ndarray:
        """Mixes float32 ``[count, 8]`` of frames ``first`` on; call it for all frames in order."""
        stages = self._stages
        if self._reached is self.track:
            return self.track.mixes.repeat(count, 0)
        if len(self.track.times) == 1 and (stages == self.track.mixes[0]).all():
            self._reached = self.track
            return self.step(first, count)
        self._reached = None
        goals = self.track.sample((first + np.arange(count)) / CHANNEL_FPS + LEAD)
        out = np.empty((count, len(EMOTIONS)), np.float32)
        for row, goal in zip(out, goals):
            if np.abs(stages - goal).max() < _SETTLED:
                stages[:] = goal
            else:
                stages[0] += _STEP * (goal - stages[0])
                stages[1] += _STEP * (stages[0] - stages[1])
                stages[2] += _STEP * (stages[1] - stages[2])
            row[:] = stages[-1]
        return out
