"""Warping a picture by a displacement field: inverting the field and sampling the picture.

Fields live on a grid and are float32 planes in grid units. ``invert_displacement`` and ``sample`` are the
vectorised forms used at run time; the ``*_plain`` twins say the same with torch and no tricks, and tests
compare the two. OpenCV samples at 1/32 of a pixel, so the twins agree to about 1/32 of a pixel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Newton's guard: the Jacobian's diagonal, its determinant and one step (grid cells) stay within these.
MIN_DIAGONAL, MIN_DETERMINANT, MAX_STEP = 0.35, 0.15, 1.25
FILL = (3, 7, 15, 31)


@lru_cache(maxsize=64)
def grid_index(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and row number of each node, float32 [H, W] each (shared: read only)."""
    gx, gy = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    gx.setflags(write=False)
    gy.setflags(write=False)
    return gx, gy


def invert_displacement(
    dx: np.ndarray, dy: np.ndarray, order: np.ndarray | None, steps: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Where each grid node comes from: ``(ex, ey)`` with ``p + e(p) + d(p + e(p)) = p``.

    Args:
        dx, dy: float32 [H, W] forward displacement in grid units.
        order: int [K] flat indices of the nodes to trust, far to near: where the field folds, near wins. ``None``
            for a field that does not fold: Newton then starts from ``-d`` itself, which is quicker.
        steps: Newton steps after the splat.

    A zero field comes back as exact zero.
    """
    import cv2

    dx, dy = np.asarray(dx, np.float32), np.asarray(dy, np.float32)
    gx, gy = grid_index(*dx.shape)
    ex, ey = (-dx, -dy) if order is None else _splat(dx, dy, order)
    field = cv2.merge([dx, dy])
    jacobian = cv2.merge([*_gradient(dx), *_gradient(dy)])
    for _ in range(steps):
        px, py = gx + ex, gy + ey
        d = cv2.remap(field, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        j = cv2.remap(jacobian, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        rx, ry = ex + d[..., 0], ey + d[..., 1]
        a, b = np.maximum(1 + j[..., 0], MIN_DIAGONAL), j[..., 1]
        c, e = j[..., 2], np.maximum(1 + j[..., 3], MIN_DIAGONAL)
        det = np.maximum(a * e - b * c, MIN_DETERMINANT)
        ex = ex - np.minimum(np.maximum((e * rx - b * ry) / det, -MAX_STEP), MAX_STEP)
        ey = ey - np.minimum(np.maximum((a * ry - c * rx) / det, -MAX_STEP), MAX_STEP)
    return ex, ey


def _splat(dx: np.ndarray, dy: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A first inverse: each trusted node writes ``-d`` where it lands, later ones over earlier ones."""
    height, width = dx.shape
    gx, gy = grid_index(height, width)
    flat_x, flat_y = dx.ravel()[order], dy.ravel()[order]
    tx = np.rint(gx.ravel()[order] + flat_x).astype(np.int32)
    ty = np.rint(gy.ravel()[order] + flat_y).astype(np.int32)
    inside = (tx >= 0) & (tx < width) & (ty >= 0) & (ty < height)
    target = (ty * width + tx)[inside]
    seed = np.zeros((height * width, 3), np.float32)
    seed[target, 0] = -flat_x[inside]
    seed[target, 1] = -flat_y[inside]
    seed[target, 2] = 1
    return _fill_holes(seed.reshape(height, width, 3))


def _fill_holes(seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill nodes that nothing landed on from ever wider neighbourhoods. ``seed`` [H, W, 3]: value, value, hit."""
    import cv2

    hole = seed[..., 2] == 0
    ex, ey = seed[..., 0].copy(), seed[..., 1].copy()
    for size in FILL:
        if not hole.any():
            break
        near = cv2.blur(seed, (size, size), borderType=cv2.BORDER_CONSTANT)
        found = hole & (near[..., 2] > 1e-6)
        scale = 1 / near[..., 2][found]
        ex[found] = near[..., 0][found] * scale
        ey[found] = near[..., 1][found] * scale
        hole &= ~found
    return ex, ey


def _gradient(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d/dx and d/dy by central differences, zero at the rim."""
    gx, gy = np.zeros_like(plane), np.zeros_like(plane)
    np.subtract(plane[:, 2:], plane[:, :-2], out=gx[:, 1:-1])
    np.subtract(plane[2:], plane[:-2], out=gy[1:-1])
    gx *= 0.5
    gy *= 0.5
    return gx, gy


def sample(image: np.ndarray, map_x: np.ndarray, map_y: np.ndarray | None, cubic: bool = False) -> np.ndarray:
    """``image [H, W(, C)]`` at float32 pixel positions (centres at integers), reflected at its border.

    Positions are two planes, or one ``[h, w, 2]`` array and ``None``.
    """
    import cv2

    # NumPy 2 makes float64 of a float32 array plus a NumPy scalar; OpenCV wants float32.
    map_x = np.ascontiguousarray(map_x, np.float32)
    map_y = None if map_y is None else np.ascontiguousarray(map_y, np.float32)
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.remap(image, map_x, map_y, how, borderMode=cv2.BORDER_REFLECT_101)


def invert_displacement_plain(dx, dy, order, steps: int = 40):
    """Plain torch twin of ``invert_displacement``: damped fixed point from the nearest landing node.

    Same arguments as tensors. Slow and simple: every node starts from the trusted node that lands nearest
    to it and iterates ``e <- e - (e + d(p + e)) / 2``.
    """
    import torch

    height, width = dx.shape
    gy, gx = torch.meshgrid(
        torch.arange(height, dtype=dx.dtype), torch.arange(width, dtype=dx.dtype), indexing="ij"
    )
    points = torch.stack([gx, gy], -1).reshape(-1, 2)
    d = torch.stack([dx, dy], -1).reshape(-1, 2)
    landed = points[order] + d[order]
    nearest = torch.cdist(points, landed).argmin(1)
    e = -d[order][nearest]
    for _ in range(steps):
        e = e - 0.5 * (e + sample_plain(d.reshape(height, width, 2), *(points + e).T))
    return e[:, 0].reshape(height, width), e[:, 1].reshape(height, width)


def sample_plain(image, map_x, map_y):
    """Plain torch twin of ``sample`` (linear; border held): ``image [H, W, C]`` at positions of any shape."""
    height, width = image.shape[:2]
    x, y = map_x.clamp(0, width - 1), map_y.clamp(0, height - 1)
    x0, y0 = x.floor().long().clamp(max=max(width - 2, 0)), y.floor().long().clamp(max=max(height - 2, 0))
    fx, fy = (x - x0).unsqueeze(-1), (y - y0).unsqueeze(-1)
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    top = image[y0, x0] * (1 - fx) + image[y0, x1] * fx
    bottom = image[y1, x0] * (1 - fx) + image[y1, x1] * fx
    return top * (1 - fy) + bottom * fy
