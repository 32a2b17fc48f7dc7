"""The VAE of Stable Diffusion 1.5, through which Hallo and Champ see pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.errors import TroupeError

if TYPE_CHECKING:
    from comfy.sd import VAE
    from torch import Tensor

CELL = 8  # pixels of a latent


def check_vae(vae: VAE, reader: str) -> None:
    """Raise a ``TroupeError`` if this VAE cannot be Stable Diffusion 1.5's, which ``reader`` needs."""
    channels, axes = getattr(vae, "latent_channels", 4), getattr(vae, "latent_dim", 2)
    if channels != 4 or axes != 2:
        why = f"it makes latents of {channels} channels" + (" for videos" if axes == 3 else "")
        raise _other_vae(reader, why)


def encoded(vae: VAE, pictures: Tensor, reader: str) -> Tensor:
    """Pictures ``[n, H, W, 3]`` in 0..1 as the nets of ``reader`` know them: float32 ``[n, 4, H / 8, W / 8]``.

    Raises:
        TroupeError: if the VAE makes latents of another shape.
    """
    from comfy.latent_formats import SD15

    count, height, width = pictures.shape[:3]
    latents = vae.encode(pictures)
    if latents.shape != (count, 4, height // CELL, width // CELL):
        raise _other_vae(reader, f"of a picture of {width} x {height} it makes {list(latents.shape)}")
    return SD15().process_in(latents.float())


def _other_vae(reader: str, why: str) -> TroupeError:
    return TroupeError(
        f"The input 'vae' does not fit {reader}",
        f"{why}; Stable Diffusion 1.5's has 4 channels",
        "Load vae-ft-mse-840000-ema-pruned or another of Stable Diffusion 1.5",
    )
