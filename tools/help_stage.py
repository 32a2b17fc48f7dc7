"""What the help pictures show: the bundled pictures, clip and speech, and faces that act, all by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from troupe.engine.cast import Cast, Role
from troupe.engine.faces import Faces, find_faces
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.presets import preset_pose
from troupe.engine.motion.timeline import Timeline
from troupe.engine.render.warp import render_cast
from troupe.engine.video import read_audio, read_clip

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
PORTRAIT, PEOPLE, SPEECH, REPLY = "portrait.png", "two_people.png", "speech.wav", "reply.wav"
HEAD = (slice(30, 430), slice(56, 456))  # the head in the portrait, square
FPS = 30.0


@cache
def picture(name: str = PORTRAIT) -> np.ndarray:
    """uint8 ``[H, W, 3]``."""
    return np.asarray(Image.open(ASSETS / name).convert("RGB"))


@cache
def faces(name: str = PORTRAIT) -> Faces:
    return find_faces(picture(name))


@cache
def clip() -> tuple[np.ndarray, float]:
    """Frames of the driving clip and their rate."""
    frames, fps, _ = read_clip(ASSETS / "drive.mp4")
    return frames, fps


@cache
def clip_faces() -> Faces:
    frames, fps = clip()
    return find_faces(frames, fps=fps)


@cache
def sound(name: str = SPEECH) -> tuple[np.ndarray, int]:
    """Mono samples and their rate."""
    audio = read_audio(ASSETS / name)
    return audio.samples.mean(0), audio.rate


def score(text: str, seconds: float | None = None) -> FaceMotion:
    """A timeline's motion, without idling unless it says so."""
    idle = "" if "idle" in text else "idle 0; "
    return Timeline.parse(idle + text).motion(FPS, seconds)


def at(motion: FaceMotion, times: Sequence[float]) -> FaceMotion:
    """The motion at these moments alone."""
    shapes, head = motion.sample(np.asarray(times, float))
    return FaceMotion(shapes.astype(np.float32), head.astype(np.float32), 1.0)


def poses(names: Sequence[str], intensity: float = 1.0) -> FaceMotion:
    """A frame for each preset, at its strongest."""
    both = [preset_pose(name, intensity) for name in names]
    shapes, head = (np.stack([pose[i] for pose in both]).astype(np.float32) for i in (0, 1))
    return FaceMotion(shapes, head, 1.0)


def acted(roles: Sequence[Role], name: str = PORTRAIT) -> list[np.ndarray]:
    """Frames of a bundled picture that plays a cast; drives made by ``at`` or ``poses``."""
    cast = Cast.of(roles)
    return list(render_cast(picture(name), faces(name), cast, 1.0, len(roles[0].drive)))


def played(
    motion: FaceMotion, times: Sequence[float], name: str = PORTRAIT, face: int = 1
) -> list[np.ndarray]:
    """Frames of a bundled picture at these moments of a motion."""
    return acted([Role(face, at(motion, times))], name)


def heads(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The portrait's head, square."""
    return [frame[HEAD] for frame in frames]


def times_of(motion: FaceMotion) -> np.ndarray:
    return np.arange(len(motion)) / motion.fps
