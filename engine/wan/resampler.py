"""A Perceiver resampler: learned queries that look at one feature vector through a few layers of attention.

IP-Adapter's "plus" projection (arXiv 2308.06721), under the key names that FantasyPortrait's checkpoint uses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Queries attend to the features and to themselves."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, features: Tensor, queries: Tensor) -> Tensor:
        features, queries = self.norm1(features), self.norm2(queries)
        k, v = self.to_kv(torch.cat([features, queries], 1)).chunk(2, -1)
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (self.to_q(queries), k, v))
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Resampler(nn.Module):
    """From one feature vector to ``queries`` tokens.

    Args:
        features: Width of the input.
        queries: Number of tokens.
        out: Their width.
        dim, depth, heads: Of the layers inside.
    """

    def __init__(
        self, features: int, queries: int, out: int = 2048, dim: int = 1280, depth: int = 4, heads: int = 20
    ):
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, queries, dim))
        self.proj_in = nn.Linear(features, dim)
        self.proj_out = nn.Linear(dim, out)
        self.norm_out = nn.LayerNorm(out)
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(dim, heads), feed_forward(dim)]) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, features]`` to ``[N, queries, out]``."""
        features, queries = self.proj_in(x[:, None]), self.latents.expand(len(x), -1, -1)
        for attention, forward in self.layers:
            queries = queries + attention(features, queries)
            queries = queries + forward(queries)
        return self.norm_out(self.proj_out(queries))


def feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, 4 * dim, bias=False), nn.GELU(), nn.Linear(4 * dim, dim, bias=False)
    )
