"""What several example workflows have in common."""

from __future__ import annotations

from workflow_builder import Node, node
from workflow_notes import LANDMARKER, SOURCES


def sources(*names: str) -> list[dict]:
    """What the editor offers to download."""
    return [{"name": n, "url": SOURCES[n][1] + n, "directory": SOURCES[n][0]} for n in names]


def detect(key: str, title: str, source: tuple[str, str], **inputs) -> Node:
    """Faces of a picture or a clip, whichever ``source`` gives."""
    return node(
        key,
        "TroupeDetectFaces",
        title=f"Detect Faces ({title})",
        models=sources(LANDMARKER),
        **{"video" if source[1] in ("video", "VIDEO") else "image": source},
        **inputs,
    )


def role(key: str, face: int, drive: tuple[str, str], cast: str | None = None, **inputs) -> Node:
    more = {"cast": (cast, "cast")} if cast else {}
    return node(key, "TroupeAssignRole", face=face, drive=drive, **more, **inputs)


def media(picture: str) -> Node:
    return node("media", "TroupeExampleMedia", picture=picture, clip="drive.mp4", wide=360)


def faces(key: str, picture: tuple[str, str], **inputs) -> Node:
    return node(key, "TroupeDetectFaces", image=picture, models=sources(LANDMARKER), wide=360, **inputs)


def parts() -> Node:
    """Frames, sound and rate of the bundled clip."""
    return node("parts", "GetVideoComponents", video=("media", "video"))


def saved(key: str, video: tuple[str, str], name: str, **inputs) -> Node:
    return node(key, "SaveVideo", video=video, filename_prefix=f"video/troupe_{name}", wide=400, **inputs)
