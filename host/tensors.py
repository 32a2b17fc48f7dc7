"""Pictures, clips and sound between ComfyUI's tensors and the engine's arrays.

8-bit pictures survive the way in and out unchanged: ``to_uint8(to_image(x))`` is ``x``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..engine.errors import TroupeError

if TYPE_CHECKING:
    import torch

# What pixels may overshoot 0..1 by (resampling, VAEs) before they are taken for something else than a picture.
OVERSHOOT = 0.5
MAX_SIDE = 8192
MEMORY_SHARE = 0.8


def check_image(image: torch.Tensor, name: str) -> None:
    """Raise a ``TroupeError`` unless ``image`` is ``[T, H, W, 3]`` (alpha is allowed) with finite pixels in 0..1."""
    what = f"The input '{name}' is not usable"
    if image.ndim != 4 or min(image.shape) == 0:
        raise TroupeError(
            what, f"its shape is {list(image.shape)}, there are no pixels", "Check what made it"
        )
    if image.shape[-1] not in (3, 4):
        raise TroupeError(
            what, f"its pixels have {image.shape[-1]} channels, expected 3", "Use a colour picture"
        )
    if max(image.shape[1:3]) > MAX_SIDE:
        size = f"{image.shape[2]} x {image.shape[1]}"
        raise TroupeError(
            what, f"it has {size} pixels, the longest side may be {MAX_SIDE}", "Scale it down first"
        )
    low, high = (float(x) for x in image.aminmax())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise TroupeError(
            what, "it holds NaN or infinite pixels", "Check the node that made it (a VAE in half precision?)"
        )
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise TroupeError(
            what, f"its pixels run from {low:g} to {high:g}, expected 0 to 1", "Check what made it"
        )


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """IMAGE ``[..., H, W, 3]`` in 0..1 to uint8, rounded; alpha is left out, as everywhere in ComfyUI."""
    import torch

    return image[..., :3].mul(255.0).add_(0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()


def to_image(frames: np.ndarray) -> torch.Tensor:
    """uint8 ``[T, H, W, 3]`` (or one ``[H, W, 3]``) to an IMAGE batch."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(frames))
    return (tensor if tensor.ndim == 4 else tensor[None]).float().div_(255.0)


def single(image: torch.Tensor, name: str) -> np.ndarray:
    """The one picture of an IMAGE as float32 ``[H, W, 3]`` in 0..1."""
    check_image(image, name)
    if len(image) != 1:
        raise TroupeError(
            f"The input '{name}' holds {len(image)} pictures",
            "one picture is animated at a time",
            "Pick one with Get Image from Batch",
        )
    return image[0, ..., :3].float().clamp(0, 1).cpu().contiguous().numpy()


def scale_and_crop(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """IMAGE ``[T, H, W, C]`` scaled to cover ``width`` x ``height`` and cut evenly, as ComfyUI's video nodes do."""
    import comfy.utils

    own = image.shape[1] * image.shape[2]
    method = "area" if own > 2 * width * height else "lanczos"
    return comfy.utils.common_upscale(image.movedim(-1, 1), width, height, method, "center").movedim(1, -1)


def check_memory(frames: int, height: int, width: int) -> None:
    """Raise a ``TroupeError`` if ``frames`` of this size cannot be held as an IMAGE."""
    import psutil

    need, free = frames * height * width * 3 * 4, psutil.virtual_memory().available
    if need > free * MEMORY_SHARE:
        raise TroupeError(
            f"{frames} frames of {width} x {height} do not fit",
            f"they need {need / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB are free",
            "Ask for fewer seconds, a lower fps or a smaller picture; the shell renders any length",
        )


def empty_frames(frames: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Room for a clip: the IMAGE, and the same memory with even sides for a video encoder to read.

    H.264 wants even sides. The IMAGE is a view that leaves out the padding, so nothing is copied.
    """
    import torch

    check_memory(frames, height + height % 2, width + width % 2)
    padded = torch.empty((frames, height + height % 2, width + width % 2, 3), dtype=torch.float32)
    return padded[:, :height, :width], padded


def put_frame(padded: torch.Tensor, index: int, frame: np.ndarray) -> None:
    """Write one frame (uint8, or float in 0..1) into ``empty_frames``' memory, repeating the edge in the padding."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(frame))
    tensor = tensor.float().div_(255.0) if frame.dtype == np.uint8 else tensor
    height, width = tensor.shape[:2]
    target = padded[index]
    target[:height, :width] = tensor
    target[:height, width:] = tensor[:, -1:]
    target[height:] = target[height - 1 : height]


def rate(fps: float) -> Fraction:
    """Frames per second as VIDEO carries it: 29.97 becomes 30000/1001."""
    return Fraction(fps).limit_denominator(1001)
