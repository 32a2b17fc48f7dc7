"""What Champ is guided by: maps of a body, each through an encoder of its own, added up (arXiv 2403.14781, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..checkpoint import load_strict
from ..errors import TroupeError
from .attention import Attention
from .blocks import halvings
from .call import Call
from .load import CHAMP_GUIDANCE
from .spatial import Transformer

HEADS, GROUPS = 8, 32
CHUNK = 16  # frames that are encoded together


class SelfBlock(nn.Module):
    """Self-attention and feed-forward over the tokens of a frame."""

    def __init__(self, width: int):
        from diffusers.models.attention import FeedForward

        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, HEADS)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, call: Call | None) -> Tensor:
        x = self.attn1(self.norm1(x)) + x
        return self.ff(self.norm3(x)) + x


class GuidanceEncoder(nn.Module):
    """A map at the picture's size to features at the latents' size.

    The published files hold a transformer behind every convolution and one more; only the last of them is in use.

    Args:
        widths: Channels at full, half, quarter and eighth size, then of the features.
    """

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        *inner, out = widths
        self.conv_in = nn.Conv2d(3, inner[0], 3, padding=1)
        self.blocks = halvings(inner)
        last = Transformer(inner[-1], inner[-1], GROUPS, SelfBlock(inner[-1]))
        self.attentions = nn.ModuleDict({str(len(self.blocks) - 1): last})
        self.conv_out = nn.Conv2d(inner[-1], out, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """``[F, 3, H, W]`` in 0..1 to ``[F, C, H / 8, W / 8]``."""
        x = silu(self.conv_in(maps))
        for block in self.blocks:
            x = silu(block(x))
        (attention,) = self.attentions.values()
        return self.conv_out(attention(x, None))


def load_guidance(
    kind: str, tensors: Mapping[str, Tensor], dtype: torch.dtype = torch.float32
) -> GuidanceEncoder:
    """A guidance encoder of the sizes that its tensors have (``ChampNets.guidance``).

    Raises:
        TroupeError: if keys are missing or unexpected.
    """
    name = f"guidance_encoder_{kind}"
    strides = [f"blocks.{i}.weight" for i in range(1, 2 * len(tensors), 2) if f"blocks.{i}.weight" in tensors]
    ends = ("conv_in.weight", *strides, "conv_out.weight")
    if not strides or any(key not in tensors for key in ends):
        raise TroupeError(
            f"The checkpoint {name!r} is no guidance encoder",
            f"missing: {', '.join(k for k in (*ends, 'blocks.1.weight') if k not in tensors)}",
            "Use the files of fudan-generative-ai/champ",
        )
    with torch.device("meta"):
        encoder = GuidanceEncoder(tuple(tensors[key].shape[0] for key in ends)).to(dtype)
    unused = [f"attentions.{i}." for i in range(len(encoder.blocks) - 1)]
    load_strict(encoder, tensors, name, (*unused, "guidance_attention."))
    return encoder.eval().requires_grad_(False)


def encode_maps(
    encoders: Mapping[str, GuidanceEncoder], maps: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> Tensor:
    """All kinds of maps of a video, encoded and added up.

    Args:
        encoders: By kind.
        maps: By kind float32 ``[F, 3, H, W]`` in 0..1, all of one size, divisible by 8; kinds that were not rendered
            may be left out.

    Returns:
        ``[1, C, F, H / 8, W / 8]`` in the encoders' type.

    Raises:
        TroupeError: without maps, for a kind without an encoder, or if sizes differ.
    """
    check_maps(maps)
    missing = [kind for kind in maps if kind not in encoders]
    if missing:
        raise TroupeError(
            f"There is no encoder for {', '.join(missing)}",
            f"the loaded model has {', '.join(encoders) or 'none'}",
            "Put its guidance_encoder file beside the others, or leave these maps away",
        )
    total: Tensor | None = None
    for kind, frames in maps.items():
        encoder = encoders[kind]
        dtype = encoder.conv_in.weight.dtype
        with torch.no_grad():
            parts = [encoder(part.to(device, dtype)) for part in frames.split(CHUNK)]
        features = torch.cat(parts)
        total = features if total is None else total + features
    return total.transpose(0, 1)[None]


def check_maps(maps: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """Frames, height and width that all kinds of maps share.

    Raises:
        TroupeError: naming the kind that differs or does not exist.
    """
    if not maps:
        raise TroupeError(
            "There are no guidance maps",
            "none of depth, normal, semantic_map and dwpose is there",
            "Render them from a body motion, or connect pictures of them",
        )
    unknown = [kind for kind in maps if kind not in CHAMP_GUIDANCE]
    if unknown:
        raise TroupeError(
            f"Unknown guidance '{unknown[0]}'",
            f"known are {', '.join(CHAMP_GUIDANCE)}",
            "Choose one of these",
        )
    first, *others = maps
    shape = maps[first].shape
    if len(shape) != 4 or shape[1] != 3 or shape[0] < 1 or shape[2] % 8 or shape[3] % 8 or min(shape[2:]) < 8:
        raise TroupeError(
            f"The {first} maps do not fit",
            f"their shape is {list(shape)}, expected [frames, 3, height, width] with height and width divisible by 8",
            "Scale them to the size of the video",
        )
    for kind in others:
        if maps[kind].shape != shape:
            theirs, ours = maps[kind].shape, shape
            raise TroupeError(
                f"The {kind} maps do not fit the {first} maps",
                f"{theirs[0]} of {theirs[3]} x {theirs[2]} against {ours[0]} of {ours[3]} x {ours[2]}",
                "Make all maps from the same motion, at the same size",
            )
    return shape[0], shape[2], shape[3]


def map_pixels(pictures: np.ndarray, height: int, width: int) -> Tensor:
    """Maps as pictures, uint8 ``[F, h, w, 3]``, at the video's size: float32 ``[F, 3, height, width]`` in 0..1, by the
    published resampling (bicubic, antialiased)."""
    from PIL import Image

    size = width, height
    frames = [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BICUBIC)) for p in pictures]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255
