"""What lasts how long, read off ComfyUI's types and ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.video.sync import Part
from .clips import clip_of_video, file_of
from .sound import to_audio
from .tensors import check_image

if TYPE_CHECKING:
    import torch


def sync_parts(
    video, audio: dict | None, drive, image: torch.Tensor | None, fps: float, result=None
) -> list[Part]:
    """Everything that is connected, drives first.

    Raises:
        TroupeError: if the video, sound or image is not usable.
    """
    parts = []
    if video is not None:
        parts.append(_video(video, "drive", "video"))
    if drive is not None:
        parts.append(_drive(drive))
    if audio is not None:
        sound = to_audio(audio)
        parts.append(Part("drive", "audio", sound.duration, by_time=True))
    if image is not None:
        check_image(image, "image")
        parts.append(Part("output", "frames", len(image) / fps, fps, len(image)))
    if result is not None:
        parts.append(_video(result, "output", "result"))
    return parts


def _video(video, role: str, called: str) -> Part:
    clip = clip_of_video(video, called)
    frames = len(clip.frames)
    if not frames:  # the file does not say how long it is
        frames = sum(1 for _ in clip.frames)
    fps = clip.fps or 25.0  # a lone picture
    return Part(role, clip.name if file_of(video) else called, frames / fps, fps, frames)


def _drive(drive) -> Part:
    """A motion, an expression or speech: all are sampled by their own clock."""
    name = {"FaceMotion": "motion", "ExpressionEmbeds": "expression", "SpeechEmbeds": "speech"}
    fps = getattr(drive, "fps", None)
    called = name.get(type(drive).__name__, "drive")
    return Part("drive", called, drive.duration, fps, len(drive) if fps else None, by_time=True)
