"""Hallo's hierarchical audio attention (arXiv 2406.08801, section 3.3): one attention each for whole picture, face and lips.

diffusers has nothing like it.
"""

from __future__ import annotations

from torch import Tensor, nn

from .attention import Attention
from .call import LEVELS, Call


class AudioBlock(nn.Module):
    """Self-attention, three masked cross-attentions to the frame's audio tokens, feed-forward.

    Without audio the three are left out, which is the same as a strength of 0 at all levels.

    Args:
        width: Inner width.
        heads: Of every attention.
        audio: Width of the audio tokens.
        depth: In the U-Net, which chooses the masks.
    """

    def __init__(self, width: int, heads: int, audio: int, depth: int):
        from diffusers.models.attention import FeedForward

        super().__init__()
        self.depth = depth
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        for i, level in enumerate(LEVELS):
            self.add_module(f"attn2_{i}", Attention(width, heads, audio))
            self.add_module(f"zero_conv_{level}", nn.Conv2d(width, width, 1))
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, call: Call) -> Tensor:
        """``[rows * frames, tokens, width]`` to the same."""
        x = self.attn1(self.norm1(x)) + x
        if call.audio is not None:
            x = self._hear(self.norm2(x), call) + x
        return self.ff(self.norm3(x)) + x

    def _hear(self, normed: Tensor, call: Call) -> Tensor:
        total = 0
        for i, (level, scale) in enumerate(zip(LEVELS, call.scales)):
            if scale == 0:
                continue
            heard = self.get_submodule(f"attn2_{i}")(normed, call.audio)
            mask = call.mask(level, self.depth, normed.shape[1])
            if mask is not None:
                heard = (heard.unflatten(0, (call.rows, call.frames)) * mask).flatten(0, 1)
            # A 1x1 convolution needs no picture: the tokens are its column.
            conv = self.get_submodule(f"zero_conv_{level}")
            total = total + scale * conv(heard.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)
        return total
