"""Cameras that look at bodies: a pinhole with square pixels and its axis through the picture's middle.

Camera axes: x right, y down, z away from the camera, metres. The picture's left and upper edge is 0, pixel centres lie
at integers plus one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TroupeError

if TYPE_CHECKING:
    from torch import Tensor

MOST_SIDE = 4096  # pixels of a map
# 4D-Humans takes every crop of 256 pixels as seen through a focal length of 5000, nearly without perspective.
FOCAL = 5000 / 256
_HAIR = 1e-6  # metres


@dataclass(frozen=True)
class Camera:
    """Focal length in pixels, and the picture's size in pixels.

    Raises:
        TroupeError: if a side is not in 16 to 4096, or the focal length is not possible.
    """

    focal: float
    width: int
    height: int

    def __post_init__(self):
        for name in ("width", "height"):
            side = getattr(self, name)
            if side != int(side) or not 16 <= side <= MOST_SIDE:
                raise TroupeError(
                    f"The picture's {name} {side} is out of range",
                    f"it must be a whole number in 16 to {MOST_SIDE}",
                    "Choose another size",
                )
            object.__setattr__(self, name, int(side))
        focal, longest = float(self.focal), max(self.width, self.height)
        if not (np.isfinite(focal) and 0.1 * longest <= focal <= 1000 * longest):
            raise TroupeError(
                f"The focal length {focal:g} is out of range",
                f"for a picture of {self.width} x {self.height} it must lie in {0.1 * longest:g} to {1000 * longest:g} px",
                f"Use {FOCAL * longest:g}, as 4D-Humans does",
            )
        object.__setattr__(self, "focal", focal)

    @classmethod
    def far(cls, width: int, height: int) -> Camera:
        """4D-Humans' camera for a picture of this size."""
        return cls(FOCAL * max(width, height), width, height)

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same picture at another size; where the shape differs, the larger picture cut about its
        middle, as ComfyUI's centre crop does."""
        return Camera(self.focal * max(width / self.width, height / self.height), width, height)

    def project(self, points: Tensor) -> Tensor:
        """Points ``[..., 3]`` in camera axes as pixels and depth ``[..., 3]``; behind the camera mirrored."""
        import torch

        x, y, z = points.unbind(-1)
        # At no depth there is no pixel; a hair beside there is one, from which the rasteriser finds the point again.
        z = torch.where(z.abs() < _HAIR, _HAIR, z)
        return torch.stack([self.focal * x / z + self.width / 2, self.focal * y / z + self.height / 2, z], -1)

    def lift(self, x: float, y: float, depth: float) -> np.ndarray:
        """The point at ``depth`` seen at a pixel: float64 ``[3]``."""
        return np.array([(x - self.width / 2) / self.focal, (y - self.height / 2) / self.focal, 1.0]) * depth


def full_translation(
    pred_cam: np.ndarray, box_centre: np.ndarray, box_size: np.ndarray | float, camera: Camera
) -> np.ndarray:
    """Where a body stands that 4D-Humans saw in a crop, in the camera of the whole picture.

    Args:
        pred_cam: ``[..., 3]``: scale and shift of the weak perspective in the crop.
        box_centre: ``[..., 2]`` pixels, the crop's middle.
        box_size: ``[...]`` pixels, the crop's side.

    Returns:
        float64 ``[..., 3]``.
    """
    scale, shift_x, shift_y = np.moveaxis(np.asarray(pred_cam, np.float64), -1, 0)
    body = np.asarray(box_size, np.float64) * scale + 1e-9  # pixels that one unit of the crop's space takes
    x = shift_x + 2 * (np.asarray(box_centre)[..., 0] - camera.width / 2) / body
    y = shift_y + 2 * (np.asarray(box_centre)[..., 1] - camera.height / 2) / body
    return np.stack([x, y, 2 * camera.focal / body], -1)
