"""AnimateDiff's motion modules (arXiv 2307.04725, version 2): every place of the picture attends to itself over time.

diffusers' ``AnimateDiffTransformer3D`` has other key names, and its group norm runs over all frames together where
the published models were trained with one norm for each frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .attention import Attention

HEADS, GROUPS = 8, 32  # fixed in the motion modules, whatever the net's


class TemporalBlock(nn.Module):
    """Two self-attentions over time, each told the positions, and a feed-forward."""

    def __init__(self, width: int):
        from diffusers.models.attention import FeedForward

        super().__init__()
        self.attention_blocks = nn.ModuleList([Attention(width, HEADS) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.ff = FeedForward(width)
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """``[places, frames, width]`` to the same."""
        positions = sinusoid(x.shape[1], x.shape[2], x.device).to(x)
        for attention, norm in zip(self.attention_blocks, self.norms):
            x = attention(norm(x) + positions) + x
        return self.ff(self.ff_norm(x)) + x


class TemporalTransformer(nn.Module):
    """Norm of each frame, linear layer, block over time, linear layer."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(width)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, before: int) -> Tensor:
        """``[rows, frames, width, tokens]`` to the same without its first ``before`` frames."""
        rows, frames, _, tokens = x.shape
        h = self.norm(x.flatten(0, 1)).unflatten(0, (rows, frames)).permute(0, 3, 1, 2)
        h = self.transformer_blocks[0](self.proj_in(h).flatten(0, 1))
        h = self.proj_out(h[:, before:]).unflatten(0, (rows, tokens))
        return h.permute(0, 2, 3, 1)


class MotionModule(nn.Module):
    """A temporal transformer beside the frames, which is added to them."""

    def __init__(self, width: int):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(width)

    def forward(self, x: Tensor, frames: int, motion: Tensor | None = None) -> Tensor:
        """Args:
            x: ``[rows * frames, width, h, w]``.
            frames: Of the clip.
            motion: ``[rows, n, h * w, width]``: features of the frames before the clip, which take the first
                positions in time and are seen, but not returned.

        Returns:
            ``[rows * frames, width, h, w]``.
        """
        clip = x.unflatten(0, (-1, frames)).flatten(3)
        before = 0 if motion is None else motion.shape[1]
        seen = torch.cat([motion.transpose(2, 3), clip], 1) if before else clip
        return self.temporal_transformer(seen, before).reshape(x.shape) + x


def sinusoid(positions: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Positions in time, float32 ``[positions, width]``: ``sin(p / 10000^(2i / width))`` and the cosine in turn (arXiv 1706.03762)."""
    p = torch.arange(positions, device=device, dtype=torch.float32)[:, None]
    rates = torch.exp(
        torch.arange(0, width, 2, device=device, dtype=torch.float32) * (-math.log(10000) / width)
    )
    return torch.stack([torch.sin(p * rates), torch.cos(p * rates)], 2).flatten(1)
