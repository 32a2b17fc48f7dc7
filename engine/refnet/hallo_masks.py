"""Where Hallo's speech acts in the picture: lips, face and the rest, from our landmarks, as its authors made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import TroupeError
from ..faces.regions import LIPS, OVAL

FACE_ROOM, LIP_ROOM = 1.2, 2.0  # sizes of the boxes, in sizes of what is in them
FACE_BLUR, LIP_BLUR = 51, 31  # pixels of a picture of 64 x 64
SIDE = 64

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class HalloMasks:
    """Attributes:
    locator: float32 ``[3, H, W]``, 1 in the face's box.
    levels: By ``full``, ``face`` and ``lip`` for each depth of the U-Net float32 ``[1, tokens]`` in 0..1.
    """

    locator: Tensor
    levels: dict[str, list[Tensor]]


def region_box(points: np.ndarray, height: int, width: int, room: float) -> Box:
    """The box around some points with room to all sides, moved back into the picture where it would leave it.

    Args:
        points: ``[N, 2]`` pixels.
        room: Its size in sizes of the tightest box.

    Returns:
        ``(x0, y0, x1, y1)``, half open. Numbers are rounded down where the authors do.
    """
    low, high = np.round(points.min(0)), np.round(points.max(0))
    spans = []
    for start, stop, size in zip(low, high, (width, height)):
        middle, half = (start + stop) // 2, ((stop - start) * room) // 2
        start, stop = middle - half, middle + half
        if start < 0:
            start, stop = 0, stop - start
        if stop > size:
            start, stop = start - (stop - size), size
        spans.append((max(0, round(start)), round(stop)))
    (x0, x1), (y0, y1) = spans
    return x0, y0, x1, y1


def hallo_masks(
    landmarks: np.ndarray, height: int, width: int, sizes: Sequence[tuple[int, int]], room: float = FACE_ROOM
) -> HalloMasks:
    """The masks of one face in one picture.

    Args:
        landmarks: ``[478, 2+]`` pixels.
        height, width: Of the picture.
        sizes: Rows and columns of the tokens at each depth (``UNetConfig.sizes`` of the latents).
        room: Size of the face's box, 1.2 as published; larger lets speech move more.

    Raises:
        TroupeError: if the face lies outside of the picture.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    face = region_box(points[list(OVAL)], height, width, room)
    lip = region_box(points[list(LIPS)], height, width, LIP_ROOM)
    for name, (x0, y0, x1, y1) in (("face", face), ("lips", lip)):
        if x1 <= x0 or y1 <= y0:
            raise TroupeError(
                f"The {name} cannot be found in the picture",
                f"its box is {(x0, y0, x1, y1)} in a picture of {width} x {height}",
                "Use a picture in which the whole face is seen",
            )
    soft_face, soft_lip, full = soft_masks(face, lip, height, width)
    pictures = {"full": full, "face": soft_face, "lip": soft_lip}
    levels = {name: [_tokens(mask, *size) for size in sizes] for name, mask in pictures.items()}
    locator = torch.zeros(3, height, width)
    locator[:, face[1] : face[3], face[0] : face[2]] = 1
    return HalloMasks(locator, levels)


def soft_masks(face: Box, lip: Box, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Face without lips, lips, and all but the face: uint8 ``[64, 64]``, whatever the picture's shape."""
    import cv2

    soft = []
    for (x0, y0, x1, y1), blur in ((face, FACE_BLUR), (lip, LIP_BLUR)):
        box = np.zeros((height, width), np.uint8)
        box[y0:y1, x0:x1] = 255
        small = cv2.GaussianBlur(cv2.resize(box, (SIDE, SIDE)), (blur, blur), 0)
        soft.append(cv2.normalize(small, None, 0, 255, cv2.NORM_MINMAX))
    whole, lips = soft
    # The authors subtract in floating point and cut: some levels come out one lower.
    rest = ((1.0 - whole / 255.0) * 255).astype(np.uint8)
    return cv2.subtract(whole, lips), lips, rest


def _tokens(mask: np.ndarray, rows: int, columns: int) -> Tensor:
    from PIL import Image

    resized = Image.fromarray(mask).resize((columns, rows), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).float().div(255).view(1, -1)
