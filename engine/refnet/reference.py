"""The reference net: Stable Diffusion 1.5 looks once at the portrait and writes down what its self-attentions saw.

The published nets are diffusers' ``UNet2DConditionModel`` without its last norm and convolution, key by key; here they
are built from the blocks of the denoising net, which need no hooks to write.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import TroupeError
from .bank import Bank
from .blocks import UNet
from .call import Call
from .config import LATENT_CHANNELS, UNetConfig


class ReferenceNet(UNet):
    """Sees single pictures: what ``config`` says of audio and motion does not matter."""

    def __init__(self, config: UNetConfig):
        super().__init__(config, video=False)

    def write(self, latents: Tensor, tokens: Tensor) -> Bank:
        """See ``forward``."""
        return self(latents, tokens)[1]

    def forward(self, latents: Tensor, tokens: Tensor) -> tuple[Tensor, Bank]:
        """Args:
            latents: ``[images, 4, h, w]`` or ``[rows, images, 4, h, w]``, clean and scaled; the portrait is image 0.
            tokens: ``[n, N, cross_dim]``, the picture's. Image j, counted through all rows, gets token set j modulo n.
                That is the published models' way: their two sets (unconditional, conditional) go round over two rows of
                images, so that the frames before the clip partly get the other row's. To give each image its own, pass
                one set for each.

        Returns:
            What the last block gave, ``[rows * images, widths[0], h, w]``, and the bank.

        Raises:
            TroupeError: if a shape is wrong.
        """
        if latents.ndim == 4:
            latents = latents[None]
        if latents.ndim != 5 or latents.shape[2] != LATENT_CHANNELS or not latents.numel():
            raise TroupeError(
                "The reference latents have a wrong shape",
                f"they are {list(latents.shape)}, expected [rows, images, {LATENT_CHANNELS}, h, w]",
                "Encode the portrait with the VAE of Stable Diffusion 1.5",
            )
        if tokens.ndim != 3 or tokens.shape[2] != self.config.cross_dim:
            raise TroupeError(
                "The picture's tokens have a wrong shape",
                f"they are {list(tokens.shape)}, expected [n, N, {self.config.cross_dim}]",
                "Use the projection that belongs to this model",
            )
        rows, images = latents.shape[:2]
        x = latents.flatten(0, 1)
        tokens = tokens.to(x)[torch.arange(len(x), device=x.device) % len(tokens)]
        time = self.embed_time(torch.zeros(1, device=x.device), len(x), x)
        call = Call(rows=len(x), frames=1, time=time, tokens=tokens, written={})
        out = self.trunk(self.conv_in(x), call)
        return out, Bank({path: f.unflatten(0, (rows, images)) for path, f in call.written.items()})
