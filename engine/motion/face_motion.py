"""``FaceMotion``: the one motion language that every driver writes and every renderer reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError

# Apple's ARKit names, alphabetical. Left and right are the person's own.
BLENDSHAPES = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(BLENDSHAPES)}

# Rotation in degrees relative to rest: positive pitch looks down, positive yaw turns to the person's left,
# positive roll tilts to the person's left shoulder. Translation in eye distances: x picture right, y down, z away.
HEAD = ("pitch", "yaw", "roll", "x", "y", "z")

MAX_FPS = 1000.0
MAX_FRAMES = 500_000  # 2.3 hours at 60 frames/s, 116 MB


def frame_count(seconds: float, fps: float) -> int:
    """Frames that cover ``seconds`` (rounded, at least 1), checked before anything is allocated.

    Raises:
        TroupeError: if the length is not positive, or the fps is out of range, or both make too many frames.
    """
    if not (np.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise TroupeError(
            f"The frame rate {fps} is out of range", f"it must lie in 0 to {MAX_FPS:g}", "Use 25 or 30"
        )
    if not (np.isfinite(seconds) and seconds > 0):
        raise TroupeError(f"A motion cannot last {seconds} seconds", "its length must be above 0", "Use 3")
    if seconds * fps > MAX_FRAMES:
        raise TroupeError(
            f"A motion of {seconds:g} seconds at {fps:g} frames/s is too long",
            f"it would have {seconds * fps:.0f} frames, at most {MAX_FRAMES} are possible",
            "Make it shorter or in parts",
        )
    return max(1, round(seconds * fps))


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """How one face moves over time.

    Attributes:
        blendshapes: float32 ``[T, 52]`` in 0..1, columns as ``BLENDSHAPES``.
        head: float32 ``[T, 6]``, columns as ``HEAD``.
        fps: Frames per second, real time; frame ``t`` is shown from ``t / fps`` on.
        start: Time of the first frame in seconds of the day (Live Link timecode); shifts nothing but files.

    Raises:
        TroupeError: on wrong shapes, no frames, values that are not finite, or an fps out of 0..1000.
    """

    blendshapes: np.ndarray
    head: np.ndarray
    fps: float
    start: float = 0.0

    def __post_init__(self):
        shapes = np.ascontiguousarray(self.blendshapes, np.float32)
        head = np.ascontiguousarray(self.head, np.float32)
        if shapes.ndim != 2 or shapes.shape[1] != len(BLENDSHAPES) or head.shape != (len(shapes), len(HEAD)):
            raise TroupeError(
                "This is not a face motion",
                f"blendshapes have shape {list(shapes.shape)} and head {list(head.shape)}, expected [T, 52] and [T, 6]",
                "Check what made it",
            )
        if len(shapes) == 0:
            raise TroupeError("The motion is empty", "it has no frames", "Use a longer drive")
        if not (np.isfinite(shapes).all() and np.isfinite(head).all()):
            raise TroupeError(
                "The motion has values that are not numbers", "NaN or infinity found", "Check what made it"
            )
        if not (np.isfinite(self.fps) and 0 < self.fps <= MAX_FPS):
            raise TroupeError(
                f"The motion's frame rate {self.fps} is out of range",
                f"it must lie in 0 to {MAX_FPS:g}",
                "Use 25 or 30",
            )
        if not (np.isfinite(self.start) and 0 <= self.start < 86400):
            raise TroupeError(
                f"The motion's start {self.start} is out of range",
                "it is a time of day and must lie in 0 to 86400 seconds",
                "Use 0",
            )
        shapes = np.clip(shapes, 0.0, 1.0)
        shapes.setflags(write=False)
        head.setflags(write=False)
        object.__setattr__(self, "blendshapes", shapes)
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "start", float(self.start))

    @classmethod
    def neutral(cls, frames: int, fps: float) -> FaceMotion:
        """``frames`` frames of no expression and no head motion."""
        return cls(
            np.zeros((frames, len(BLENDSHAPES)), np.float32), np.zeros((frames, len(HEAD)), np.float32), fps
        )

    def __len__(self) -> int:
        return len(self.blendshapes)

    @property
    def duration(self) -> float:
        """Seconds, each frame counting ``1 / fps``."""
        return len(self) / self.fps

    def column(self, name: str) -> np.ndarray:
        """float32 ``[T]`` of one blendshape or head channel by name."""
        return self.head[:, HEAD.index(name)] if name in HEAD else self.blendshapes[:, INDEX[name]]

    def resample(self, fps: float, frames: int | None = None) -> FaceMotion:
        """The same motion in real time at another frame rate, linear between frames, ends held.

        Args:
            fps: New rate.
            frames: Number of frames; default covers the same duration (rounded, at least 1).
        """
        if fps == self.fps and frames in (None, len(self)):
            return self
        count = frame_count(self.duration, fps) if frames is None else frames
        return FaceMotion(*self.sample(np.arange(count) / fps), fps, self.start)

    def sample(self, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values at any times (seconds from the first frame): blendshapes ``[N, 52]`` and head ``[N, 6]``."""
        position = np.clip(np.asarray(seconds, np.float64) * self.fps, 0, len(self) - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        mix = (position - low).astype(np.float32)[:, None]
        both = np.concatenate([self.blendshapes, self.head], 1)
        out = both[low] * (1 - mix) + both[high] * mix
        return out[:, : len(BLENDSHAPES)], out[:, len(BLENDSHAPES) :]
