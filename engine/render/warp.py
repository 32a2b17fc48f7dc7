"""The warp renderer: a picture acts by moving its own pixels, with no weights, no GPU and no downloads.

    for frame in render_cast(picture, faces, cast, fps=25, frames=100): ...

Rest returns the picture bit for bit, and so do all pixels outside the moved region. How one face moves is
``face_warp.FaceWarp``; here are the cast, time and the two cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..body.motion import BodyMotion
from ..cast import Cast, Role
from ..errors import TroupeError
from ..faces.types import Faces
from ..motion.face_motion import BLENDSHAPES, FaceMotion
from ..progress import Progress, report
from .face_warp import FaceWarp
from .rest import meet

WORKERS = 2
MIN_EYE_DISTANCE = 8.0
# What each region lets through: prefixes of blendshape names, and whether the head turns.
REGION_SHAPES = {
    "lips": (("mouth", "jaw", "tongue", "cheekPuff"), False),
    "eyes": (("eye", "brow"), False),
    "face": (("",), False),
    "head": (("",), True),
    "body": (("",), True),
    "full": (("",), True),
}


@dataclass(frozen=True, eq=False)
class Part:
    """One role, ready to draw: its warp and, per frame, what to add to the picture."""

    warp: FaceWarp
    weights: np.ndarray
    head: np.ndarray
    closing: np.ndarray


def render_cast(
    picture: np.ndarray,
    faces: Faces,
    cast: Cast,
    fps: float,
    frames: int | None = None,
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """Let the faces of a picture act.

    Args:
        picture: [H, W, 3] RGB, uint8 or float32 in 0..1; frames come back in the same type.
        faces: Of this picture.
        cast: Who is driven by what; drives are ``FaceMotion``.
        fps: Frames per second of the result; drives are resampled by time.
        frames: Number of frames; default covers the longest drive. Shorter drives hold their last frame.
        progress: Called after each frame.

    Raises:
        TroupeError: if the cast is empty, names a face that is not there or too small, or has a drive that is no motion.
    """
    picture = check(picture, faces)
    if len(cast) == 0:
        raise TroupeError("Nobody acts", "the cast is empty", "Give at least one face a drive")
    for role in cast:
        if not isinstance(role.drive, FaceMotion):
            raise TroupeError(
                f"Face {role.face} cannot be drawn by the warp renderer",
                "its drive is a body motion, of which Body Maps makes maps for Champ"
                if isinstance(role.drive, BodyMotion)
                else f"its drive is no motion but {type(role.drive).__name__}, which only Wan's adapters follow",
                "Drive it with a clip, a motion file, a preset or a timeline",
            )
        faces.person(role.face)
    if frames is None:
        frames = max(1, max(round(role.drive.duration * fps) for role in cast))
    if frames < 1:
        raise TroupeError(f"Cannot render {frames} frames", "a video needs at least one", "Ask for 1 or more")
    parts = [prepare(picture, faces, role, fps, frames) for role in cast]
    return _frames(picture, parts, frames, progress)


def check(picture: np.ndarray, faces: Faces) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype not in (np.uint8, np.float32):
        raise TroupeError(
            "This is not a picture the warp can draw on",
            f"it has shape {list(picture.shape)} and type {picture.dtype}, expected [H, W, 3] uint8 or float32",
            "Convert it to RGB first",
        )
    if picture.shape[:2] != (faces.height, faces.width):
        raise TroupeError(
            "The faces are not from this picture",
            f"they were found at {faces.width}x{faces.height}, the picture is {picture.shape[1]}x{picture.shape[0]}",
            "Detect the faces again in this picture",
        )
    if picture.dtype == np.float32 and not np.isfinite(picture).all():
        raise TroupeError(
            "The picture has pixels that are not numbers", "NaN or infinity found", "Check what made it"
        )
    return np.ascontiguousarray(picture)


def prepare(picture: np.ndarray, faces: Faces, role: Role, fps: float, frames: int) -> Part:
    """Set up one role: its face's warp and its motion at the result's frame rate."""
    face = faces.person(role.face).first
    if face.eye_distance < MIN_EYE_DISTANCE:
        raise TroupeError(
            f"Face {role.face} is too small to act",
            f"its eyes are {face.eye_distance:.1f} px apart, at least {MIN_EYE_DISTANCE:g} are needed",
            "Enlarge the picture first",
        )
    others = [t.first for t in faces if t.person != role.face]
    warp = FaceWarp(face, picture, others)
    motion = restrict(role.drive, role.region).resample(fps, frames)
    weights, head, closing = meet(motion, warp.rig, role.rest)
    return Part(warp, weights * role.strength, head * role.strength, closing * min(role.strength, 1.0))


def restrict(motion: FaceMotion, region: str) -> FaceMotion:
    """Only the channels that move ``region``."""
    prefixes, turns = REGION_SHAPES[region]
    keep = np.array([name.startswith(prefixes) for name in BLENDSHAPES], np.float32)
    return FaceMotion(motion.blendshapes * keep, motion.head * np.float32(turns), motion.fps, motion.start)


def draw_frame(picture: np.ndarray, parts: list[Part], index: int) -> np.ndarray:
    """One frame, a new array."""
    canvas = picture.copy()
    for part in parts:
        part.warp.draw(canvas, part.weights[index], part.head[index], float(part.closing[index]))
    return canvas


def _frames(
    picture: np.ndarray, parts: list[Part], frames: int, progress: Progress | None
) -> Iterator[np.ndarray]:
    """Frames in order, a few computed ahead: numpy and OpenCV leave the interpreter's lock in their loops."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="troupe-warp") as pool:
        ahead: deque = deque()
        try:
            for index in range(frames):
                while len(ahead) <= WORKERS and index + len(ahead) < frames:
                    ahead.append(pool.submit(draw_frame, picture, parts, index + len(ahead)))
                yield ahead.popleft().result()
                report(progress, index + 1, frames)
        finally:
            for future in ahead:
                future.cancel()
