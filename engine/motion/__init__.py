"""The motion language and all that writes or edits it."""

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
