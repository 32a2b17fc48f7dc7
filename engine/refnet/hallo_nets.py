"""Hallo's three small nets: what speech, a face's identity and its place in the picture are to the U-Nets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..checkpoint import load_strict
from ..errors import TroupeError
from .blocks import halvings
from .load import HalloNets
from .reference import ReferenceNet
from .unet import DenoisingUNet

WINDOW = 5  # frames of speech that a frame hears, itself in the middle


class AudioProjection(nn.Module):
    """Hidden states of the speech encoder around each frame to tokens.

    Args:
        inputs: Values in a frame's window: frames x layers x channels.
        inner: Width of the layers between.
        tokens, width: Of the result.
    """

    def __init__(self, inputs: int, inner: int, tokens: int, width: int):
        super().__init__()
        self.proj1 = nn.Linear(inputs, inner)
        self.proj2 = nn.Linear(inner, inner)
        self.proj3 = nn.Linear(inner, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, windows: Tensor) -> Tensor:
        """``[B, F, 5, layers, C]`` to ``[B, F, tokens, width]``."""
        x = torch.relu(self.proj2(torch.relu(self.proj1(windows.flatten(2)))))
        return self.norm(self.proj3(x).unflatten(-1, (-1, self.norm.weight.shape[0])))


class FaceProjection(nn.Module):
    """A face's identity to the picture's tokens. No identity is zeros before the projection, not after it.

    Args:
        inputs: Width of the embedding, 512 for ArcFace.
        tokens, width: Of the result.
    """

    def __init__(self, inputs: int, tokens: int, width: int):
        super().__init__()
        self.proj = nn.Linear(inputs, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, identity: Tensor) -> Tensor:
        """``[B, D]`` to ``[B, tokens, width]``."""
        return self.norm(self.proj(identity).unflatten(-1, (-1, self.norm.weight.shape[0])))


class FaceLocator(nn.Module):
    """Where the face is, at the picture's size, to features at the latents' size.

    Args:
        widths: Channels at full, half, quarter and eighth size, then of the features.
    """

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        *inner, out = widths
        self.conv_in = nn.Conv2d(3, inner[0], 3, padding=1)
        self.blocks = halvings(inner)
        self.conv_out = nn.Conv2d(inner[-1], out, 3, padding=1)

    def forward(self, mask: Tensor) -> Tensor:
        """``[B, 3, F, H, W]``, 1 where the face is, to ``[B, C, F, H / 8, W / 8]``."""
        x = silu(self.conv_in(mask.transpose(1, 2).flatten(0, 1)))
        for block in self.blocks:
            x = silu(block(x))
        return self.conv_out(x).unflatten(0, (len(mask), -1)).transpose(1, 2)


@dataclass(frozen=True, eq=False)
class Hallo:
    """All of Hallo, on the CPU, in evaluation mode.

    Attributes:
        reference, denoising: Both U-Nets.
        locator, identity, audio: The small nets.
    """

    reference: ReferenceNet
    denoising: DenoisingUNet
    locator: FaceLocator
    identity: FaceProjection
    audio: AudioProjection

    @classmethod
    def of(cls, nets: HalloNets, dtype: torch.dtype = torch.float32) -> Hallo:
        """With the small nets built from what ``load_hallo`` read.

        Raises:
            TroupeError: if keys of theirs are missing, unexpected or of wrong shapes.
        """
        small = {name: _small(name, tensors, dtype) for name, tensors in nets.small.items()}
        return cls(
            nets.reference, nets.denoising, small["face_locator"], small["imageproj"], small["audioproj"]
        )

    @property
    def identity_width(self) -> int:
        """Values in a face's embedding, 512 for ArcFace."""
        return self.identity.proj.in_features


def _small(name: str, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    def size(key: str, axis: int) -> int:
        if key not in tensors or tensors[key].ndim <= axis:
            raise TroupeError(f"Hallo's {name} is not complete", f"{key} is missing", "Use the whole net.pth")
        return tensors[key].shape[axis]

    with torch.device("meta"):
        if name == "face_locator":
            strides = sorted(k for k in tensors if k.startswith("blocks.") and k.endswith("weight"))[1::2]
            ends = ("conv_in.weight", *strides, "conv_out.weight")
            net: nn.Module = FaceLocator(tuple(size(key, 0) for key in ends))
        elif name == "imageproj":
            width = size("norm.weight", 0)
            net = FaceProjection(size("proj.weight", 1), size("proj.weight", 0) // width, width)
        else:
            width = size("norm.weight", 0)
            tokens = size("proj3.weight", 0) // width
            net = AudioProjection(size("proj1.weight", 1), size("proj1.weight", 0), tokens, width)
    net = net.to(dtype)
    load_strict(net, tensors, f"net.pth: {name}")
    return net.eval().requires_grad_(False)
