"""Hallo (arXiv 2406.08801): a portrait speaks, clip after clip.

    hallo = Hallo.of(load_hallo("net.pth"))
    portrait = portrait_of(hallo, latents, identity, masks)
    for clip in range(count):
        bank = portrait.look(motion)                       # the portrait and the last two frames
        for _, latents in animate(portrait, bank, noise, windows[clip]): ...
        motion = encode(decode(latents)[-2:])

Layers of guidance (``engine.guidance``): ``portrait`` (identity, bank, place of the face), then ``speech``. Equal scales
are the published formula; the paper's separate ones for picture and sound need a third pass where they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import TroupeError
from ..guidance import Guidance, Layer
from .bank import Bank
from .hallo_masks import HalloMasks
from .hallo_nets import Hallo
from .scene import Scene
from .schedule import denoise

STEPS, SCALE, CLIP, MOTION = 40, 3.5, 16, 2


def published(scale: float = SCALE) -> Guidance:
    """The published guidance, two passes a step."""
    return Guidance((Layer("portrait", scale), Layer("speech", scale)))


@dataclass(frozen=True, eq=False)
class Portrait:
    """One face that speaks, in a picture.

    Attributes:
        hallo: The nets.
        latents: ``[1, 4, h, w]`` of the picture, scaled.
        tokens: ``[2, N, cross_dim]``: without and with the face's identity.
        place: ``[1, C, 1, h, w]``, of the face locator.
        masks: By level and depth, ``[1, tokens]``.
        motion_scale: Strength of speech in the rest of the picture, the face, the lips.
    """

    hallo: Hallo
    latents: Tensor
    tokens: Tensor
    place: Tensor
    masks: dict[str, list[Tensor]]
    motion_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @torch.no_grad()
    def look(self, motion: Tensor | None = None) -> Bank:
        """What the reference net sees in the picture and the frames before the clip.

        Args:
            motion: ``[2, 4, h, w]``, latents of the frames before; None: the picture twice, before the first clip.

        Returns:
            A bank of two rows, without and with the face's identity, read in turn as published (see ``Bank.in_turn``).
        """
        before = self.latents.expand(MOTION, -1, -1, -1) if motion is None else motion
        images = torch.cat([self.latents, before.to(self.latents)])
        bank = self.hallo.reference.write(images.expand(2, -1, -1, -1, -1), self.tokens)
        return replace(bank, in_turn=True)


@torch.no_grad()
def portrait_of(
    hallo: Hallo,
    latents: Tensor,
    identity: Tensor,
    masks: HalloMasks,
    motion_scale: Sequence[float] = (1.0, 1.0, 1.0),
) -> Portrait:
    """What stays the same over all clips.

    Args:
        latents: ``[1, 4, h, w]``, the VAE's mode of the picture in -1..1, times 0.18215.
        identity: ``[1, D]``, the face's embedding; zeros for none.
        masks: Of the face, see ``hallo_masks``.
        motion_scale: Strength of speech in the rest of the picture, the face, the lips; 1 as published.

    Raises:
        TroupeError: if the embedding is of another width than the model's.
    """
    wide = hallo.identity_width
    if identity.shape != (1, wide):
        raise TroupeError(
            "The face's identity does not fit Hallo",
            f"its shape is {list(identity.shape)}, expected [1, {wide}]",
            "Use an ArcFace embedding of 512 values",
        )
    both = torch.cat([torch.zeros_like(identity), identity])
    device, dtype = latents.device, latents.dtype
    return Portrait(
        hallo,
        latents,
        hallo.identity(both.to(device, dtype)),
        hallo.locator(masks.locator[None, :, None].to(device, dtype)),
        {level: [mask.to(device, dtype) for mask in by_depth] for level, by_depth in masks.levels.items()},
        tuple(motion_scale),
    )


@torch.no_grad()
def hallo_scene(portrait: Portrait, bank: Bank, windows: Tensor) -> Scene:
    """One clip for any sampler.

    Args:
        bank: Of ``Portrait.look``.
        windows: ``[F, 5, layers, D]``, the speech of its frames, see ``hallo_audio.frame_windows``.
    """
    return Scene(
        bank,
        portrait.tokens,
        portrait.place,
        len(windows),
        audio=portrait.hallo.audio(windows[None].to(portrait.latents)),
        masks=portrait.masks,
        motion_scale=portrait.motion_scale,
    )


def animate(
    portrait: Portrait,
    bank: Bank,
    noise: Tensor,
    windows: Tensor,
    *,
    steps: int = STEPS,
    guidance: Guidance | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One clip from noise.

    Args:
        bank, windows: As in ``hallo_scene``.
        noise: ``[1, 4, F, h, w]``.
        steps: 40 as published.
        guidance: Of layers ``portrait`` and ``speech``; default ``published()``.

    Yields:
        After each step the guided prediction and the latents, ``[1, 4, F, h, w]``.
    """
    guidance = published() if guidance is None else guidance
    scene = hallo_scene(portrait, bank, windows)

    @torch.no_grad()
    def predict(x: Tensor, t: Tensor, passes: tuple[int, ...]) -> Tensor:
        off = [guidance.names[index:] for index in passes]  # what is no layer is on in every pass
        seen, heard = (["portrait" not in o for o in off], [float("speech" not in o) for o in off])
        return scene.predict(portrait.hallo.denoising, x, t, seen, heard)

    yield from denoise(predict, noise, steps, guidance)
