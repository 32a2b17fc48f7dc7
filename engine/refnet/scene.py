"""What a denoising net is to show: everything it needs beside noise, so that samplers can call it as a plain function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import TroupeError
from .bank import Bank
from .unet import DenoisingUNet
from .windows import Window, in_windows


@dataclass(frozen=True, eq=False)
class Scene:
    """A video to be made. Its two layers of guidance are ``portrait`` and, for Hallo, ``speech``.

    Attributes:
        bank: What the reference net saw.
        tokens: ``[2, N, cross_dim]``: the picture's without and with the portrait layer.
        added: ``[1, C, F or 1, h, w]``: guidance, or the face's place.
        frames: F, of the whole video.
        always: Whether ``added`` is there without the portrait layer, too (Champ's maps).
        audio: ``[1, F, tokens, width]``, or None.
        masks, motion_scale: As ``DenoisingUNet.forward`` has them.
        windows: Which frames are predicted together; empty: all at once.
        weights: How much each frame of a window counts, ``[size]``, or None.
    """

    bank: Bank
    tokens: Tensor
    added: Tensor
    frames: int
    always: bool = False
    audio: Tensor | None = None
    masks: dict[str, list[Tensor]] | None = None
    motion_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    windows: tuple[Window, ...] = ()
    weights: Tensor | None = None

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Scene:
        """On a device, in a floating type."""
        masks = self.masks and {k: [m.to(device, dtype) for m in v] for k, v in self.masks.items()}
        return replace(
            self,
            bank=self.bank.to(device, dtype),
            tokens=self.tokens.to(device, dtype),
            added=self.added.to(device, dtype),
            audio=None if self.audio is None else self.audio.to(device, dtype),
            masks=masks,
        )

    def predict(
        self, net: DenoisingUNet, x: Tensor, t: Tensor, portrait: Sequence[bool], speech: Sequence[float]
    ) -> Tensor:
        """v for rows that differ in their layers.

        Args:
            x: ``[B or 1, 4, F, h, w]``.
            t: ``[B or 1]``, 0 to 999.
            portrait: Which of the B rows have the portrait layer.
            speech: How much each row hears, 0 or 1.

        Returns:
            ``[B, 4, F, h, w]``.

        Raises:
            TroupeError: if the latents are of another length or size than the scene.
        """
        self._check(x)
        rows = len(portrait)
        x = x.expand(rows, -1, -1, -1, -1)

        def window(frames: Window) -> Tensor:
            where = list(frames)
            added = (
                self.added[:, :, where]
                if self.added.shape[2] > 1
                else self.added.expand(-1, -1, len(where), -1, -1)
            )
            if not self.always:
                added = torch.cat([added if on else torch.zeros_like(added) for on in portrait])
            audio = self.audio
            if audio is not None:
                audio = torch.cat([level * audio[:, where] for level in speech])
            return net(
                x[:, :, where],
                t,
                self.tokens[[int(on) for on in portrait]],
                bank=self.bank,
                reads=list(portrait),
                added=added,
                audio=audio,
                masks=self.masks,
                motion_scale=self.motion_scale,
            )

        windows = self.windows or (tuple(range(self.frames)),)
        return in_windows(window, windows, self.frames, self.weights)

    def _check(self, x: Tensor) -> None:
        frames, height, width = x.shape[2:]
        if frames != self.frames or (height, width) != self.added.shape[3:]:
            own = f"{self.frames} frames of {self.added.shape[4] * 8} x {self.added.shape[3] * 8}"
            raise TroupeError(
                "The latents do not fit what they shall show",
                f"they are {frames} frames of {width * 8} x {height * 8}, the conditioning is for {own}",
                "Connect the latent of the same node as the conditioning",
            )
