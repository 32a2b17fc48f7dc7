"""Square windows of a picture to crops of any size, and back.

Pixel centres lie at integers plus one half. Enlarging is bicubic. Reducing first averages (whole factors) and then
blurs what remains, so that fine hair does not shimmer as the window moves.
"""

from __future__ import annotations

import numpy as np

_LEFT = (
    3.0  # reduction left to the blur: pixels as large as the crop's would pulse as the window moves over them
)
_LEAST_BLUR = 0.15  # pixels: less changes nothing
_MARGIN = 4  # pixels around a window that the cubic kernel sees


def as_float(image: np.ndarray) -> np.ndarray:
    """float32 in 0..1 of uint8 or float pixels, no copy where none is needed."""
    if image.dtype == np.uint8:
        return image.astype(np.float32) * np.float32(1 / 255)
    return np.ascontiguousarray(image, np.float32)


def as_type(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float32 ``[H, W, 3]`` in 0..1 as uint8 (rounded) or float32, clipped."""
    if dtype != np.uint8:
        return np.clip(image, 0.0, 1.0)
    import cv2

    flat = np.ascontiguousarray(image).reshape(len(image), -1)
    return cv2.convertScaleAbs(np.maximum(flat, 0), alpha=255.0).reshape(image.shape)


def cut_window(
    image: np.ndarray, window: tuple[float, float, float], size: int, border: str = "reflect"
) -> np.ndarray:
    """The crop of a window.

    Args:
        image: uint8 or float32 ``[H, W, 3]``.
        window: Left, top and side in pixels; may reach beyond the picture.
        size: Side of the crop.
        border: ``replicate``, ``reflect`` or ``black`` beyond the picture's edge.

    Returns:
        ``[size, size, 3]`` of the image's type. A window in whole pixels of that very size is copied exactly.
    """
    import cv2

    left, top, side = window
    height, width = image.shape[:2]
    if side == size and left == round(left) and top == round(top):
        x, y = int(left), int(top)
        if x >= 0 and y >= 0 and x + size <= width and y + size <= height:
            return np.ascontiguousarray(image[y : y + size, x : x + size])
    step = side / size
    reach = _MARGIN + int(np.ceil(2 * step))
    x0, y0 = max(0, int(left) - reach), max(0, int(top) - reach)
    x1, y1 = min(width, int(np.ceil(left + side)) + reach), min(height, int(np.ceil(top + side)) + reach)
    part, whole = _reduced(image[y0:y1, x0:x1], step)
    scale = step / whole
    matrix = np.array(
        [
            [scale, 0, (left - x0) / whole + 0.5 * scale - 0.5],
            [0, scale, (top - y0) / whole + 0.5 * scale - 0.5],
        ]
    )
    mode = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT, "black": cv2.BORDER_CONSTANT}
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(part, matrix, (size, size), flags=flags, borderMode=mode[border])
    return crop if crop.dtype == np.uint8 else np.clip(crop, 0.0, 1.0)


def lay_window(
    crop: np.ndarray, window: tuple[float, float, float], box: tuple[int, int, int, int]
) -> np.ndarray:
    """The way back: what a crop shows in the pixels of the picture.

    Args:
        crop: float32 ``[S, S, 3]``, of any size.
        window: As given to ``cut_window``.
        box: Whole pixels ``(x0, y0, x1, y1)`` of the picture to fill.

    Returns:
        float32 ``[y1 - y0, x1 - x0, 3]``.
    """
    import cv2

    left, top, side = window
    x0, y0, x1, y1 = box
    size = len(crop)
    if side == size and left == round(left) and top == round(top):
        x, y = x0 - int(left), y0 - int(top)
        return crop[y : y + y1 - y0, x : x + x1 - x0]
    step = size / side
    part, whole = _reduced(crop, step)
    scale = step / whole
    matrix = np.array(
        [
            [scale, 0, (x0 - left + 0.5) * scale - 0.5],
            [0, scale, (y0 - top + 0.5) * scale - 0.5],
        ]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, matrix, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _reduced(image: np.ndarray, step: float) -> tuple[np.ndarray, int]:
    """The image without detail finer than ``step`` pixels, and the whole factor it was made smaller by.

    In all it is blurred by (step - 1) / 2 pixels (standard deviation), of which averaging does its part: so nothing
    jumps where a growing window reaches the next whole factor.
    """
    import cv2

    whole = max(1, int(step / _LEFT))
    if whole > 1:
        tall, wide = -image.shape[0] % whole, -image.shape[1] % whole
        if tall or wide:
            image = cv2.copyMakeBorder(image, 0, tall, 0, wide, cv2.BORDER_REPLICATE)
        small = image.shape[1] // whole, image.shape[0] // whole
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    wanted = max(step - 1, 0) ** 2 / 4 - (whole**2 - 1) / 12
    sigma = np.sqrt(max(wanted, 0)) / whole
    if sigma > _LEAST_BLUR:
        reach = 2 * int(np.ceil(3 * sigma)) + 1
        image = cv2.GaussianBlur(image, (reach, reach), sigma, borderType=cv2.BORDER_REPLICATE)
    return image, whole
