"""The diffusion model through ComfyUI's own loader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import comfy.sd
import torch

from ..engine.errors import TroupeError
from .adapters import portrait_model

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

# What ComfyUI's Load Diffusion Model offers.
WEIGHTS = {
    "default": {},
    "fp8_e4m3fn": {"dtype": torch.float8_e4m3fn},
    "fp8_e4m3fn_fast": {"dtype": torch.float8_e4m3fn, "fp8_optimizations": True},
    "fp8_e5m2": {"dtype": torch.float8_e5m2},
}


def load_diffusion_model(path: Path, weight_dtype: str) -> ModelPatcher:
    """A Wan image-to-video model.

    Raises:
        TroupeError: if the file cannot be read or holds another model.
    """
    if path.suffix.lower() == ".gguf":
        raise TroupeError(
            f"The model {path.name!r} cannot be loaded here",
            "GGUF files need the loader of ComfyUI-GGUF",
            "Load it with Unet Loader (GGUF) and connect Load Portrait Adapter to it",
        )
    try:
        model = comfy.sd.load_diffusion_model(str(path), model_options=dict(WEIGHTS[weight_dtype]))
    except Exception as error:  # unknown models, damaged files: every ComfyUI raises something else
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise TroupeError(
            f"The model {path.name!r} cannot be loaded", why, "Choose Wan 2.1 I2V 14B, or download it again"
        ) from error
    portrait_model(model, path.name)
    return model
