"""Finding faces from within a node: with its progress bar and ComfyUI's model folders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .folders import model_folders
from .progress import NodeProgress

if TYPE_CHECKING:
    from ..engine.faces import Faces
    from .clips import Clip


def detect(clip: Clip, name: str | None = None, **options) -> Faces:
    """Everybody in a clip, at least one; ``options`` go to ``engine.faces.find_faces``, ``name`` is for errors
    (default: the clip's).

    Raises:
        TroupeError: if there is no face, or the detector's model is missing.
    """
    from ..engine.faces import find_faces, require_faces

    faces = find_faces(
        clip.frames, fps=clip.fps, model_folders=model_folders(), progress=NodeProgress(), **options
    )
    require_faces(faces, name or clip.name)
    for note in (*clip.notes, *faces.notes):
        logging.warning("Troupe: %s", note)
    return faces
