"""Triangles that reach behind the camera, or far aside, cut down to what the z-buffers of ``rasterize`` can take.

A step before both of them that runs only where a vertex lies out of reach. In the picture such a vertex is nowhere (or
mirrored, behind the camera), but x, y and 1 times the depth are linear in space: triangles are cut there, one plane
after the other (Sutherland and Hodgman 1974, "Reentrant Polygon Clipping").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rasterize import NEAR, REACH, Fragments

# What is kept has X a + Y b + Z c + d >= 0, with X and Y the pixels times the depth Z.
_PLANES = (
    (0, 0, 1, -NEAR),
    (-1, 0, REACH, 0),
    (1, 0, REACH, 0),
    (0, -1, REACH, 0),
    (0, 1, REACH, 0),
)


@dataclass(frozen=True, eq=False)
class Pieces:
    """A mesh with the pieces of its triangles among them, each right behind the triangle it is cut from.

    Attributes:
        points: float64 ``[N, V', 3]``, the vertices with those of the pieces after them; in pictures that a piece is
            not of, its are NaN.
        faces: int64 ``[F', 3]``.
        owner: int64 ``[F']``, ascending: the triangle of the given mesh that each one is, or is a piece of.
        piece: int64 ``[F']``, which piece each one is; -1 for triangles as they were given.
        shares: float64 ``[K, 3, 3]``, of each piece's corners, how much they are of each of the owner's corners.
    """

    points: Tensor
    faces: Tensor
    owner: Tensor
    piece: Tensor
    shares: Tensor

    def whole(self, seen: Fragments) -> Fragments:
        """What is seen of the pieces as what is seen of the triangles they are cut from."""
        piece = self.piece[seen.face]
        of_pieces = (piece >= 0).nonzero()[:, 0]
        weights = seen.weights.clone()
        shares = self.shares[piece[of_pieces]]
        weights[:, of_pieces] = torch.einsum("pkj,kp->jp", shares, weights[:, of_pieces].double()).float()
        return Fragments(seen.pixel, self.owner[seen.face], weights, seen.depth, seen.front)


def cut(points: Tensor, faces: Tensor, outside: Tensor) -> Pieces | None:
    """Cut the triangles that are partly out of reach.

    Args:
        points: float64 ``[N, V, 3]``: pixels and depth, of ``rasterize``; behind the camera the depth is negative.
        faces: Integers ``[F, 3]``.
        outside: bool ``[N, V]``, the vertices out of reach.

    Returns:
        The mesh with all pieces; ``None`` if no triangle is partly in reach. Triangles with a vertex that is no number
        (at depth 0 the pixels are none) are not cut.
    """
    ahead = points[..., 2] >= NEAR
    picture, face = (outside[:, faces].any(-1) & ahead[:, faces].any(-1)).nonzero().T
    corners = points[picture.unsqueeze(-1), faces[face]]
    space = torch.cat([corners[..., :2] * corners[..., 2:], corners[..., 2:]], -1)
    whole = torch.eye(3, dtype=space.dtype, device=space.device).expand(len(space), 3, 3)
    corners = torch.cat([space, whole], -1)  # X, Y, Z, and the shares of the triangle's corners
    which = space.isfinite().all(-1).all(-1).nonzero()[:, 0]
    corners = corners[which]
    for a, b, c, d in _PLANES:
        away = corners[..., 0] * a + corners[..., 1] * b + corners[..., 2] * c + d
        corners, kept = _halve(corners, away)
        which = which[kept]
    return _among(points, faces, picture[which], face[which], corners) if len(which) else None


def _halve(corners: Tensor, away: Tensor) -> tuple[Tensor, Tensor]:
    """Triangles ``[K, 3, C]`` cut at a plane: what lies on its positive side, and which triangle each piece is of.

    Args:
        away: ``[K, 3]``, the corners' distances from the plane.
    """
    inside = away >= 0
    many = inside.sum(1)
    all_, one, two = ((many == n).nonzero()[:, 0] for n in (3, 1, 2))
    # The corner that is alone comes first; the way round stays as it was.
    a, b, c, da, db, dc = _turned(corners[one], away[one], inside[one])
    o, p, q, do, dp, dq = _turned(corners[two], away[two], ~inside[two])
    first, last = _between(p, o, dp, do), _between(q, o, dq, do)
    pieces = [
        corners[all_],
        torch.stack([a, _between(a, b, da, db), _between(a, c, da, dc)], 1),
        torch.stack([first, p, q], 1),
        torch.stack([first, q, last], 1),
    ]
    return torch.cat(pieces), torch.cat([all_, one, two, two])


def _turned(corners: Tensor, away: Tensor, alone: Tensor) -> tuple[Tensor, ...]:
    """The corners of triangles and their distances, the one that is ``alone`` first."""
    order = (alone.int().argmax(1, keepdim=True) + torch.arange(3, device=alone.device)) % 3
    corners = corners.gather(1, order.unsqueeze(-1).expand_as(corners))
    return *corners.unbind(1), *away.gather(1, order).unbind(1)


def _between(inside: Tensor, outside: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """Where edges pass through the plane. Always from the side that is kept: both triangles at an edge get the same
    point, bit for bit, and no gap opens between them."""
    return inside + (outside - inside) * (near / (near - far)).unsqueeze(-1)


def _among(points: Tensor, faces: Tensor, picture: Tensor, face: Tensor, corners: Tensor) -> Pieces:
    """The mesh with pieces (``corners [K, 3, 6]`` of the triangles ``face [K]`` of ``picture [K]``) among it."""
    pictures, vertices = points.shape[:2]
    count = len(face)
    depth = corners[..., 2:3]
    # Rounding must not carry them out of reach again.
    pixels = (corners[..., :2] / depth).clamp(-REACH, REACH)
    more = points.new_full((pictures, count, 3, 3), torch.nan)
    more[picture, torch.arange(count, device=face.device)] = torch.cat([pixels, depth.clamp(min=NEAR)], -1)
    number = torch.arange(count * 3, device=faces.device).view(count, 3) + vertices
    owner, order = torch.cat([torch.arange(len(faces), device=face.device), face]).sort(stable=True)
    piece = torch.cat([torch.full_like(owner[: len(faces)], -1), torch.arange(count, device=face.device)])
    return Pieces(
        torch.cat([points, more.flatten(1, 2)], 1),
        torch.cat([faces.long(), number])[order],
        owner,
        piece[order],
        corners[..., 3:],
    )
