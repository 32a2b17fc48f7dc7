"""Clips from ComfyUI's IMAGE and VIDEO for the engine, read frame by frame where possible."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine.errors import TroupeError
from .tensors import check_image, to_uint8

if TYPE_CHECKING:
    import torch

    from ..engine.faces import Faces

PREVIEW_SIDE = 512


@dataclass
class Clip:
    """Frames for the engine, read when they are asked for.

    Attributes:
        frames: uint8 ``[H, W, 3]`` each; each pass over them starts anew.
        fps: Frames per second, ``None`` for a lone picture.
        read_sound: Gives ComfyUI's AUDIO, or ``None``.
        notes: Remarks for the user, complete after a pass.
        name: What the user calls it: the input, and the file where there is one.
    """

    frames: Iterable[np.ndarray]
    fps: float | None
    read_sound: Callable[[], dict | None] = lambda: None
    notes: Sequence[str] = ()
    name: str = "image"

    @property
    def audio(self) -> dict | None:
        """ComfyUI's AUDIO, as long as the picture; best asked for after a pass over the frames, when their number
        is known exactly."""
        return self.read_sound()


class Counted:
    """Frames with a length, so that progress can be told; the length of a file may be an estimate."""

    def __init__(self, frames: Iterable, count: int, convert=None):
        self._frames, self._count, self._convert = frames, count, convert

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._convert, self._frames) if self._convert else iter(self._frames)


def clip_of_image(image: torch.Tensor, fps: float, name: str = "image") -> Clip:
    """An IMAGE batch as a clip, converted frame by frame; one picture has no fps."""
    check_image(image, name)
    return Clip(Counted(image, len(image), to_uint8), fps if len(image) > 1 else None, name=name)


def file_of(video) -> str | None:
    """The file behind a VIDEO that is a whole file; ``None`` for one in memory or trimmed."""
    from comfy_api.latest import InputImpl

    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    window = getattr(video, "get_active_trim_window", tuple)()  # from ComfyUI 0.10 on videos can be trimmed
    source = video.get_stream_source()
    return source if isinstance(source, str) and not any(window) else None


def clip_of_video(video, name: str = "video") -> Clip:
    """A VIDEO as a clip, streamed from its file where it has one.

    Raises:
        TroupeError: if it is damaged, has no moving picture or no frames.
    """
    path = file_of(video)
    if path is None:
        return clip_of_components(video, name)
    from ..engine.video import VideoReader, read_audio
    from .sound import audio_of

    reader = VideoReader(path)

    def read_sound() -> dict | None:
        sound = read_audio(path) if reader.has_audio else None
        if sound is not None and reader.frame_count:  # AAC pads its last block
            sound = sound.fit(round(reader.frame_count / reader.rate * sound.rate))
        return audio_of(sound) if sound is not None else None

    called = f"{name} {os.path.basename(path)!r}"
    return Clip(Counted(reader, reader.frame_count), reader.fps, read_sound, reader.notes, called)


def clip_of_components(video, name: str) -> Clip:
    """A VIDEO that only ComfyUI can read, all frames in memory."""
    import av

    try:
        parts = video.get_components()
    except (ValueError, av.error.FFmpegError) as error:
        raise TroupeError(f"The input '{name}' cannot be read", str(error), "Load another clip") from error
    clip = clip_of_image(parts.images, float(parts.frame_rate), name)
    return Clip(clip.frames, float(parts.frame_rate), lambda: parts.audio, name=name)


def choose_clip(image, video, fps: float, needed: bool) -> Clip | None:
    """The clip of whichever input is connected.

    Raises:
        TroupeError: if both are, or none is although one is ``needed``.
    """
    if image is not None and video is not None:
        raise TroupeError(
            "Two clips are connected", "both 'image' and 'video' have one", "Disconnect one of them"
        )
    if video is not None:
        return clip_of_video(video)
    if image is not None:
        return clip_of_image(image, fps)
    if needed:
        raise nothing_to_look_at()
    return None


def nothing_to_look_at() -> TroupeError:
    """What to say where neither input of a clip is connected."""
    return TroupeError(
        "Nothing to look at", "neither 'image' nor 'video' is connected", "Connect one of them"
    )


def frame_at(clip: Clip | None, index: int, height: int, width: int) -> np.ndarray:
    """One frame as uint8 ``[H, W, 3]``; dark grey where there is no clip or it is shorter."""
    for number, frame in enumerate(clip.frames if clip else ()):
        if number == index:
            return frame
    return np.full((height, width, 3), 40, np.uint8)


def same_frames(image: torch.Tensor, faces: Faces) -> None:
    """Raise a ``TroupeError`` unless ``faces`` belong to pictures of this number and size."""
    count, height, width = image.shape[:3]
    if (count, height, width) != (faces.frames, faces.height, faces.width):
        raise TroupeError(
            "The faces belong to another picture",
            f"they were found in {faces.frames} frame(s) of {faces.width} x {faces.height}, "
            f"the image has {count} of {width} x {height}",
            "Connect Detect Faces to this image",
        )


def preview_of(frame: np.ndarray) -> np.ndarray:
    """A small uint8 copy of a rendered frame (uint8, or float in 0..1), for the progress bar."""
    step = max(1, max(frame.shape[:2]) // PREVIEW_SIDE)
    small = frame[::step, ::step]
    return np.ascontiguousarray(small if small.dtype == np.uint8 else (small * 255 + 0.5).astype(np.uint8))
