"""The eyeball: what a moving iris or an opening lid uncovers.

The picture's own eye is split into a plate (the white, with the iris painted out) and an iris sprite whose parts
hidden under the lids are completed. Both turn with the head only; lids pass over them, the sprite shifts with
the gaze. With no gaze the two together are the picture again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...kernels.mesh_warp import sample
from ..motion.mesh import LEFT_IRIS, RIGHT_IRIS
from .grid import smoothstep
from .layers import Outline, as_unit, catmull_rom

if TYPE_CHECKING:
    from .face_warp import FaceWarp, Frame, Opening

PAD = 0.16  # eye distances around the lids
LIMBUS = 1.13  # iris radii painted out of the plate


class EyeLayer:
    """Draws one eyeball of one face."""

    def __init__(self, warp: FaceWarp, opening: Opening, picture: np.ndarray):
        self.warp, self.opening = warp, opening
        self.iris = RIGHT_IRIS if opening.aperture.name == "eyeRight" else LEFT_IRIS
        layout, ed = warp.layout, warp.layout.ed
        lines = layout.points[[*opening.aperture.upper, *opening.aperture.lower], :2]
        height, width = picture.shape[:2]
        (x0, y0), (x1, y1) = lines.min(0) - PAD * ed, lines.max(0) + PAD * ed
        self.x0, self.y0 = max(int(x0), 0), max(int(y0), 0)
        x1, y1 = min(int(x1) + 2, width), min(int(y1) + 2, height)
        self.usable = x1 - self.x0 >= 6 and y1 - self.y0 >= 4
        if self.usable:
            self._split(as_unit(picture[self.y0 : y1, self.x0 : x1]))

    def _split(self, patch: np.ndarray) -> None:
        """Plate and sprite of the picture's eye, at twice its size or more for small faces."""
        import cv2

        layout, ed = self.warp.layout, self.warp.layout.ed
        self.zoom = int(np.clip(np.ceil(90 / ed), 1, 4))
        size = (patch.shape[1] * self.zoom, patch.shape[0] * self.zoom)
        patch = cv2.resize(patch, size, interpolation=cv2.INTER_CUBIC) if self.zoom > 1 else patch
        patch = np.clip(patch, 0, 1)
        to = lambda p: ((p - [self.x0, self.y0]) + 0.5) * self.zoom - 0.5  # noqa: E731
        points = to(layout.points[list(self.iris), :2])
        self.centre = points[0]
        self.radius = max(float(np.linalg.norm(points[1:] - points[0], axis=1).mean()), 1.5)
        a = self.opening.aperture
        upper, lower = (catmull_rom(to(layout.points[list(line), :2])) for line in (a.upper, a.lower))
        inside = np.zeros(patch.shape[:2], np.uint8)
        cv2.fillPoly(
            inside, [np.rint(np.concatenate([upper, lower[::-1]]) * 16).astype(np.int32)], 1, shift=4
        )
        deep = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
        y, x = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
        from_iris = np.hypot(x - self.centre[0], y - self.centre[1]).astype(np.float32)
        white = (deep > max(0.022 * ed * self.zoom, 1.0)) & (from_iris > LIMBUS * self.radius)
        self.plate = self._paint_out(patch, white, deep, from_iris)
        self.sprite = np.dstack([self._complete(patch, deep > 1.5, x, y, from_iris), self._alpha(from_iris)])

    def _paint_out(
        self, patch: np.ndarray, white: np.ndarray, deep: np.ndarray, from_iris: np.ndarray
    ) -> np.ndarray:
        """The eye without its iris: the white continued smoothly over everything that is not white."""
        import cv2

        if white.sum() < 12:
            # No white shows: a shaded one from the eye's own bright end.
            bright = patch[deep > 0] if (deep > 0).any() else patch.reshape(-1, 3)
            fill = np.broadcast_to(np.percentile(bright, 85, axis=0).astype(np.float32), patch.shape).copy()
        else:
            fill, weight = patch * white[..., None], white.astype(np.float32)
            total, amount = np.zeros_like(patch), np.zeros(patch.shape[:2], np.float32)
            for sigma in (0.25, 0.5, 1.0, 2.0):
                s = sigma * self.radius
                w = cv2.GaussianBlur(weight, (0, 0), s)
                total += cv2.GaussianBlur(fill, (0, 0), s) * (4.0 ** -(sigma * 2))
                amount += w * (4.0 ** -(sigma * 2))
            fill = np.where(
                amount[..., None] > 1e-6,
                total / np.maximum(amount[..., None], 1e-6),
                np.median(patch[white], 0),
            )
        # Inside the opening and clear of the iris the picture stays as it is.
        keep = smoothstep(deep, 0.3, 2.0) * smoothstep(
            from_iris, 0.98 * LIMBUS * self.radius, 1.12 * LIMBUS * self.radius
        )
        return (fill + (patch - fill) * keep[..., None]).astype(np.float32)

    def _complete(
        self, patch: np.ndarray, seen: np.ndarray, x: np.ndarray, y: np.ndarray, from_iris: np.ndarray
    ) -> np.ndarray:
        """The whole iris: parts under a lid come from their mirror image, else from the same radius at the side."""
        import cv2

        cx, cy = map(float, self.centre)
        seen = seen.astype(np.float32)
        mirror_y = 2 * cy - y
        mirrored = cv2.remap(patch, x, mirror_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mirror_seen = cv2.remap(seen, x, mirror_y, cv2.INTER_LINEAR)
        right = cv2.remap(
            patch, cx + from_iris, np.full_like(y, cy), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        left = cv2.remap(
            patch, cx - from_iris, np.full_like(y, cy), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mix = np.clip((x - cx) / max(self.radius, 1) * 0.5 + 0.5, 0, 1)[..., None]
        out = left * (1 - mix) + right * mix
        out = out + (mirrored - out) * np.clip(mirror_seen, 0, 1)[..., None]
        return out + (patch - out) * cv2.GaussianBlur(seen, (0, 0), 0.7)[..., None] * seen[..., None]

    def _alpha(self, from_iris: np.ndarray) -> np.ndarray:
        return 1 - smoothstep(from_iris, 1.02 * self.radius, LIMBUS * 1.12 * self.radius)

    # A frame ---------------------------------------------------------------------------------------

    def draw(self, canvas: np.ndarray, frame: Frame) -> None:
        if not (self.usable and frame.expressive):
            return
        warp, a = self.warp, self.opening.aperture
        change = frame.c @ self.opening.gap_modes
        gaze = frame.c @ warp.modes[:, self.iris[0], :2]
        activity = max(float(np.abs(change).max()), float(np.linalg.norm(gaze)) / warp.layout.ed)
        gap = float((self.opening.gap + change).max())
        if activity < 1e-4 or gap < 0.004:
            return
        upper, lower = frame.lines[a.name]
        o = Outline.of(upper, lower, warp.axes(frame), warp.layout.ed, canvas.shape[:2], soft=0.006)
        if o is None:
            return
        x, y = self._at_rest(o, frame)
        colour = sample(self.plate, x, y)
        gx, gy = gaze * self.zoom
        iris = sample(self.sprite, x - np.float32(gx), y - np.float32(gy))
        colour = colour + (iris[..., :3] - colour) * iris[..., 3:]
        # The upper lid throws its shade on what it uncovers and on what it comes down to.
        lowered = float(np.clip(change.min() / min(-0.02, -float(self.opening.gap.max())), 0, 1))
        raised = float(np.clip(change.max() / 0.06, 0, 1))
        shade = max(0.35 * lowered, 0.40 * raised) * np.exp(-np.maximum(o.v - o.up, 0) / 0.035)
        colour = colour * (1 - shade)[..., None]
        gate = min(1.0, activity / 0.015) * min(1.0, gap / 0.02)
        o.paste(canvas, colour, o.cover * np.float32(gate))

    def _at_rest(self, o: Outline, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Window pixels on the plate: the head motion at the eye, undone."""
        warp = self.warp
        centre = warp.layout.points[self.iris[0]]
        moved = centre + frame.matrix @ (centre - warp.pivot) + frame.shift
        (a, b), (c, d) = np.eye(2) + frame.matrix[:2, :2]
        back = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        dx, dy = o.x - np.float32(moved[0]), o.y - np.float32(moved[1])
        x = back[0, 0] * dx + back[0, 1] * dy + centre[0] - self.x0
        y = back[1, 0] * dx + back[1, 1] * dy + centre[1] - self.y0
        return (x + 0.5) * self.zoom - 0.5, (y + 0.5) * self.zoom - 0.5
