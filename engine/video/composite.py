"""Compositing: crops for models that want one face, their results back in place, clips joined, faces replaced.

The doorway; each part has a file of its own.

    crops = plan_crops(faces, size=512)                      # where each face is, moving with the head
    given = [crop for crop, in cut_faces(frames, crops)]     # for one person: what the model gets
    results = model(given)
    clip = [frame for frame, mask in place_faces(frames, results, crops, Blend(colour="ring"))]
"""

from .blend import BLENDS, EDGES
from .crops import BORDERS, Crops, Window, plan_crops
from .joins import CURVES, Drift, crossfade, join_windows, measure_drift
from .looks import LOOKS, apply_look
from .match import MATCHES
from .place import Blend, cut_faces, place_faces, replace_faces

__all__ = [
    "BLENDS",
    "BORDERS",
    "CURVES",
    "EDGES",
    "LOOKS",
    "MATCHES",
    "Blend",
    "Crops",
    "Drift",
    "Window",
    "apply_look",
    "crossfade",
    "cut_faces",
    "join_windows",
    "measure_drift",
    "place_faces",
    "plan_crops",
    "replace_faces",
]
