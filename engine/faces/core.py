"""Faces from ComfyUI core's own detector: its ``FACE_LANDMARKS`` payload (core 0.23 and newer)."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from .align import similarity_least_squares
from .find import MOST_FACES
from .smooth import smooth_track
from .tasks import named_blendshapes
from .track import Seen, Tracker
from .types import LANDMARKS, Face, Faces


def faces_from_core(
    face_landmarks: dict, fps: float | None = None, *, max_faces: int = 16, smooth: bool = True
) -> Faces:
    """Core lists each frame's faces without saying who is who; here they become persons.

    Args:
        face_landmarks: ``{"frames": [[face, ...], ...], "image_size": (H, W), ...}``; of each face
            ``landmarks_xy`` ``[478, 2]`` (pixels), ``landmarks_3d`` ``[478, 3]`` (pixels of core's own crop, from
            which only the depth is taken and brought to picture pixels), ``blendshapes`` (name to weight)
            and ``score`` are used.
        fps: Frames per second, if it is a clip.
        max_faces, smooth: As in ``find_faces``.

    Raises:
        TroupeError: if it is not such a payload, or has no frames.
    """
    try:
        frames = face_landmarks["frames"]
        height, width = (int(v) for v in face_landmarks["image_size"])
        found = [[_face(face) for face in frame] for frame in frames]
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise TroupeError(
            "These are not face landmarks",
            f"expected ComfyUI's FACE_LANDMARKS ({type(error).__name__}: {error})",
            "Connect the output of 'Detect Face Landmarks (MediaPipe)'",
        ) from None
    if not found:
        raise TroupeError(
            "The face landmarks are empty", "they hold no frames", "Use a clip with at least one frame"
        )
    tracker = Tracker(fps)
    for t, faces in enumerate(found):
        tracker.update(t, [Seen(face) for face in faces])
    tracks = tracker.tracks(len(found), min(max(max_faces, 1), MOST_FACES))
    if smooth and len(found) > 1:
        tracks = tuple(smooth_track(track, tracker.fps) for track in tracks)
    notes = () if tracks else ("No face was found.",)
    return Faces(tracks, height, width, len(found), fps if len(found) > 1 else None, notes)


def _face(face: dict) -> Face:
    xy = np.asarray(face["landmarks_xy"], np.float32)
    deep = np.asarray(face["landmarks_3d"], np.float32)
    if xy.shape != (LANDMARKS, 2) or deep.shape != (LANDMARKS, 3):
        raise ValueError(f"landmarks of shapes {list(xy.shape)} and {list(deep.shape)}")
    if not (np.isfinite(xy).all() and np.isfinite(deep).all()):
        raise ValueError("landmarks that are not numbers")
    # How many picture pixels one pixel of core's crop is.
    fit = similarity_least_squares(deep[:, :2], xy)
    z = deep[:, 2:] * np.float32(np.hypot(fit[0, 0], fit[1, 0]))
    shapes = face.get("blendshapes")
    return Face(
        np.concatenate([xy, z], 1),
        float(np.clip(face.get("score", 1.0), 0.0, 1.0)),
        named_blendshapes(shapes) if shapes else None,
    )
