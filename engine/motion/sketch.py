"""A motion on a drawn face, so that it can be watched without a picture: flat shapes over the mean mesh and its rig."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from .face_motion import INDEX, FaceMotion
from .mesh import (
    BROW_BOTTOM,
    BROW_TOP,
    FACE_OVAL,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LEFT_IRIS,
    LOWER_LID,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    RIGHT_IRIS,
    SHRINK,
    UPPER_LID,
    mean_mesh,
    mirrored,
    neck_pivot,
    rotation_matrix,
)
from .rig import Rig, build_rig

SMALLEST, LARGEST = 64, 1024
_TONGUE = INDEX["tongueOut"]
_FINER = 2  # drawn larger and made smaller, for smooth edges
_EYES = 0.29  # eye distance as a share of the picture
_MIDDLE = (0.5, 0.41)  # where the point between the eyes is at rest
_BACK, _SKIN, _SHADE = (52, 55, 62), (226, 190, 160), (196, 150, 122)
_WHITE, _IRIS, _PUPIL, _LASH = (250, 248, 244), (78, 110, 140), (24, 26, 30), (84, 56, 44)
_BROW, _LIPS, _MOUTH, _TEETH = (96, 66, 50), (190, 92, 92), (70, 24, 28), (244, 240, 232)
_NOSE = (168, 6, 195, 4), (98, 97, 2, 326, 327)


@cache
def _rig() -> Rig:
    return build_rig(mean_mesh().vertices.astype(np.float64))


def sketch(motion: FaceMotion, size: int = 256) -> Iterator[np.ndarray]:
    """Frames of a drawn face that plays a motion, at the motion's own rate.

    Args:
        motion: Any length.
        size: Width and height in pixels, 64 to 1024.

    Yields:
        uint8 ``[size, size, 3]`` RGB.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must lie in {SMALLEST}..{LARGEST}, got {size}")
    for shapes, head in zip(motion.blendshapes, motion.head):
        yield _draw(_placed(shapes.astype(np.float64), head.astype(np.float64)), size, float(shapes[_TONGUE]))


def _placed(shapes: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The mesh ``[478, 2]`` in eye distances around its rest, as a camera sees it."""
    rig = _rig()
    pivot = neck_pivot(rig.rest)
    points = (rig.pose(shapes) - pivot) @ rotation_matrix(*head[:3]).T + pivot + head[3:]
    return points[:, :2] / (1.0 + SHRINK * points[:, 2:])


def _draw(points: np.ndarray, size: int, tongue: float) -> np.ndarray:
    import cv2

    full = size * _FINER
    points = points * _EYES * full + np.array(_MIDDLE) * full
    image = np.full((full, full, 3), _BACK, np.uint8)
    stroke = max(1, full // 128)

    def fill(indices, colour) -> None:
        cv2.fillPoly(image, [np.round(points[list(indices)] * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

    def line(indices, colour, width=1.0) -> None:
        path = [np.round(points[list(indices)] * 16).astype(np.int32)]
        cv2.polylines(image, path, False, colour, max(1, round(width * stroke)), cv2.LINE_AA, 4)

    fill(FACE_OVAL, _SKIN)
    line((*FACE_OVAL, FACE_OVAL[0]), _SHADE)
    for part in _NOSE:
        line(part, _SHADE, 1.5)
    for side, iris in ((lambda p: p, RIGHT_IRIS), (mirrored, LEFT_IRIS)):
        _draw_eye(image, points, side, iris, stroke)
        fill((*side(BROW_TOP), *side(BROW_BOTTOM)[::-1]), _BROW)
    fill((*OUTER_UPPER_LIP, *OUTER_LOWER_LIP[::-1]), _LIPS)
    inside = (*INNER_UPPER_LIP, *INNER_LOWER_LIP[::-1])
    _draw_mouth(image, points[list(inside)], tongue)
    line(INNER_UPPER_LIP, _MOUTH)
    line(INNER_LOWER_LIP, _MOUTH)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _draw_eye(image: np.ndarray, points: np.ndarray, side, iris: tuple[int, ...], stroke: int) -> None:
    """Eyeball and iris, seen between the lids only."""
    import cv2

    outline = points[[*side(UPPER_LID), *side(LOWER_LID)[::-1]]]
    centre = points[list(iris)].mean(0)
    radius = float(np.linalg.norm(points[list(iris[1:])] - centre, axis=1).mean())

    def eye(part: np.ndarray, corner: np.ndarray) -> None:
        part[:] = _WHITE
        at = tuple(int(v) for v in np.round((centre - corner) * 16))
        cv2.circle(part, at, round(radius * 16), _IRIS, -1, cv2.LINE_AA, 4)
        cv2.circle(part, at, round(radius * 8), _PUPIL, -1, cv2.LINE_AA, 4)

    _within(image, outline, eye)
    upper = [np.round(points[list(side(UPPER_LID))] * 16).astype(np.int32)]
    cv2.polylines(image, upper, False, _LASH, 2 * stroke, cv2.LINE_AA, 4)


def _draw_mouth(image: np.ndarray, outline: np.ndarray, tongue: float) -> None:
    """What is between the lips: the upper teeth, and the tongue as far as it comes out."""
    import cv2

    (left, top), (right, bottom) = outline.min(0), outline.max(0)

    def mouth(part: np.ndarray, corner: np.ndarray) -> None:
        part[:] = _MOUTH
        teeth = top + min(0.35 * (bottom - top), 0.16 * (right - left))
        part[: max(0, int(teeth - corner[1]))] = _TEETH
        if tongue > 0.05:
            size = (int(0.28 * (right - left)), int(0.6 * (bottom - top) * tongue))
            at = (int(outline[:, 0].mean() - corner[0]), int(bottom - corner[1]))
            cv2.ellipse(part, at, size, 0, 0, 360, _LIPS, -1, cv2.LINE_AA)

    _within(image, outline, mouth)


def _within(image: np.ndarray, outline: np.ndarray, paint: Callable[[np.ndarray, np.ndarray], None]) -> None:
    """Paints inside an outline ``[n, 2]`` only; ``paint`` gets the part of the picture around it and its corner."""
    import cv2

    low = np.clip(np.floor(outline.min(0)).astype(int) - 1, 0, image.shape[1])
    high = np.clip(np.ceil(outline.max(0)).astype(int) + 2, 0, image.shape[1])
    if (high <= low).any():
        return
    part = image[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round((outline - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    painted = part.copy()
    paint(painted, low)
    share = mask[..., None].astype(np.float32) / 255
    part[:] = (part * (1 - share) + painted * share).astype(np.uint8)
