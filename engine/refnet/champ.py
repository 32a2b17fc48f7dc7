"""Champ (arXiv 2403.14781): a picture moves like a body, whose maps guide every frame.

    nets = load_champ(champ_files("models/champ"))
    guidance = encode_maps(encoders, maps)
    bank = nets.reference.write(latents_of_the_picture, tokens)
    for _, latents in animate(nets.denoising, noise, tokens, bank, guidance): ...

The unconditional prediction has zeros for the picture's tokens and does not read the bank; maps guide it all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..guidance import Guidance, Layer
from .bank import Bank
from .scene import Scene
from .schedule import denoise
from .unet import DenoisingUNet
from .windows import Window, fade_weights, open_windows

STEPS, SCALE, WINDOW, OVERLAP = 20, 3.5, 24, 4
VAE_SCALE = 0.18215
CLIP_SIZE = 224
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@torch.no_grad()
def animate(
    net: DenoisingUNet,
    noise: Tensor,
    tokens: Tensor,
    bank: Bank,
    guidance: Tensor,
    *,
    steps: int = STEPS,
    scale: float = SCALE,
    windows: Sequence[Window] | None = None,
    fade: str = "even",
) -> Iterator[tuple[Tensor, Tensor]]:
    """From noise to a video's latents.

    Args:
        noise: ``[1, 4, F, h, w]``.
        tokens: ``[1, 1, cross_dim]``, the picture's CLIP embedding.
        bank: Of the picture, one row.
        guidance: ``[1, C, F, h, w]``, see ``encode_maps``.
        steps: 20 as published.
        scale: How strongly the picture is followed, 3.5 as published.
        windows: Default: open ones of 24 frames that overlap by 4.
        fade: How overlapping windows are mixed, see ``fade_weights``.

    Yields:
        After each step the guided prediction and the latents, ``[1, 4, F, h, w]``.
    """
    scene = champ_scene(tokens, bank, guidance, windows, fade)

    def predict(x: Tensor, t: Tensor, passes: tuple[int, ...]) -> Tensor:
        return scene.predict(net, x, t, [index > 0 for index in passes], [0.0] * len(passes))

    yield from denoise(predict, noise, steps, Guidance((Layer("portrait", scale),)))


def champ_scene(
    tokens: Tensor, bank: Bank, guidance: Tensor, windows: Sequence[Window] | None = None, fade: str = "even"
) -> Scene:
    """A video for any sampler; arguments as in ``animate``."""
    frames = guidance.shape[2]
    windows = open_windows(frames, WINDOW, OVERLAP) if windows is None else windows
    shared = max((len(set(a) & set(b)) for a, b in zip(windows, windows[1:])), default=0)
    return Scene(
        bank,
        torch.cat([torch.zeros_like(tokens), tokens]),
        guidance,
        frames,
        always=True,
        windows=tuple(windows),
        weights=fade_weights(len(windows[0]), fade, shared),
    )


def reference_pixels(picture: np.ndarray, height: int, width: int) -> Tensor:
    """The picture, uint8 ``[h, w, 3]``, as the VAE gets it: float32 ``[1, 3, height, width]`` in -1..1 (Lanczos)."""
    from PIL import Image

    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].float() / 127.5 - 1


def clip_pixels(picture: np.ndarray) -> Tensor:
    """The picture, uint8 ``[h, w, 3]``, as CLIP gets it: float32 ``[1, 3, 224, 224]``. It is squashed, not cropped."""
    from PIL import Image

    resized = Image.fromarray(picture).resize((CLIP_SIZE, CLIP_SIZE), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(resized)).float() / 255
    return ((pixels - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)).permute(2, 0, 1)[None]
