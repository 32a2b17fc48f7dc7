"""Which triangle of a mesh is seen at each pixel, and where in the triangle.

A z-buffer sampled at pixel centres. Corners are put on a grid of 1/1024 pixel; on it the edge functions of a
triangle are whole numbers that float64 holds exactly, so that neighbouring triangles leave no gap between them and
both forms of the z-buffer cover the same pixels, bit for bit. ``rasterize`` is the way in; ``zbuffer_torch`` fills the
buffer by rows of pixels in plain torch, ``rasterize_triton`` holds its Triton twin; ``rasterize_clip`` cuts what reaches
behind the camera, for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

GRID = 1024.0  # steps of a corner's place in one pixel
REACH = (
    32768  # pixels a corner may lie from the picture's corner; beyond, products leave float64's whole numbers
)
NEAR = 0.05  # nearest depth that is seen, in the mesh's unit
MOST_SIDE = 16384  # pixels
MOST_PIXELS = 1 << 25  # of one call: 270 MB of z-buffer
CHUNK = 1 << 22  # pixels of triangles looked at together, which bounds the memory


@dataclass(frozen=True, eq=False)
class Corners:
    """Triangles as edge functions: ``a X + b Y + c`` is zero on an edge and positive inside.

    X and Y are grid steps, whole numbers. The edge k lies opposite the corner k.

    Attributes:
        a, b, c: float64 ``[N, F, 3]``, whole numbers, oriented so that the inside is positive.
        area: float64 ``[N, F]``, twice the triangle's area in squared grid steps; 0 where it is not drawn.
        inverse: float64 ``[N, F, 3]``, 1 / depth of the corners.
        box: int64 ``[N, F, 4]``, first and last column, first and last row of the pixels whose centres may lie inside,
            cut at the picture; the first behind the last where there are none.
        front: bool ``[N, F]``, whether the corners run anticlockwise as seen by the camera.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    area: Tensor
    inverse: Tensor
    box: Tensor
    front: Tensor


@dataclass(frozen=True, eq=False)
class Fragments:
    """The pixels where something is seen, of all pictures, in ascending order.

    Attributes:
        pixel: int64 ``[P]``, index into the flattened ``[N, H, W]``.
        face: int64 ``[P]``, the triangle seen.
        weights: float32 ``[3, P]``, how much of each corner, corrected for perspective; they sum to 1.
        depth: float32 ``[P]``, distance along the viewing axis, in the mesh's unit.
        front: bool ``[P]``, whether the triangle's corners run anticlockwise as seen by the camera.
    """

    pixel: Tensor
    face: Tensor
    weights: Tensor
    depth: Tensor
    front: Tensor

    def blend(self, values: Tensor, faces: Tensor) -> Tensor:
        """The vertices' values at the pixels seen: floats ``values [C, V]`` of one picture give ``[C, P]``."""
        out = torch.zeros(len(values), len(self.face), dtype=values.dtype, device=values.device)
        for corner, weight in zip(faces.T.contiguous(), self.weights, strict=True):
            out += values.index_select(1, corner.index_select(0, self.face)) * weight
        return out


def rasterize(points: Tensor, faces: Tensor, height: int, width: int, *, impl: str = "auto") -> Fragments:
    """What is seen of a mesh at each pixel.

    Args:
        points: Floats ``[N, V, 3]``: x and y in pixels (the picture's left and upper edge at 0, pixel centres at
            integers plus one half), and the depth, growing away from the camera and negative behind it (where x and y
            are what the projection gives, mirrored).
        faces: Integers ``[F, 3]``, vertices of the triangles, the same in all N pictures.
        height, width: Of the pictures.
        impl: ``torch``, ``triton``, or ``auto``: Triton on CUDA where it works.

    Triangles are cut at the depth ``NEAR`` and ``REACH`` pixels aside; one with a vertex that is no number is left out.
    Both sides of a triangle are seen. Of two at the same depth the one earlier in ``faces`` is.

    Raises:
        ValueError: on shapes that do not fit, vertices that do not exist, or pictures too large.
    """
    _check(points, faces, height, width, impl)
    points = points.double()
    outside = out_of_reach(points)
    if outside.any():
        from .rasterize_clip import cut

        pieces = cut(points, faces, outside)
        if pieces is not None:
            return pieces.whole(_see(pieces.points, pieces.faces, height, width, impl))
    return _see(points, faces, height, width, impl)


def out_of_reach(points: Tensor) -> Tensor:
    """Which of ``points [N, V, 3]`` the z-buffer cannot take: bool ``[N, V]``."""
    return ~((points[..., :2].abs().amax(-1) <= REACH) & (points[..., 2] >= NEAR))  # also NaN


def _see(points: Tensor, faces: Tensor, height: int, width: int, impl: str) -> Fragments:
    """``rasterize`` of triangles as they are: those that are partly out of reach are left out."""
    corners = corners_of(points, faces, height, width)
    if impl == "triton" or (impl == "auto" and _triton_works(points)):
        from .rasterize_triton import zbuffer_triton

        return _resolve(zbuffer_triton(corners, height, width), corners, width)
    return _resolve(zbuffer_torch(corners, height, width), corners, width)


def corners_of(points: Tensor, faces: Tensor, height: int, width: int) -> Corners:
    """The triangles' edge functions and the pixels they may cover; those with a corner out of reach cover none."""
    points = points.double()
    bad = out_of_reach(points)
    place = torch.where(bad.unsqueeze(-1), 0.0, points[..., :2] * GRID).round()[:, faces]  # [N, F, 3, 2]
    x, y = place.unbind(-1)
    # Corner k's edge runs between the two corners after it.
    x1, y1, x2, y2 = x.roll(-1, -1), y.roll(-1, -1), x.roll(-2, -1), y.roll(-2, -1)
    a, b, c = y1 - y2, x2 - x1, x1 * y2 - x2 * y1
    area = c.sum(-1)
    area = torch.where(bad[:, faces].any(-1), 0.0, area)
    sign = area.sign().unsqueeze(-1)
    inverse = 1 / torch.where(bad, 1.0, points[..., 2])[:, faces]
    first = ((place.amin(2) - GRID / 2) / GRID).ceil().clamp_(min=0)
    last = ((place.amax(2) - GRID / 2) / GRID).floor()
    last = last.minimum(last.new_tensor([width - 1, height - 1]))
    box = torch.stack([first, last], -1).flatten(-2).long()  # column, column, row, row
    box[..., 1] = torch.where(area == 0, -1, box[..., 1])
    # y runs down, so anticlockwise corners have a negative area.
    return Corners(a * sign, b * sign, c * sign, area.abs(), inverse, box, area < 0)


def zbuffer_torch(corners: Corners, height: int, width: int) -> Tensor:
    """The nearest triangle of each pixel, in plain torch: int64 ``[N, H * W]``.

    An entry is 0 where nothing is seen, otherwise the bits of 1 / depth (float32) above the number of the triangle
    counted from the last: the larger entry is the nearer triangle.
    """
    pictures, count = corners.area.shape
    buffer = torch.zeros(pictures, height * width, dtype=torch.int64, device=corners.area.device)
    for n in range(pictures):
        box = corners.box[n]
        kept = ((box[:, 0] <= box[:, 1]) & (box[:, 2] <= box[:, 3])).nonzero()[:, 0]
        sizes = (box[kept, 1] - box[kept, 0] + 1) * (box[kept, 3] - box[kept, 2] + 1)
        ends = sizes.cumsum(0)
        while len(kept):
            many = max(1, int(torch.searchsorted(ends, ends[0] - sizes[0] + CHUNK, right=True)))
            _fill(buffer[n], corners, n, kept[:many], count, width)
            kept, sizes, ends = kept[many:], sizes[many:], ends[many:]
    return buffer


def _fill(buffer: Tensor, corners: Corners, n: int, kept: Tensor, count: int, width: int) -> None:
    """Put triangles into one picture's buffer: first the rows of each, then the pixels of each row."""
    left, right, top, bottom = corners.box[n].T.index_select(1, kept).contiguous()
    a, b, c, share = (
        x[n].T.index_select(1, kept) for x in (corners.a, corners.b, corners.c, corners.inverse)
    )
    share = share / corners.area[n].index_select(0, kept)
    step = a * GRID
    slope = (step * share).sum(0)
    which, row = _runs(top, bottom)
    bounds = torch.stack([left, right]).double()
    table = torch.cat([step, a * (GRID / 2) + c, b, share, bounds]).index_select(1, which)
    step, at, b, share, (left, right) = table.split([3, 3, 3, 3, 2])
    # The edge functions at the centre of column 0. They reach zero at ``crossing``; whole numbers below 2^53 divided by
    # whole numbers: rounding never carries a quotient over an integer.
    at = at + b * (row * GRID + GRID / 2)
    crossing = at / -step
    begin = torch.where(step > 0, crossing, 0.0).amax(0).ceil_().maximum(left)
    end = torch.where(step < 0, crossing, float(width)).amin(0).floor_().minimum(right)
    near = ((at + step * begin) * share).sum(0).float()
    first, many = row * width + begin.long(), (end - begin + 1).clamp_(min=0).long()
    run = torch.repeat_interleave(many)
    along = torch.arange(len(run), device=run.device) - (many.cumsum(0) - many).index_select(0, run)
    which = which.index_select(0, run)
    near = near.index_select(0, run) + slope.float().index_select(0, which) * along
    key = (near.view(torch.int32).long() << 32) | (count - 1 - kept).index_select(0, which)
    buffer.scatter_reduce_(0, first.index_select(0, run) + along, key, "amax")


def _runs(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """All integers of the ranges ``first[i]..last[i]``: which range, and the integer."""
    many = last - first + 1
    which = torch.repeat_interleave(many)
    start = first - (many.cumsum(0) - many)
    return which, torch.arange(len(which), device=first.device) + start[which]


def _resolve(buffer: Tensor, corners: Corners, width: int) -> Fragments:
    """Weights and depth of what the z-buffer says is seen."""
    pictures, size = buffer.shape
    count = corners.area.shape[1]
    flat = buffer.flatten()
    pixel = flat.nonzero()[:, 0]
    face = count - 1 - (flat[pixel] & 0xFFFFFFFF)
    row = pixel // size * count + face  # of the corners' tables
    inside = pixel % size
    x = (inside % width) * GRID + GRID / 2
    y = (inside // width) * GRID + GRID / 2
    a, b, c, inverse = (
        t.flatten(0, 1).T.index_select(1, row) for t in (corners.a, corners.b, corners.c, corners.inverse)
    )
    weights = (a * x.double() + b * y.double() + c) * inverse
    total = weights.sum(0)
    return Fragments(
        pixel,
        face,
        (weights / total).float(),
        (corners.area.flatten().index_select(0, row) / total).float(),
        corners.front.flatten().index_select(0, row),
    )


def _triton_works(points: Tensor) -> bool:
    if not points.is_cuda or find_spec("triton") is None:
        return False
    from .rasterize_triton import works_on

    return works_on(points.device)


def _check(points: Tensor, faces: Tensor, height: int, width: int, impl: str) -> None:
    if impl not in ("auto", "torch", "triton"):
        raise ValueError(f"impl must be auto, torch or triton, got {impl!r}")
    if points.ndim != 3 or points.shape[-1] != 3 or not points.is_floating_point():
        raise ValueError(f"points must be floats [N, V, 3], got {points.dtype} {list(points.shape)}")
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.is_floating_point() or not len(faces):
        raise ValueError(f"faces must be integers [F, 3], got {faces.dtype} {list(faces.shape)}")
    if int(faces.min()) < 0 or int(faces.max()) >= points.shape[1]:
        raise ValueError(f"faces name vertices {int(faces.min())} to {int(faces.max())} of {points.shape[1]}")
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        raise ValueError(f"a picture's sides must lie in 1 to {MOST_SIDE}, got {width} x {height}")
    if len(points) * height * width > MOST_PIXELS:
        raise ValueError(f"{len(points)} pictures of {width} x {height} are too large for one call")
