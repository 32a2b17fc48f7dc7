"""What every face model behind ``find_faces`` must do, and the one place where they are opened and kept.

Two steps are all that differs between versions of mediapipe: find candidates in a small square picture,
and put the 478-point mesh on one upright square crop. Search, tracking and everything else are shared.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import TroupeError

TILE = 128  # side of the square the detector looks at, pixels


@dataclass(frozen=True)
class Candidate:
    """Where a face may be: centre ``x, y`` and ``size`` (box side) in pixels, ``angle`` of the eye line in
    degrees (clockwise on the screen), detector ``score`` in 0..1."""

    x: float
    y: float
    size: float
    angle: float
    score: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """The mesh on one crop: float32 ``[478, 3]`` in crop pixels (z in the scale of x), presence ``score`` in
    0..1, and float32 ``[52]`` blendshapes where the model measures them."""

    landmarks: np.ndarray
    score: float
    blendshapes: np.ndarray | None = None


class Backend(Protocol):
    """A face model. Calls may come from any thread; each backend locks itself."""

    name: str
    crop_scale: float  # side of the mesh crop in face sizes
    crop_size: int  # its side in pixels

    def detect(self, tile: np.ndarray) -> list[Candidate]:
        """Candidates in a uint8 ``[128, 128, 3]`` RGB square, in its pixels."""
        ...

    def mesh(self, crop: np.ndarray) -> Mesh | None:
        """The mesh of the face in a uint8 ``[crop_size, crop_size, 3]`` RGB crop, ``None`` without a face."""
        ...

    def close(self) -> None: ...


_open: dict[tuple[str, str], Backend] = {}
_lock = threading.Lock()


def open_backend(
    kind: str = "auto", model_path: str | Path | None = None, model_folders: Sequence[str | Path] = ()
) -> Backend:
    """A face model, opened once per process (opening takes 50 to 100 ms) and reused.

    Args:
        kind: ``solutions`` (mediapipe up to 0.10.21, its wheel carries the models), ``tasks`` (mediapipe from
            0.10.30, wants ``face_landmarker.task``), or ``auto``: ``tasks`` if a ``model_path`` is given,
            else ``solutions`` where installed, else ``tasks``.
        model_path: The ``.task`` file.
        model_folders: Folders to search for it, before those of the environment variable ``TROUPE_MODELS``.

    Raises:
        TroupeError: if mediapipe or the model file is missing; the message says where to get it.
    """
    from . import solutions, tasks

    if kind not in ("auto", "solutions", "tasks"):
        raise TroupeError(f"Unknown face backend '{kind}'", "known are auto, solutions, tasks", "Use auto")
    if kind == "auto":
        kind = "solutions" if model_path is None and solutions.available() else "tasks"
    if kind == "solutions" and not solutions.available():
        raise TroupeError(
            "The face backend 'solutions' cannot be used",
            "it needs mediapipe 0.10.21 or older, which is not installed",
            "Use the backend 'tasks', or install 'mediapipe==0.10.21' (Python up to 3.12)",
        )
    path = "" if kind == "solutions" else str(tasks.find_model(model_path, model_folders))
    with _lock:
        if (kind, path) not in _open:
            _open[kind, path] = solutions.Solutions() if kind == "solutions" else tasks.Tasks(path)
        return _open[kind, path]


def close_backends() -> None:
    """Free all opened models; the next search opens them again."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


atexit.register(close_backends)
