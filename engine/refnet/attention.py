"""The one attention of all blocks.

Keys and arithmetic are those of diffusers' ``Attention``, which is not used because it would project the portrait's
features anew for every frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

MAX_BATCH = 65535  # CUDA's attention kernels launch no more: 2048 x 2048 pixels are more in a motion module


class Attention(nn.Module):
    """Multi-head attention, without bias but for the last layer.

    Args:
        width: Of the queries and of the result.
        heads: Of equal width.
        context: Width of what is attended to, where it is something else.
    """

    def __init__(self, width: int, heads: int, context: int | None = None):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context or width, width, bias=False)
        self.to_v = nn.Linear(context or width, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None, more: Tensor | None = None) -> Tensor:
        """``x`` ``[n, N, width]`` attends to ``context`` (None: to itself), and to ``more`` beside it.

        ``context`` and ``more`` are ``[m, M, C]``; with m less than n, n / m neighbours in turn share one.
        """
        context = x if context is None else context
        keys, values = self.to_k(context), self.to_v(context)
        if more is not None:
            keys = torch.cat([_share(keys, x), _share(self.to_k(more), x)], 1)
            values = torch.cat([_share(values, x), _share(self.to_v(more), x)], 1)
        q, k, v = (self._split(_share(t, x)) for t in (self.to_q(x), keys, values))
        parts = [
            scaled_dot_product_attention(*part) for part in zip(*(t.split(MAX_BATCH) for t in (q, k, v)))
        ]
        out = parts[0] if len(parts) == 1 else torch.cat(parts)
        return self.to_out[0](out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _share(x: Tensor, like: Tensor) -> Tensor:
    return x if len(x) == len(like) else x.repeat_interleave(len(like) // len(x), 0)
