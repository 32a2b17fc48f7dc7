"""The displacement fields of one face: what every rig mode does to every node of a grid over the picture.

Two grids: a fine one (eye distance / 20) over the face, which carries expression and pose, and a coarse one
over head, hair, neck and background, which carries pose alone. The mesh's modes are rasterised once per
picture; a frame is then one small matrix product. The mouth and the eyes are cuts: nodes beyond the upper lip
or lid follow that line in the upper field, and a second, lower field over each opening does the same from
below, so that both sides part cleanly.

Pixels have their centres at integers here, as OpenCV wants them: landmarks (centres at one half) move by -0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..motion.mesh import (
    BROW_BOTTOM,
    FACE_OVAL,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LOWER_LID,
    MESH_POINTS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    UPPER_LID,
    HeadPose,
    mean_mesh,
    mirrored,
)
from ..motion.mesh_solver import MeshSolver
from ..motion.rig import Rig
from .grid import Grid, smoothstep

FINE_STRIDE, COARSE_STRIDE = 1 / 20, 1 / 8
MIN_STRIDE = 2
# How far the grids reach beyond the landmarks, eye distances: left and right, up, down.
FINE_MARGIN, COARSE_MARGIN = (0.75, 0.55, 1.0), (1.45, 1.75, 1.9)
EXTENSION_DECAY = 0.40
SHOULDERS = 0.7  # of a breath's rise that the shoulders take


@dataclass(frozen=True, eq=False)
class Aperture:
    """An opening of the face: its upper and lower line, columns from picture left to right.

    ``pad``: how far (eye distances) beyond the other line the upper field follows the upper line, and vice versa.
    """

    name: str
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    pad: float
    reach: tuple[float, float, float]  # lower field's rectangle beyond the line: sideways, up, down


APERTURES = (
    Aperture("mouth", INNER_UPPER_LIP, INNER_LOWER_LIP, 0.25, (0.75, 0.65, 1.10)),
    Aperture("eyeRight", UPPER_LID, LOWER_LID, 0.12, (0.45, 0.50, 0.50)),
    Aperture("eyeLeft", mirrored(UPPER_LID)[::-1], mirrored(LOWER_LID)[::-1], 0.12, (0.45, 0.50, 0.50)),
)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the face lies in the picture.

    Attributes:
        pose: Head frame to picture (pixel centres at integers).
        ed: Eye distance of the head frame in pixels.
        points: float64 [478, 3] landmarks, pixel centres at integers.
        right, down: Unit vectors of the face's own axes in the picture plane.
    """

    pose: HeadPose
    ed: float
    points: np.ndarray
    right: np.ndarray
    down: np.ndarray

    @classmethod
    def of(cls, landmarks: np.ndarray) -> Layout:
        points = landmarks.astype(np.float64) - [0.5, 0.5, 0.0]
        pose = HeadPose.fit(points)
        right = points[[362, 263], :2].mean(0) - points[[33, 133], :2].mean(0)
        right /= max(np.linalg.norm(right), 1e-6)
        return cls(pose, pose.scale, points, right, np.array([-right[1], right[0]]))

    def uv(self, xy: np.ndarray) -> np.ndarray:
        """Pixels ``[..., 2]`` to face axes in eye distances from the point between the eyes."""
        offset = np.asarray(xy) - self.pose.origin[:2]
        return np.stack([offset @ self.right, offset @ self.down], -1) / self.ed


def rectangle(
    layout: Layout, margin: tuple[float, float, float], height: int, width: int
) -> tuple[int, int, int, int]:
    """Pixel rectangle around the landmarks plus margins, clipped to the picture."""
    side, up, down = (m * layout.ed for m in margin)
    low, high = layout.points[:MESH_POINTS, :2].min(0), layout.points[:MESH_POINTS, :2].max(0)
    # The margins follow the face's own axes, so a face lying on its side gets its hair and neck too.
    corners = [
        low, high,
        *(low - layout.down * up - side * np.abs(layout.right), high - layout.down * up + side * np.abs(layout.right)),
        *(low + layout.down * down - side * np.abs(layout.right), high + layout.down * down + side * np.abs(layout.right)),
    ]  # fmt: skip
    x0, y0 = np.floor(np.min(corners, 0)).astype(int)
    x1, y1 = np.ceil(np.max(corners, 0)).astype(int) + 1
    return max(int(x0), 0), max(int(y0), 0), min(int(x1), width), min(int(y1), height)


def rasterise(points: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which triangle covers each node: vertex ids int [H, W, 3] (-1 outside), barycentrics, depth (nearest wins)."""
    ids = np.full((grid.height, grid.width, 3), -1, np.int32)
    bary = np.zeros((grid.height, grid.width, 3), np.float64)
    depth = np.full((grid.height, grid.width), np.inf)
    gx, gy = grid.index(points[:, 0], points[:, 1])
    for tri in mean_mesh().triangles:
        tx, ty = gx[tri], gy[tri]
        i0, i1 = max(int(np.ceil(tx.min())), 0), min(int(tx.max()), grid.width - 1)
        j0, j1 = max(int(np.ceil(ty.min())), 0), min(int(ty.max()), grid.height - 1)
        area = (tx[1] - tx[0]) * (ty[2] - ty[0]) - (tx[2] - tx[0]) * (ty[1] - ty[0])
        if i1 < i0 or j1 < j0 or abs(area) < 1e-9:
            continue
        x, y = np.arange(i0, i1 + 1)[None], np.arange(j0, j1 + 1)[:, None]
        b1 = ((x - tx[0]) * (ty[2] - ty[0]) - (tx[2] - tx[0]) * (y - ty[0])) / area
        b2 = ((tx[1] - tx[0]) * (y - ty[0]) - (x - tx[0]) * (ty[1] - ty[0])) / area
        b = np.stack([1 - b1 - b2, b1, b2], -1)
        z = b @ points[tri, 2]
        window = depth[j0 : j1 + 1, i0 : i1 + 1]
        hit = (b.min(-1) >= -1e-6) & (z < window)
        window[hit] = z[hit]
        ids[j0 : j1 + 1, i0 : i1 + 1][hit] = tri
        bary[j0 : j1 + 1, i0 : i1 + 1][hit] = b[hit]
    return ids, bary, depth


def aperture_modes(solver: MeshSolver) -> np.ndarray:
    """Extra modes the guards use: each inner column of each opening, upper then lower, one unit down.

    Returns ``[modes, 478, 3]`` in the head frame, in the order of ``APERTURES``.
    """
    fence = (*FACE_OVAL, 1, 2, 4, 195, *BROW_BOTTOM, *mirrored(BROW_BOTTOM), 50, 280, 101, 330, 118, 347, 199)
    modes = []
    for a in APERTURES:
        columns = (*a.upper[1:-1], *a.lower[1:-1])
        points = [*columns, a.upper[0], a.upper[-1], *fence]
        values = np.zeros((len(points), len(columns)))
        values[np.arange(len(columns)), np.arange(len(columns))] = 1
        down = np.zeros((len(columns), 478, 3))
        down[:, :MESH_POINTS, 1] = solver.spread(points, values).T
        modes.append(down)
    return np.concatenate(modes)


def lip_closing_mode(rig: Rig, solver: MeshSolver) -> np.ndarray:
    """[478, 3] displacement that shuts a mouth that is open in the picture."""
    gap = rig.rest[list(INNER_LOWER_LIP)] - rig.rest[list(INNER_UPPER_LIP)]
    gap[:, 1] = np.maximum(gap[:, 1], 0)
    gap[:, [0, 2]] = 0
    handles: dict[int, np.ndarray] = {p: np.zeros(3) for p in (*FACE_OVAL, 1, 2, 4, 195, 50, 280, 205, 425)}
    lines = (
        (INNER_UPPER_LIP, 0.42),
        (INNER_LOWER_LIP, -0.56),
        (OUTER_UPPER_LIP, 0.33),
        (OUTER_LOWER_LIP, -0.42),
    )
    for line, share in lines:
        handles |= {p: g * share for p, g in zip(line, gap, strict=True)}
    handles |= {p: -0.25 * gap[5] for p in (152, 148, 377, 175, 199)}
    points = list(handles)
    out = np.zeros((478, 3))
    out[:MESH_POINTS] = solver.spread(points, np.array([handles[p] for p in points]))
    return out


class Rasteriser:
    """Turns mesh displacements into grid displacements for one face."""

    def __init__(self, layout: Layout, grid: Grid):
        self.layout, self.grid = layout, grid
        self.x, self.y = grid.nodes()
        self.uv = layout.uv(np.stack([self.x, self.y], -1))
        self.ids, self.bary, self.depth = rasterise(layout.points, grid)
        self.lines = {}
        for a in APERTURES:
            up, low = (layout.uv(layout.points[list(line), :2]) for line in (a.upper, a.lower))
            self.lines[a.name] = (up, low)

    def follow(self, aperture: Aperture, upper: bool, ids: np.ndarray, bary: np.ndarray) -> None:
        """Let nodes in the opening, and a little beyond its other line, follow one of its lines (in place)."""
        up, low = self.lines[aperture.name]
        u, v = self.uv[..., 0], self.uv[..., 1]
        own, line = (up, aperture.upper) if upper else (low, aperture.lower)
        v_up, v_low = np.interp(u, up[:, 0], up[:, 1]), np.interp(u, low[:, 0], low[:, 1])
        within = (u > own[0, 0]) & (u < own[-1, 0])
        beyond = (v > v_up) & (v < v_low + aperture.pad) if upper else (v < v_low) & (v > v_up - aperture.pad)
        region = within & beyond
        position = np.interp(u[region], own[:, 0], np.arange(len(line)))
        k = np.minimum(position.astype(int), len(line) - 2)
        line = np.array(line)
        ids[region] = np.stack([line[k], line[k + 1], line[k]], -1)
        mix = position - k
        bary[region] = np.stack([1 - mix, mix, np.zeros_like(mix)], -1)

    def upper_weights(self) -> tuple[np.ndarray, np.ndarray]:
        ids, bary = self.ids.copy(), self.bary.copy()
        for a in APERTURES:
            self.follow(a, True, ids, bary)
        return ids, bary

    def lower_weights(self, aperture: Aperture) -> tuple[np.ndarray, np.ndarray]:
        ids, bary = self.ids.copy(), self.bary.copy()
        for a in APERTURES:
            self.follow(a, a.name != aperture.name, ids, bary)
        return ids, bary

    @staticmethod
    def apply(ids: np.ndarray, bary: np.ndarray, modes: np.ndarray) -> np.ndarray:
        """``modes [R, 478, 3]`` -> ``[R, 3, H, W]``, zero where no triangle covers the node."""
        picked = modes[:, np.maximum(ids, 0)]
        weight = np.where(ids >= 0, bary, 0)
        return np.einsum("rhwkc,hwk->rchw", picked, weight)

    def extend(self, field: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Continue ``[N, H, W]`` beyond the mesh, decaying over ``EXTENSION_DECAY`` (screened Laplace)."""
        from scipy.sparse import coo_matrix, diags
        from scipy.sparse.linalg import splu

        height, width = known.shape
        number = np.arange(height * width).reshape(height, width)
        pairs = np.concatenate([
            np.stack([number[:, 1:].ravel(), number[:, :-1].ravel()]),
            np.stack([number[1:].ravel(), number[:-1].ravel()]),
        ], 1)  # fmt: skip
        i, j = np.concatenate([pairs, pairs[::-1]], 1)
        graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(number.size, number.size)).tocsr()
        cells = EXTENSION_DECAY * self.layout.ed / self.grid.stride
        matrix = diags(np.asarray(graph.sum(1)).ravel() + cells**-2) - graph
        inside, outside = number[known], number[~known]
        if outside.size == 0 or inside.size == 0:
            return field
        flat = field.reshape(len(field), -1).T.copy()
        right = -(matrix.tocsr()[outside][:, inside] @ flat[inside])
        flat[outside] = splu(matrix.tocsr()[outside][:, outside].tocsc()).solve(right)
        return flat.T.reshape(field.shape)


def head_maps(layout: Layout, grid: Grid, others: list[Layout]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much of the head's motion each node takes (0..1), its depth in pixels, and how much more of a breath's
    rise and fall it takes than that (shoulders), [H, W] each.

    ``others``: neighbouring faces, which this head must not drag along.
    """
    import cv2

    cell = grid.stride

    def oval_distance(of: Layout) -> tuple[np.ndarray, np.ndarray]:
        gx, gy = grid.index(of.points[list(FACE_OVAL), 0], of.points[list(FACE_OVAL), 1])
        mask = np.zeros((grid.height, grid.width), np.uint8)
        cv2.fillPoly(mask, [np.rint(np.stack([gx, gy], -1)).astype(np.int32)], 1)
        if not mask.any():  # off this grid: too far away to matter
            return mask > 0, np.full(mask.shape, 1e6, np.float32)
        return mask > 0, cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) * cell

    inside, distance = oval_distance(layout)
    distance = distance / layout.ed
    x, y = grid.nodes()
    uv = layout.uv(np.stack([x, y], -1))
    u, v = uv[..., 0], uv[..., 1]
    chin = layout.uv(layout.points[152, :2])
    around = 1 - smoothstep(distance * np.where(v < 0, 0.72 + 0.28 * smoothstep(v, -1.2, 0), 1.0), 0.35, 1.30)
    neck = (1 - smoothstep(v - chin[1], 0.05, 1.75)) * (1 - smoothstep(np.abs(u - chin[0]) - 0.6, 0.15, 1.15))
    below = smoothstep(v, chin[1] - 0.5, chin[1] + 0.1)
    weight = np.where(inside, 1.0, around * (1 - below) + neck * below)
    shoulders = (
        SHOULDERS * smoothstep(v - chin[1], 0.05, 0.8) * (1 - smoothstep(np.abs(u - chin[0]), 1.2, 2.0))
    )
    for other in others:
        _, theirs = oval_distance(other)
        share = theirs / np.maximum(theirs + distance * layout.ed, 1e-6)
        mine = np.where(inside, 1.0, smoothstep(share, 0.2, 0.65))
        weight, shoulders = weight * mine, shoulders * mine
    soft = max(0.06 * layout.ed / cell, 0.3)
    weight = cv2.GaussianBlur(weight, (0, 0), soft, borderType=cv2.BORDER_REPLICATE)
    shoulders = np.maximum(shoulders - weight, 0)

    ids, bary, _ = rasterise(layout.points, grid)
    known = ids[..., 0] >= 0
    depth = np.where(known, (layout.points[np.maximum(ids, 0), 2] * bary).sum(-1), 0.0)
    oval = layout.points[list(FACE_OVAL)]
    nearest = ((x[..., None] - oval[:, 0]) ** 2 + (y[..., None] - oval[:, 1]) ** 2).argmin(-1)
    hole = ~known & inside
    depth = np.where(known, depth, oval[nearest, 2])
    if hole.any():  # eyes and mouth: between their rims
        filled = cv2.blur((depth * ~hole).astype(np.float32), (9, 9)) / np.maximum(
            cv2.blur((~hole).astype(np.float32), (9, 9)), 1e-3
        )
        depth = np.where(hole, filled, depth)
    depth = cv2.GaussianBlur(
        depth, (0, 0), max(0.10 * layout.ed / cell, 0.5), borderType=cv2.BORDER_REPLICATE
    )
    return weight, depth, shoulders
