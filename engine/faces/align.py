"""Five-point alignment: the 224 pixel crop that expression encoders were trained on.

Coordinates here count as OpenCV does, pixel centres at integers, which is how the reference implementation
(FantasyPortrait's, see tests/golden/fantasy_portrait) places its crop. ``five_points`` makes the half-pixel
step from the landmarks of a ``Face``, whose left picture edge is 0.
"""

from __future__ import annotations

import numpy as np

# Pupils, nose tip and mouth corners in the 478-point mesh, left and right as seen in the picture of an upright face.
FIVE = (468, 473, 4, 61, 291)

# Where they go, as fractions of the crop.
DESTINATION = np.array(
    [[0.3843, 0.27], [0.62, 0.2668], [0.503, 0.4185], [0.406, 0.5273], [0.5977, 0.525]], np.float64
)


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Left pupil, right pupil, nose tip, left and right mouth corner (left: image left of an upright face).

    Args:
        landmarks: ``[..., 478, 3]`` (or 2) pixels, left edge at 0.

    Returns:
        float64 ``[..., 5, 2]`` pixels, centres at integers.
    """
    return np.asarray(landmarks)[..., list(FIVE), :2].astype(np.float64) - 0.5


def similarity_least_squares(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """The rotation, uniform scale and shift (never a reflection) that bring ``src`` nearest to ``dst``.

    Written with complex numbers the map is ``dst = k src + c``, and least squares has a closed form; unlike the
    usual way by singular vectors there is no sign to get wrong for mirrored points.

    Args:
        src: ``[..., N, 2]``, not all points equal.
        dst: ``[N, 2]`` (or any shape that broadcasts).

    Returns:
        float64 ``[..., 2, 3]``.

    Raises:
        ValueError: if the points of a set are all equal.
    """
    a = np.asarray(src, np.float64) @ (1, 1j)
    b = np.asarray(dst, np.float64) @ (1, 1j)
    a_mean, b_mean = a.mean(-1, keepdims=True), b.mean(-1, keepdims=True)
    power = (np.abs(a - a_mean) ** 2).sum(-1)
    if not (power > 0).all():
        raise ValueError("the source points are all equal: no similarity is defined")
    k = (np.conj(a - a_mean) * (b - b_mean)).sum(-1) / power
    c = b_mean[..., 0] - k * a_mean[..., 0]
    top = np.stack([k.real, -k.imag, c.real], -1)
    bottom = np.stack([k.imag, k.real, c.imag], -1)
    return np.stack([top, bottom], -2)


def alignment(points: np.ndarray, size: int = 224) -> np.ndarray:
    """float64 ``[..., 2, 3]``: picture pixels to pixels of the aligned crop, for ``points`` ``[..., 5, 2]``."""
    return similarity_least_squares(points, DESTINATION * size)


def align_crop(image: np.ndarray, points: np.ndarray, size: int = 224) -> np.ndarray:
    """The aligned crop: bicubic, black outside the picture.

    Args:
        image: uint8 (or float32) ``[H, W, C]``, any channel order.
        points: ``[5, 2]`` as from ``five_points``.
        size: Side of the crop in pixels.

    Returns:
        ``[size, size, C]`` of the image's type.
    """
    import cv2

    return cv2.warpAffine(
        np.ascontiguousarray(image),
        alignment(points, size),
        (size, size),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
