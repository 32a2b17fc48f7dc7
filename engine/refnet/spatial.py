"""Transformers over the tokens of one picture, whose self-attention writes features down or reads them.

diffusers' ``Transformer2DModel`` has the same keys and, without a bank, the same arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Attention
from .call import Call


class Transformer(nn.Module):
    """Norm, 1x1 convolution, one block over the tokens of each picture, 1x1 convolution, residual.

    Args:
        width: Channels of the pictures.
        inner: Channels that the block works with.
        groups: Of the norm.
        block: Called with ``[n, tokens, inner]`` and the ``Call``.
    """

    def __init__(self, width: int, inner: int, groups: int, block: nn.Module):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, inner, 1)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor, call: Call) -> Tensor:
        """``[rows * frames, width, h, w]`` to the same."""
        h = self.proj_in(self.norm(x))
        tokens = self.transformer_blocks[0](h.flatten(2).transpose(1, 2), call)
        return self.proj_out(tokens.transpose(1, 2).unflatten(2, h.shape[2:])) + x


class SpatialBlock(nn.Module):
    """Self-attention, cross-attention to the picture's tokens, feed-forward.

    Args:
        path: Of this block in its net; a bank's features are kept under it.
        width, heads, cross_dim: As in ``UNetConfig``.
    """

    def __init__(self, path: str, width: int, heads: int, cross_dim: int):
        from diffusers.models.attention import FeedForward

        super().__init__()
        self.path = path
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, heads, cross_dim)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, call: Call) -> Tensor:
        normed = self.norm1(x)
        if call.written is not None:
            call.written[self.path] = normed
        x = self._look(normed, call) + x
        x = self.attn2(self.norm2(x), call.tokens) + x
        return self.ff(self.norm3(x)) + x

    def _look(self, normed: Tensor, call: Call) -> Tensor:
        """Self-attention; rows that read see the portrait's features beside their own."""
        reading = [i for i, reads in enumerate(call.reads) if reads]
        if call.bank is None or not reading:
            return self.attn1(normed)
        portrait = call.portrait(self.path, reading)
        if len(reading) == call.rows:
            return self.attn1(normed, more=portrait)
        rows = normed.unflatten(0, (call.rows, call.frames))
        alone = [i for i, reads in enumerate(call.reads) if not reads]
        out = torch.empty_like(rows)
        out[reading] = self.attn1(rows[reading].flatten(0, 1), more=portrait).view_as(rows[reading])
        out[alone] = self.attn1(rows[alone].flatten(0, 1)).view_as(rows[alone])
        return out.flatten(0, 1)
