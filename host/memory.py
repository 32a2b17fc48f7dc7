"""How much of a model may stay on the GPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.model_patcher
import torch
from comfy.patcher_extension import WrappersMP

from ..engine.errors import TroupeError

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

KEY = "troupe_memory"
MINIMUM = 1 << 20  # bytes; a model can not be loaded with none at all


def cap_weights(model: ModelPatcher, billions: float) -> ModelPatcher:
    """A clone of ``model`` of which at most ``billions`` of parameters stay on the GPU while it samples.

    The rest lies in the computer's memory and is brought in layer by layer, in ComfyUI's own way. Negative: no cap,
    ComfyUI decides (the model itself is returned). FantasyPortrait publishes three tiers: unlimited, 7 and 0.
    """
    if billions < 0:
        return model
    if getattr(model, "is_dynamic", bool)():
        # Dynamic loading keeps what fits and knows no cap; the classic patcher does.
        model = model.clone(disable_dynamic=True)
    else:
        model = model.clone()
    parameters = max(1, sum(p.numel() for p in model.model.parameters()))
    limit = int(billions * 1e9 / parameters * model.model_size())

    def around_loading(executor: Any, patcher: ModelPatcher, *args: Any, **kwargs: Any) -> Any:
        result = executor(patcher, *args, **kwargs)
        if not comfy.model_management.is_device_cpu(patcher.load_device):
            unload_above(patcher, limit)
        return result

    model.remove_wrappers_with_key(WrappersMP.PREPARE_SAMPLING, KEY)
    model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, around_loading)
    return model


def unload_above(model: ModelPatcher, limit: int) -> int:
    """Take weights of a loaded model off its device until at most ``limit`` bytes stay; returns the bytes freed."""
    excess = model.loaded_size() - max(limit, MINIMUM)
    if excess <= 0:
        return 0
    freed = model.partially_unload(model.offload_device, excess)
    comfy.model_management.soft_empty_cache()
    logging.info(
        "Troupe: %.1f GB of the model moved off the GPU, %.1f GB stay",
        freed / 2**30,
        model.loaded_size() / 2**30,
    )
    return freed


def is_out_of_memory(error: Exception) -> bool:
    """Whether the memory of a GPU ran out: PyTorch's allocator says so in one way, calls of CUDA in another."""
    if isinstance(error, comfy.model_management.OOM_EXCEPTION):
        return True
    accelerator_error = getattr(torch, "AcceleratorError", None)  # from PyTorch 2.8 on
    return (
        accelerator_error is not None
        and isinstance(error, accelerator_error)
        and "out of memory" in str(error).lower()
    )


@contextmanager
def enough_memory(asked: str, remedy: str) -> Iterator[None]:
    """Says what was asked for and what helps where the memory of the GPU runs out, and frees it for the next job.

    Raises:
        TroupeError: in the place of the error.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        comfy.model_management.unload_all_models()
        comfy.model_management.soft_empty_cache()
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160].rstrip(".")
        raise TroupeError(
            "The memory of the GPU is not enough for this video", f"{asked} ({reason})", remedy
        ) from error


def patcher_of(module: torch.nn.Module) -> ModelPatcher:
    """A network under ComfyUI's memory management: on the GPU while it is used."""
    return comfy.model_patcher.ModelPatcher(
        module,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )
