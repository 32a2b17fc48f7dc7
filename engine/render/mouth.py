"""The inside of the mouth: what a picture with shut lips never shows.

Upper teeth hang from the skull, lower teeth and tongue ride on the jaw, a dark cavity lies behind them. A
picture whose mouth is open shows its own teeth: they are carried along and only what lies below them is
invented. Colours take their brightness from the cheeks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ...kernels.mesh_warp import sample
from ..motion.face_motion import INDEX
from ..motion.mesh import INNER_LOWER_LIP, INNER_UPPER_LIP
from .grid import smoothstep
from .layers import Outline, as_unit, rising_interp

if TYPE_CHECKING:
    from .face_warp import FaceWarp, Frame

# Widths of the upper teeth from the middle outwards as seen from the front, eye distances (63 mm), after
# average crown widths (8.5, 6.6, 7.6, 7.0, 6.8 mm) foreshortened along the arch.
UPPER_TEETH = (0.132, 0.098, 0.096, 0.074, 0.056, 0.040)
LOWER_TEETH = (0.082, 0.086, 0.090, 0.074, 0.058, 0.044)
TOOTH_HEIGHT = 0.19
SHEET = (72, 360)  # rows, columns of a teeth sheet
# Below the line where the lips meet: the upper teeth's edge. Above it: the lower teeth's.
UPPER_EDGE, LOWER_EDGE = 0.042, -0.045
ENAMEL = np.array([0.97, 0.94, 0.88], np.float32)
GUM = np.array([0.62, 0.33, 0.33], np.float32)
CAVITY = np.array([0.26, 0.105, 0.10], np.float32)
TONGUE = np.array([0.68, 0.37, 0.36], np.float32)
CHEEKS = (50, 280, 205, 425, 101, 330)
LIP_EDGE = 0.014  # eye distances from the landmarks' inner line to where the lower lip begins
PHOTO_GAP = 0.03  # a picture whose lips are parted further than this (eye distances) shows its own teeth


@lru_cache(maxsize=2)
def teeth_sheet(upper: bool) -> tuple[np.ndarray, float]:
    """A row of teeth as a picture float32 [rows, columns, 4] (shade RGB, alpha) and its half width in eye
    distances. Row 0 is the gum, the last row lies just beyond the biting edge."""
    rows, columns = SHEET
    widths = UPPER_TEETH if upper else LOWER_TEETH
    half = sum(widths)
    x = np.linspace(-half, half, columns, dtype=np.float32)[None]
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    colour, alpha = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)
    start = 0.0
    for k, w in enumerate(widths):
        for sign in (-1, 1):
            t = (sign * x - start - w / 2) / (w / 2)  # -1..1 across the tooth
            # Biting edges: incisors nearly straight with round corners, canines pointed, later ones shorter.
            point = 0.035 if k == 2 else 0.0
            edge = (
                0.90
                - (0.045 if (k == 1 and upper) else 0.015 * k)
                + point * (1 - np.abs(t))
                - 0.10 * np.abs(t) ** 4
            )
            body = np.clip((1 - np.abs(t)) / 0.10, 0, 1) * np.clip((edge - y) / 0.05, 0, 1)
            bulge = 1.0 - 0.16 * t**2 - 0.10 * np.exp(-(((1 - np.abs(t)) / 0.10) ** 2))
            tint = np.stack(
                [
                    bulge - 0.10 * np.exp(-y / 0.22),
                    bulge - 0.15 * np.exp(-y / 0.22),
                    bulge - 0.17 * np.exp(-y / 0.22),
                ],
                -1,
            )
            here = (np.abs(t) <= 1.0)[..., None] & (body[..., None] > 0)
            # The arch turns away from the light.
            turn = np.float32(np.cos(min(1.25, 2.1 * (start + w / 2) / half * 0.62)))
            colour = np.where(here, tint * turn, colour)
            alpha = np.maximum(alpha, body)
        start += w
    # Between the teeth it is dim, not open.
    within = (np.abs(x) < half * 0.985) & (y < 0.80)
    seam = within & (alpha < 1)
    colour = np.where(seam[..., None], colour * alpha[..., None] + 0.66 * (1 - alpha[..., None]), colour)
    alpha = np.where(within, 1.0, alpha)
    return np.concatenate([colour, alpha[..., None]], -1).astype(np.float32), float(half)


class MouthLayer:
    """Draws the inside of one face's mouth."""

    def __init__(self, warp: FaceWarp, picture: np.ndarray):
        self.warp = warp
        layout = warp.layout
        self.ed = layout.ed
        points = layout.points
        lines = [layout.uv(points[list(ids), :2]) for ids in (INNER_UPPER_LIP, INNER_LOWER_LIP)]
        self.rest_up, self.rest_low = lines
        self.gap = float((lines[1][:, 1] - lines[0][:, 1]).max())
        skin = self._skin(picture)
        self.light = float(np.clip(skin @ [0.3, 0.55, 0.15] / 0.62, 0.25, 1.2))
        # Teeth take a little of the light's colour, as far as skin tells it.
        tint = skin / max(float(skin.max()), 1e-3) / [1.0, 0.80, 0.70]
        self.enamel = (ENAMEL * np.clip(1 + 0.35 * (tint - 1), 0.8, 1.1)).astype(np.float32)
        self.scale = float(np.clip((lines[0][-1, 0] - lines[0][0, 0]) / 0.86, 0.55, 1.15))
        self.half = max(float(lines[0][-1, 0] - lines[0][0, 0]) / 2, 0.05)
        self.open = self.gap > PHOTO_GAP
        if self.open:
            self._keep_photo(picture)

    def _skin(self, picture: np.ndarray) -> np.ndarray:
        """Colour of the cheeks, [3] in 0..1."""
        height, width = picture.shape[:2]
        r = max(1, round(0.05 * self.ed))
        patches = []
        for p in CHEEKS:
            x, y = (int(np.clip(round(c), r, lim - r - 1)) if lim > 2 * r + 1 else 0
                    for c, lim in zip(self.warp.layout.points[p, :2], (width, height), strict=True))  # fmt: skip
            patches.append(
                as_unit(picture[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]).mean((0, 1))
            )
        return np.median(patches, 0)

    def _keep_photo(self, picture: np.ndarray) -> None:
        """The picture's own mouth, and the brightness of its teeth."""
        points = self.warp.layout.points[[*INNER_UPPER_LIP, *INNER_LOWER_LIP], :2]
        m = 0.25 * self.ed
        (x0, y0), (x1, y1) = np.floor(points.min(0) - m).astype(int), np.ceil(points.max(0) + m).astype(int)
        self.photo_x, self.photo_y = max(x0, 0), max(y0, 0)
        self.photo = as_unit(picture[self.photo_y : max(y1, 1), self.photo_x : max(x1, 1)])

    # A frame ---------------------------------------------------------------------------------------

    def draw(self, canvas: np.ndarray, frame: Frame) -> None:
        warp = self.warp
        mouth = warp.openings[0]
        change = frame.c @ mouth.gap_modes
        tongue_out = float(frame.c[INDEX["tongueOut"]])
        gap = float((mouth.gap + change).max())
        if not frame.expressive or (gap < 0.004 and tongue_out < 0.02):
            return
        upper, lower = frame.lines[mouth.aperture.name]
        axes = warp.axes(frame)
        if self.open:
            # Landmarks run on the teeth's side of a lip's edge: leave no teeth on the lower lip.
            lower = lower + LIP_EDGE * self.ed * axes[1]
        o = Outline.of(upper, lower, axes, self.ed, canvas.shape[:2])
        if o is None:
            return
        if gap >= 0.004:
            colour = self.inside(o, frame, axes)
            # With parted lips in the picture the field already carries them: draw only what has changed.
            active = min(1.0, max(0.0, float(np.abs(change).max()) - 0.002) / 0.02)
            slit = smoothstep(np.float32(o.gap), 0.004, 0.035)
            o.paste(canvas, colour, o.cover * np.float32(active * slit))
        if tongue_out > 0.02:
            self.stick_out(canvas, o, tongue_out, axes)

    def anchors(self, frame: Frame, axes: np.ndarray) -> tuple[float, float, float, float]:
        """In the moved face's axes, eye distances: u of the mouth's middle on the skull, v of the skull's lip line,
        and the jaw's shift (u, v) at the lower teeth."""
        warp = self.warp
        ids = [13, 14]
        rest = warp.layout.points[ids].mean(0) + [0, 0, 0.08 * self.ed]
        jaw_modes = [INDEX[n] for n in ("jawOpen", "jawLeft", "jawRight", "jawForward")]
        jaw = frame.c[jaw_modes] @ warp.modes[jaw_modes, 14]
        places = np.stack([rest, rest + jaw])
        moved = (places + (places - warp.pivot) @ frame.matrix.T + frame.shift)[:, :2] @ axes.T / self.ed
        return moved[0, 0], moved[0, 1], moved[1, 0], moved[1, 1]

    def inside(self, o: Outline, frame: Frame, axes: np.ndarray) -> np.ndarray:
        """[h, w, 3] colours behind the lips."""
        u_skull, v_skull, u_jaw, v_jaw = self.anchors(frame, axes)
        if self.open:
            v_jaw += self.gap / 2  # the lower teeth stand behind the lower lip
        depth = np.clip((o.v - o.up) / max(o.gap, 1e-3), 0, 1)
        colour = CAVITY * (0.45 + 0.9 * depth)[..., None] * self.light
        # Tongue: a mound on the floor, behind the lower teeth.
        height = 0.55 * min(o.gap, 0.5) + 0.02
        bow = (o.u - u_jaw) / (0.38 * self.scale)
        top = v_jaw + 0.10 - height * np.sqrt(np.clip(1 - bow**2, 0, 1))
        hump = smoothstep(o.v - top, 0.0, 0.05) * (np.abs(bow) < 1)
        groove = 1 - 0.18 * np.exp(-((bow / 0.10) ** 2)) * smoothstep(o.v - top, 0.02, 0.10)
        lit = (
            (0.30 + 0.50 * smoothstep(o.v - top, 0.0, 0.16))
            * groove
            * (0.75 + 0.25 * np.clip(1 - bow**2, 0, 1))
        )
        colour += (TONGUE * (lit * self.light)[..., None] - colour) * hump[..., None]
        colour = self.row(colour, o, False, u_jaw, v_jaw - LOWER_EDGE)
        if not self.open:
            colour = self.row(colour, o, True, u_skull, v_skull + UPPER_EDGE)
        else:
            colour = self.own_mouth(colour, o, v_skull)
        # Lips throw shade, and the corners are deep.
        middle = (o.left + o.right) / 2
        half = max((o.right - o.left) / 2, 1e-3)
        shade = 1 - 0.38 * np.exp(-np.maximum(o.v - o.up, 0) / 0.035)
        corner = 1 - 0.55 * np.clip(np.abs(o.u - middle) / half, 0, 1) ** 3
        # Pursed lips stand far before the teeth.
        pursed = smoothstep(np.float32(half / self.half), 0.45, 0.85)
        shade = shade * (0.35 + 0.65 * pursed)
        if self.open:
            shade, corner = 0.5 + 0.5 * shade, 0.5 + 0.5 * corner
        return np.clip(colour * (shade * corner)[..., None], 0, 1)

    def row(self, colour: np.ndarray, o: Outline, upper: bool, u0: float, edge: float) -> np.ndarray:
        """Lay a row of teeth over ``colour``, biting edge at v = ``edge`` (the arch bows toward the cheeks)."""
        sheet, half = teeth_sheet(upper)
        rows, columns = sheet.shape[:2]
        t = (o.u - u0) / self.scale
        bow = 0.10 * t**2
        along = (t / (2 * half) + 0.5) * (columns - 1)
        height = TOOTH_HEIGHT * self.scale
        v = (edge - bow * 0.6 - o.v) if upper else (o.v - edge - bow * 0.3)
        down = (0.9 - v / height) * (rows - 1)
        hit = (down > 0) & (down < rows - 1) & (along > 0) & (along < columns - 1)
        if not hit.any():
            return colour
        tooth = sample(sheet, along, down)
        dim = np.float32(min(self.light, 1.0) ** 0.7 * (1.0 if upper else 0.78))
        # Beyond the necks of the teeth there is gum, not darkness.
        gum = smoothstep(v, 0.84 * height, 0.92 * height) * (np.abs(t) < half * 0.97)
        colour = colour + (GUM * np.float32(self.light * 0.85) - colour) * gum[..., None]
        alpha = tooth[..., 3] * hit
        return colour + (tooth[..., :3] * self.enamel * dim - colour) * alpha[..., None]

    def own_mouth(self, colour: np.ndarray, o: Outline, v_skull: float) -> np.ndarray:
        """Lay the picture's own teeth over ``colour``: as wide as the mouth is now. They belong to the skull, so
        they follow the upper lip wholly at the corners but only a third of the way in the middle."""
        up, low = self.rest_up, self.rest_low
        left, right = (up[0, 0] + low[0, 0]) / 2, (up[-1, 0] + low[-1, 0]) / 2
        across = np.clip((o.u - o.left) / max(o.right - o.left, 1e-3), 0, 1)
        u = left + across * (right - left)
        source_up, source_low = (rising_interp(u, line).astype(np.float32) for line in (up, low))
        offset = np.float32(v_skull - (up[5, 1] + low[5, 1]) / 2)
        share = 0.35 + 0.65 * (2 * across - 1) ** 2
        # A lip that rises shows more of the teeth: the picture's upper band of them grows to fill what it uncovers.
        bared = np.maximum((1 - share) * (source_up + offset - o.up), 0)
        hidden = np.maximum((1 - share) * (o.up - source_up - offset), 0)
        band = np.float32(min(0.08, 0.5 * self.gap))

        def source(v: np.ndarray) -> np.ndarray:
            below = v - o.up
            stretched = np.where(below < bared + band, below * band / (bared + band), below - bared)
            return source_up + 0.015 + stretched + hidden

        v = source(o.v)
        layout = self.warp.layout
        x, y = (layout.pose.origin[k] + (u * layout.right[k] + v * layout.down[k]) * self.ed for k in (0, 1))
        own = sample(self.photo, x - self.photo_x, y - self.photo_y)
        # Where the mouth now reaches further than it did, the picture would show its lower lip: it ends before that.
        beyond = np.clip((source(o.low - LIP_EDGE) - source_low - 0.015) / 0.015, 0, 1)
        shown = 1 - smoothstep(v - source_low, -0.045, -0.008) * beyond
        return colour + (own - colour) * shown[..., None]

    def stick_out(self, canvas: np.ndarray, o: Outline, amount: float, axes: np.ndarray) -> None:
        """The tongue over the lower lip."""
        middle = (o.left + o.right) / 2
        centre = np.abs(o.u[0] - middle) < 0.05 if o.u.shape[0] else np.zeros(0, bool)
        low = float(np.median(o.low[:, centre])) if centre.any() else float(o.low.mean())
        up = float(np.median(o.up[:, centre])) if centre.any() else float(o.up.mean())
        half = 0.24 * self.scale
        tip = low + 0.30 * amount * self.scale
        line_x = np.linspace(-1, 1, 13)
        top = np.stack([middle + half * line_x, np.full(13, up + 0.012)], 1) * self.ed @ axes
        tip_v = np.maximum(low + (tip - low) * np.sqrt(np.clip(1 - line_x**2, 0, 1)), up + 0.02)
        bottom = np.stack([middle + half * line_x, tip_v], 1) * self.ed @ axes
        tongue = Outline.of(top, bottom, axes, self.ed, canvas.shape[:2], soft=0.012)
        if tongue is None:
            return
        t = (tongue.u - middle) / half
        down = np.clip((tongue.v - up) / max(tip - up, 1e-3), 0, 1)
        groove = 1 - 0.20 * np.exp(-((t / 0.09) ** 2)) * (1 - down**2)
        lit = (0.55 + 0.55 * smoothstep(down, 0.0, 0.5)) * (1 - 0.35 * t**4) * groove
        rim = 1 - 0.35 * smoothstep(
            np.sqrt(np.clip(t**2 + np.maximum(down - 0.55, 0) ** 2 * 4, 0, 2)), 0.75, 1.05
        )
        o_colour = TONGUE * 0.98 * (lit * rim * self.light)[..., None]
        tongue.paste(
            canvas,
            np.clip(o_colour, 0, 1).astype(np.float32),
            tongue.cover * np.float32(min(1.0, amount * 4)),
        )
