"""A motion as an expression: the face acts in a small preview, and the encoder looks at that.

So whatever makes a ``FaceMotion`` (a preset, a timeline, speech, a motion file) can drive a diffusion model that
follows ``ExpressionEmbeds``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cast import Cast, Role
from ..errors import TroupeError
from ..faces.find import find_faces
from ..faces.types import Face, Faces, FaceTrack
from ..motion.face_motion import MAX_FRAMES
from ..progress import Progress, report
from ..render.field import Layout, rectangle
from ..render.warp import check, render_cast
from .embeds import ExpressionEmbeds
from .expression import ExpressionEncoder, encode_tracks, least_seen

if TYPE_CHECKING:
    import torch

EYE_DISTANCE = 60.0  # pixels; the encoder's crop has 53
MARGIN = (2.5, 2.5, 2.5)  # at the sides, above and below the face, eye distances: more than the warp moves


def motion_expression(
    encoder: ExpressionEncoder,
    picture: np.ndarray,
    faces: Faces,
    role: Role,
    fps: float,
    frames: int,
    device: str | torch.device = "cpu",
    batch: int = 16,
    model_folders: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> ExpressionEmbeds:
    """The expression of a face of a picture as a motion moves it.

    The preview shows the role's region, strength and rest mode: whoever uses the result must not apply the strength
    a second time.

    Args:
        encoder: Its module lies on ``device``.
        picture: uint8 ``[H, W, 3]`` RGB.
        faces: Of this picture.
        role: Which of the faces, and the ``FaceMotion`` that drives it.
        fps: Frames per second of the result.
        frames: Number of frames.
        device, batch: As for ``ExpressionEncoder.encode_crops``.
        model_folders: As for ``find_faces``.
        progress: Called after each frame, which is drawn twice: once to find the face, once to encode it.

    Returns:
        ``frames`` frames; boxes are pixels of the preview. Frames in which the moved face was not found are filled
        by time, and the notes say so.

    Raises:
        TroupeError: if the drive is no motion, the face does not exist, no face model can be opened, or
            the face is not found in its preview.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise TroupeError(
            f"Cannot preview {frames} frames", f"it must be 1 to {MAX_FRAMES}", "Use a shorter clip"
        )
    small, moved = around(check(picture, faces), faces, role.face)
    # A face at rest is drawn once: the detector's tremor over many frames would move it.
    drawn = frames if role.strength else 1

    def preview() -> Iterator[np.ndarray]:
        return render_cast(small, moved, Cast.of([role]), fps, drawn)

    def shown(first: int) -> Progress:
        return lambda done, _: report(progress, first + done, 2 * drawn)

    found = find_faces(preview(), fps=fps, model_folders=model_folders, progress=shown(0))
    track = same_face(found, moved.person(role.face).first)
    seen = len(track.seen) if track else 0
    if seen < least_seen(drawn):
        raise TroupeError(
            f"Face {role.face} cannot be followed in a preview of its motion",
            f"it was found in {seen} of {drawn} frames, {least_seen(drawn)} are needed",
            "Use a picture that shows the face larger or more from the front, a gentler motion, or a clip as the drive",
        )
    name = {track.person: f"the preview of face {role.face}"}
    embeds = encode_tracks(
        encoder, preview(), replace(found, fps=fps), name, device=device, batch=batch, progress=shown(drawn)
    )
    return embeds[track.person].resample(fps, frames)


def around(picture: np.ndarray, faces: Faces, person: int) -> tuple[np.ndarray, Faces]:
    """A part of the picture around one face, scaled to ``EYE_DISTANCE``, and everybody's places in it.

    Returns:
        uint8 ``[h, w, 3]``, and ``Faces`` with the same numbers; those of others may lie outside.
    """
    import cv2

    layout = Layout.of(faces.person(person).first.landmarks)
    x0, y0, x1, y1 = rectangle(layout, MARGIN, *picture.shape[:2])
    zoom = EYE_DISTANCE / layout.ed
    width, height = max(round((x1 - x0) * zoom), 16), max(round((y1 - y0) * zoom), 16)
    part = picture[y0:y1, x0:x1]
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    scale = np.float32([width / (x1 - x0), height / (y1 - y0), zoom])

    def moved(track: FaceTrack) -> FaceTrack:
        landmarks = (track.first.landmarks - np.float32([x0, y0, 0])) * scale
        return FaceTrack(track.person, (Face(landmarks, track.first.confidence),))

    return small, Faces(tuple(moved(track) for track in faces), height, width)


def same_face(found: Faces, face: Face) -> FaceTrack | None:
    """Who of those found in a preview is the one it is made for: whoever stays nearest to where the face was."""

    def distance(track: FaceTrack) -> float:
        centres = np.array([track.faces[t].centre for t in track.seen])
        return float(np.linalg.norm(np.median(centres, 0) - face.centre))

    nearest = min(found, key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) < face.size / 2 else None
