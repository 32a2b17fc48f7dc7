"""Smoothing of measured body motions: Blender's F-curve smooth, which Champ applies once to each joint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import TroupeError
from .motion import BodyMotion
from .rotations import aligned, matrices_from_quaternions, quaternions_from_matrices

MOST_PASSES = 100


def smooth_curves(curves: np.ndarray) -> np.ndarray:
    """``curves [T, ...]`` smoothed over time: (2, 3, 2, 3, 2) / 12 over five frames, the first and last kept.

    Where a neighbour but one is missing the neighbour stands in for it, and, as in Blender 4.2, also for the second
    neighbour before frame 2 (counted from 0), which is the first frame.
    """
    before = np.concatenate([curves[:1], curves[:-1]])
    after = np.concatenate([curves[1:], curves[-1:]])
    before2 = np.concatenate([before[:3], curves[1:-2]])[: len(curves)]
    after2 = np.concatenate([curves[2:], after[-2:]])[: len(curves)]
    out = (2 * before2 + 3 * before + 2 * curves + 3 * after + 2 * after2) / 12
    if len(curves):
        out[0], out[-1] = curves[0], curves[-1]
    return out


def smooth_motion(motion: BodyMotion, passes: int = 1) -> BodyMotion:
    """A motion with less tremble: rotations and position smoothed ``passes`` times; the shape stays.

    Blender smooths the numbers of the quaternions as they are; here they are brought to one side first (q and -q turn
    alike, their mean does not) and have length 1 after.

    Raises:
        TroupeError: if ``passes`` is not in 0 to 100.
    """
    if not 0 <= passes <= MOST_PASSES:
        raise TroupeError(
            f"{passes} smoothing passes are not possible", f"it must lie in 0 to {MOST_PASSES}", "Use 1"
        )
    if passes == 0 or len(motion) < 3:
        return motion
    q = aligned(quaternions_from_matrices(motion.rotations.astype(np.float64)))
    place = motion.position.astype(np.float64)
    for _ in range(passes):
        q, place = smooth_curves(q), smooth_curves(place)
        q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return replace(motion, rotations=matrices_from_quaternions(q), position=place)
