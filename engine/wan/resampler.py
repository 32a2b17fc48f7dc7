"""A perceiver resampler: learnt queries that read a short context (IP-Adapter's, arXiv 2308.06721).

Layer names are those of FantasyPortrait's checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD = 64  # channels of an attention head


class PerceiverAttention(nn.Module):
    """Latents attend to the context and to themselves."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, heads * HEAD, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * HEAD, bias=False)
        self.to_out = nn.Linear(heads * HEAD, dim, bias=False)

    def forward(self, context: Tensor, latents: Tensor) -> Tensor:
        """From ``[B, n, dim]`` and ``[B, Q, dim]`` to ``[B, Q, dim]``."""
        context, latents = self.norm1(context), self.norm2(latents)
        keys, values = self.to_kv(torch.cat([context, latents], 1)).chunk(2, -1)
        queries, keys, values = (
            x.unflatten(-1, (self.heads, HEAD)).transpose(1, 2) for x in (self.to_q(latents), keys, values)
        )
        out = F.scaled_dot_product_attention(queries, keys, values)
        return self.to_out(out.transpose(1, 2).flatten(2))


def feed_forward(dim: int, inner: int) -> nn.Sequential:
    """Norm, up, GELU, down; no biases."""
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, inner, bias=False), nn.GELU(), nn.Linear(inner, dim, bias=False)
    )


class Resampler(nn.Module):
    """A vector becomes ``queries`` tokens.

    Args:
        inputs: Width of the vector.
        outputs: Width of the tokens.
        queries: How many tokens.
        dim: Width inside.
        depth: Layers.
        heads: Attention heads of 64 channels.
        inner: Width of the feed-forward layers.
    """

    def __init__(
        self, inputs: int, outputs: int, queries: int, dim: int = 1280, depth: int = 4, heads: int = 20, inner: int = 5120
    ):  # fmt: skip
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, queries, dim))
        self.proj_in = nn.Linear(inputs, dim)
        self.proj_out = nn.Linear(dim, outputs)
        self.norm_out = nn.LayerNorm(outputs)
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(dim, heads), feed_forward(dim, inner)]) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """From ``[B, inputs]`` to ``[B, queries, outputs]``."""
        context = self.proj_in(x)[:, None]
        latents = self.latents.expand(len(x), -1, -1)
        for attention, feed in self.layers:
            latents = attention(context, latents) + latents
            latents = feed(latents) + latents
        return self.norm_out(self.proj_out(latents))
