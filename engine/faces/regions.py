"""Masks of parts of a face, from landmarks alone, for one picture or a clip."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from .types import Face, FaceTrack

REGIONS = ("face", "lips", "eyes", "head", "body", "full")

# Closed outlines in the 478-point mesh, in order around the shape.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
# Around the lids of each eye: what gaze and blinks move.
RIGHT_EYE = (130, 25, 110, 24, 23, 22, 26, 112, 243, 190, 56, 28, 27, 29, 30, 247)
LEFT_EYE = (359, 255, 339, 254, 253, 252, 256, 341, 463, 414, 286, 258, 257, 259, 260, 467)

MAX_SIDE = 16384


def region_mask(
    landmarks: np.ndarray, region: str, height: int, width: int, feather: float = 0.15
) -> np.ndarray:
    """Soft mask of one face's region.

    Args:
        landmarks: ``[478, 2+]`` pixels.
        region: ``face`` (the oval), ``lips``, ``eyes`` (lids and what lies between), ``head`` (with hair and
            ears), ``body`` (head, neck and what is likely the torso below), ``full`` (the whole picture).
        height, width: Size of the mask in pixels.
        feather: Width of the soft edge in eye distances, half of it inside the outline; 0 is a hard edge.

    Returns:
        float32 ``[height, width]`` in 0..1.

    Raises:
        TroupeError: on an unknown region or sizes out of range.
    """
    _check(region, height, width, feather)
    if region == "full":
        return np.ones((height, width), np.float32)
    points = np.asarray(landmarks, np.float64)
    face = Face(_three(points))
    return _painted(outlines(face, region), height, width, feather * face.eye_distance)


def region_masks(
    faces: FaceTrack | np.ndarray,
    region: str,
    height: int,
    width: int,
    feather: float = 0.15,
    hold: bool = False,
) -> np.ndarray:
    """Soft masks of one person over a clip.

    Args:
        faces: A track, or landmarks ``[T, 478, 2+]`` with NaN in gaps.
        hold: In gaps keep moving between the frames around them; otherwise they are 0.

    Returns:
        float32 ``[T, height, width]``.
    """
    _check(region, height, width, feather)
    if isinstance(faces, FaceTrack):
        landmarks, present = (faces.filled() if hold else faces.landmarks), faces.present
    else:
        landmarks = np.asarray(faces)
        present = np.isfinite(landmarks).all((1, 2))
    out = np.zeros((len(landmarks), height, width), np.float32)
    for t in np.flatnonzero(present | hold):
        if np.isfinite(landmarks[t]).all():
            out[t] = region_mask(landmarks[t], region, height, width, feather)
    return out


def _check(region: str, height: int, width: int, feather: float) -> None:
    if region not in REGIONS:
        raise TroupeError(
            f"Unknown region '{region}'", f"known are {', '.join(REGIONS)}", "Choose one of these"
        )
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise TroupeError(
            f"A mask of {width}x{height} pixels cannot be made",
            f"sides must lie in 1 to {MAX_SIDE}",
            "Use the size of the picture",
        )
    if not 0 <= feather <= 5:
        raise TroupeError(
            f"Feather {feather} is out of range", "it must lie in 0 to 5 eye distances", "Use 0.15"
        )


def _three(points: np.ndarray) -> np.ndarray:
    out = np.zeros((len(points), 3), np.float32)
    out[:, : min(points.shape[1], 3)] = points[:, :3]
    return out


def outlines(face: Face, region: str) -> list[np.ndarray]:
    """Polygons ``[N, 2]`` in pixels that together are the region."""
    p = face.landmarks[:, :2].astype(np.float64)
    if region == "face":
        return [p[list(OVAL)]]
    if region == "lips":
        return [_grown(p[list(LIPS)], 1.12)]
    if region == "eyes":
        return [_grown(p[list(eye)], 1.15) for eye in (RIGHT_EYE, LEFT_EYE)]
    head = _head(face)
    return [head] if region == "head" else [head, _torso(face)]


def _grown(polygon: np.ndarray, factor: float) -> np.ndarray:
    middle = polygon.mean(0)
    return middle + (polygon - middle) * factor


def _skull(face: Face) -> tuple[np.ndarray, np.ndarray, float]:
    """Point between the ears, the head's own axes (rows: person's left, down, back; unit vectors) and its width;
    3-D pixels, so that a turned head keeps its true shape."""
    p = face.landmarks.astype(np.float64)
    right_ear, left_ear, brow, chin = p[234], p[454], p[10], p[152]
    width = max(float(np.linalg.norm(left_ear - right_ear)), 1e-3)
    across = (left_ear - right_ear) / width
    down = chin - brow
    down -= across * (down @ across)
    down /= max(float(np.linalg.norm(down)), 1e-6)
    return (left_ear + right_ear) / 2, np.stack([across, down, np.cross(across, down)]), width


def _head(face: Face) -> np.ndarray:
    """Outline of the face together with an ellipsoid that holds skull, hair and ears, as seen in the picture."""
    import cv2

    ears, axes, width = _skull(face)
    azimuth, height = np.meshgrid(np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(-1, 1, 25))
    ring = np.sqrt(1 - height**2)
    ball = np.stack([ring * np.cos(azimuth), height, ring * np.sin(azimuth)], -1).reshape(-1, 3)
    # In head widths: hair stands off a little; the crown is one width above the ears.
    skull = (ball * (0.62, 0.86, 0.66) + (0.0, -0.22, 0.28)) * width
    seen = np.concatenate([(ears + skull @ axes)[:, :2], face.landmarks[list(OVAL), :2]])
    return cv2.convexHull(seen.astype(np.float32))[:, 0].astype(np.float64)


def _torso(face: Face) -> np.ndarray:
    """Neck and shoulders below the head, then on past the lower edge of the picture."""
    ears, axes, width = _skull(face)
    # Necks lean less than heads: shoulders hang between the head's own down and the picture's.
    down = axes[1, :2] + (0.0, 1.0)
    down = down / np.linalg.norm(down) if np.linalg.norm(down) > 0.3 else axes[1, :2]
    side = np.array([down[1], -down[0]])
    start = (ears + axes[2] * 0.25 * width)[:2]
    shapes = ((0.36, 0.3), (0.4, 0.95), (1.1, 1.3), (1.45, 1.75), (1.6, 3.0), (1.6, 12.0))
    left = [start - side * w * width + down * h * width for w, h in shapes]
    back = [start + side * w * width + down * h * width for w, h in reversed(shapes)]
    return np.array(left + back)


def _painted(polygons: list[np.ndarray], height: int, width: int, edge: float) -> np.ndarray:
    """Polygons filled with 1, with a soft edge ``edge`` pixels wide; drawn only where they are."""
    import cv2

    points = np.concatenate(polygons)
    reach = edge * 1.5 + 3
    x0, y0 = np.clip(np.floor(points.min(0) - reach), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(points.max(0) + reach), 0, (width, height)).astype(int)
    mask = np.zeros((height, width), np.float32)
    if x1 <= x0 or y1 <= y0:
        return mask
    # A margin around the window lets the blur see what lies outside the picture.
    pad = int(np.ceil(reach))
    window = np.zeros((y1 - y0 + 2 * pad, x1 - x0 + 2 * pad), np.uint8)
    for polygon in polygons:
        # Sub-pixel corners in 1/16 pixels; OpenCV counts from pixel centres.
        corners = np.round((polygon - (x0 - pad, y0 - pad) - 0.5) * 16)
        corners = np.clip(corners, -(2**24), 2**24).astype(np.int32)
        cv2.fillPoly(window, [corners], 255, lineType=cv2.LINE_AA, shift=4)
    soft = window.astype(np.float32) / 255.0
    if edge > 0.5:
        # Three box blurs make a smooth edge; together they reach about `edge` pixels.
        side = max(1, round(edge / 2)) | 1
        for _ in range(3):
            soft = cv2.blur(soft, (side, side), borderType=cv2.BORDER_REPLICATE)
    mask[y0:y1, x0:x1] = soft[pad:-pad, pad:-pad]
    return np.clip(mask, 0.0, 1.0)
