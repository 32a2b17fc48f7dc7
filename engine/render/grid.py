"""Grids of nodes over the picture: where displacement fields live, and how they become pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.mesh_warp import sample


@dataclass(frozen=True, eq=False)
class Grid:
    """Nodes at the centres of square cells of ``stride`` pixels, the first cell's corner at ``x0, y0``.

    A grid may reach beyond the picture's right and lower border by less than a cell.
    """

    x0: int
    y0: int
    width: int
    height: int
    stride: int

    @classmethod
    def over(cls, rect: tuple[int, int, int, int], stride: int) -> Grid:
        x0, y0, x1, y1 = rect
        return cls(x0, y0, max(4, -(-(x1 - x0) // stride)), max(4, -(-(y1 - y0) // stride)), stride)

    @property
    def x1(self) -> int:
        return self.x0 + self.width * self.stride

    @property
    def y1(self) -> int:
        return self.y0 + self.height * self.stride

    def part(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns of the nodes whose cells touch a pixel rectangle."""
        s = self.stride
        i0, i1 = (
            int(np.clip((x0 - self.x0) // s, 0, self.width - 2)),
            int(np.clip(-(-(x1 - self.x0) // s), 2, self.width)),
        )
        j0, j1 = (
            int(np.clip((y0 - self.y0) // s, 0, self.height - 2)),
            int(np.clip(-(-(y1 - self.y0) // s), 2, self.height)),
        )
        return slice(j0, max(j1, j0 + 2)), slice(i0, max(i1, i0 + 2))

    def sub(self, rows: slice, columns: slice) -> Grid:
        """The grid of a part."""
        return Grid(self.x0 + columns.start * self.stride, self.y0 + rows.start * self.stride,
                    columns.stop - columns.start, rows.stop - rows.start, self.stride)  # fmt: skip

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixel positions of the nodes, float32 [height, width] each."""
        x = self.x0 + (np.arange(self.width, dtype=np.float32) + 0.5) * self.stride - 0.5
        y = self.y0 + (np.arange(self.height, dtype=np.float32) + 0.5) * self.stride - 0.5
        return tuple(np.meshgrid(x, y))

    def index(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Node coordinates of pixel positions."""
        return (x - self.x0 + 0.5) / self.stride - 0.5, (y - self.y0 + 0.5) / self.stride - 0.5


def smoothstep(x, low: float, high: float):
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def edge_taper(grid: Grid, pixels: float, size: tuple[int, int]) -> np.ndarray:
    """[H, W]: 0 at the grid's rim, 1 further inside than ``pixels``. A rim on the picture's own border does not count:
    nothing lies beyond it that would have to fit, and hair pinned to it would smear."""
    x, y = grid.nodes()
    inside = np.full(x.shape, 1e6)
    rims = ((x - grid.x0, grid.x0 > 0), (y - grid.y0, grid.y0 > 0), (grid.x1 - 1 - x, grid.x1 < size[1]), (grid.y1 - 1 - y, grid.y1 < size[0]))  # fmt: skip
    for distance, counts in rims:
        inside = np.minimum(inside, distance) if counts else inside
    return smoothstep(inside - grid.stride / 2, 0, pixels)


def packed(field: np.ndarray):
    """``[R, 3, h, w]`` as a sparse float32 matrix [3 h w, R]: most shapes move only a part of the face."""
    from scipy.sparse import csr_matrix

    return csr_matrix(field.reshape(len(field), -1).T.astype(np.float32))


def compose(ex, ey, px, py, gx, gy) -> tuple[np.ndarray, np.ndarray]:
    """Expression after pose, both as inverse displacements on one grid; ``None`` means not moved."""
    if px is None:
        return ex, ey
    if ex is None:
        return px, py
    x, y = gx + px, gy + py
    return px + sample(ex, x, y), py + sample(ey, x, y)


def upsample(planes: tuple[np.ndarray, np.ndarray], stride: int) -> np.ndarray:
    """Displacement planes in grid units to pixels at full size, float32 [h * stride, w * stride, 2]."""
    import cv2

    small = cv2.merge(planes) * np.float32(stride)
    return cv2.resize(small, None, fx=stride, fy=stride, interpolation=cv2.INTER_LINEAR)
