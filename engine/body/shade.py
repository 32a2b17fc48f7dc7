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
    """Unit normals ``[N, V, 3]`` of vertices ``[N, V, 3]``: the faces' normals weighed by their angle there.

    Vertices without a face have none: zeros.
    """
    corners = vertices[:, faces]  # [N, F, 3, 3]
    edges = torch.nn.functional.normalize(corners.roll(-1, 2) - corners, dim=-1)
    back = -edges.roll(1, 2)
    cosine = (edges * back).sum(-1).clamp_(-1, 1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(edges[:, :, 0], back[:, :, 0]), dim=-1)
    weighed = normal.unsqueeze(2) * cosine.acos().unsqueeze(-1)
    total = torch.zeros_like(vertices).index_add_(1, faces.flatten(), weighed.flatten(1, 2))
    return torch.nn.functional.normalize(total, dim=-1)


def depth_map(seen: Fragments) -> Tensor:
    """uint8 ``[P]``: 255 at the nearest pixel seen in the picture, 0 at the farthest, linear in depth."""
    near, far = seen.depth.amin(), seen.depth.amax()
    return _byte((far - seen.depth) / (far - near) if far > near else torch.ones_like(seen.depth))


def normal_map(seen: Fragments, normals: Tensor, faces: Tensor) -> Tensor:
    """uint8 ``[P, 3]``: normals (of one picture's vertices ``[V, 3]``, camera axes) as colours, x right, y up, z towards the
    viewer, -1..1 as 0..255; turned towards the viewer where a face is seen from behind."""
    n = torch.nn.functional.normalize(seen.blend(normals, faces), dim=-1)
    n = torch.where(seen.front.unsqueeze(-1), n, -n)
    return _byte(0.5 + n * n.new_tensor([0.5, -0.5, -0.5]))


def semantic_map(seen: Fragments, labels: Tensor, faces: Tensor) -> Tensor:
    """uint8 ``[P, 3]``: the colours of the vertices' parts (``labels [V]``), blended in linear light."""
    light, encode = (t.to(labels.device) for t in _light())
    blended = seen.blend(light[labels], faces)
    return encode[(blended * (_STEPS - 1)).round_().long()]


def _byte(values: Tensor) -> Tensor:
    return (values * 255).round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=1)
def palette() -> np.ndarray:
    """uint8 ``[24, 3]`` RGB: part k has the colour 10 k of OpenCV's VIRIDIS."""
    import cv2

    values = np.arange(LABELS, dtype=np.uint8) * 10
    return np.ascontiguousarray(cv2.applyColorMap(values, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1])


@lru_cache(maxsize=1)
def _light() -> tuple[Tensor, Tensor]:
    """The palette in linear light ``[24, 3]``, and the sRGB bytes of ``_STEPS`` steps of linear light."""
    s = palette() / 255
    light = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    x = np.linspace(0, 1, _STEPS)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return torch.from_numpy(light.astype(np.float32)), torch.from_numpy(np.rint(srgb * 255).astype(np.uint8))
