"""The warp renderer: a picture acts by moving its own pixels, with no weights, no GPU and no downloads.

Per face: the rig's modes on a fine grid, an inverse of the expression field with cuts at mouth and eyes, an
inverse of the head pose on top (2.5D), one sampling of the picture, and layers for what the picture does not
show: the inside of the mouth, the eyeball behind a moving iris, creases. Rest returns the picture bit for bit,
and so do all pixels outside the moved region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.mesh_warp import grid_index, invert_displacement, sample
from ..faces.types import Face
from ..motion.face_motion import BLENDSHAPES
from ..motion.mesh import FACE_OVAL, SHRINK, neck_pivot, rotation_matrix
from ..motion.mesh_solver import MeshSolver
from ..motion.rig import build_rig
from .creases import CreaseLayer
from .eyes import EyeLayer
from .field import (
    APERTURES,
    COARSE_MARGIN,
    COARSE_STRIDE,
    FINE_MARGIN,
    FINE_STRIDE,
    MIN_STRIDE,
    Aperture,
    Layout,
    Rasteriser,
    aperture_modes,
    head_maps,
    lip_closing_mode,
    rectangle,
)
from .grid import Grid, compose, edge_taper, packed, smoothstep, upsample
from .mouth import MouthLayer

# Soft limits L tanh(v / L): beyond them the 2.5D turn tears (degrees, then eye distances).
POSE_LIMITS = np.array([22.0, 26.0, 22.0, 0.45, 0.45, 1.5])
SHAPES = len(BLENDSHAPES)
# How far (eye distances) a head may leave a border it touches, and how much more per distance from it.
ROOM = (0.10, 0.50)
CLOSING = SHAPES  # index of the lip-closing mode; the aperture modes follow it
LOWER_FACE = np.array(
    [name.startswith(("mouth", "jaw")) and name not in ("jawLeft", "jawRight") for name in BLENDSHAPES]
)
BREATH = 0.03  # eye distances: so much of the head's rise and fall is breath and moves the shoulders too
CRISP_MARGIN = (0.12, 0.12, 0.25)  # around the landmarks, eye distances: sampled cubically
MAX_LIP_GAP = 0.8  # of the mouth's width
FAINT = (0.002, 0.006)  # eye distances: displacements of a whole shape that count as none, and as some


@dataclass(frozen=True, eq=False)
class Opening:
    """One aperture's part in a face's warp: the lower field's rows and columns, and its lines."""

    aperture: Aperture
    rows: slice
    columns: slice
    field: object  # sparse [3 h w, R] like FaceWarp.field, the lower side
    order: np.ndarray
    modes: slice  # of its guard modes: upper columns, then lower
    gap: np.ndarray  # [columns] rest gap along the face's down axis, eye distances
    gap_modes: np.ndarray  # [R, columns] what each mode adds to the gap


class FaceWarp:
    """One face of one picture, ready to be posed. Holds no state between frames.

    Args:
        face: Where the face is.
        picture: [H, W, 3] uint8 or float32, where the eyes' and the mouth's own pixels come from.
        others: The other faces in the picture, which this one's hair and neck leave alone.
    """

    def __init__(self, face: Face, picture: np.ndarray, others: list[Face] | None = None):
        height, width = picture.shape[:2]
        self.layout = layout = Layout.of(face.landmarks)
        self.rig = build_rig(layout.pose.to_head(layout.points))
        self.picture_size = (height, width)
        solver = MeshSolver(self.rig.rest)
        head_modes = np.concatenate(
            [self.rig.basis, lip_closing_mode(self.rig, solver)[None], aperture_modes(solver)]
        )
        self.modes = (head_modes @ layout.pose.rotation.T * layout.ed).astype(np.float32)
        self.fine = Grid.over(
            rectangle(layout, FINE_MARGIN, height, width), max(MIN_STRIDE, round(layout.ed * FINE_STRIDE))
        )
        self.coarse = Grid.over(
            rectangle(layout, COARSE_MARGIN, height, width), max(MIN_STRIDE, round(layout.ed * COARSE_STRIDE))
        )
        on_lines = [p for a in APERTURES for p in (*a.upper, *a.lower)]
        self.line_points, self.line_modes = (
            layout.points[on_lines],
            self.modes[:, on_lines].reshape(len(self.modes), -1),
        )
        self.crisp = rectangle(layout, CRISP_MARGIN, height, width)
        self._build_fields()
        self._build_pose([Layout.of(o.landmarks) for o in others or []])
        self.creases = CreaseLayer(self, picture)
        self.layers = [*(EyeLayer(self, o, picture) for o in self.openings[1:]), MouthLayer(self, picture)]

    # Set-up ----------------------------------------------------------------------------------------

    def _build_fields(self) -> None:
        raster = Rasteriser(self.layout, self.fine)
        ids, bary = raster.upper_weights()
        known = ids[..., 0] >= 0
        field = raster.apply(ids, bary, self.modes)
        spread = field[: CLOSING + 1].reshape(-1, *known.shape)
        field[: CLOSING + 1] = raster.extend(spread, known).reshape(CLOSING + 1, 3, *known.shape)
        taper = edge_taper(self.fine, 0.25 * self.layout.ed, self.picture_size)
        field = self._in_grid_units(field, taper)
        self.field = packed(field)
        far_to_near = np.argsort(-np.where(np.isfinite(raster.depth), raster.depth, 1e9), axis=None)
        u, v = raster.uv[..., 0], raster.uv[..., 1]
        wrong_above, wrong_below = np.zeros_like(known), {}
        for a in APERTURES:
            up, low = raster.lines[a.name]
            middle = np.interp(u, (up[:, 0] + low[:, 0]) / 2, (up[:, 1] + low[:, 1]) / 2)
            within = (u > min(up[0, 0], low[0, 0])) & (u < max(up[-1, 0], low[-1, 0]))
            reach = np.interp(u, low[:, 0], low[:, 1]) + a.pad
            wrong_above |= within & (v > middle) & (v < reach)
            reach = np.interp(u, up[:, 0], up[:, 1]) - a.pad
            wrong_below[a.name] = within & (v < middle) & (v > reach)
        self.order = far_to_near[~wrong_above.ravel()[far_to_near]]
        self.openings = []
        first = CLOSING + 1
        for a in APERTURES:
            columns = len(a.upper) - 2
            self.openings.append(
                self._opening(raster, a, field, taper, wrong_below[a.name], slice(first, first + 2 * columns))
            )
            first += 2 * columns

    def _in_grid_units(self, field: np.ndarray, taper: np.ndarray) -> np.ndarray:
        """``[R, 3, h, w]`` pixels to grid units (depth stays in pixels), tapered at the rim. Far from its handles a
        solve leaves traces too small to see, but enough to touch pixels: these become nothing."""
        size = np.linalg.norm(field[:, :2], axis=1, keepdims=True) / self.layout.ed
        field = field * (smoothstep(size, *FAINT) * taper)
        field[:, :2] /= self.fine.stride
        return np.ascontiguousarray(field, np.float32)

    def _opening(
        self,
        raster: Rasteriser,
        a: Aperture,
        upper_field: np.ndarray,
        taper: np.ndarray,
        wrong: np.ndarray,
        modes: slice,
    ) -> Opening:
        lines = self.layout.points[[*a.upper, *a.lower], :2]
        side, up, down = (r * self.layout.ed for r in a.reach)
        (x0, y0), (x1, y1) = lines.min(0), lines.max(0)
        reach = max(side, up, down) if abs(self.layout.right[1]) > 0.5 else None
        margins = (reach,) * 4 if reach else (side, up, side, down)
        rows, cols = self.fine.part(x0 - margins[0], y0 - margins[1], x1 + margins[2], y1 + margins[3])
        ids, bary = raster.lower_weights(a)
        ids, bary = ids[rows, cols], bary[rows, cols]
        own = self._in_grid_units(raster.apply(ids, bary, self.modes), taper[rows, cols])
        field = np.where(ids[..., 0] >= 0, own, upper_field[:, :, rows, cols]).astype(np.float32)
        depth = np.where(np.isfinite(raster.depth), raster.depth, 1e9)[rows, cols]
        order = np.argsort(-depth, axis=None)
        order = order[~wrong[rows, cols].ravel()[order]]
        upper, lower = (
            self.layout.uv(self.layout.points[list(line), :2])[:, 1] for line in (a.upper, a.lower)
        )
        between = self.modes[:, list(a.lower[1:-1]), :2] - self.modes[:, list(a.upper[1:-1]), :2]
        gap_modes = (between @ self.layout.down / self.layout.ed).astype(np.float32)
        return Opening(a, rows, cols, packed(field), order, modes, (lower - upper)[1:-1], gap_modes)

    def _build_pose(self, others: list[Layout]) -> None:
        layout = self.layout
        self.pivot = pivot = layout.pose.to_picture(neck_pivot(self.rig.rest))
        self.pose_maps = []
        for grid in (self.fine, self.coarse):
            weight, depth, shoulders = head_maps(layout, grid, others)
            if grid is self.coarse:
                taper = edge_taper(grid, 0.30 * layout.ed, self.picture_size)
                weight, shoulders = weight * taper, shoulders * taper
            x, y = grid.nodes()
            planes = (x - pivot[0], y - pivot[1], depth, weight, shoulders)
            self.pose_maps.append(tuple(plane.astype(np.float32) for plane in planes))

    # A frame ---------------------------------------------------------------------------------------

    def coefficients(self, weights: np.ndarray, closing: float = 0.0) -> np.ndarray:
        """Rig weights (may be negative) to mode coefficients, with the guards: lips and lids do not cross, and
        the mouth does not open wider than ``MAX_LIP_GAP`` of its width."""
        c = np.zeros(len(self.modes), np.float32)
        c[:SHAPES], c[CLOSING] = weights, closing
        mouth = self.openings[0]
        width = np.ptp(self.layout.uv(self.layout.points[[61, 291], :2])[:, 0])
        limit, rest = MAX_LIP_GAP * width, float(mouth.gap.max())
        change = float((c @ mouth.gap_modes).max())
        if change > 0:
            soft = 0.6 * limit
            wanted = rest + change
            if wanted > soft:
                allowed = soft + (limit - soft) * np.tanh((wanted - soft) / max(limit - soft, 1e-6))
                c[:SHAPES][LOWER_FACE] *= max(allowed - rest, 0.0) / change
        for opening in self.openings:
            gap = opening.gap + c @ opening.gap_modes
            missing = (np.minimum(opening.gap, 0.0) - gap).clip(0)
            if missing.max() > 0:
                n = len(opening.gap)
                share = 0.5 if opening.aperture.name == "mouth" else 1.0
                c[opening.modes.start : opening.modes.start + n] -= share * missing  # modes move down by one
                c[opening.modes.start + n : opening.modes.stop] += (1 - share) * missing
        return c

    def rigid(self, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The head motion about the pivot, softly limited: matrix [3, 3] minus identity, translation [3] pixels."""
        pitch, yaw, roll, x, y, z = POSE_LIMITS * np.tanh(np.asarray(head, np.float64) / POSE_LIMITS)
        base = self.layout.pose.rotation
        turn = base @ rotation_matrix(pitch, yaw, roll) @ base.T / (1 + SHRINK * z)
        matrix, shift = turn - np.eye(3), np.array([x, y, 0.0]) * self.layout.ed
        keep = self._within_picture(matrix, shift)
        return matrix * keep, shift * keep

    def _within_picture(self, matrix: np.ndarray, shift: np.ndarray) -> float:
        """How much of a head motion the picture has room for, 0..1. What leaves a border behind uncovers what was never
        photographed: the nearer the head is to that border, the less it may move away from it."""
        points = self.layout.points[list(FACE_OVAL)]
        moved = ((points - self.pivot) @ matrix.T + shift)[:, :2] / self.layout.ed
        height, width = self.picture_size
        room = np.stack([points[:, :2], [width, height] - points[:, :2]]).clip(0) / self.layout.ed
        used = np.stack([moved, -moved]).clip(0) / (ROOM[0] + ROOM[1] * room)
        most = float(used.max())
        return float((1 + most**4) ** -0.25)

    def pose_frame(self, c: np.ndarray, head: np.ndarray) -> Frame:
        """Everything that a frame's layers need to know about where things are."""
        posed = bool(np.abs(head).max() > 1e-4)
        matrix, shift = self.rigid(head) if posed else (np.zeros((3, 3)), np.zeros(3))
        changed = np.einsum("r,rk->k", c, self.line_modes)  # a matrix product would wake BLAS's threads
        points = self.line_points + changed.reshape(-1, 3)
        points = (points + (points - self.pivot) @ matrix.T + shift)[:, :2]
        lines, start = {}, 0
        for a in APERTURES:
            n = len(a.upper)
            lines[a.name] = points[start : start + n], points[start + n : start + 2 * n]
            start += 2 * n
        rise = BREATH * np.tanh(float(head[4]) / BREATH) * self.layout.ed if posed else 0.0
        return Frame(c, matrix, shift, posed, bool(np.abs(c).max() > 1e-4), lines, np.array([0.0, rise]))

    def moved(self, frame: Frame, ids: tuple[int, ...]) -> np.ndarray:
        """Landmarks ``ids`` under expression and pose, ``[len(ids), 2]`` pixels."""
        index = list(ids)
        points = self.layout.points[index] + np.tensordot(frame.c, self.modes[:, index], 1)
        return (points + (points - self.pivot) @ frame.matrix.T + frame.shift)[:, :2]

    @staticmethod
    def _invert(
        field, c: np.ndarray, order: np.ndarray, grid: Grid, steps: int = 2
    ) -> tuple[np.ndarray, ...]:
        """Inverse expression field on a grid, and the forward change of depth."""
        d = (field @ c).reshape(3, grid.height, grid.width)
        return (*invert_displacement(d[0], d[1], order, steps), d[2])

    def _pose_displacement(
        self, maps, depth: np.ndarray, frame: Frame, stride: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of the head motion on a grid, grid units."""
        x, y, _, weight, shoulders = maps
        m, t = frame.matrix.astype(np.float32), frame.shift.astype(np.float32)
        z = depth - np.float32(self.pivot[2])
        scale = weight / np.float32(stride)
        dx = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + t[0]) * scale
        dy = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + t[1]) * scale
        if frame.breath.any():
            bx, by = frame.breath.astype(np.float32) / np.float32(stride)
            dx, dy = dx + bx * shoulders, dy + by * shoulders
        return invert_displacement(dx, dy, None, steps=3)

    def source_map(self, frame: Frame) -> tuple[np.ndarray, Grid]:
        """Where each pixel of the moved region comes from: float32 [h, w, 2] pixels, and the region's grid."""
        grid = self.fine
        ex, ey, ez = (
            self._invert(self.field, frame.c, self.order, grid) if frame.expressive else (None, None, None)
        )
        gx, gy = grid_index(grid.height, grid.width)
        px = py = None
        if frame.posed:
            depth = self.pose_maps[0][2]
            if frame.expressive:
                depth = sample(depth + ez, gx + ex, gy + ey)
            px, py = self._pose_displacement(self.pose_maps[0], depth, frame, grid.stride)
        fine = compose(ex, ey, px, py, gx, gy)
        big = upsample(fine, grid.stride)
        region = grid
        if frame.posed:
            region = self.coarse
            cx, cy = self._pose_displacement(self.pose_maps[1], self.pose_maps[1][2], frame, region.stride)
            whole = upsample((cx, cy), region.stride)
            x, y = grid.x0 - region.x0, grid.y0 - region.y0
            h, w = min(big.shape[0], whole.shape[0] - y), min(big.shape[1], whole.shape[1] - x)
            whole[y : y + h, x : x + w] = big[:h, :w]
            big = whole
        if frame.expressive:
            for opening in self.openings:
                self._cut(big, region, opening, frame, px, py)
        big[..., 0] += np.arange(region.x0, region.x0 + big.shape[1], dtype=np.float32)
        big[..., 1] += np.arange(region.y0, region.y0 + big.shape[0], dtype=np.float32)[:, None]
        return big, region

    def _cut(self, big: np.ndarray, region: Grid, opening: Opening, frame: Frame, px, py) -> None:
        """Below an opening's middle line, take the lower field (in place)."""
        a, rows, cols = opening.aperture, opening.rows, opening.columns
        if not np.abs(frame.c @ opening.gap_modes).max() > 1e-5:
            return
        sub = self.fine.sub(rows, cols)
        ex, ey, _ = self._invert(
            opening.field, frame.c, opening.order, sub, steps=2 if a.name == "mouth" else 1
        )
        gx, gy = grid_index(sub.height, sub.width)
        low = compose(ex, ey, px[rows, cols], py[rows, cols], gx, gy) if frame.posed else (ex, ey)
        axes = self.axes(frame)
        up, down = (line @ axes.T for line in frame.lines[a.name])
        middle = (up + down) / 2
        # Beside the corners too: there the upper field may still find skin that hangs on the upper line.
        reach, aside = (a.pad + 0.20) * self.layout.ed, a.pad * self.layout.ed
        left, right = middle[0, 0] - aside, middle[-1, 0] + aside
        low_v = max(float(down[:, 1].max()), float(middle[:, 1].max())) + reach
        corners = np.array([[u, v] for u in (left, right) for v in (float(middle[:, 1].min()), low_v)]) @ axes
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        rows, cols = sub.part(x0, y0, x1, y1)
        window = sub.sub(rows, cols)
        patch = upsample((low[0][rows, cols], low[1][rows, cols]), window.stride)
        ox, oy = window.x0 - region.x0, window.y0 - region.y0
        target = big[oy : oy + patch.shape[0], ox : ox + patch.shape[1]]
        patch = patch[: target.shape[0], : target.shape[1]]
        x = np.arange(window.x0, window.x0 + patch.shape[1], dtype=np.float32)
        y = np.arange(window.y0, window.y0 + patch.shape[0], dtype=np.float32)[:, None]
        u, v = axes[0, 0] * x + axes[0, 1] * y, axes[1, 0] * x + axes[1, 1] * y
        below = (v > np.interp(u, middle[:, 0], middle[:, 1])) & (u > left) & (u < right)
        np.copyto(target, patch, where=below[..., None])

    def axes(self, frame: Frame) -> np.ndarray:
        """Unit vectors [2, 2] (right, down) of the moved face in the picture."""
        right = self.layout.right + frame.matrix[:2, :2] @ self.layout.right
        right = right / np.linalg.norm(right)
        return np.array([right, [-right[1], right[0]]])

    def draw(self, canvas: np.ndarray, weights: np.ndarray, head: np.ndarray, closing: float = 0.0) -> None:
        """Make the face act, in place.

        Args:
            canvas: [H, W, 3] uint8, or float32 in 0..1, the picture so far.
            weights: [52] blendshapes minus those of the picture at rest.
            head: [6] relative to the picture's own pose.
            closing: How far a mouth that is open in the picture is shut, 0..1.
        """
        frame = self.pose_frame(self.coefficients(weights, closing), head)
        if not (frame.posed or frame.expressive):
            return
        where, region = self.source_map(frame)
        h, w = (
            min(where.shape[0], canvas.shape[0] - region.y0),
            min(where.shape[1], canvas.shape[1] - region.x0),
        )
        source = self.creases.shaded(canvas, frame.c)
        patch = sample(source, where[:h, :w], None)
        # Faces deserve the crisper cubic; around them linear does, at a fifth of the cost.
        x0, y0, x1, y1 = self.crisp
        x0, y0 = max(x0 - region.x0, 0), max(y0 - region.y0, 0)
        x1, y1 = min(x1 - region.x0, w), min(y1 - region.y0, h)
        patch[y0:y1, x0:x1] = sample(source, where[y0:y1, x0:x1], None, cubic=True)
        if patch.dtype != np.uint8:
            np.clip(patch, 0, 1, out=patch)  # cubic overshoots at edges
        canvas[region.y0 : region.y0 + h, region.x0 : region.x0 + w] = patch
        for layer in self.layers:
            layer.draw(canvas, frame)


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame's motion of one face: mode coefficients, head motion about the pivot, and the moved openings."""

    c: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray
    posed: bool
    expressive: bool
    lines: dict[str, tuple[np.ndarray, np.ndarray]]  # upper and lower line of each aperture, [K, 2] pixels
    breath: np.ndarray  # [2] pixels that the shoulders rise or fall with the head
