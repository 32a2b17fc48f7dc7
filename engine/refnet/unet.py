"""The denoising net of Hallo and Champ: Stable Diffusion 1.5 over frames, which reads the reference net's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..errors import TroupeError
from .bank import Bank
from .blocks import UNet
from .call import LEVELS, Call
from .config import LATENT_CHANNELS, MAX_FRAMES, UNetConfig


class DenoisingUNet(UNet):
    """Sees videos, ``[B, 4, F, h, w]``; inside, frames are folded into the batch."""

    def __init__(self, config: UNetConfig):
        super().__init__(config, video=True)
        self.conv_norm_out = nn.GroupNorm(config.groups, config.widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(config.widths[0], LATENT_CHANNELS, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        tokens: Tensor,
        *,
        bank: Bank | None = None,
        reads: Sequence[bool] | Tensor | None = None,
        added: Tensor | None = None,
        audio: Tensor | None = None,
        masks: Mapping[str, Sequence[Tensor]] | None = None,
        motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> Tensor:
        """Predict (v, for the published checkpoints) from noisy latents. All other inputs take on ``x``'s type and device.

        Args:
            x: ``[B, 4, F, h, w]``, of any height and width.
            timestep: ``[B]`` or ``[1]``, 0 to 999.
            tokens: ``[B or 1, N, cross_dim]``, the picture's.
            bank: Of the reference net, with 1 or B rows; None: none is read and no frames lie before the clip.
            reads: ``[B]``, rows that see the bank's portrait; None: all. (Unconditional rows do not.) The frames before
                the clip are seen by all rows.
            added: ``[B or 1, widths[0], F, h, w]``, added behind the first convolution: face locator, guidance.
            audio: ``[B or 1, F, tokens, width]``; zeros in unconditional rows. None: audio has no influence.
            masks: For each of "full", "face", "lip" a list, by depth ``[F or 1, tokens]`` in 0..1, row by row of the
                picture at the size that ``config.sizes(h, w)`` says; None: everywhere.
            motion_scale: Strength of the audio in the full picture, the face, the lips.

        Returns:
            ``[B, 4, F, h, w]``.

        Raises:
            TroupeError: if shapes do not fit each other or this net.
        """
        rows, _, frames, _, _ = _shape(x)
        before = bank.images - 1 if bank is not None else 0
        if before + frames > MAX_FRAMES:
            raise TroupeError(
                "The clip is too long for one window",
                f"{frames} frames and {before} before them are more than the {MAX_FRAMES} that the motion modules know",
                "Use shorter windows",
            )
        _check(self.config, rows, frames, tokens, bank, reads, audio, masks)
        call = Call(
            rows=rows,
            frames=frames,
            time=self.embed_time(timestep.to(x.device), rows, x).repeat_interleave(frames, 0),
            tokens=tokens.to(x).expand(rows, -1, -1),
            bank=bank,
            reads=(True,) * rows if reads is None else tuple(torch.as_tensor(reads).bool().tolist()),
            audio=None if audio is None else audio.to(x).expand(rows, -1, -1, -1).flatten(0, 1),
            masks=masks,
            scales=tuple(float(s) for s in motion_scale),
        )
        h = self.conv_in(_fold(x))
        if added is not None:
            h = h + _fold(added.to(x).expand(rows, -1, -1, -1, -1))
        h = self.conv_out(silu(self.conv_norm_out(self.trunk(h, call))))
        return h.unflatten(0, (rows, frames)).transpose(1, 2)


def _fold(x: Tensor) -> Tensor:
    """``[B, C, F, h, w]`` to ``[B * F, C, h, w]``."""
    return x.transpose(1, 2).flatten(0, 1)


def _shape(x: Tensor) -> tuple[int, int, int, int, int]:
    if x.ndim != 5 or x.shape[1] != LATENT_CHANNELS or not x.numel():
        raise TroupeError(
            "The latents have a wrong shape",
            f"they are {list(x.shape)}, expected [batch, {LATENT_CHANNELS}, frames, height, width]",
            "Use video latents of Stable Diffusion 1.5",
        )
    return tuple(x.shape)


def _check(
    config: UNetConfig,
    rows: int,
    frames: int,
    tokens: Tensor,
    bank: Bank | None,
    reads: Sequence[bool] | Tensor | None,
    audio: Tensor | None,
    masks: Mapping[str, Sequence[Tensor]] | None,
) -> None:
    """Raise a ``TroupeError`` for the first input that does not fit the latents or the net."""

    def wrong(what: str, got: object, expected: str) -> TroupeError:
        return TroupeError(f"{what} does not fit", f"it is {got}, expected {expected}", "Check its source")

    if tokens.ndim != 3 or tokens.shape[0] not in (1, rows) or tokens.shape[2] != config.cross_dim:
        raise wrong("The picture's token tensor", list(tokens.shape), f"[{rows} or 1, N, {config.cross_dim}]")
    if reads is not None and len(reads) != rows:
        raise wrong("The list of reading rows", f"{len(reads)} long", f"{rows}")
    if bank is not None and bank.rows not in ((2,) if bank.in_turn else (1, rows)):
        raise wrong("The reference features' number of rows", bank.rows, f"1 or {rows}, 2 if read in turn")
    if bank is not None and bank.images > 1 + config.motion_frames:
        raise wrong(
            "The reference features' number of images", bank.images, f"up to {1 + config.motion_frames}"
        )
    if audio is not None:
        if config.audio is None:
            raise TroupeError("This net cannot hear", "it has no audio modules", "Use Hallo for speech")
        fits = audio.ndim == 4 and audio.shape[0] in (1, rows)
        if not fits or audio.shape[1] != frames or audio.shape[3] != config.audio:
            raise wrong("The audio", list(audio.shape), f"[{rows} or 1, {frames}, tokens, {config.audio}]")
    if masks is not None:
        for level in LEVELS:
            if len(masks.get(level, ())) != len(config.widths):
                raise wrong(
                    f"The list of {level} masks", f"{len(masks.get(level, ()))} long", f"{len(config.widths)}"
                )
