"""One-Euro smoothing of landmarks that does not lag speech.

After Casiez, Roussel and Vogel, "1 Euro Filter" (CHI 2012): a low-pass whose cutoff rises with speed, so that a
face at rest stops trembling and one that moves is left alone. Three changes for faces: speed is measured in eye
distances and shared among neighbouring landmarks (the mesh trembles singly and moves together); the highest speed
of the last moments counts, so that a lip is not held back at its turning points; and what is recorded is
filtered forwards and backwards, which leaves no delay at all.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .types import Face, FaceTrack

_REST_CUTOFF = 1.5  # Hz
_GAIN = 160.0  # Hz of cutoff per eye distance per second above the floor
_FLOOR = 0.22  # eye distances per second: what the mesh trembles with on a face at rest
_HOLD = 0.15  # seconds for which the highest speed counts
_NEIGHBOURS = 16
_MEMORY = 3.0  # seconds after which a sample no longer counts
_CHUNK = 1024  # frames


def smooth_track(track: FaceTrack, fps: float, *, causal: bool = False) -> FaceTrack:
    """The track with landmarks smoothed within each stretch without a gap; confidences and blendshapes stay.

    Args:
        fps: Frames per second.
        causal: Use the past only, as a live picture must.
    """
    faces = list(track.faces)
    smooth_faces(faces, fps, causal=causal)
    return FaceTrack(track.person, tuple(faces))


def smooth_faces(faces: list[Face | None], fps: float, *, causal: bool = False) -> None:
    """Smooth one person's faces in place: as the list is worked through, what it held before can be freed."""
    lead = math.ceil(_MEMORY * fps)
    for start, end in stretches(np.array([f is not None for f in faces], bool)):
        scale = max(float(np.median([f.eye_distance for f in faces[start:end]])), 1e-3)
        before: list[Face] = []  # the last raw faces of the piece before
        for first in range(start, end, _CHUNK):  # long clips in pieces, each with enough around it to settle
            last = min(first + _CHUNK, end)
            raw = before + faces[first : min(last + lead, end)]
            points = np.stack([f.landmarks for f in raw])
            smoothed = smooth_landmarks(points, fps, scale, causal=causal)[len(before) :]
            before = (before + faces[first:last])[-lead:]
            for t in range(first, last):
                faces[t] = replace(faces[t], landmarks=smoothed[t - first].copy())


def stretches(present: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True in bool ``[T]`` as ``(start, end)``, half open."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], present.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def smooth_landmarks(points: np.ndarray, fps: float, scale: float, *, causal: bool = False) -> np.ndarray:
    """Smooth one person's landmarks over consecutive frames.

    Args:
        points: float32 ``[T, N, 3]`` pixels.
        fps: Frames per second.
        scale: Eye distance in pixels, the unit of speed.
        causal: Forwards only.

    Returns:
        float32 ``[T, N, 3]``.
    """
    if len(points) < 3:
        return points
    cutoff = _REST_CUTOFF + _GAIN * np.maximum(_speed(points, fps, scale, causal) - _FLOOR, 0.0)
    weight = (1.0 / (1.0 + fps / (2 * math.pi * cutoff))).astype(np.float32)[..., None]
    out = _low_pass(points, weight)
    return out if causal else _low_pass(out[::-1], weight[::-1])[::-1]


def _low_pass(points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    out = np.empty_like(points)
    out[0] = state = points[0]
    for t in range(1, len(points)):
        state = state + weight[t] * (points[t] - state)
        out[t] = state
    return out


def _speed(points: np.ndarray, fps: float, scale: float, causal: bool) -> np.ndarray:
    """Eye distances per second ``[T, N]``, shared with neighbours, the highest of the last moments."""
    from scipy.ndimage import maximum_filter1d

    velocity = np.zeros(points.shape[:2] + (2,), np.float32)
    flat = points[..., :2]
    if causal:
        velocity[1:] = flat[1:] - flat[:-1]
        velocity[2:] = (velocity[2:] + velocity[1:-1]) / 2
    else:
        velocity[1:-1] = (flat[2:] - flat[:-2]) / 2
        velocity[0], velocity[-1] = flat[1] - flat[0], flat[-1] - flat[-2]
    velocity = np.einsum("nm,tmc->tnc", _sharing(flat[0]), velocity, optimize=True)
    speed = np.linalg.norm(velocity, axis=-1) * (fps / scale)
    reach = max(1, math.ceil(_HOLD * fps))
    window = 2 * reach + 1
    return maximum_filter1d(speed, window, axis=0, origin=reach if causal else 0, mode="nearest")


def _sharing(points: np.ndarray) -> np.ndarray:
    """float32 ``[N, N]`` whose rows average over the nearest landmarks."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    count = min(_NEIGHBOURS, len(points))
    nearest = np.argpartition(distance, count - 1, axis=1)[:, :count]
    share = np.zeros(distance.shape, np.float32)
    np.put_along_axis(share, nearest, 1.0 / count, axis=1)
    return share
