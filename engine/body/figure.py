"""A stand-in for the SMPL body that needs no licence: a jointed figure of rigid parts, as wooden artists' ones are.

It has SMPL's 24 joints, so any body motion plays on it and all guidance maps can be made of it. Its proportions are
those of an average adult of 1.7 m; it is no measured body. Of the betas the first makes it larger and the second
slimmer, as SMPL's first two roughly do; the others do nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .smpl import PARENTS, Smpl

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

AROUND = 24  # vertices around a part
BETAS = 10
LARGER, SLIMMER = 0.03, 0.035  # of the size, and of the thickness, per unit of the first two betas

# Joints at rest, metres; those of the right side mirror the left.
_REST = np.array(
    [
        [0, -0.24, 0], [0.09, -0.32, 0], [0.09, -0.32, 0], [0, -0.12, -0.01], [0.1, -0.71, 0], [0.1, -0.71, 0],
        [0, 0.01, -0.01], [0.1, -1.11, -0.03], [0.1, -1.11, -0.03], [0, 0.08, 0], [0.11, -1.165, 0.09],
        [0.11, -1.165, 0.09], [0, 0.29, -0.02], [0.07, 0.21, -0.01], [0.07, 0.21, -0.01], [0, 0.37, 0.02],
        [0.18, 0.225, -0.02], [0.18, 0.225, -0.02], [0.44, 0.215, -0.03], [0.44, 0.215, -0.03], [0.69, 0.22, -0.03],
        [0.69, 0.22, -0.03], [0.78, 0.215, -0.03], [0.78, 0.215, -0.03],
    ]
)  # fmt: skip
_RIGHT = (2, 5, 8, 11, 14, 17, 19, 21, 23)
_REST[list(_RIGHT), 0] *= -1

# A part is a tube of elliptic rings: for each ring how far along (from the joint to the part's end, 0 to 1), and its
# two half-widths, metres: across (to the figure's side, or up for arms) and deep (to its front).
_PARTS: dict[int, tuple[ArrayLike, tuple[tuple[float, float, float], ...]]] = {
    0: ([0, -0.1, -0.01], ((-0.6, 0.14, 0.09), (0, 0.165, 0.115), (0.5, 0.155, 0.11), (1, 0.135, 0.1))),
    1: ([0.1, -0.71, 0], ((0, 0.085, 0.09), (0.2, 0.088, 0.092), (0.6, 0.068, 0.07), (1, 0.052, 0.055))),
    3: ([0, 0.02, -0.01], ((0, 0.135, 0.1), (0.5, 0.13, 0.098), (1, 0.135, 0.1))),
    4: ([0.1, -1.11, -0.03], ((0, 0.052, 0.055), (0.3, 0.053, 0.058), (0.7, 0.04, 0.043), (1, 0.034, 0.036))),
    6: ([0, 0.1, -0.01], ((0, 0.137, 0.1), (1, 0.15, 0.108))),
    7: ([0.11, -1.16, 0.1], ((0, 0.038, 0.042), (0.5, 0.04, 0.036), (1, 0.042, 0.028))),
    9: ([0, 0.27, -0.02], ((0, 0.152, 0.11), (0.4, 0.16, 0.112), (0.75, 0.14, 0.1), (1, 0.075, 0.07))),
    10: ([0.115, -1.175, 0.16], ((0, 0.042, 0.026), (1, 0.036, 0.02))),
    12: ([0, 0.38, 0.01], ((0, 0.055, 0.058), (1, 0.052, 0.055))),
    13: ([0.18, 0.225, -0.02], ((0, 0.06, 0.06), (1, 0.06, 0.06))),
    15: (
        [0, 0.57, 0.02],
        (
            (-0.1, 0.03, 0.04),
            (0, 0.052, 0.065),
            (0.2, 0.068, 0.085),
            (0.45, 0.077, 0.097),
            (0.7, 0.07, 0.088),
            (0.85, 0.056, 0.071),
            (0.95, 0.037, 0.047),
            (1, 0.008, 0.01),
        ),
    ),
    16: ([0.44, 0.215, -0.03], ((0, 0.055, 0.055), (0.4, 0.05, 0.052), (1, 0.04, 0.04))),
    18: ([0.69, 0.22, -0.03], ((0, 0.04, 0.042), (0.3, 0.042, 0.043), (1, 0.026, 0.03))),
    20: ([0.78, 0.215, -0.03], ((0, 0.024, 0.032), (0.5, 0.022, 0.042), (1, 0.018, 0.043))),
    22: ([0.87, 0.21, -0.03], ((0, 0.017, 0.042), (0.6, 0.014, 0.036), (1, 0.01, 0.024))),
}  # fmt: skip
_LEFT_OF = dict(zip(_RIGHT, (1, 4, 7, 10, 13, 16, 18, 20, 22), strict=True))
# Where nose, right eye, left eye, right ear and left ear are; the nearest vertices of the head stand for them.
_FACE = np.array(
    [[0, 0.44, 0.15], [-0.036, 0.475, 0.1], [0.036, 0.475, 0.1], [-0.08, 0.45, 0.02], [0.08, 0.45, 0.02]]
)


@lru_cache(maxsize=1)
def stand_in() -> Smpl:
    """The figure, float32 on the CPU."""
    import torch

    vertices, thick, faces, owner, centre = _mesh()
    count, joints = len(vertices), len(PARENTS)
    shapedirs = np.zeros((count, 3, BETAS))
    shapedirs[..., 0] = LARGER * vertices
    shapedirs[..., 1] = -SLIMMER * thick
    weights = np.eye(joints)[owner]
    # A joint lies in the middle of the ring about it.
    regressor = centre / centre.sum(1, keepdims=True)
    head = np.flatnonzero(owner == 15)
    distance = np.linalg.norm(vertices[head, None] - _FACE, axis=-1)
    floats = (vertices, shapedirs, np.zeros((count, 3, 9 * (joints - 1))), regressor, weights)
    return Smpl(
        *(torch.from_numpy(x.astype(np.float32)) for x in floats),
        torch.from_numpy(faces),
        PARENTS,
        tuple(int(i) for i in head[distance.argmin(0)]),
        "the stand-in figure",
    )


def _mesh() -> tuple[np.ndarray, ...]:
    """Vertices ``[V, 3]``, their way from the part's axis ``[V, 3]``, faces ``[F, 3]``, each vertex's joint ``[V]``, and
    which vertices ring each joint ``[24, V]``."""
    vertices, thick, faces, owner, rings = [], [], [], [], []
    for joint in range(len(PARENTS)):
        end, profile = _PARTS[_LEFT_OF.get(joint, joint)]
        end = np.array(end, np.float64) * ([-1, 1, 1] if joint in _RIGHT else 1)
        points, away, triangles, at = _tube(_REST[joint], end, np.array(profile, np.float64))
        faces.append(triangles + sum(map(len, vertices)))
        rings.append(at + sum(map(len, vertices)))
        vertices.append(points)
        thick.append(away)
        owner.append(np.full(len(points), joint))
    ring = np.zeros((len(PARENTS), sum(map(len, vertices))))
    for joint, at in enumerate(rings):
        ring[joint, at : at + AROUND] = 1
    points, away = np.concatenate(vertices), np.concatenate(thick)
    points[np.concatenate(owner) == 15] = _nose(points[np.concatenate(owner) == 15])
    return points, away, np.concatenate(faces), np.concatenate(owner), ring


def _nose(head: np.ndarray) -> np.ndarray:
    """The head with a bump at the nose; faces are told from backs of heads by it, in normals and depth."""
    distance = np.linalg.norm((head - _FACE[0])[:, :2] / [0.02, 0.03], axis=1)
    front = head[:, 2] > 0.08
    bump = np.where(front, 0.025 * np.exp(-(distance**2)), 0)
    return head + bump[:, None] * [0, 0, 1]


def _tube(
    start: np.ndarray, end: np.ndarray, profile: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """A closed tube of elliptic rings with rounded ends, and where the ring about ``start`` begins."""
    length = np.linalg.norm(end - start)
    axis = (end - start) / length
    # The wide side of a ring lies to the figure's side; of parts that run sideways, up.
    side = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.7 else np.array([0, 1.0, 0])
    across = side - axis * (axis @ side)
    across /= np.linalg.norm(across)
    deep = np.cross(across, axis)
    fine = np.concatenate(
        [np.linspace(a, b, 3)[:-1] for a, b in zip(profile[:-1, 0], profile[1:, 0])] + [profile[-1:, 0]]
    )
    widths = np.stack([np.interp(fine, profile[:, 0], profile[:, k]) for k in (1, 2)], 1)
    along = fine * length
    turn = np.arange(1, 5) / 5 * np.pi / 2
    first, last = widths[0], widths[-1]
    caps = [widths[0] * np.cos(turn[::-1])[:, None], widths[-1] * np.cos(turn)[:, None]]
    heights = [along[0] - np.sin(turn[::-1]) * first.min(), along[-1] + np.sin(turn) * last.min()]
    along = np.concatenate([heights[0], along, heights[1]])
    widths = np.concatenate([caps[0], widths, caps[1]])
    angle = np.arange(AROUND) * 2 * np.pi / AROUND
    circle = np.cos(angle)[:, None] * across, np.sin(angle)[:, None] * deep
    away = widths[:, 0, None, None] * circle[0] + widths[:, 1, None, None] * circle[1]
    points = start + along[:, None, None] * axis + away
    tips = [
        start + axis * (heights[0][0] - first.min() * 0.05),
        start + axis * (heights[1][-1] + last.min() * 0.05),
    ]
    points = np.concatenate([points.reshape(-1, 3), tips])
    away = np.concatenate([away.reshape(-1, 3), np.zeros((2, 3))])
    rings = len(along)
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(AROUND), indexing="ij")
    a, b = i * AROUND + j, i * AROUND + (j + 1) % AROUND
    walls = np.concatenate([np.stack([a, a + AROUND, b], -1), np.stack([b, a + AROUND, b + AROUND], -1)], 1)
    k = np.arange(AROUND)
    low = np.stack([k, (k + 1) % AROUND, np.full(AROUND, rings * AROUND)], -1)
    high = np.stack([(k + 1) % AROUND, k, np.full(AROUND, AROUND + 1)], -1)
    faces = np.concatenate([walls.reshape(-1, 3), low, high + (rings - 1) * AROUND])
    return points, away, faces, int(np.abs(along).argmin()) * AROUND
