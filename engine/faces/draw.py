"""Faces drawn into their picture: one colour and one number per person."""

from __future__ import annotations

import numpy as np

from .regions import LEFT_EYE, LIPS, OVAL, RIGHT_EYE
from .types import Faces

# One for each of the 16 persons there can be, at least 19 CIEDE2000 apart, light enough for dark themes and dark hair.
COLOURS = (
    (0, 158, 255), (255, 170, 0), (0, 200, 120), (255, 90, 160),
    (240, 228, 66), (150, 110, 255), (255, 110, 50), (120, 230, 255),
    (230, 0, 60), (210, 255, 210), (0, 120, 120), (255, 210, 230),
    (120, 90, 0), (90, 30, 255), (120, 90, 90), (0, 90, 180),
)  # fmt: skip


def draw_faces(
    image: np.ndarray,
    faces: Faces,
    frame: int = 0,
    *,
    landmarks: bool = True,
    boxes: bool = True,
    numbers: bool = True,
) -> np.ndarray:
    """A copy of the picture with everybody in it marked.

    Args:
        image: uint8 ``[H, W, 3]`` RGB, the frame that ``frame`` counts.
        faces: As found in it.
        frame: Which frame of ``faces`` to draw.
        landmarks, boxes, numbers: What to draw.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    out = np.ascontiguousarray(image).copy()
    for track, face in zip(faces, faces.at(frame), strict=True):
        if face is None:
            continue
        colour = COLOURS[(track.person - 1) % len(COLOURS)]
        if landmarks:
            _draw_landmarks(out, face.landmarks, face.size, colour)
        if boxes:
            _draw_box(out, face.box, colour)
        if numbers:
            _draw_number(out, face.box, str(track.person), colour)
    return out


def _line_width(image: np.ndarray) -> int:
    return max(1, round(max(image.shape[:2]) / 500))


def _draw_landmarks(image: np.ndarray, points: np.ndarray, size: float, colour: tuple[int, int, int]) -> None:
    import cv2

    fixed = np.round((points[:, :2] - 0.5) * 16).astype(np.int32)
    width = max(1, round(size / 250))
    for outline in (OVAL, LIPS, RIGHT_EYE, LEFT_EYE):
        cv2.polylines(image, [fixed[list(outline)]], True, colour, width, cv2.LINE_AA, 4)
    radius = round(max(0.6, size / 260) * 16)
    for x, y in fixed.tolist():
        cv2.circle(image, (x, y), radius, colour, -1, cv2.LINE_AA, 4)


def _draw_box(image: np.ndarray, box: tuple[float, ...], colour: tuple[int, int, int]) -> None:
    import cv2

    x0, y0, x1, y1 = (int(round(v)) for v in box)
    cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), (0, 0, 0), _line_width(image) * 2 + 1)
    cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, _line_width(image))


def _draw_number(image: np.ndarray, box: tuple[float, ...], text: str, colour: tuple[int, int, int]) -> None:
    """The number on a plate of the person's colour above the box, or inside it at the picture's upper edge."""
    import cv2

    height, width = image.shape[:2]
    size = int(np.clip(0.28 * (box[3] - box[1]), 0.035 * min(height, width), 0.09 * max(height, width)))
    size = max(size, min(14, height // 2))
    scale, thick = size / 30, max(1, round(size / 10))
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = max(2, size // 5)
    x = int(np.clip(box[0], 0, max(0, width - w - 2 * pad)))
    y = int(box[1]) - h - 2 * pad
    y = int(np.clip(y if y >= 0 else box[1], 0, max(0, height - h - 2 * pad)))
    cv2.rectangle(image, (x, y), (x + w + 2 * pad, y + h + 2 * pad), colour, -1)
    ink = (0, 0, 0) if np.dot(colour, (0.3, 0.59, 0.11)) > 120 else (255, 255, 255)
    where = (x + pad, y + h + pad)
    cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick, cv2.LINE_AA)
