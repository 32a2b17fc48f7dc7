"""Which tokens of a drive each latent frame of a Wan clip sees.

FantasyPortrait and FantasyTalking lay out windows alike (``split_audio_adapter_sequence`` in both repositories): the
window of latent frame i > 0 is centred on the middle of its four video frames and reaches two frames' worth of
tokens to either side, ends included; that of latent frame 0 is as long and ends where window 1 begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOKENS_A_FRAME = 24  # FantasyPortrait's
EXPAND = 4  # tokens by which FantasyTalking widens its windows on either side


@dataclass(frozen=True, eq=False)
class Windows:
    """A window of tokens for each latent frame.

    Attributes:
        tokens: ``[L, S, ctx]``; what a window lacks is zeros behind its tokens.
        lens: int64 ``[L]``, how many of the S are tokens; None: the zeros count too, as FantasyPortrait was trained.
    """

    tokens: Tensor
    lens: Tensor | None = None


def window_ranges(tokens: int, frames: int) -> list[tuple[int, int]]:
    """First and last token (included; may lie outside) of each latent frame's window.

    Args:
        tokens: Of the clip.
        frames: Video frames of the clip, 4 (L - 1) + 1.
    """
    a_frame = tokens / frames
    reach = int(a_frame * 4 / 2)
    middles = [
        int((a_frame * ((i - 1) * 4 + 1) + a_frame * (i * 4 + 1)) / 2) - 1
        for i in range(1, max((frames - 1) // 4, 1) + 1)
    ]
    ranges = [(m - reach, m + reach) for m in middles]
    first = ranges[0][0]
    return [(first - 2 * reach, first), *ranges][: (frames - 1) // 4 + 1]


def cut(tokens: Tensor, ranges: list[tuple[int, int]], expand: int = 0) -> tuple[Tensor, Tensor]:
    """Windows ``[L, S, ctx]`` out of ``tokens`` ``[N, ctx]``, and how many of each are tokens, int64 ``[L]``."""
    size = max(last - first for first, last in ranges) + 1 + 2 * expand
    out = tokens.new_zeros(len(ranges), size, tokens.shape[1])
    lens = []
    for window, (first, last) in zip(out, ranges, strict=True):
        part = tokens[max(first - expand, 0) : max(last + expand + 1, 0)]
        window[: len(part)] = part
        lens.append(len(part))
    return out, torch.tensor(lens, dtype=torch.int64)


def portrait_windows(tokens: Tensor) -> Windows:
    """FantasyPortrait's, from ``[24 F, ctx]``: 97 tokens, four frames and the last token of the one before."""
    ranges = window_ranges(len(tokens), len(tokens) // TOKENS_A_FRAME)
    return Windows(cut(tokens, ranges)[0])


def talking_windows(tokens: Tensor, frames: int, expand: int = EXPAND) -> Windows:
    """FantasyTalking's, from ``[N, ctx]`` spread evenly over ``frames`` video frames."""
    return Windows(*cut(tokens, window_ranges(len(tokens), frames), expand))
