"""What every face model behind ``find_faces`` must do.

Two steps are all that differs between versions of mediapipe: find candidates in a small square picture,
and put the 478-point mesh on one upright square crop. Search, tracking and everything else are shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

TILE = 128  # side of the square the detector looks at, pixels


@dataclass(frozen=True)
class Candidate:
    """Where a face may be: centre ``x, y`` and ``size`` (box side) in pixels, ``angle`` of the eye line in
    degrees (clockwise on the screen), detector ``score`` in 0..1."""

    x: float
    y: float
    size: float
    angle: float
    score: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """The mesh on one crop: float32 ``[478, 3]`` in crop pixels (z in the scale of x), presence ``score`` in
    0..1, and float32 ``[52]`` blendshapes where the model measures them."""

    landmarks: np.ndarray
    score: float
    blendshapes: np.ndarray | None = None


class Backend(Protocol):
    """A face model. Calls may come from any thread; each backend locks itself."""

    name: str
    crop_scale: float  # side of the mesh crop in face sizes
    crop_size: int  # its side in pixels

    def detect(self, tile: np.ndarray) -> list[Candidate]:
        """Candidates in a uint8 ``[128, 128, 3]`` RGB square, in its pixels."""
        ...

    def mesh(self, crop: np.ndarray) -> Mesh | None:
        """The mesh of the face in a uint8 ``[crop_size, crop_size, 3]`` RGB crop, ``None`` without a face."""
        ...

    def close(self) -> None: ...
