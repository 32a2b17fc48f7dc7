"""The one way in: faces of a picture or clip, whichever mediapipe is installed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from . import frames as pictures
from . import search
from .backend import open_backend
from .clip import ClipReader
from .detector import Backend
from .smooth import smooth_faces
from .types import Face, Faces, FaceTrack

MOST_FACES = 64


def find_faces(
    frames: object,
    *,
    fps: float | None = None,
    max_faces: int = 16,
    min_size: float = 24.0,
    min_confidence: float = 0.5,
    backend: str = "auto",
    model_path: str | Path | None = None,
    model_folders: Sequence[str | Path] = (),
    smooth: bool = True,
    progress: Progress | None = None,
) -> Faces:
    """Find everybody's face, in every frame, with stable numbers from left to right.

    Args:
        frames: One picture ``[H, W, 3]``, a clip ``[T, H, W, 3]`` (uint8 or float 0..1, numpy or torch, RGB or
            RGBA with alpha ignored), or an iterable of ``[H, W, 3]`` frames, which is streamed: one frame and
            the landmarks found so far are all that is held.
        fps: Frames per second of a clip; times of tracking and smoothing assume 25 if ``None``.
        max_faces: Most persons to return, largest first (1 to 64).
        min_size: Smallest face in pixels (longer side of its box). Pictures so large that this would take
            many seconds are searched for larger faces only, which ``notes`` tells.
        min_confidence: 0..1; lower finds more and believes more.
        backend: ``auto``, ``solutions`` (mediapipe up to 0.10.21) or ``tasks`` (from 0.10.30).
        model_path, model_folders: For ``tasks``: the ``face_landmarker.task`` file, or folders to search for it
            (then those named by the environment variable ``TROUPE_MODELS``).
        smooth: One-Euro smoothing over time (clips only; without lag, see ``smooth``).
        progress: Called with ``(done, total)`` per frame; total is 0 for an iterable of unknown length.

    Returns:
        ``Faces``; finding nobody is no error here (see ``require_faces``), ``notes`` says so.

    Raises:
        TroupeError: on bad pictures or settings, and when no face model can be opened.
    """
    _check(fps, max_faces, min_size, min_confidence)
    total = pictures.count_of(frames)
    stream = pictures.iterate(frames)
    first = next(stream)
    model = open_backend(backend, model_path, model_folders)
    second = next(stream, None)
    if second is None:
        report(progress, 0, 1)
        found = _in_picture(first, model, max_faces, min_size, min_confidence)
        report(progress, 1, 1)
        return found
    reader = ClipReader(model, fps, min_size, min_confidence)
    for image in chain((first, second), stream):
        reader.read(image)
        report(progress, reader.frame, total)
    people = reader.tracker.people(reader.frame, max_faces)
    if smooth:
        for faces in people:
            smooth_faces(faces, reader.tracker.fps)
    tracks = tuple(FaceTrack(i + 1, tuple(faces)) for i, faces in enumerate(people))
    height, width = first.shape[:2]
    notes = () if tracks else (_nobody(reader.largest_rejected, min_size),)
    return Faces(tracks, height, width, reader.frame, fps, notes, reader.largest_rejected)


def require_faces(faces: Faces, name: str) -> Faces:
    """``faces`` itself, if it has anybody in it.

    Args:
        name: What the user calls the input (a file name, a socket).

    Raises:
        TroupeError: if nobody was found; with the size of the largest face that was too small, if there was one.
    """
    if len(faces):
        return faces
    if faces.largest_rejected:
        raise TroupeError(
            f"No face found in {name}",
            " ".join(faces.notes).rstrip(".") or f"the largest is {faces.largest_rejected:.0f} pixels wide",
            "Use a larger picture, crop closer to the face, or lower the minimum size",
        )
    raise TroupeError(
        f"No face found in {name}",
        f"nothing in its {faces.width}x{faces.height} pixels looks like a face",
        "Use a picture that shows a face from the front or side, or lower the minimum confidence",
    )


def _check(fps: float | None, max_faces: int, min_size: float, min_confidence: float) -> None:
    def fail(what: str, why: str, remedy: str) -> None:
        raise TroupeError(what, why, remedy)

    if fps is not None and not (np.isfinite(fps) and 0 < fps <= 1000):
        fail(f"The frame rate {fps} is out of range", "it must lie in 0 to 1000", "Use the clip's own, or 25")
    if not 1 <= max_faces <= MOST_FACES:
        fail(f"max_faces {max_faces} is out of range", f"it must lie in 1 to {MOST_FACES}", "Use 16")
    if not 8 <= min_size <= pictures.MAX_SIDE:
        fail(f"min_size {min_size} is out of range", "it must be 8 pixels or more", "Use 24")
    if not 0 <= min_confidence <= 1:
        fail(f"min_confidence {min_confidence} is out of range", "it must lie in 0 to 1", "Use 0.5")


def _in_picture(
    image: np.ndarray, model: Backend, max_faces: int, min_size: float, min_confidence: float
) -> Faces:
    effort = search.Effort(min_size)
    found = search.faces_in(image, model, effort, min_confidence)
    if not found and min_size >= 16:  # for the message: is there somebody smaller?
        found = search.faces_in(image, model, search.Effort(min_size / 2, 600), min_confidence)
    small = [f for f in found if f.size < min_size]
    kept: list[Face] = [f for f in found if f.size >= min_size]
    notes = []
    reached = search.smallest_searched(image.shape, effort)
    if reached > min_size * 1.01:
        notes.append(f"The picture is so large that only faces over {reached:.0f} pixels were looked for.")
    if len(kept) > max_faces:
        notes.append(f"{len(kept)} faces were found, the {max_faces} largest are kept.")
    kept = sorted(kept[:max_faces], key=lambda f: f.centre[0])
    largest = max((f.size for f in small), default=0.0)
    if not kept:
        notes.append(_nobody(largest, min_size))
    tracks = tuple(FaceTrack(i + 1, (f,)) for i, f in enumerate(kept))
    return Faces(tracks, image.shape[0], image.shape[1], 1, None, tuple(notes), largest)


def _nobody(largest: float, min_size: float) -> str:
    if largest:
        return f"The largest face is {largest:.0f} pixels wide, the minimum is {min_size:.0f}."
    return "No face was found."
