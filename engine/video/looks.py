"""Looks: a finished frame sharper, with more contrast, or as anime, photograph or cartoon.

Ordinary picture processing, frame by frame and steady over time: nothing is thresholded hard. Radii follow the
picture's size, so that a look is the same at 480 and at 2160 lines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import TroupeError
from .match import to_lab, to_rgb
from .resample import as_float, as_type

MAX_STRENGTH = 2.0


def apply_look(frame: np.ndarray, look: str, strength: float = 1.0) -> np.ndarray:
    """One frame with a look.

    Args:
        frame: uint8 or float32 ``[H, W, 3]`` in 0..1.
        look: One of ``LOOKS``.
        strength: 0 leaves the frame as it is, 1 is the look, up to 2 exaggerates.

    Returns:
        ``[H, W, 3]`` of the frame's type; the frame itself at strength 0.

    Raises:
        TroupeError: on an unknown look or a strength out of range.
    """
    if look not in LOOKS:
        raise TroupeError(f"Unknown look '{look}'", f"known are {', '.join(LOOKS)}", "Choose one of these")
    if not 0 <= strength <= MAX_STRENGTH:
        raise TroupeError(
            f"The strength {strength} is out of range", f"it must lie in 0 to {MAX_STRENGTH:g}", "Use 1"
        )
    if strength == 0:
        return frame
    image = as_float(frame)
    styled = _LOOKS[look](image)
    return as_type(image + np.float32(strength) * (styled - image), frame.dtype)


def sharpen(image: np.ndarray) -> np.ndarray:
    """Unsharp mask on lightness; what is fainter than noise is left alone."""
    lab = to_lab(image)
    detail = lab[..., 0] - _blur(lab[..., 0], _pixels(image, 0.0018, 0.8))
    lab[..., 0] += 0.9 * detail * _above(np.abs(detail), 0.6)
    return to_rgb(lab)


def contrast(image: np.ndarray) -> np.ndarray:
    """An S-curve on lightness: black and white stay, the middle is half as steep again."""
    lab = to_lab(image)
    lab[..., 0] = _s_curve(lab[..., 0], 0.5)
    lab[..., 1:] *= 1.08
    return to_rgb(lab)


def realistic(image: np.ndarray) -> np.ndarray:
    """As a photograph: skin gets its texture and depth back, colours calm down."""
    lab = to_lab(image)
    light = lab[..., 0]
    coarse = _edge_preserving(light[..., None], light, _pixels(image, 0.02, 4), 12.0)[..., 0]
    fine = light - _blur(light, _pixels(image, 0.0015, 0.7))
    lab[..., 0] = _s_curve(light + 0.35 * (light - coarse) + 0.5 * fine * _above(np.abs(fine), 0.5), 0.12)
    lab[..., 1:] *= 0.9
    return to_rgb(lab)


def anime(image: np.ndarray) -> np.ndarray:
    """Clear colours, smooth shading and thin dark lines."""
    lab = to_lab(image)
    lab = _edge_preserving(lab, lab[..., 0], _pixels(image, 0.006, 2), 3.0)
    lines = _lines(lab[..., 0], _pixels(image, 0.0018, 0.8), 0.65)
    lab = _edge_preserving(lab, lab[..., 0], _pixels(image, 0.01, 2), 4.0)
    lab[..., 0] = _s_curve(_steps(lab[..., 0], 9, 3.0), 0.18) * 0.96 + 4
    lab[..., 1:] *= 1.3
    lab[..., 0] *= lines
    return to_rgb(lab)


def cartoon(image: np.ndarray) -> np.ndarray:
    """Flat fields of strong colour with bold outlines.

    After Winnemöller, Olsen and Gooch, "Real-Time Video Abstraction" (SIGGRAPH 2006): edge-preserving smoothing, soft
    steps of lightness, lines from differences of Gaussians; the smoother is a guided filter (He, Sun and Tang, 2010).
    """
    lab = to_lab(image)
    lab = _edge_preserving(lab, lab[..., 0], _pixels(image, 0.006, 2), 3.5)
    lines = _lines(lab[..., 0], _pixels(image, 0.003, 1.1), 0.95)
    for _ in range(2):
        lab = _edge_preserving(lab, lab[..., 0], _pixels(image, 0.01, 2), 4.5)
    lab[..., 0] = _s_curve(_steps(lab[..., 0], 7, 6.0), 0.2)
    lab[..., 1:] *= 1.45
    lab[..., 0] *= lines
    return to_rgb(lab)


_LOOKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sharpen": sharpen,
    "contrast": contrast,
    "realistic": realistic,
    "anime": anime,
    "cartoon": cartoon,
}
LOOKS = tuple(_LOOKS)


def _pixels(image: np.ndarray, share: float, least: float) -> float:
    """A share of the picture's shorter side."""
    return max(least, share * min(image.shape[:2]))


def _blur(values: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _edge_preserving(values: np.ndarray, guide: np.ndarray, radius: float, edge: float) -> np.ndarray:
    """Guided filter of ``[H, W, C]`` by ``[H, W]``: differences under ``edge`` in the guide are smoothed away."""
    import cv2

    side = 2 * round(radius) + 1

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT).reshape(x.shape)

    one = guide[..., None]
    guide_mean, values_mean = mean(one), mean(values)
    spread = mean(one * one) - guide_mean**2
    slope = (mean(one * values) - guide_mean * values_mean) / (spread + edge**2)
    return mean(slope) * one + mean(values_mean - slope * guide_mean)


def _lines(light: np.ndarray, sigma: float, darkness: float) -> np.ndarray:
    """1 where there is no line, down to ``1 - darkness`` on dark sides of edges (difference of Gaussians)."""
    difference = _blur(light, sigma) - _blur(light, 1.6 * sigma)
    return 1 - darkness * np.tanh(np.maximum(-difference - 0.7, 0) * 0.6)


def _steps(light: np.ndarray, count: int, sharpness: float) -> np.ndarray:
    """Lightness in soft steps: a hard one would flicker with the noise."""
    width = 100.0 / count
    nearest = np.round(light / width) * width
    half = np.tanh(0.5 * sharpness)
    return nearest + width / 2 * np.tanh(sharpness * (light - nearest) / width) / half


def _s_curve(light: np.ndarray, amount: float) -> np.ndarray:
    t = np.clip(light, 0, 100) / 100
    return 100 * (t - amount * np.sin(2 * np.pi * t) / (2 * np.pi)).astype(np.float32)


def _above(values: np.ndarray, threshold: float) -> np.ndarray:
    """0 well below a threshold, 1 well above it."""
    t = np.clip(values / (2 * threshold), 0, 1)
    return t * t * (3 - 2 * t)
