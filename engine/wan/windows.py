"""Which tokens of a drive each latent frame of a Wan video sees.

Latent frame 0 stands for frame 0, latent frame i for frames 4i - 3 to 4i. FantasyPortrait (24 tokens a frame) and
FantasyTalking (about 2 tokens of sound a frame) lay their windows by one rule: centred on the middle of these four
frames, as long as the four frames and one token more, wherever the tokens end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import TroupeError

STRIDE = 4  # frames of a latent frame after the first
MAX_FPS = 1000.0
MAX_FRAMES = 10_000  # of a clip: FantasyPortrait's tokens then take 2 GB
MAX_VALUES = 2**29  # of all windows together: 2 GiB


@dataclass(frozen=True, eq=False)
class Windows:
    """A drive's tokens as the latent frames see them.

    Attributes:
        tokens: ``[L, S, ctx]``, a window of S tokens for each latent frame; valid tokens first, then zeros.
        lens: int64 ``[L]``, how many of them count; None: all S are attended, the zeros too.
    """

    tokens: Tensor
    lens: Tensor | None


def latent_frames(frames: int) -> int:
    """L, the latent frames of a clip."""
    return (frames - 1) // STRIDE + 1


def check_clip(frames: int, fps: float) -> None:
    """Raise a ``TroupeError`` unless a clip can have this length and speed."""
    if frames < 1:
        raise TroupeError(
            f"A clip of {frames} frames cannot be driven", "it needs 1 at least", "Make it longer"
        )
    if frames > MAX_FRAMES:
        raise TroupeError(
            f"A clip of {frames} frames cannot be driven",
            f"at most {MAX_FRAMES} are possible",
            "Make it in parts",
        )
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise TroupeError(
            f"The frame rate {fps} is out of range", f"it must lie in 0 to {MAX_FPS:g}", "Use 16 to 30"
        )


def window_ranges(tokens: int, frames: int) -> list[tuple[int, int]]:
    """First and last index of each latent frame's window in ``tokens`` tokens spread evenly over ``frames`` frames.

    Both ends belong to the window; indices below 0 or past the last token are tokens that are missing. All windows
    are equally long. Rounding is the reference's (FantasyPortrait and FantasyTalking, truncation), so that the
    windows are those the adapters were trained with.
    """
    per_frame = tokens / frames
    half = int(per_frame * STRIDE / 2)

    def around(latent: int) -> tuple[int, int]:
        begin = per_frame * ((latent - 1) * STRIDE + 1)
        end = per_frame * (latent * STRIDE + 1)
        centre = int((begin + end) / 2) - 1
        return centre - half, centre + half

    # The first latent frame is one frame alone: its window ends where the next begins, which need not exist.
    seam = around(1)[0]
    return [(seam - 2 * half, seam), *(around(i) for i in range(1, latent_frames(frames)))]


def cut_windows(tokens: Tensor, ranges: Sequence[tuple[int, int]], expand: int = 0) -> Windows:
    """Gather the windows.

    Args:
        tokens: ``[N, ctx]``.
        ranges: Of ``window_ranges``.
        expand: How many tokens every window reaches further on both sides.

    Returns:
        Windows of S = length of the ranges + 2 ``expand`` tokens. What is missing, in front or behind, is zeros
        behind the valid tokens; ``lens`` counts the valid ones.

    Raises:
        TroupeError: if the windows would take more than ``MAX_VALUES`` values.
    """
    count, width = tokens.shape
    size = ranges[0][1] - ranges[0][0] + 1 + 2 * expand
    if len(ranges) * size * width > MAX_VALUES:
        raise TroupeError(
            f"A clip of {len(ranges)} latent frames is too long",
            f"its windows of {size} tokens would take {len(ranges) * size * width * 4 / 2**30:.0f} GiB",
            "Make it in parts, or at a higher frame rate if it is below 10",
        )
    first, last = torch.tensor(ranges, device=tokens.device).T
    begin = (first - expand).clamp(min=0)
    lens = ((last + expand).clamp(max=count - 1) - begin + 1).clamp(min=0)
    step = torch.arange(size, device=tokens.device)
    windows = tokens[(begin[:, None] + step).clamp(max=count - 1)]
    windows.masked_fill_((step >= lens[:, None])[..., None], 0)
    return Windows(windows, lens)
