"""The one place where face models are opened and kept."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from pathlib import Path

from ..errors import TroupeError
from .detector import Backend

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
