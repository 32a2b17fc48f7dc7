"""Rotations as vectors, matrices and quaternions (w, x, y, z), in NumPy, over any leading dimensions."""

from __future__ import annotations

import numpy as np


def matrices_from_vectors(vectors: np.ndarray) -> np.ndarray:
    """Axis times angle in radians, ``[..., 3]``, as matrices ``[..., 3, 3]``."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    half = angle / 2
    # sin(a / 2) / a, which is 1 / 2 where nothing turns.
    scale = np.where(angle > 1e-8, np.sin(half) / np.maximum(angle, 1e-8), 0.5)
    return matrices_from_quaternions(np.concatenate([np.cos(half), vectors * scale], -1))


def vectors_from_matrices(matrices: np.ndarray) -> np.ndarray:
    """Matrices ``[..., 3, 3]`` as axis times angle ``[..., 3]``, the angle in 0..pi."""
    q = quaternions_from_matrices(matrices)
    q = np.where(q[..., :1] < 0, -q, q)
    size = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(size, q[..., :1])
    return q[..., 1:] * np.where(size > 1e-8, angle / np.maximum(size, 1e-8), 2.0)


def matrices_from_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Unit quaternions ``[..., 4]`` as matrices ``[..., 3, 3]``."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, -1).reshape(*quaternions.shape[:-1], 3, 3)


def quaternions_from_matrices(matrices: np.ndarray) -> np.ndarray:
    """Matrices ``[..., 3, 3]`` as unit quaternions ``[..., 4]``, of either sign.

    The largest component is found first (Shepperd 1978), so that nothing small is divided by.
    """
    m = np.asarray(matrices)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    # Row k: 4 q_k q, of which the one with the largest q_k is taken.
    rows = np.stack(
        [
            np.stack([squares[..., 0], a, b, c], -1),
            np.stack([a, squares[..., 1], d, e], -1),
            np.stack([b, d, squares[..., 2], f], -1),
            np.stack([c, e, f, squares[..., 3]], -1),
        ],
        -2,
    )
    best = squares.argmax(-1)[..., None, None]
    q = np.take_along_axis(rows, best, -2)[..., 0, :]
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def aligned(quaternions: np.ndarray) -> np.ndarray:
    """``[T, ..., 4]`` with each quaternion on the side of the one before it: q and -q turn alike."""
    turned = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0
    flips = np.concatenate([np.zeros_like(turned[:1]), np.logical_xor.accumulate(turned, 0)])
    return np.where(flips[..., None], -quaternions, quaternions)


def slerp(one: np.ndarray, other: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Unit quaternions between two (``[..., 4]``) at ``mix`` in 0..1 (of the leading shape), the shorter way."""
    dot = (one * other).sum(-1)
    other = np.where(dot[..., None] < 0, -other, other)
    angle = np.arccos(np.clip(np.abs(dot), 0, 1))
    sine = np.sin(angle)
    close = sine < 1e-6  # there the arc is a line
    scale = np.where(close, 1, sine)
    before = np.where(close, 1 - mix, np.sin((1 - mix) * angle) / scale)
    after = np.where(close, mix, np.sin(mix * angle) / scale)
    out = one * before[..., None] + other * after[..., None]
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def nearest_rotations(matrices: np.ndarray) -> np.ndarray:
    """The rotations nearest to matrices ``[..., 3, 3]`` (by singular values, never a reflection)."""
    u, _, v = np.linalg.svd(matrices)
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[..., None]
    return u @ v
