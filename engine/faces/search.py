"""Find faces of any size and roll in one picture, and put the mesh on them.

The detector sees 128 pixel squares and finds faces 20 to 126 pixels wide in them, so the picture is looked at on
a pyramid of scales a factor 2 apart, cut into overlapping squares. What it finds is only a candidate: the mesh
decides, on an upright, enlarged crop of the candidate's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .detector import TILE, Backend, Candidate
from .types import Face

_SMALLEST = 20.0  # pixels in a tile: found at any roll up to 90 degrees
_OVERLAP = 48  # pixels: a face of one level's size (20 to 40) with its surroundings fits into the overlap
_FLAT = 3.0  # grey levels of standard deviation below which a tile shows nothing
_CHANGE = 12  # grey levels of a sixteenth of a tile: noise and compression stay below, a face does not
_SURE = 0.88  # detector score below which the face may be rotated (upright ones score 0.84 to 0.96, lying ones less)
_TILT = 25.0  # degrees from which the detector's angle is too small or wrong
CONFIRM_AT = (3.2, 2.2, 1.6, 1.3)  # sides of the confirming crops in face sizes
_ROLLS = (0, 45, -45, 90, -90, 135, -135, 180)


@dataclass(frozen=True)
class Effort:
    """How hard a search tries: the smallest face in pixels and the most tiles it may look at."""

    min_size: float = 24.0
    max_tiles: int = 1500


class Memory(dict):
    """Tiles of a clip as they were when last looked at (small copies): what has not changed since shows nobody
    new. Give one to every search of the clip."""

    def unchanged(self, key: tuple[float, int, int], tile: np.ndarray) -> bool:
        """Whether the tile is as it was; notes how it is now if not."""
        import cv2

        small = cv2.resize(tile, (16, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
        before = self.get(key)
        if before is not None and np.abs(small - before).max() < _CHANGE:
            return True
        self[key] = small
        return False


def candidates(
    image: np.ndarray, backend: Backend, effort: Effort, memory: Memory | None = None
) -> list[Candidate]:
    """Candidates in a uint8 ``[H, W, 3]`` picture, best first, at most one per place, in its pixels."""
    found: list[Candidate] = []
    for scale, left, top, tile in _tiles(image, effort):
        if tile[::4, ::4].std() < _FLAT:
            continue
        if memory is not None and memory.unchanged((scale, left, top), tile):
            continue
        found += [
            Candidate((c.x + left) / scale, (c.y + top) / scale, c.size / scale, c.angle, c.score)
            for c in backend.detect(tile)
        ]
    return _distinct(found)


def _scales(shape: tuple[int, ...], effort: Effort) -> list[tuple[float, int, int]]:
    """``(scale, width, height)`` of the pyramid's levels, from the picture at half a tile (a face that fills it)
    down to the smallest faces asked for, as far as the tiles allow."""
    height, width = shape[:2]
    finest = _SMALLEST / effort.min_size
    scales = [TILE / 2 / max(height, width), TILE / max(height, width)]
    while scales[-1] < finest:
        scales.append(min(scales[-1] * 2, finest))
    levels, tiles = [], 0
    for scale in scales:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        tiles += len(_starts(size[0])) * len(_starts(size[1]))
        if tiles > effort.max_tiles:
            break
        levels.append((scale, *size))
    return levels


def smallest_searched(shape: tuple[int, ...], effort: Effort) -> float:
    """Size in pixels of the smallest face that a search of a picture ``[H, W, 3]`` finds."""
    return max(_SMALLEST / _scales(shape, effort)[-1][0], effort.min_size)


def _tiles(image: np.ndarray, effort: Effort) -> Iterator[tuple[float, float, float, np.ndarray]]:
    """``(scale, left, top, tile)``; left and top in pixels of the scaled picture."""
    import cv2

    for scale, width, height in _scales(image.shape, effort):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        level = cv2.resize(image, (width, height), interpolation=how)
        for top in _starts(height):
            for left in _starts(width):
                yield scale, left, top, _window(level, left, top)


def _starts(length: int) -> list[int]:
    """Where tiles begin along one side; negative where the picture is padded to fill one tile."""
    if length <= TILE:
        return [-((TILE - length) // 2)]
    count = math.ceil((length - TILE) / (TILE - _OVERLAP)) + 1
    return [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def _window(image: np.ndarray, left: int, top: int) -> np.ndarray:
    height, width = image.shape[:2]
    tile = image[max(top, 0) : top + TILE, max(left, 0) : left + TILE]
    if tile.shape[:2] == (TILE, TILE):
        return tile
    out = np.zeros((TILE, TILE, 3), np.uint8)
    out[max(-top, 0) : max(-top, 0) + tile.shape[0], max(-left, 0) : max(-left, 0) + tile.shape[1]] = tile
    return out


def _distinct(found: list[Candidate]) -> list[Candidate]:
    """Best candidate of each place: others are near it (in sizes) and of similar size."""
    kept: list[Candidate] = []
    for c in sorted(found, key=lambda c: -c.score):
        near = (
            k
            for k in kept
            if math.hypot(k.x - c.x, k.y - c.y) < 0.5 * max(k.size, c.size) and 0.4 < k.size / c.size < 2.5
        )
        if next(near, None) is None:
            kept.append(c)
    return kept


def upright(image: np.ndarray, backend: Backend, c: Candidate) -> Candidate:
    """The candidate with its roll settled: the detector looks again at rotated crops and the surest wins."""
    best, best_score = c, 0.0
    for roll in _ROLLS:
        side = 3.2 * c.size  # the face takes 40 of 128 pixels
        tile, back = crop(image, c.x, c.y, side, c.angle + roll, TILE)
        for d in backend.detect(tile):
            x, y = apply(back, d.x, d.y)
            size = d.size * side / TILE
            if math.hypot(x - c.x, y - c.y) > 0.5 * c.size or not 0.4 < size / c.size < 2.5:
                continue
            score = d.score * math.cos(math.radians(min(abs(d.angle), 90)))  # an upright look sees no angle
            if score > best_score:
                best_score = score
                best = Candidate(x, y, size, c.angle + roll + d.angle, max(c.score, d.score))
        if best_score > 0.85:
            break
    return best


def crop(
    image: np.ndarray, x: float, y: float, side: float, angle: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """A rotated square of the picture and the way back.

    Args:
        image: uint8 ``[H, W, 3]``.
        x, y: Centre in picture pixels (left edge is 0).
        side: Side in picture pixels.
        angle: Degrees; the crop's right hand points there (clockwise on the screen).
        size: Side of the crop in its own pixels.

    Returns:
        uint8 ``[size, size, 3]`` (outside the picture its edge is repeated), and float64 ``[2, 3]``: crop
        pixels to picture pixels, both with the left edge at 0.
    """
    import cv2

    step = side / size
    # Sampling every step-th pixel would alias: shrink the neighbourhood first.
    shrink = max(1, int(step))
    if shrink > 1:
        reach = int(side * 0.75) + shrink
        x0, y0 = max(0, int(x) - reach), max(0, int(y) - reach)
        part = image[y0 : int(y) + reach, x0 : int(x) + reach]
        height, width = part.shape[0] // shrink, part.shape[1] // shrink
        if height >= 1 and width >= 1:
            part = part[: height * shrink, : width * shrink]
            image = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        else:
            shrink, x0, y0 = 1, 0, 0
    else:
        x0 = y0 = 0
    cos, sin = math.cos(math.radians(angle)) * step, math.sin(math.radians(angle)) * step
    back = np.array(
        [
            [cos, -sin, x - (cos - sin) * size / 2],
            [sin, cos, y - (sin + cos) * size / 2],
        ]
    )
    # OpenCV counts from pixel centres: move both sides by half a pixel.
    local = back.copy()
    local[:, 2] = (local[:, 2] + local[:, :2].sum(1) * 0.5 - (x0, y0)) / shrink - 0.5
    local[:, :2] /= shrink
    out = cv2.warpAffine(
        image,
        local,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return out, back


def apply(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """A point through a ``[2, 3]`` affine matrix."""
    return tuple(matrix[:, :2] @ (x, y) + matrix[:, 2])


def mesh_at(
    image: np.ndarray, backend: Backend, x: float, y: float, size: float, angle: float
) -> Face | None:
    """The face whose box of ``size`` lies around ``x, y`` with the eyes along ``angle``, or ``None``.

    Its confidence is the mesh's own presence score.
    """
    side = backend.crop_scale * size
    pixels, back = crop(image, x, y, side, angle, backend.crop_size)
    mesh = backend.mesh(pixels)
    if mesh is None:
        return None
    points = mesh.landmarks.astype(np.float64)
    points[:, :2] = points[:, :2] @ back[:, :2].T + back[:, 2]
    points[:, 2] *= side / backend.crop_size
    return Face(points.astype(np.float32), mesh.score, mesh.blendshapes)


def place_of(face: Face) -> tuple[float, float, float, float]:
    """Where to crop for the next look: ``(x, y, size, angle)``, the upright box in the face's own rotation."""
    right, left = face.landmarks[33, :2], face.landmarks[263, :2]
    angle = math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cos, sin], [-sin, cos]])
    own = face.landmarks[:468, :2] @ turn.T
    low, high = own.min(0), own.max(0)
    x, y = turn.T @ ((low + high) / 2)
    return float(x), float(y), float((high - low).max()), angle


def plausible(face: Face) -> bool:
    """Whether the mesh looks like a face: eyes above mouth, a chin below, no collapse, no wild stretch."""
    p = face.landmarks[:468, :2]
    x, y, size, angle = place_of(face)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    down = np.array([-sin, cos])
    eyes = (p[33] + p[263]) / 2
    mouth, chin, brow = (p[13] + p[14]) / 2, p[152], p[10]
    order = [float((q - eyes) @ down) / size for q in (brow, mouth, chin)]
    low, high = p.min(0), p.max(0)
    return bool(
        np.isfinite(face.landmarks).all()
        and order[0] < -0.03
        and 0.12 < order[1] < order[2] < 1.2
        and min(high - low) > 0.3 * max(high - low)
    )


def confirm(image: np.ndarray, backend: Backend, face: Face, margins: Sequence[float] = CONFIRM_AT) -> float:
    """How sure the detector is that a face is where the mesh lies, 0..1, with 0.5 the line to draw.

    The mesh's presence score says 1 for many a hand and vase. The detector, looking at the same spot upright at
    several scales, is steady on faces (mean score 0.83 to 0.95) and wavers elsewhere (under 0.7).
    """
    x, y, size, angle = place_of(face)
    total = 0.0
    for margin in margins:
        tile, _ = crop(image, x, y, margin * size, angle, TILE)
        middle, expected = TILE / 2, TILE / margin
        total += max(
            (
                d.score
                for d in backend.detect(tile)
                if math.hypot(d.x - middle, d.y - middle) < 0.35 * expected
                and 0.5 < d.size / expected < 2
                and abs(d.angle) < 30
            ),
            default=0.0,
        )
    return float(np.clip(2 * total / len(margins) - 1, 0.0, 1.0))


def faces_in(
    image: np.ndarray,
    backend: Backend,
    effort: Effort,
    min_confidence: float,
    known: Sequence[Face] = (),
    memory: Memory | None = None,
) -> list[Face]:
    """All faces of one picture, largest first.

    Args:
        image: uint8 ``[H, W, 3]``.
        known: Faces already followed there; what coincides with one of them is left out.
        memory: For a clip: parts that have not changed since the last search are skipped.
    """
    found: list[Face] = []
    for c in candidates(image, backend, effort, memory):
        if any(taken(c, face) for face in (*known, *found)):
            continue
        face = face_at(image, backend, c, min_confidence)
        if face is not None and not any(same_place(face, other) for other in (*known, *found)):
            found.append(face)
    return sorted(found, key=lambda f: -f.size)


def face_at(image: np.ndarray, backend: Backend, c: Candidate, min_confidence: float) -> Face | None:
    """The face a candidate points at, settled in place and roll and confirmed, or ``None``."""
    if c.score < _SURE or abs(c.angle) > _TILT:
        c = upright(image, backend, c)
    face = mesh_at(image, backend, c.x, c.y, c.size, c.angle)
    for _ in range(2):  # the mesh's own box and eye line are better than the detector's
        if face is None or face.confidence < 0.5 or not plausible(face):
            return None
        face = mesh_at(image, backend, *place_of(face))
    if face is None or face.confidence < 0.5 or not plausible(face):
        return None
    sure = confirm(image, backend, face)
    return replace(face, confidence=sure) if sure >= min_confidence else None


def taken(c: Candidate, face: Face) -> bool:
    """Whether a candidate is the face already found there."""
    x, y = face.centre
    return math.hypot(c.x - x, c.y - y) < 0.4 * face.size and 0.4 < c.size / face.size < 2.5


def same_place(a: Face, b: Face) -> bool:
    """Whether two meshes lie on one face."""
    (ax, ay), (bx, by) = a.centre, b.centre
    small, large = sorted((a.size, b.size))
    return math.hypot(ax - bx, ay - by) < 0.35 * large and small > 0.4 * large
