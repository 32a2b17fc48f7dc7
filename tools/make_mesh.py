"""Make ``engine/motion/mesh.npz``: the mean face mesh, its mirror permutation and its triangles.

The 478 vertices are the generalised Procrustes mean of the landmarks (MediaPipe 0.10.21, FaceMesh with
irises) of two public-domain portraits and their mirror images: Eileen Collins (NASA, scikit-image's
``astronaut``) and Grace Hopper (US Navy, matplotlib's ``grace_hopper.jpg``). The mouth comes from the second
alone, whose lips are at rest. Units: eye distances, origin between the eyes, x picture right, y down, z away.

    python tools/make_mesh.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import matplotlib
import mediapipe as mp
import numpy as np
import skimage.data
from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION
from scipy.optimize import linear_sum_assignment

OUT = Path(__file__).resolve().parent.parent / "engine" / "motion" / "mesh.npz"
RIGHT_EYE, LEFT_EYE, TOP, CHIN, LIPS = [33, 133], [362, 263], 10, 152, 13
# Points that expressions move least: forehead, nose bridge and tip, eye corners, temples, cheekbones.
STABLE = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 33, 133, 263, 362, 127, 356, 234, 454, 93, 323]
STABLE += [54, 284, 103, 332, 67, 297, 116, 345, 117, 346]
MOUTH_RADIUS = 0.7


def landmarks(image: np.ndarray) -> np.ndarray:
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(image).multi_face_landmarks[0].landmark
    height, width = image.shape[:2]
    return np.array([[p.x * width, p.y * height, p.z * width] for p in found])


def upright(points: np.ndarray) -> np.ndarray:
    """Eye distance 1, origin between the eyes, eyes level, forehead above the chin."""
    right, left = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    x = (left - right) / np.linalg.norm(left - right)
    down = points[CHIN] - points[TOP]
    down = down - x * (down @ x)
    y = down / np.linalg.norm(down)
    return (points - (left + right) / 2) @ np.stack([x, y, np.cross(x, y)], 1) / np.linalg.norm(left - right)


def aligned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity of ``points`` that fits ``target`` best on the stable points."""
    a, b = points[STABLE], target[STABLE]
    u, s, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    keep = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * np.diag(keep)).sum() / ((a - a.mean(0)) ** 2).sum()
    return scale * (points - a.mean(0)) @ (u @ keep @ vt) + b.mean(0)


def mirror_permutation(mesh: np.ndarray) -> np.ndarray:
    flipped = mesh * [-1, 1, 1]
    _, permutation = linear_sum_assignment(((flipped[:, None] - mesh[None]) ** 2).sum(-1))
    assert (permutation[permutation] == np.arange(len(mesh))).all(), "the mirror is not an involution"
    return permutation


def triangles() -> np.ndarray:
    """The 3-cliques of the mesh graph; eyes and mouth stay holes."""
    near: list[set[int]] = [set() for _ in range(468)]
    for a, b in FACEMESH_TESSELATION:
        near[a].add(b)
        near[b].add(a)
    return np.array(
        sorted({tuple(sorted((a, b, c))) for a in range(468) for b in near[a] for c in near[a] & near[b]})
    )


def main() -> None:
    collins = cv2.resize(
        skimage.data.astronaut()[:256, 100:356], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC
    )
    sample = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    hopper = cv2.resize(
        cv2.imread(str(sample))[100:400, :, ::-1], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC
    )
    faces = [upright(landmarks(np.ascontiguousarray(image))) for image in (collins, hopper)]
    mean = np.mean(faces, 0)
    mirror = mirror_permutation(mean)
    both = [f for face in faces for f in (face, (face * [-1, 1, 1])[mirror])]
    for _ in range(10):
        both = [aligned(face, mean) for face in both]
        mean = upright(np.mean(both, 0))
    rest = np.mean([aligned(face, mean) for face in both[2:]], 0)
    near_mouth = np.exp(-((np.linalg.norm(mean - mean[LIPS], axis=1) / MOUTH_RADIUS) ** 4))[:, None]
    mean = mean * (1 - near_mouth) + rest * near_mouth
    mean = (mean + (mean * [-1, 1, 1])[mirror]) / 2
    np.savez_compressed(
        OUT,
        vertices=mean.astype(np.float32),
        mirror=mirror.astype(np.int16),
        triangles=triangles().astype(np.int16),
    )
    sys.stdout.write(
        f"{OUT.name}: {OUT.stat().st_size} bytes, chin at y {mean[CHIN, 1]:.2f}, nose tip at z {mean[4, 2]:.2f}\n"
    )


if __name__ == "__main__":
    main()
