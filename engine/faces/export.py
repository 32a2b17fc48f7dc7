"""Faces as plain numbers, for JSON."""

from __future__ import annotations

from .align import FIVE
from .types import Face, Faces


def faces_to_json(faces: Faces) -> dict:
    """What was found, without the mesh: small enough to read.

    Returns:
        ``width``, ``height``, ``frames``, ``fps``, ``notes`` and ``persons``; each person has ``person`` and
        ``faces``, one entry per frame in which they are seen: ``frame``, ``box`` (x0, y0, x1, y1), ``points``
        (left pupil, right pupil, nose tip, left and right mouth corner; left as seen in the picture) and
        ``confidence``. Pixels count from the picture's upper left edge.
    """
    return {
        "width": faces.width,
        "height": faces.height,
        "frames": faces.frames,
        "fps": faces.fps,
        "notes": list(faces.notes),
        "persons": [
            {
                "person": track.person,
                "faces": [_face(t, face) for t, face in enumerate(track.faces) if face is not None],
            }
            for track in faces
        ],
    }


def _face(frame: int, face: Face) -> dict:
    return {
        "frame": frame,
        "box": [round(float(v), 2) for v in face.box],
        "points": [[round(float(v), 2) for v in face.landmarks[i, :2]] for i in FIVE],
        "confidence": round(float(face.confidence), 3),
    }
