"""``BodyMotion``: how a body moves, whatever measured it and whatever body plays it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import TroupeError
from ..motion.face_motion import MAX_FPS, frame_count
from .camera import Camera
from .rotations import matrices_from_quaternions, quaternions_from_matrices, slerp

MOST_FRAMES = 100_000  # an hour at 28 frames/s, 90 MB
MOST_BETAS = 300
FARTHEST = 10_000.0  # metres; 4D-Humans' bodies stand tens to hundreds of metres away


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """A body's pose and place over time, in camera axes (x right, y down, z away, metres).

    Attributes:
        rotations: float32 ``[T, J, 3, 3]``: of the body (joint 0), then of each joint relative to its parent.
        position: float32 ``[T, 3]``, added to the posed body.
        betas: float32 ``[T, B]``, the body's shape.
        fps: Frames per second, real time.
        camera: Through which the positions were measured; ``None`` if they are metres in a room without a camera.

    Raises:
        TroupeError: on wrong shapes, no frames or too many, values that are not finite, matrices that are no
            rotations, or an fps out of 0..1000.
    """

    rotations: np.ndarray
    position: np.ndarray
    betas: np.ndarray
    fps: float
    camera: Camera | None = None

    def __post_init__(self):
        for name in ("rotations", "position", "betas"):
            value = np.array(getattr(self, name), np.float32)
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "fps", float(self.fps))
        self._check()

    def _check(self) -> None:
        frames, shape = len(self.rotations), self.rotations.shape
        if (
            self.rotations.ndim != 4
            or shape[2:] != (3, 3)
            or self.position.shape != (frames, 3)
            or self.betas.ndim != 2
            or len(self.betas) != frames
        ):
            got = ", ".join(f"{n} {list(getattr(self, n).shape)}" for n in ("rotations", "position", "betas"))
            raise TroupeError(
                "This is not a body motion",
                f"expected [T, J, 3, 3], [T, 3], [T, B], got {got}",
                "Check what made it",
            )
        if not 1 <= frames <= MOST_FRAMES or not 1 <= self.betas.shape[1] <= MOST_BETAS or shape[1] < 1:
            raise TroupeError(
                f"The body motion has {frames} frames of {shape[1]} joints and {self.betas.shape[1]} betas",
                f"it needs 1 to {MOST_FRAMES} frames, a joint, and 1 to {MOST_BETAS} betas",
                "Use another clip, or split it",
            )
        for name in ("rotations", "position", "betas"):
            values = getattr(self, name)
            bad = np.argwhere(~(np.abs(values) <= FARTHEST))
            if len(bad):
                raise TroupeError(
                    f"The body motion's {name} has a {values[tuple(bad[0])]:g} in frame {bad[0][0] + 1}",
                    f"values must be numbers within {FARTHEST:g}",
                    "Check what made it",
                )
        if not is_rotation(self.rotations):
            raise TroupeError(
                "The body motion's rotations are none",
                "their matrices stretch or mirror",
                "Check what made it",
            )
        if not 0 < self.fps <= MAX_FPS:
            raise TroupeError(
                f"The body motion's frame rate {self.fps} is out of range",
                f"it must lie in 0 to {MAX_FPS:g}",
                "Use 25 or 30",
            )

    def __len__(self) -> int:
        """T, the number of frames."""
        return len(self.rotations)

    @property
    def duration(self) -> float:
        """Seconds, counting each frame as ``1 / fps``."""
        return len(self) / self.fps

    def __getitem__(self, frames: slice) -> BodyMotion:
        """Some of the frames."""
        return replace(
            self, rotations=self.rotations[frames], position=self.position[frames], betas=self.betas[frames]
        )

    def with_shape(self, betas: np.ndarray | None = None) -> BodyMotion:
        """The same motion of one body: the reference's ``betas [B]`` (parametric shape alignment), or, without, the
        mean of the motion's own, which measured frame by frame flicker."""
        one = self.betas.mean(0) if betas is None else np.asarray(betas, np.float32)
        if one.ndim != 1 or not one.size:
            raise TroupeError(
                "The body's shape does not fit",
                f"betas must be [B], got {list(one.shape)}",
                "Check what made them",
            )
        return replace(self, betas=np.broadcast_to(one, (len(self), len(one))))

    def resample(self, fps: float, frames: int | None = None) -> BodyMotion:
        """The same motion in real time at another frame rate, the ends held.

        Args:
            fps: New rate.
            frames: Number of frames; default covers the same duration (rounded, at least 1).
        """
        if fps == self.fps and frames in (None, len(self)):
            return self
        count = frame_count(self.duration, fps) if frames is None else frames
        return self.sample(np.arange(count) / fps, fps)

    def sample(self, seconds: np.ndarray, fps: float) -> BodyMotion:
        """The motion at any times (seconds from the first frame), as frames of ``fps``: rotations by slerp along the
        shorter way, the rest linear."""
        return self.at(np.asarray(seconds, np.float64) * self.fps, fps)

    def at(self, places: np.ndarray, fps: float) -> BodyMotion:
        """The motion at any places between its frames (0 is the first), as frames of ``fps``."""
        if len(places) > MOST_FRAMES:
            raise TroupeError(
                f"{len(places)} frames are too many",
                f"at most {MOST_FRAMES}",
                "Use a shorter clip or fewer fps",
            )
        places = np.clip(places, 0, len(self) - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        mix = (places - low)[:, None]
        q = quaternions_from_matrices(self.rotations.astype(np.float64))
        turned = slerp(q[low], q[high], np.broadcast_to(mix, (len(places), self.rotations.shape[1])))
        return replace(
            self,
            rotations=matrices_from_quaternions(turned),
            position=self.position[low] * (1 - mix) + self.position[high] * mix,
            betas=self.betas[low] * (1 - mix) + self.betas[high] * mix,
            fps=fps,
        )


def is_rotation(matrices: np.ndarray, tolerance: float = 0.01) -> bool:
    """Whether all of ``[..., 3, 3]`` turn without stretching or mirroring."""
    squares = matrices @ np.swapaxes(matrices, -1, -2)
    return bool((np.abs(squares - np.eye(3)) <= tolerance).all() and (np.linalg.det(matrices) > 0).all())
