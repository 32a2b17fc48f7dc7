"""Long videos in windows: which frames are predicted together, and how overlapping predictions become one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import TroupeError

Window = tuple[int, ...]
FADES = ("even", "soft")


def open_windows(frames: int, size: int, overlap: int) -> list[Window]:
    """Windows from the first frame to the last, the last one moved back to end with the video.

    Args:
        frames: Of the video.
        size: Frames of a window.
        overlap: Frames that two neighbours share; the last two may share more.

    Raises:
        TroupeError: if there are no frames, or windows would not get on.
    """
    _check(frames, size, overlap)
    if frames <= size:
        return [tuple(range(frames))]
    count = math.ceil((frames - overlap) / (size - overlap))
    starts = [min(i * (size - overlap), frames - size) for i in range(count)]
    return [tuple(range(start, start + size)) for start in starts]


def loop_windows(
    frames: int, size: int, overlap: int, *, step: int = 0, stride: int = 1, closed: bool = True
) -> list[Window]:
    """The published windows ("uniform", from AnimateDiff): frame numbers go on behind the last with the first.

    So the last frames are mixed with the first, which suits a loop. Champ takes step 0 and stride 1 at every step.

    Args:
        step: Of the sampling; shifts the windows by a fraction of the video (its bits, mirrored).
        stride: How many scales there are; at the n-th, windows take every 2ⁿ-th frame.
        closed: Whether a window may begin in the last ``overlap`` frames.

    Raises:
        TroupeError: as ``open_windows``.
    """
    _check(frames, size, overlap)
    if frames <= size:
        return [tuple(range(frames))]
    share = _mirrored(step)
    shift = round(frames * share)
    end = frames + shift - (0 if closed else overlap)
    scales = min(stride, math.ceil(math.log2(frames / size)) + 1)
    windows = []
    for every in (1 << k for k in range(scales)):
        for start in range(int(share * every) + shift, end, size * every - overlap):
            windows.append(tuple(f % frames for f in range(start, start + size * every, every)))
    return windows


def fade_weights(size: int, fade: str, overlap: int) -> Tensor:
    """How much each frame of a window counts, float32 ``[size]``: ``even`` as published; ``soft`` less towards both
    ends, over the frames that neighbours share, so that one window hands over to the next step by step."""
    if fade not in FADES:
        raise TroupeError(f"Unknown fade '{fade}'", f"known are {', '.join(FADES)}", "Choose one of these")
    ramp = torch.arange(1, size + 1, dtype=torch.float32)
    rising = torch.minimum(ramp, ramp.flip(0)) / (overlap + 1)
    return rising.clamp(max=1) if fade == "soft" else torch.ones(size)


def in_windows(
    predict: Callable[[Window], Tensor], windows: Sequence[Window], frames: int, weights: Tensor | None = None
) -> Tensor:
    """Predictions of all windows as one, where they overlap their weighted mean.

    Args:
        predict: From a window's frames to ``[B, C, size, h, w]``.
        windows: Together all frames.
        frames: Of the video.
        weights: ``[size]``; None: even.

    Returns:
        ``[B, C, frames, h, w]``.
    """
    total: Tensor | None = None
    count = torch.zeros(frames)
    for window in windows:
        part = predict(window)
        if len(windows) == 1:
            return part
        if total is None:
            total = part.new_zeros(*part.shape[:2], frames, *part.shape[3:])
            count = count.to(part)
        weight = (torch.ones(len(window)) if weights is None else weights).to(part)
        where = torch.tensor(window, device=part.device)
        total.index_add_(2, where, part * weight[:, None, None])
        count.index_add_(0, where, weight)
    return total / count[:, None, None]


def _mirrored(step: int) -> float:
    """The fraction whose binary digits are the step's, mirrored at the point."""
    return sum(1 / (2 << bit) for bit in range(step.bit_length()) if step >> bit & 1)


def _check(frames: int, size: int, overlap: int) -> None:
    if frames < 1:
        raise TroupeError("There are no frames to make", f"the length is {frames}", "Use at least one frame")
    if size < 1 or not 0 <= overlap < size:
        raise TroupeError(
            f"Windows of {size} frames that overlap by {overlap} do not get on",
            "the overlap has to be at least 0 and smaller than the window",
            "Use a window of 24 and an overlap of 4",
        )
