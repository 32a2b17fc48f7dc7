"""Sizes and switches of the family's U-Nets: Stable Diffusion 1.5, with what Hallo and Champ add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..checkpoint import listed
from ..errors import TroupeError

if TYPE_CHECKING:
    from torch import Tensor

LATENT_CHANNELS = 4
MAX_FRAMES = 32  # positions that the motion modules know, motion frames included
HALLO_MOTION_FRAMES = 2


@dataclass(frozen=True)
class UNetConfig:
    """What a U-Net is made of. The defaults are Stable Diffusion 1.5's.

    Attributes:
        widths: Channels at each depth; the deepest has no attention.
        layers: Of a down block; an up block has one more.
        heads: Of every attention, whatever its width.
        cross_dim: Width of the tokens that stand for the picture.
        groups: Of the group norms outside the motion modules.
        audio: Width of the audio tokens; None: no audio modules (Champ).
        motion_frames: Frames of the clip before that come with the portrait (Hallo: 2).
        motion_everywhere: Whether the two blocks without attention have motion modules, too (Champ). Hallo's file holds
            them, but its published results come from code that never applies them.
    """

    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    layers: int = 2
    heads: int = 8
    cross_dim: int = 768
    groups: int = 32
    audio: int | None = None
    motion_frames: int = 0
    motion_everywhere: bool = True

    @property
    def time_width(self) -> int:
        """Width of the embedded timestep."""
        return 4 * self.widths[0]

    @classmethod
    def from_keys(cls, tensors: Mapping[str, Tensor], name: str = "U-Net") -> UNetConfig:
        """What a checkpoint's tensors (of one U-Net, without prefix) say; Hallo if it has audio modules, else Champ.

        Not to be read off are the heads (always 8) and the groups: 32, halved as long as a group would have fewer than
        two channels.

        Raises:
            TroupeError: if tensors that tell a size are missing, as in a checkpoint of another kind.
        """
        cross = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        audio = "down_blocks.0.audio_modules.0.transformer_blocks.0.attn2_0.to_k.weight"
        widths, layers = [], 0
        while (key := f"down_blocks.{len(widths)}.resnets.0.conv1.weight") in tensors:
            widths.append(tensors[key].shape[0])
        while f"down_blocks.0.resnets.{layers}.conv1.weight" in tensors:
            layers += 1
        if len(widths) < 2 or cross not in tensors:
            wanted = ["down_blocks.0.resnets.0.conv1.weight", "down_blocks.1.resnets.0.conv1.weight", cross]
            raise TroupeError(
                f"The checkpoint {name!r} holds no U-Net of Stable Diffusion 1.5",
                f"missing: {listed([k for k in wanted if k not in tensors])}",
                "Check that it is the right file, in the published naming",
            )
        groups = 32
        while groups > 1 and widths[0] // groups < 2:
            groups //= 2
        heard = tensors[audio].shape[1] if audio in tensors else None
        return cls(
            widths=tuple(widths),
            layers=layers,
            cross_dim=tensors[cross].shape[1],
            groups=groups,
            audio=heard,
            motion_frames=0 if heard is None else HALLO_MOTION_FRAMES,
            motion_everywhere=heard is None,
        )

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns of the tokens at each depth, for latents of ``height`` x ``width``."""
        sizes = [(height, width)]
        while len(sizes) < len(self.widths):
            height, width = -(-height // 2), -(-width // 2)
            sizes.append((height, width))
        return sizes


HALLO = UNetConfig(audio=768, motion_frames=HALLO_MOTION_FRAMES, motion_everywhere=False)
CHAMP = UNetConfig()
