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
        raise TroupeError(
            f"The model {path.name!r} cannot be loaded",
            _reason(error),
            "Choose Wan 2.1 I2V 14B as safetensors or GGUF, or download it again",
        ) from error
    portrait_model(model, f"The model {path.name!r}")
    return model


def _reason(error: Exception) -> str:
    text = str(error)
    if "weights_only" in text:  # PyTorch goes on to tell how to run the code all the same
        return "it is a pickle that holds more than tensors and could run code on this machine"
    what = text.splitlines()[0][:200] if text else type(error).__name__
    return f"it is damaged, incomplete or no model that ComfyUI knows ({what.rstrip('.')})"
