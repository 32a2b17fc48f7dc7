"""Colours of Champ's guidance maps from what the rasteriser sees: depth, normals, and the parts of the body.

The rules are those of Champ's Blender scene (Zhu et al. 2024), measured pixel by pixel; see
``tests/engine/body/test_golden_body_maps.py``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...kernels.rasterize import Fragments

LABELS = 24
_STEPS = 1 << 14  # of linear light


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals ``[3, V]`` of vertices ``[V, 3]``: the faces' normals weighed by their angle there.

    Vertices without a face have none: zeros.
    """
    # Rows of x, of y and of z: several times quicker than rows of points.
    places, corners = vertices.T.contiguous(), faces.T.contiguous()
    points = [places.index_select(1, corner) for corner in corners]
    edges = [_unit(points[(k + 1) % 3] - points[k]) for k in range(3)]
    normal = _unit(torch.linalg.cross(edges[2], edges[0], dim=0))
    total = torch.zeros_like(places)
    for k, corner in enumerate(corners):
        angle = (edges[k] * edges[k - 1]).sum(0).neg_().clamp_(-1, 1).acos_()
        total.index_add_(1, corner, normal * angle)
    return _unit(total)


def depth_map(seen: Fragments) -> Tensor:
    """uint8 ``[P]``: 255 at the nearest pixel seen in the picture, 0 at the farthest, linear in depth."""
    if not len(seen.depth):
        return _byte(seen.depth)
    near, far = seen.depth.amin(), seen.depth.amax()
    return _byte((far - seen.depth) / (far - near) if far > near else torch.ones_like(seen.depth))


def normal_map(seen: Fragments, normals: Tensor) -> Tensor:
    """uint8 ``[P, 3]``: normals blended at the pixels seen (``[3, P]``, camera axes) as colours, x right, y up, z towards
    the viewer, -1..1 as 0..255; turned towards the viewer where a face is seen from behind."""
    n = torch.where(seen.front, _unit(normals), -_unit(normals))
    return _byte(0.5 + n * n.new_tensor([[0.5], [-0.5], [-0.5]])).T


def semantic_map(light: Tensor) -> Tensor:
    """uint8 ``[P, 3]``: ``part_light`` blended at the pixels seen (``[3, P]``), as colours."""
    return _encoding().to(light.device)[(light * (_STEPS - 1)).round_().long()].T


def part_light(labels: Tensor) -> Tensor:
    """float32 ``[3, V]``: the colours of the vertices' parts (``labels [V]``) in linear light, in which they blend."""
    s = palette() / 255
    light = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return torch.from_numpy(light.astype(np.float32)).to(labels.device)[labels].T.contiguous()


def _unit(vectors: Tensor) -> Tensor:
    """``[3, n]`` at length 1, zeros where there is no length."""
    return vectors / vectors.square().sum(0).sqrt_().clamp_(min=1e-12)


def _byte(values: Tensor) -> Tensor:
    return (values * 255).round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=1)
def palette() -> np.ndarray:
    """uint8 ``[24, 3]`` RGB: part k has the colour 10 k of OpenCV's VIRIDIS."""
    import cv2

    values = np.arange(LABELS, dtype=np.uint8) * 10
    return np.ascontiguousarray(cv2.applyColorMap(values, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1])


@lru_cache(maxsize=1)
def _encoding() -> Tensor:
    """sRGB bytes of ``_STEPS`` steps of linear light."""
    x = np.linspace(0, 1, _STEPS)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return torch.from_numpy(np.rint(srgb * 255).astype(np.uint8))
