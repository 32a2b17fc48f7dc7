"""Skeletons as OpenPose and DWPose draw them: 18 joints, 17 limbs, a colour for each.

The table of joints, limbs and colours is that of OpenPose's 18-point body (Cao et al. 2019) in the drawing that
ControlNet introduced and DWPose kept (``draw_bodypose`` in ``annotator/dwpose/util.py`` of IDEA-Research/DWPose, which
Champ's ``generate_dwpose.py`` runs at the maps' own size): filled ellipses 8 pixels thick at 60 % brightness, then dots
9 pixels wide. What DWPose adds for hands and face SMPL has no points for.
"""

from __future__ import annotations

import math

import numpy as np

# Nose, neck, right shoulder, elbow, wrist, left ones, right hip, knee, ankle, left ones, eyes and ears (right, left).
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
POINTS = 18
# SMPL's joints of the right and left shoulder, elbow, wrist, hip, knee and ankle.
_ARMS, _LEGS = ((17, 19, 21), (16, 18, 20)), ((2, 5, 8), (1, 4, 7))
_THICK, _DOT, _DIM = 4, 4, 0.6
_FAR = 20_000.0  # pixels; farther away nothing is drawn


def openpose_points(joints: np.ndarray, face: np.ndarray | None) -> np.ndarray:
    """The 18 points of SMPL's joints.

    Args:
        joints: ``[24, 2]`` pixels.
        face: ``[5, 2]`` pixels: nose, right eye, left eye, right ear, left ear, NaN where not seen; ``None`` if the body
            has no face.

    Returns:
        float64 ``[18, 2]`` pixels, NaN where there is no point. The neck lies between the shoulders, as in DWPose.
    """
    out = np.full((POINTS, 2), np.nan)
    for k in (0, 1):
        out[[2 + 3 * k, 3 + 3 * k, 4 + 3 * k]] = joints[list(_ARMS[k])]
        out[[8 + 3 * k, 9 + 3 * k, 10 + 3 * k]] = joints[list(_LEGS[k])]
    out[1] = (out[2] + out[5]) / 2
    if face is not None:
        out[[0, 14, 15, 16, 17]] = face
    return out


def draw_skeleton(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The skeleton of ``points [18, 2]``, or those of ``[B, 18, 2]`` (pixels, NaN for none), on black: uint8
    ``[H, W, 3]`` RGB."""
    import cv2

    canvas = np.zeros((height, width, 3), np.uint8)
    points = points.reshape(-1, POINTS, 2)
    there = (np.abs(points) <= _FAR).all(-1)
    for (a, b), colour in zip(LIMBS, COLOURS):
        for own in points[there[:, a] & there[:, b]]:
            (x, y), way = (own[a] + own[b]) / 2, own[a] - own[b]
            angle = int(math.degrees(math.atan2(way[1], way[0])))
            size = (int(np.hypot(*way) / 2), _THICK)
            outline = cv2.ellipse2Poly((int(x), int(y)), size, angle, 0, 360, 1)
            cv2.fillConvexPoly(canvas, outline, colour)
    canvas = (canvas * _DIM).astype(np.uint8)
    for k, colour in enumerate(COLOURS):
        for x, y in points[there[:, k], k]:
            cv2.circle(canvas, (int(x), int(y)), _DOT, colour, thickness=-1)
    return canvas
