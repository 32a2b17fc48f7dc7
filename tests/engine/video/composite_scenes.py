"""Textured pictures and made-up faces for the tests of compositing."""

from __future__ import annotations

import numpy as np

from troupe.engine.faces.types import Face, Faces, FaceTrack
from troupe.engine.motion.mesh import mean_mesh

HEIGHT, WIDTH = 180, 240


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """float32 [H, W, 3] with detail of every size."""
    import cv2

    rng = np.random.default_rng(seed)
    out = np.full((height, width, 3), 0.5, np.float32)
    for cells in (4, 16, 60, height):
        grid = rng.normal(0, 0.09, (cells, cells, 3)).astype(np.float32)
        out += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(out, 0.02, 0.98)


def face(x: float, y: float, size: float, jaw: float = 0.0) -> Face:
    """The mean face with its box's middle at (x, y); ``jaw`` lowers what is below the lips by that share of its size."""
    points = mean_mesh().vertices.astype(np.float64).copy()
    low, high = points[:468, :2].min(0), points[:468, :2].max(0)
    points[:, :2] -= (low + high) / 2
    points /= (high - low).max()
    points[:, 1] += np.where(points[:, 1] > 0.3, jaw, 0)
    return Face((points * size + [x, y, 0]).astype(np.float32), 0.9)


def clip_faces(*paths, height: int = HEIGHT, width: int = WIDTH, fps: float = 25.0) -> Faces:
    """Faces that follow paths: for each person a list of arguments of ``face`` or None."""
    tracks = tuple(
        FaceTrack(k + 1, tuple(None if p is None else face(*p) for p in path)) for k, path in enumerate(paths)
    )
    count = len(paths[0])
    return Faces(tracks, height, width, count, fps if count > 1 else None)
