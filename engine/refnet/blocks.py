"""Stable Diffusion 1.5's U-Net, as both nets of the family are made of it.

Residual blocks, samplers, feed-forwards and the embedding of time are diffusers'. What is between them is ours: the
transformers read and write banks, and the denoising net has audio and motion modules.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .audio_module import AudioBlock
from .call import Call
from .config import LATENT_CHANNELS, UNetConfig
from .motion import MotionModule
from .spatial import SpatialBlock, Transformer


class Block(nn.Module):
    """Residual blocks, each followed by what the block has: spatial transformer, audio module, motion module.

    Args:
        config: Of the net.
        path: Of this block in it.
        depth: In the U-Net; chooses the masks of the audio.
        inputs: Channels that each residual block gets.
        width: Channels that they give.
        mixes: How many of them are followed by something.
        attends: Whether there is attention in this block.
        video: Whether the net sees frames (else single pictures, without audio and motion modules).
        inner: Inner width of each audio module.
    """

    def __init__(
        self,
        config: UNetConfig,
        path: str,
        depth: int,
        inputs: Sequence[int],
        width: int,
        *,
        mixes: int,
        attends: bool,
        video: bool,
        inner: Sequence[int],
    ):
        from diffusers.models.resnet import ResnetBlock2D

        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock2D(
                in_channels=channels,
                out_channels=width,
                temb_channels=config.time_width,
                groups=config.groups,
                eps=1e-5,
            )
            for channels in inputs
        )
        self.attentions = nn.ModuleList()
        self.audio_modules = nn.ModuleList()
        self.motion_modules = nn.ModuleList()
        for i in range(mixes):
            if attends:
                where = f"{path}.attentions.{i}.transformer_blocks.0"
                block = SpatialBlock(where, width, config.heads, config.cross_dim)
                self.attentions.append(Transformer(width, width, config.groups, block))
            if attends and video and config.audio is not None:
                block = AudioBlock(inner[i], config.heads, config.audio, depth)
                self.audio_modules.append(Transformer(width, inner[i], config.groups, block))
            if video and (attends or config.motion_everywhere):
                self.motion_modules.append(MotionModule(width))

    def mix(self, i: int, x: Tensor, call: Call) -> Tensor:
        """What follows residual block ``i``: in the picture, from the audio, over time."""
        motion = None
        if self.attentions:
            x = self.attentions[i](x, call)
            motion = call.motion(self.attentions[i].transformer_blocks[0].path, x[0, 0].numel())
        if self.audio_modules:
            x = self.audio_modules[i](x, call)
        if self.motion_modules:
            x = self.motion_modules[i](x, call.frames, motion)
        return x


class DownBlock(Block):
    def __init__(self, config: UNetConfig, depth: int, video: bool):
        from diffusers.models.downsampling import Downsample2D

        width, deepest = config.widths[depth], depth == len(config.widths) - 1
        inputs = [config.widths[max(depth - 1, 0)]] + [width] * (config.layers - 1)
        super().__init__(
            config,
            f"down_blocks.{depth}",
            depth,
            inputs,
            width,
            mixes=config.layers,
            attends=not deepest,
            video=video,
            inner=inputs,
        )
        # The name keeps diffusers from listing the convolution twice.
        sampler = [] if deepest else [Downsample2D(width, use_conv=True, name="op")]
        self.downsamplers = nn.ModuleList(sampler)

    def forward(self, x: Tensor, call: Call) -> tuple[Tensor, list[Tensor]]:
        """The result, and what the up block of the same depth wants to see again."""
        skips = []
        for i, resnet in enumerate(self.resnets):
            x = self.mix(i, resnet(x, call.time), call)
            skips.append(x)
        for sampler in self.downsamplers:
            x = sampler(x)
            skips.append(x)
        return x, skips


class MidBlock(Block):
    def __init__(self, config: UNetConfig, video: bool):
        width, depth = config.widths[-1], len(config.widths) - 1
        super().__init__(
            config,
            "mid_block",
            depth,
            [width] * 2,
            width,
            mixes=1,
            attends=True,
            video=video,
            inner=[width],
        )

    def forward(self, x: Tensor, call: Call) -> Tensor:
        x = self.mix(0, self.resnets[0](x, call.time), call)
        return self.resnets[1](x, call.time)


class UpBlock(Block):
    def __init__(self, config: UNetConfig, index: int, video: bool):
        from diffusers.models.upsampling import Upsample2D

        depth = len(config.widths) - 1 - index
        width = config.widths[depth]
        below = config.widths[min(depth + 1, len(config.widths) - 1)]
        above = config.widths[max(depth - 1, 0)]
        layers = config.layers + 1
        # What comes from below or from the layer before, and what the down block kept for it.
        inputs = [below + width] + [2 * width] * (layers - 2) + [width + above]
        super().__init__(
            config,
            f"up_blocks.{index}",
            depth,
            inputs,
            width,
            mixes=layers,
            attends=index > 0,
            video=video,
            inner=[above] * layers,
        )
        self.upsamplers = nn.ModuleList([Upsample2D(width, use_conv=True)] if depth else [])

    def forward(self, x: Tensor, skips: list[Tensor], call: Call) -> Tensor:
        """Takes its skips from the end of the list."""
        for i, resnet in enumerate(self.resnets):
            x = self.mix(i, resnet(torch.cat([x, skips.pop()], 1), call.time), call)
        for sampler in self.upsamplers:
            x = sampler(x, skips[-1].shape[2:])
        return x


class UNet(nn.Module):
    """What both nets share: the way down and up again.

    Args:
        config: Sizes and switches.
        video: Whether it sees frames.
    """

    def __init__(self, config: UNetConfig, video: bool):
        from diffusers.models.embeddings import TimestepEmbedding, Timesteps

        super().__init__()
        self.config = config
        depths = range(len(config.widths))
        self.conv_in = nn.Conv2d(LATENT_CHANNELS, config.widths[0], 3, padding=1)
        self.time_proj = Timesteps(config.widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(config.widths[0], config.time_width)
        self.down_blocks = nn.ModuleList(DownBlock(config, depth, video) for depth in depths)
        self.mid_block = MidBlock(config, video)
        self.up_blocks = nn.ModuleList(UpBlock(config, index, video) for index in depths)

    def embed_time(self, timestep: Tensor, count: int, like: Tensor) -> Tensor:
        """From ``[1]`` or ``[count]`` to ``[count, time_width]``."""
        return self.time_embedding(self.time_proj(timestep.expand(count)).to(like))

    def trunk(self, x: Tensor, call: Call) -> Tensor:
        """All blocks, from behind ``conv_in`` to the last one up, ``[n, widths[0], h, w]``."""
        skips = [x]
        for block in self.down_blocks:
            x, more = block(x, call)
            skips += more
        x = self.mid_block(x, call)
        for block in self.up_blocks:
            x = block(x, skips, call)
        return x


def halvings(widths: Sequence[int]) -> nn.ModuleList:
    """Convolutions of what lies over a picture: between neighbouring widths one that keeps the size and one that halves it."""
    layers = nn.ModuleList()
    for narrow, wide in zip(widths, widths[1:]):
        layers += [nn.Conv2d(narrow, narrow, 3, padding=1), nn.Conv2d(narrow, wide, 3, padding=1, stride=2)]
    return layers
