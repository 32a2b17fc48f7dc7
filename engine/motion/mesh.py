"""The mean face mesh: vertices, topology and the head pose of a set of landmarks.

``mesh.npz`` is made by ``tools/make_mesh.py`` from public-domain portraits. Indices are MediaPipe's 478-point
topology; lists that name one side mean the person's right (picture left) and run from the outer corner to
the inner, or from the right mouth corner to the left. ``mirrored`` gives the other side in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

MESH_POINTS = 468
# A head at z eye distances behind its place is seen smaller by 1 / (1 + SHRINK z).
SHRINK = 0.12

OUTER_UPPER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
INNER_UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
BROW_TOP = (70, 63, 105, 66, 107)
BROW_BOTTOM = (46, 53, 52, 65, 55)
RIGHT_IRIS, LEFT_IRIS = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

# Points that expressions move least: forehead, nose, eye corners, temples, cheekbones.
STABLE = (
    10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 33, 133, 263, 362, 127, 356, 234, 454, 93, 323,
    54, 284, 103, 332, 67, 297, 116, 345, 117, 346,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Mesh:
    """``vertices`` float32 [478, 3] in eye distances (origin between the eyes), ``mirror`` [478], ``triangles`` [854, 3]."""

    vertices: np.ndarray
    mirror: np.ndarray
    triangles: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """int ``[E, 2]``, each mesh edge once."""
        t = self.triangles
        pairs = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [0, 2]]]), 1)
        return np.unique(pairs, axis=0)


@lru_cache(maxsize=1)
def mean_mesh() -> Mesh:
    """The shipped mean mesh."""
    with np.load(Path(__file__).with_name("mesh.npz"), allow_pickle=False) as file:
        return Mesh(file["vertices"], file["mirror"].astype(np.int64), file["triangles"].astype(np.int64))


def mirrored(points: tuple[int, ...]) -> tuple[int, ...]:
    """The same points on the other side of the face."""
    mirror = mean_mesh().mirror
    return tuple(int(mirror[p]) for p in points)


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Similarity from the head frame (eye distances) to the picture: ``picture = scale * rotation @ head + origin``.

    Attributes:
        rotation: float64 [3, 3].
        scale: Pixels per eye distance.
        origin: float64 [3] pixels, the point between the eyes.
    """

    rotation: np.ndarray
    scale: float
    origin: np.ndarray

    @classmethod
    def fit(cls, landmarks: np.ndarray, reference: np.ndarray | None = None) -> HeadPose:
        """Least squares on the stable points (Umeyama 1991).

        Args:
            landmarks: ``[478, 3]`` pixels.
            reference: ``[478, 3]`` mesh in the head frame; the mean mesh by default.
        """
        reference = mean_mesh().vertices if reference is None else reference
        index = list(STABLE)
        source, target = reference[index].astype(np.float64), landmarks[index].astype(np.float64)
        ms, mt = source.mean(0), target.mean(0)
        u, s, vt = np.linalg.svd((target - mt).T @ (source - ms))
        proper = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = (u * proper) @ vt
        scale = float((s * proper).sum() / ((source - ms) ** 2).sum())
        return cls(rotation, scale, mt - scale * rotation @ ms)

    def to_head(self, points: np.ndarray) -> np.ndarray:
        """Picture points ``[..., 3]`` in the head frame."""
        return (points - self.origin) @ self.rotation / self.scale

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Head-frame points ``[..., 3]`` in the picture."""
        return points @ self.rotation.T * self.scale + self.origin


def rotation_matrix(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Rz(roll) Ry(yaw) Rx(pitch) for the motion language's signs (degrees): +pitch looks down, +yaw turns to
    the person's left (picture right), +roll tilts to the person's left shoulder (clockwise in the picture)."""
    p, y, r = np.radians([pitch, yaw, roll])
    cp, sp, cy, sy, cr, sr = np.cos(p), np.sin(p), np.cos(y), np.sin(y), np.cos(r), np.sin(r)
    # The nose lies at negative z: looking down moves it to +y, turning left moves it to +x.
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    ry = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return rz @ ry @ rx


def angles(rotation: np.ndarray) -> tuple[float, float, float]:
    """Pitch, yaw, roll in degrees of a matrix made by ``rotation_matrix``."""
    yaw = np.arcsin(np.clip(rotation[2, 0], -1, 1))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return tuple(float(v) for v in np.degrees([pitch, yaw, roll]))


def neck_pivot(rest: np.ndarray) -> np.ndarray:
    """Where a head turns about, in its head frame: a little below the chin, at the depth of the ears."""
    return np.array([rest[152, 0], rest[152, 1] + 0.15, rest[[234, 454], 2].mean() - 0.05])
