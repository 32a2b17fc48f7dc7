"""Creases: the small shadows that skin folds throw when a face acts.

Each fold is a soft dark line with a light flank, drawn once on the picture's own face and mixed in by the shapes
that make it, before the picture is sampled: so folds move with the skin. Amounts are modest; a young smooth face
should not age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..motion.face_motion import BLENDSHAPES, INDEX
from ..motion.mesh import UPPER_LID, mirrored
from .layers import as_unit, catmull_rom

if TYPE_CHECKING:
    from .face_warp import FaceWarp
    from .field import Layout

STRENGTH = 0.13
# Skin without any texture (drawings, retouched pictures) folds hardly: roughness from which folds show, and fully.
ROUGHNESS, LEAST = (0.003, 0.018), 0.2
SKIN = (50, 280, 205, 425, 151, 108, 337)
# Fold: landmarks it runs through on the person's right (pairs are blended half and half), width in eye
# distances, and the shapes that make it (``*`` is the side) with their share.
Fold = tuple[tuple[tuple[int, ...], ...], float, dict[str, float]]
SIDE_FOLDS: tuple[Fold, ...] = (
    # From the wing of the nose around the mouth's corner.
    (((129,), (203,), (206,), (216,), (212, 216)), 0.050, {"mouthSmile*": 0.6, "cheekSquint*": 0.25, "noseSneer*": 0.5, "mouthDimple*": 0.4, "mouthUpperUp*": 0.3, "mouthStretch*": 0.3}),
    # Crow's feet.
    (((33, 130), (226, 113), (124, 143)), 0.022, {"cheekSquint*": 0.7, "eyeSquint*": 0.5, "mouthSmile*": 0.2}),
    (((130, 25), (226, 31), (111, 143)), 0.022, {"cheekSquint*": 0.8, "eyeSquint*": 0.5, "mouthSmile*": 0.2}),
    # Under the eye.
    (((226, 31), (228,), (229,), (230,), (231,), (232,)), 0.035, {"cheekSquint*": 0.6, "eyeSquint*": 0.4, "mouthSmile*": 0.25}),
    # Frown lines between the brows, and the bridge's wrinkle of a sneer.
    (((9, 55), (8, 55), (168, 193)), 0.030, {"browDown*": 1.0, "noseSneer*": 0.3}),
    (((6, 122), (197, 196), (197, 174)), 0.022, {"noseSneer*": 0.8}),
)  # fmt: skip
MIDDLE_FOLDS: tuple[Fold, ...] = (
    # Across the forehead.
    (((103, 104), (67, 69), (109, 108), (10, 151), (338, 337), (297, 299), (332, 333)), 0.030, {"browInnerUp": 0.6, "browOuterUpLeft": 0.3, "browOuterUpRight": 0.3}),
    (((104, 63), (69, 105), (108, 66), (151,), (337, 296), (299, 334), (333, 293)), 0.030, {"browInnerUp": 0.7, "browOuterUpLeft": 0.3, "browOuterUpRight": 0.3}),
    # Chin boss.
    (((204, 211), (194, 32), (201, 208), (200,), (421, 428), (418, 262), (424, 431)), 0.045, {"mouthShrugLower": 0.8, "mouthFrownLeft": 0.25, "mouthFrownRight": 0.25, "mouthPucker": 0.25}),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Crease:
    """A fold's shade ``[h, w, 1]`` (added as a factor) on the picture's window at ``x0, y0``, and its shapes."""

    x0: int
    y0: int
    shade: np.ndarray
    mix: np.ndarray  # [52]


class CreaseLayer:
    """All folds of one face."""

    def __init__(self, warp: FaceWarp, picture: np.ndarray):
        layout = warp.layout
        self.creases: list[Crease] = []
        self.strength = STRENGTH * float(
            np.clip(np.interp(roughness(layout, picture), ROUGHNESS, (0, 1)), LEAST, 1)
        )
        for points, width, shapes in MIDDLE_FOLDS:
            self._add(layout, picture, points, width, shapes)
        for points, width, shapes in (*SIDE_FOLDS, _lid_fold()):
            for side, pick in (("Right", tuple), ("Left", mirrored)):
                self._add(
                    layout,
                    picture,
                    tuple(pick(p) for p in points),
                    width,
                    {n.replace("*", side): v for n, v in shapes.items()},
                )

    def _add(self, layout, picture: np.ndarray, points, width: float, shapes: dict[str, float]) -> None:
        line = np.array([layout.points[list(p), :2].mean(0) for p in points])
        shade = fold_shade(catmull_rom(line), width * layout.ed, picture.shape[:2])
        if shade is None:
            return
        mix = np.zeros(len(BLENDSHAPES), np.float32)
        for name, share in shapes.items():
            mix[INDEX[name]] = share
        x0, y0, values = shade
        self.creases.append(Crease(x0, y0, values[..., None], mix))

    def shaded(self, canvas: np.ndarray, c: np.ndarray) -> np.ndarray:
        """The picture with this frame's folds; the very same array when there are none."""
        weights = c[: len(BLENDSHAPES)]
        out = canvas
        for crease in self.creases:
            amount = float(np.clip(crease.mix @ weights, 0, 1.3)) * self.strength
            if amount < 0.01:
                continue
            if out is canvas:
                out = canvas.copy()
            h, w = crease.shade.shape[:2]
            window = out[crease.y0 : crease.y0 + h, crease.x0 : crease.x0 + w]
            np.copyto(
                window,
                np.clip(
                    window * (1 + np.float32(amount) * crease.shade),
                    0,
                    255 if out.dtype == np.uint8 else None,
                ),
                casting="unsafe",
            )
        return out


def roughness(layout: Layout, picture: np.ndarray) -> float:
    """Fine structure of the skin on cheeks and forehead, relative to its brightness (median over patches)."""
    import cv2

    reach, found = max(int(0.12 * layout.ed), 2), []
    for x, y in layout.points[list(SKIN), :2].round().astype(int):
        patch = picture[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
        if patch.shape[0] > 2 and patch.shape[1] > 2:
            grey = as_unit(patch) @ np.array([0.3, 0.59, 0.11], np.float32)
            fine = grey - cv2.GaussianBlur(grey, (0, 0), max(0.04 * layout.ed, 1.0))
            found.append(float(fine.std()) / max(float(grey.mean()), 0.05))
    return float(np.median(found)) if found else 0.0


def _lid_fold() -> Fold:
    """The crease above a lid that comes down."""
    folds = (247, 30, 29, 27, 28, 56, 190)
    return (
        tuple((p, lid) for p, lid in zip(folds, UPPER_LID[1:-1], strict=True)),
        0.020,
        {"eyeBlink*": 0.9, "eyeLookDown*": 0.3},
    )


def fold_shade(line: np.ndarray, width: float, size: tuple[int, int]) -> tuple[int, int, np.ndarray] | None:
    """A fold along ``line`` ([N, 2] pixels): corner of its window and factor float32 [h, w] in about -1..0.4, dark on
    the line, a little light beside it, fading out toward its ends. ``None`` when it lies off the picture."""
    height, width_px = size
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.linspace(
        0, arc[-1], max(8, int(arc[-1] / max(0.3 * width, 0.5)))
    )  # dense: distances are to its points
    line = np.stack([np.interp(even, arc, line[:, k]) for k in (0, 1)], 1)
    reach = 2.5 * width + 1
    (x0, y0), (x1, y1) = np.floor(line.min(0) - reach).astype(int), np.ceil(line.max(0) + reach).astype(int)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width_px), min(y1, height)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return None
    x, y = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)[:, None]
    distance = np.hypot(x[..., None] - line[:, 0], y[..., None] - line[:, 1])
    nearest = distance.argmin(-1)
    d = distance.min(-1) / max(width, 0.8)
    along = nearest / (len(line) - 1)
    ends = np.clip(np.minimum(along, 1 - along) / 0.25, 0, 1)
    profile = -np.exp(-((d / 0.45) ** 2)) + 0.38 * np.exp(-(((d - 1.0) / 0.5) ** 2))
    return x0, y0, (profile * ends).astype(np.float32)
