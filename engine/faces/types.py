"""The words for faces: ``Face`` in one picture, ``FaceTrack`` over a clip, ``Faces`` for everybody.

Points are pixels, x right, y down, z away from the camera in the same scale; pixel centres lie at
integers plus one half (the left edge of the picture is x = 0). Boxes are ``(x0, y0, x1, y1)``, half open.
Left and right of a landmark are the person's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import TroupeError

LANDMARKS = 478

# Eye corners (outer, inner) of the person's right and left eye in MediaPipe's 478-point topology.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (263, 362)


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one picture.

    Attributes:
        landmarks: float32 ``[478, 3]`` pixels (MediaPipe topology with irises; z negative toward the camera).
        confidence: Detector score in 0..1.
        blendshapes: float32 ``[52]`` in 0..1 if the backend measured them itself, else ``None``.
    """

    landmarks: np.ndarray
    confidence: float = 1.0
    blendshapes: np.ndarray | None = None

    def __post_init__(self):
        if self.landmarks.shape != (LANDMARKS, 3):
            raise ValueError(f"landmarks must be [{LANDMARKS}, 3], got {list(self.landmarks.shape)}")

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """Extent of the 468 mesh points, ``(x0, y0, x1, y1)`` in pixels."""
        low, high = self.landmarks[:468, :2].min(0), self.landmarks[:468, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def centre(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def size(self) -> float:
        """Longer side of the box, pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)

    @cached_property
    def eye_distance(self) -> float:
        """Distance between the eye centres (midpoints of the corners), pixels, in the picture plane."""
        right, left = (self.landmarks[list(c), :2].mean(0) for c in (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS))
        return float(np.linalg.norm(left - right))


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One person over the frames of a clip; ``None`` marks a frame without the face.

    Attributes:
        person: Stable number of the person, counted from 1 left to right (see ``Faces``).
        faces: One entry per frame.
    """

    person: int
    faces: tuple[Face | None, ...]

    @cached_property
    def present(self) -> np.ndarray:
        """bool ``[T]``, False in gaps."""
        return np.array([f is not None for f in self.faces], bool)

    @cached_property
    def landmarks(self) -> np.ndarray:
        """float32 ``[T, 478, 3]``, NaN in gaps."""
        gap = np.full((LANDMARKS, 3), np.nan, np.float32)
        return np.stack([gap if f is None else f.landmarks for f in self.faces])

    def filled(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """float32 ``[stop - start, 478, 3]``: gaps filled linearly in time, the ends held."""
        seen = self.seen
        if seen.size == 0:
            raise ValueError("an empty track has nothing to fill from")
        t = np.arange(start, len(self.faces) if stop is None else stop)
        after = np.clip(np.searchsorted(seen, t), 0, len(seen) - 1)
        before = np.clip(np.searchsorted(seen, t, side="right") - 1, 0, len(seen) - 1)
        lo, hi = seen[before], seen[after]
        mix = np.where(hi > lo, (t - lo) / np.maximum(hi - lo, 1), 0.0).astype(np.float32)
        out = np.empty((len(t), LANDMARKS, 3), np.float32)
        for k, (a, b, m) in enumerate(zip(lo, hi, mix, strict=True)):
            one, other = self.faces[a].landmarks, self.faces[b].landmarks
            out[k] = one if a == b else one * (1 - m) + other * m
        return out

    @cached_property
    def seen(self) -> np.ndarray:
        """int ``[n]``, the frames with the face."""
        return np.flatnonzero(self.present)

    @property
    def first(self) -> Face:
        """The first face seen."""
        return next(f for f in self.faces if f is not None)


@dataclass(frozen=True, eq=False)
class Faces:
    """Everybody in a picture or clip, ordered left to right by where each is first seen.

    Attributes:
        tracks: One per person; ``tracks[i].person == i + 1``.
        height, width: Frame size in pixels.
        frames: Number of frames (1 for a picture).
        fps: Frames per second, ``None`` for a picture.
        notes: What a user should know (nothing found, something left out), one sentence each.
        largest_rejected: Size in pixels of the largest face left out for being under the minimum, 0 if none.
    """

    tracks: tuple[FaceTrack, ...]
    height: int
    width: int
    frames: int = 1
    fps: float | None = None
    notes: tuple[str, ...] = field(default=())
    largest_rejected: float = 0.0

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[FaceTrack]:
        return iter(self.tracks)

    def person(self, number: int) -> FaceTrack:
        """The track of person ``number`` (1 is the leftmost).

        Raises:
            TroupeError: if there is no such person.
        """
        if not 1 <= number <= len(self.tracks):
            count = len(self.tracks)
            several = f"{count} faces were found, numbered 1 to {count} from the left"
            have = {0: "no face was found", 1: "one face was found, number 1"}.get(count, several)
            raise TroupeError(
                f"Face {number} does not exist",
                have,
                "Choose one of the faces found, or use a picture that shows it",
            )
        return self.tracks[number - 1]

    def at(self, frame: int) -> list[Face | None]:
        """All persons' faces in one frame, in track order."""
        return [t.faces[frame] for t in self.tracks]
