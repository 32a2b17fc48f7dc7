"""What Detect Faces shows in the browser: a small picture with everybody's box, for the cast picker in ``web/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..engine.faces import Faces

PREVIEW_SIDE = 768
SHOWN_SIDE = 2048  # of the picture that ComfyUI shows and lists: a PNG of 48 megapixels would take seconds


def fullest_frame(faces: Faces) -> int:
    """The first frame that shows the most persons."""
    return max(range(faces.frames), key=lambda t: (sum(f is not None for f in faces.at(t)), -t))


def small(picture: np.ndarray, side: int = PREVIEW_SIDE) -> np.ndarray:
    """uint8 ``[H, W, 3]``, scaled down until no side is longer than ``side`` pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    import cv2

    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def people(faces: Faces, frame: int) -> list[dict]:
    """Everybody's box in ``frame``, or where they are not in it, in the first frame that shows them.

    Returns:
        Per person ``person`` (from 1), ``box`` (``[x0, y0, x1, y1]``, pixels of the full picture), ``frame`` (from 0,
        where the box is from), ``seen`` (in how many frames they are) and ``colour`` (``#rrggbb``, as Draw Faces has it).
    """
    from ..engine.faces.draw import COLOURS

    rows = []
    for track in faces:
        where = frame if track.faces[frame] is not None else int(track.seen[0])
        colour = COLOURS[(track.person - 1) % len(COLOURS)]
        rows.append(
            {
                "person": track.person,
                "box": [round(v, 1) for v in track.faces[where].box],
                "frame": where,
                "seen": len(track.seen),
                "colour": "#{:02x}{:02x}{:02x}".format(*colour),
            }
        )
    return rows


def ancestors(prompt: dict | None, node: str | None) -> dict[str, dict]:
    """The part of an API prompt that leads to ``node``, that included: what the browser compares with the graph as it is
    now, to tell whether the boxes are of an older picture. Empty if ``node`` is not in it."""
    found, open_ = {}, [node]
    while open_:
        name = open_.pop()
        if name in found or not prompt or name not in prompt:
            continue
        found[name] = {"class_type": prompt[name]["class_type"], "inputs": prompt[name]["inputs"]}
        links = (v for v in prompt[name]["inputs"].values() if isinstance(v, list) and len(v) == 2)
        open_ += [v[0] for v in links if isinstance(v[0], str)]
    return found


def executing_node() -> str | None:
    """The id of the node that runs now."""
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    return context.node_id if context else None


def faces_ui(faces: Faces, picture: np.ndarray, frame: int, prompt: dict | None) -> dict:
    """The ``ui`` output of Detect Faces, its pictures saved as temporary files.

    Args:
        faces: Whom to show.
        picture: uint8 ``[H, W, 3]``, what ``frame`` shows.
        frame: Which frame of ``faces`` that is, from 0.
        prompt: The API prompt that is running, if known.

    Returns:
        ``images`` (everybody drawn in, at most 2048 pixels wide or high, as ComfyUI shows and lists it) and ``troupe_faces`` (one entry: ``image``, a small
        plain picture as ComfyUI names files; ``width``, ``height`` of the full one; ``frames``, ``fps``, ``frame``;
        ``people``, see there; ``node`` and ``made_by``, see ``ancestors``).
    """
    from comfy_api.latest import ui

    from ..engine.faces import draw_faces
    from .tensors import to_image

    shown = ui.PreviewImage(to_image(small(draw_faces(picture, faces, frame), SHOWN_SIDE))).as_dict()
    plain = ui.PreviewImage(to_image(small(picture))).as_dict()["images"][0]
    node = executing_node()
    entry = {
        "image": dict(plain),
        "width": faces.width,
        "height": faces.height,
        "frames": faces.frames,
        "fps": faces.fps,
        "frame": frame,
        "people": people(faces, frame),
        "node": node,
        "made_by": ancestors(prompt, node),
    }
    return {**shown, "troupe_faces": [entry]}
