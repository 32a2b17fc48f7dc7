"""How a result meets the picture around it: soft masks, kept detail, and the Poisson blend."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from ..faces.regions import region_mask
from ..faces.types import Face
from .resample import lay_window

EDGES = ("oval", "box", "face", "head")
BLENDS = ("feather", "poisson")
MAX_FEATHER = 0.5

_SAME, _OTHER = 1.5 / 255, 6 / 255  # structure that counts as left alone, and as changed
_FINE = 0.02  # of the crop's side: what is coarser than this is light and colour, not structure
_ENOUGH = 256  # pixels a side at which structure is compared
_FOREHEAD, _MOUTH, _CHIN = 10, 13, 152  # landmarks
_JAW = 0.35  # eye distances that an opened mouth may lower the chin
_RIM = 0.04  # of the window's side in which a face's or head's mask ends before the window does
_UNMASKED = 0.02  # of the mask: under it the picture shows as it is
_GRID = 96  # cells of the longer side on which the membrane is solved
_COARSEST = 4  # cells of the longer side on which it is begun
_ROUNDS, _SWEEPS = 2, 2  # from each grid to the coarsest and back; relaxations of a grid on either way
_DAMPING = np.float32(0.8)  # of a relaxation (weighted Jacobi)


def window_box(window: tuple[float, float, float], height: int, width: int) -> tuple[int, int, int, int]:
    """The whole pixels ``(x0, y0, x1, y1)`` of a picture whose centres lie in a window."""
    left, top, side = window
    x0, y0 = max(0, int(np.ceil(left - 0.5))), max(0, int(np.ceil(top - 0.5)))
    x1, y1 = (
        min(width, int(np.floor(left + side - 0.5)) + 1),
        min(height, int(np.floor(top + side - 0.5)) + 1),
    )
    return x0, y0, max(x0, x1), max(y0, y1)


def edge_mask(
    edge: str,
    feather: float,
    window: tuple[float, float, float],
    box: tuple[int, int, int, int],
    landmarks: np.ndarray | None = None,
) -> np.ndarray:
    """Where a result shows, soft at its edge and 0 outside its window.

    Args:
        edge: ``box`` (the whole window), ``oval`` (the circle in it), ``face`` or ``head`` (from landmarks).
        feather: Width of the soft edge in sides of the window, 0 to 0.5.
        window: Left, top, side in pixels of the picture.
        box: Whole pixels of the picture, see ``window_box``.
        landmarks: ``[478, 2+]`` in pixels of the picture, for ``face`` and ``head``.

    Returns:
        float32 ``[y1 - y0, x1 - x0]`` in 0..1.
    """
    left, top, side = window
    x0, y0, x1, y1 = box
    u = ((np.arange(x0, x1) + 0.5 - left) / side).astype(np.float32)
    v = ((np.arange(y0, y1) + 0.5 - top) / side).astype(np.float32)
    if edge == "oval":
        radius = np.sqrt(np.square(v - 0.5)[:, None] + np.square(u - 0.5)[None])
        return _ramp(0.5 - radius, feather)
    if edge == "box":
        return np.outer(_ramp(np.minimum(v, 1 - v), feather), _ramp(np.minimum(u, 1 - u), feather))
    points = np.asarray(landmarks, np.float64)[:, :2] - (x0, y0)
    eyes = Face(np.pad(points, ((0, 0), (0, 1))).astype(np.float32)).eye_distance
    points = _jaw_dropped(points, _JAW * eyes) if edge == "face" else points
    soft = min(feather * side / max(eyes, 1e-3), 5.0)
    mask = region_mask(points, edge, y1 - y0, x1 - x0, soft) if min(y1 - y0, x1 - x0) else np.zeros((0, 0))
    rim = np.outer(_ramp(np.minimum(v, 1 - v), _RIM), _ramp(np.minimum(u, 1 - u), _RIM))
    return (mask * rim).astype(np.float32)


def _jaw_dropped(points: np.ndarray, by: float) -> np.ndarray:
    """Landmarks with the chin lower by so many pixels: a result may open a mouth that the picture has shut."""
    down = points[_CHIN] - points[_FOREHEAD]
    down /= max(float(np.linalg.norm(down)), 1e-6)
    depth = (points - points[_MOUTH]) @ down
    share = np.clip(depth / max(float(depth[_CHIN]), 1e-6), 0, 1)
    return points + (by * share)[:, None] * down


def check_edge(edge: str, feather: float, blend: str) -> None:
    """Raise a ``TroupeError`` on an unknown edge or blend, or a feather out of range."""
    for name, value, known in (("edge", edge, EDGES), ("blend", blend, BLENDS)):
        if value not in known:
            raise TroupeError(
                f"Unknown {name} '{value}'", f"known are {', '.join(known)}", "Choose one of these"
            )
    if not 0 <= feather <= MAX_FEATHER:
        raise TroupeError(
            f"Feather {feather} is out of range", f"it must lie in 0 to {MAX_FEATHER}", "Use 0.15"
        )


def _ramp(distance: np.ndarray, width: float) -> np.ndarray:
    """0 below zero, 1 from ``width`` on, smooth in between (3t² - 2t³)."""
    if width < 1e-6:
        return (distance >= 0).astype(np.float32)
    t = np.clip(distance / np.float32(width), 0, 1)
    return t * t * (3 - 2 * t)


def laid_change(
    given: np.ndarray,
    result: np.ndarray,
    under: np.ndarray,
    window: tuple[float, float, float],
    box: tuple[int, int, int, int],
) -> np.ndarray:
    """What a result adds to the picture.

    A crop loses detail on its way into a model and back. Where the result has the structure of what was given, only
    the difference between both is added, so the picture keeps its own detail and an untouched result adds nothing;
    where structure changed, the result stands by itself, so nothing of the old face shines through.

    Args:
        given: float32 ``[S, S, 3]``, the crop as it went into the model, in the result's size.
        result: float32 ``[S, S, 3]``.
        under: float32 ``[h, w, 3]``, the picture in ``box``.
        window, box: Where the crop lies, see ``lay_window``.

    Returns:
        float32 ``[h, w, 3]``: with this added, ``under`` shows the result.
    """
    import cv2

    change = cv2.subtract(result, given)
    fresh = changed_structure(change)
    # one trip for both: what to add, and the share of the old picture that has to go for it
    change += cv2.multiply(given, cv2.merge([fresh] * 3))
    *laid, share = cv2.split(lay_window(cv2.merge([change, fresh]), window, box))
    return cv2.merge([part - old * share for part, old in zip(laid, cv2.split(under))])


def blended(under: np.ndarray, added: np.ndarray, mask: np.ndarray, blend: str) -> np.ndarray:
    """The picture with a change in it.

    Args:
        under: float32 ``[h, w, 3]``.
        added: float32 ``[h, w, 3]``; overwritten.
        mask: float32 ``[h, w]``.
        blend: ``feather``, or ``poisson``: the change is bent to vanish at the mask's edge.

    Returns:
        float32 ``[h, w, 3]``, not clipped; exactly the picture where the mask is 0 or nothing is added.
    """
    import cv2

    if blend == "poisson":
        added = cv2.subtract(added, membrane(added, mask), dst=added)
    added = cv2.multiply(added, cv2.merge([mask] * 3), dst=added)
    return cv2.add(added, under, dst=added)


def covering(added: np.ndarray) -> np.ndarray:
    """float32 ``[h, w, 1]``: 1 where something is added, which then hides what was placed there before, else 0."""
    return _ramp(np.abs(added).max(2, keepdims=True) - np.float32(_SAME), _OTHER - _SAME)


def changed_structure(change: np.ndarray) -> np.ndarray:
    """float32 ``[S, S]``: 0 where a difference is none, or one of light and colour, 1 where it has structure."""
    import cv2

    size = change.shape[1::-1]
    if len(change) > _ENOUGH:
        change = cv2.resize(change, (_ENOUGH, _ENOUGH), interpolation=cv2.INTER_AREA)
    fine = max(3, int(_FINE * len(change)) | 1)
    apart = cv2.absdiff(change, cv2.blur(change, (fine, fine), borderType=cv2.BORDER_REFLECT))
    red, green, blue = cv2.split(apart)
    spread = cv2.dilate(cv2.max(cv2.max(red, green), blue), np.ones((fine, fine), np.uint8))
    soft = cv2.blur(spread, (fine, fine), borderType=cv2.BORDER_REFLECT)
    return cv2.resize(_ramp(soft - np.float32(_SAME), _OTHER - _SAME), size, interpolation=cv2.INTER_LINEAR)


def membrane(gap: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The smooth field that equals ``gap`` around the mask: what Poisson blending takes off a result.

    Pérez, Gangnet and Blake, "Poisson Image Editing" (SIGGRAPH 2003): keeping the result's gradients is subtracting
    the solution of Laplace's equation with the gap at the boundary. It has no detail, so a coarse grid will do. There
    each pixel around the mask pulls the field to its own gap as strongly as a cell beside it does, which holds for
    boundaries thinner than a cell and leaves no seam at the picture's own edge. Solved by full multigrid: Briggs,
    Henson and McCormick, "A Multigrid Tutorial" (2000).

    Args:
        gap: float32 ``[h, w, 3]``, result minus picture.
        mask: float32 ``[h, w]``; boundary values are taken where it is (almost) 0.

    Returns:
        float32 ``[h, w, 3]``; zeros if the mask leaves no boundary.
    """
    import cv2

    height, width = mask.shape
    known = (mask < _UNMASKED).astype(np.uint8)
    if not known.any():
        return np.zeros_like(gap)
    shrink = max(1.0, max(height, width) / _GRID)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    pulls = [cv2.resize(cv2.copyTo(gap, known), size, interpolation=cv2.INTER_AREA) * np.float32(shrink**2)]
    weights = [cv2.merge([share] * 3) * np.float32(shrink**2)]
    while max(pulls[-1].shape[:2]) > _COARSEST:
        pulls.append(_gathered(pulls[-1]))
        weights.append(_gathered(weights[-1]))
    field = pulls[-1].sum((0, 1), keepdims=True) / weights[-1].sum((0, 1), keepdims=True)
    for level in reversed(range(len(pulls))):
        field = cv2.resize(field, pulls[level].shape[1::-1], interpolation=cv2.INTER_LINEAR)
        for _ in range(_ROUNDS):
            field += _correction(_missing(field, pulls[level], weights[level]), weights[level:])
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)


def _correction(missing: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """What to add to a field so that nothing is missing, nearly: one round from the finest grid to the coarsest."""
    import cv2

    step = _DAMPING / (4 + weights[0])
    field = step * missing  # the first relaxation, from nothing
    for _ in range(_SWEEPS - 1):
        field += step * _missing(field, missing, weights[0])
    if len(weights) > 1:
        coarse = _correction(_gathered(_missing(field, missing, weights[0])), weights[1:])
        field += cv2.resize(coarse, missing.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    for _ in range(_SWEEPS):
        field += step * _missing(field, missing, weights[0])
    return field


def _missing(field: np.ndarray, pull: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How far each cell is from rest between its four neighbours and what pulls at it."""
    import cv2

    return pull - weight * field + cv2.filter2D(field, -1, _LAPLACE, borderType=cv2.BORDER_REPLICATE)


def _gathered(values: np.ndarray) -> np.ndarray:
    """Sums over the cells of a grid half as fine."""
    import cv2

    size = (values.shape[1] + 1) // 2, (values.shape[0] + 1) // 2
    coarse = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return coarse * np.float32(values.size / coarse.size)


_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
