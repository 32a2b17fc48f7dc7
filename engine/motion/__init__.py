"""The motion language and all that writes or edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .curves import CURVES, apply_curve
    from .face_motion import BLENDSHAPES, HEAD, FaceMotion
    from .files import load_motion, save_motion
    from .idle import idle_motion
    from .presets import PRESETS, preset_motion, preset_pose, resolve_name
    from .timeline import Item, Key, Timeline, Track

__all__ = [
    "BLENDSHAPES",
    "CURVES",
    "HEAD",
    "PRESETS",
    "FaceMotion",
    "Item",
    "Key",
    "Timeline",
    "Track",
    "apply_curve",
    "idle_motion",
    "load_motion",
    "preset_motion",
    "preset_pose",
    "resolve_name",
    "save_motion",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "curves": (
            "CURVES",
            "apply_curve",
        ),
        "face_motion": (
            "BLENDSHAPES",
            "HEAD",
            "FaceMotion",
        ),
        "files": (
            "load_motion",
            "save_motion",
        ),
        "idle": ("idle_motion",),
        "presets": (
            "PRESETS",
            "preset_motion",
            "preset_pose",
            "resolve_name",
        ),
        "timeline": (
            "Item",
            "Key",
            "Timeline",
            "Track",
        ),
    },
)
