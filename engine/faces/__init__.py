"""Find, track, align and mask faces. The one way in is ``find_faces(frames)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .align import align_crop, five_points, similarity_least_squares
    from .core import faces_from_core
    from .draw import draw_faces
    from .export import faces_to_json
    from .find import find_faces, require_faces
    from .regions import region_mask, region_masks
    from .types import Face, Faces, FaceTrack

__all__ = [
    "Face",
    "FaceTrack",
    "Faces",
    "align_crop",
    "draw_faces",
    "faces_from_core",
    "faces_to_json",
    "find_faces",
    "five_points",
    "region_mask",
    "region_masks",
    "require_faces",
    "similarity_least_squares",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "align": (
            "align_crop",
            "five_points",
            "similarity_least_squares",
        ),
        "core": ("faces_from_core",),
        "draw": ("draw_faces",),
        "export": ("faces_to_json",),
        "find": (
            "find_faces",
            "require_faces",
        ),
        "regions": (
            "region_mask",
            "region_masks",
        ),
        "types": (
            "Face",
            "Faces",
            "FaceTrack",
        ),
    },
)
