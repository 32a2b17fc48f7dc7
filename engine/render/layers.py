"""What the layers behind lips and lids share: an opening's outline in the moved face, and small sampled sprites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

DENSE = 6  # curve points per landmark interval


@lru_cache(maxsize=16)
def _curve_matrix(count: int) -> np.ndarray:
    """[(count - 1) * DENSE + 1, count]: a Catmull-Rom spline is linear in its points."""
    points = np.eye(count)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = (np.arange(DENSE) / DENSE)[None, :, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.concatenate([curve.reshape(-1, count), points[-1:]])


def catmull_rom(points: np.ndarray) -> np.ndarray:
    """A smooth curve through ``[K, 2]`` points, ``[(K - 1) * DENSE + 1, 2]`` (Catmull and Rom 1974)."""
    return np.einsum("nk,kc->nc", _curve_matrix(len(points)), points)


@dataclass(frozen=True, eq=False)
class Outline:
    """An opening in the moved face, on the pixels of a small window.

    Attributes:
        x0, y0: Window's corner in the picture; planes below are [h, w].
        x, y: Pixel positions (row and column vectors).
        u, v: The moved face's own axes, eye distances from the window-independent origin of ``axes``.
        up, low: v of the upper and lower line at each pixel's u.
        cover: 0..1 how much of the pixel is inside.
        gap: Largest distance between the lines, eye distances.
        left, right: u of the corners.
    """

    x0: int
    y0: int
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    up: np.ndarray
    low: np.ndarray
    cover: np.ndarray
    gap: float
    left: float
    right: float

    @classmethod
    def of(
        cls,
        upper: np.ndarray,
        lower: np.ndarray,
        axes: np.ndarray,
        ed: float,
        size: tuple[int, int],
        pad: float = 0.03,
        soft: float = 0.008,
    ):
        """Outline of lines ``upper`` and ``lower`` ([K, 2] pixels, picture left to right), or ``None`` off the picture.

        Args:
            axes: [2, 2] unit vectors of the moved face (right, down).
            ed: Eye distance, pixels.
            size: Picture height and width.
            pad: Window margin, eye distances.
            soft: Half width of the edge, eye distances, at least half a pixel.
        """
        height, width = size
        both = np.concatenate([upper, lower])
        (ax, ay), (bx, by) = both.min(0) - pad * ed, both.max(0) + pad * ed
        x0, y0, x1, y1 = max(int(ax), 0), max(int(ay), 0), min(int(bx) + 2, width), min(int(by) + 2, height)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return None
        x, y = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)[:, None]
        a = (axes / ed).astype(np.float32)
        u, v = a[0, 0] * x + a[0, 1] * y, a[1, 0] * x + a[1, 1] * y
        top, bottom = catmull_rom(upper @ a.T.astype(np.float64)), catmull_rom(lower @ a.T.astype(np.float64))
        left, right = (top[0, 0] + bottom[0, 0]) / 2, (top[-1, 0] + bottom[-1, 0]) / 2
        grid = np.linspace(left, right, 128)
        top_v, low_v = rising_interp(grid, top), rising_interp(grid, bottom)
        place = (u - np.float32(left)) * np.float32(127 / max(right - left, 1e-6))
        index = np.clip(place + 0.5, 0, 127).astype(np.intp)
        up, low = top_v.astype(np.float32)[index], low_v.astype(np.float32)[index]
        edge = max(soft, 0.6 / ed)
        inside = np.minimum(v - up, low - v)
        cover = np.clip(inside / edge + 0.5, 0, 1) * np.clip(
            np.minimum(u - left, right - u) / edge + 0.5, 0, 1
        )
        return cls(
            x0,
            y0,
            x,
            y,
            u,
            v,
            up,
            low,
            cover.astype(np.float32),
            float((low_v - top_v).max()),
            float(left),
            float(right),
        )

    def paste(self, canvas: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> None:
        """Blend ``colour`` [h, w, 3] in 0..1 over the canvas (uint8 or float32), in place."""
        window = canvas[self.y0 : self.y0 + alpha.shape[0], self.x0 : self.x0 + alpha.shape[1]]
        a = alpha[..., None]
        if canvas.dtype == np.uint8:
            mixed = window + (colour * 255 - window) * a
            window[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
        else:
            window += (colour - window) * a


def rising_interp(at: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """v of a curve ``[N, 2]`` at u = ``at``, even where a corner makes the curve turn back a little."""
    return np.interp(at, np.maximum.accumulate(curve[:, 0]), curve[:, 1])


def as_unit(picture: np.ndarray) -> np.ndarray:
    """A part of a picture as float32 in 0..1."""
    return picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture.astype(np.float32)
