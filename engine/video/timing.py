"""Which frame of one clip is on screen during each frame of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_HELD = 2  # frames for which a last result may stand still
_FADE = 0.2  # seconds in which results that end too early go away
_FPS = 25.0


@dataclass(frozen=True, eq=False)
class Joined:
    """Another clip's frames by the frames of this one.

    Attributes:
        index: int ``[T]``, which of the other's frames is on screen.
        weight: float32 ``[T]``, how much of it is to be seen: 0 after its end.
        notes: What a user should know, one sentence each.
    """

    index: np.ndarray
    weight: np.ndarray
    notes: tuple[str, ...] = ()


def join_by_time(count: int, frames: int, fps: float | None, other_fps: float | None, name: str) -> Joined:
    """Lay another clip of ``count`` frames along ``frames`` frames.

    Both begin together. A clip that ends up to two frames early holds its last frame; one that ends earlier fades
    out; what is too long is left out. Whatever is not frame by frame is said in the notes.

    Args:
        count: Frames of the other clip, at least 1.
        frames: Frames of this one.
        fps: This one's frames per second; ``None`` if unknown.
        other_fps: The other's; ``None`` or 0 if it is the same.
        name: What the other clip is called in notes.
    """
    fps = fps or other_fps or _FPS
    rate = other_fps or fps
    index = np.floor(np.arange(frames) * (rate / fps) + 1e-6).astype(int)
    weight = np.ones(frames, np.float32)
    notes = []
    if rate != fps:
        notes.append(f"The {name} at {rate:g} fps were joined by time to {frames} frames at {fps:g} fps")
    missing = int((index >= count).sum())
    if missing > _HELD:
        last = frames - missing
        fade = max(1, min(last, round(_FADE * fps)))
        weight[last - fade : last] = np.arange(fade, 0, -1) / (fade + 1)
        weight[last:] = 0
        notes.append(
            f"The {count} {name} end {missing / fps:.2f} s before the {frames} frames do; "
            "the rest stays as it was"
        )
    elif missing:
        notes.append(f"The {name} are {missing} frame(s) short; the last one is held")
    unused = count - 1 - int(index[-1])
    if unused >= max(1.0, rate / fps):
        notes.append(f"The last {unused} of the {count} {name} were not used: the picture ends before them")
    return Joined(np.minimum(index, count - 1), weight, tuple(notes))
