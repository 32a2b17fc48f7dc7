"""Hallo and Champ as ComfyUI's MODEL: their frames are its batch, as with AnimateDiff, so that every sampler, preview and
VAE node works with them.

What is to be seen travels in the conditioning (``SCENE``), and the layers of guidance act as with Wan (``guider``).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import comfy.model_base
import comfy.model_management
import comfy.samplers
import comfy.supported_models
import torch
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers

from ..engine.errors import TroupeError
from ..engine.refnet.scene import Scene
from ..engine.refnet.schedule import BETAS
from .guider import KEY, LAYERS_KEY, PRESENT_KEY
from .memory import enough_memory, patcher_of

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from torch import Tensor

    from ..engine.refnet.unet import DenoisingUNet

# In a conditioning: the scene, and whether its layers act (else it is a negative one).
SCENE, SHOWN = "troupe_scene", "troupe_shown"
NO_SIGNAL = 1e6  # noise over signal at the first step, in the place of infinity
SETTINGS = {"beta_schedule": "sqrt_linear", "linear_start": BETAS[0], "linear_end": BETAS[1], "zsnr": True}


@dataclass(frozen=True, eq=False)
class Placed:
    """A scene on the device of a run.

    Attributes:
        origin: The one in the conditioning.
        scene: Its copy on the device.
    """

    origin: Scene
    scene: Scene


class CondScene:
    """Scenes among a model's conditions, each with whether its layers act; several conditions make one list."""

    def __init__(self, cond: Sequence[tuple[Placed, bool]]):
        self.cond = list(cond)

    def process_cond(self, batch_size: int, **kwargs: Any) -> CondScene:
        return self

    def can_concat(self, other: Any) -> bool:
        return isinstance(other, CondScene)

    def concat(self, others: Sequence[CondScene]) -> list[tuple[Placed, bool]]:
        return [each for cond in (self, *others) for each in cond.cond]

    def size(self) -> list[int]:
        return [sum(frames_together(placed.scene) for placed, _ in self.cond)]


class FrameNet(torch.nn.Module):
    """A denoising net called the way ComfyUI calls an image model: frames in the batch."""

    def __init__(self, unet: DenoisingUNet):
        super().__init__()
        self.unet = unet

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.conv_in.weight.dtype

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, **kwargs: Any) -> Tensor:
        """``[conditions * F, 4, h, w]`` to the same, through whatever caches and packs have put around the model."""
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, kwargs.get("transformer_options") or {})
        executor = WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        return executor.execute(x, timesteps, context, **kwargs)

    def _forward(self, x: Tensor, timesteps: Tensor, context: Any = None, **kwargs: Any) -> Tensor:
        scenes: list[tuple[Placed, bool]] | None = kwargs.get(SCENE)
        if not scenes:
            raise TroupeError(
                "This model does not know what to show",
                "the conditioning is not from Champ Conditioning",
                "Connect positive and negative of Champ Conditioning; Hallo is sampled by Hallo Render",
            )
        rows = x.unflatten(0, (len(scenes), -1)).transpose(1, 2)
        times = timesteps.view(len(scenes), -1)[:, 0]
        acts = [(float(shown), float(shown)) for _, shown in scenes]
        if kwargs.get(LAYERS_KEY) is not None:
            acts = kwargs[LAYERS_KEY].view(len(scenes), -1, 2)[:, 0].tolist()
        out = torch.empty_like(rows)
        for placed in dict.fromkeys(placed for placed, _ in scenes):
            at = [i for i, (other, _) in enumerate(scenes) if other is placed]
            portrait, speech = [acts[i][0] > 0 for i in at], [acts[i][1] for i in at]
            out[at] = placed.scene.predict(self.unet, rows[at], times[at], portrait, speech)
        return out.transpose(1, 2).flatten(0, 1)


class RefnetModel(comfy.model_base.BaseModel):
    """A ``BaseModel`` with v-prediction and the schedule of the family."""

    understands_layers = True  # of the guider

    def __init__(self, unet: DenoisingUNet):
        config = comfy.supported_models.SD15({"disable_unet_model_creation": True})
        config.sampling_settings = dict(SETTINGS)
        super().__init__(config, model_type=comfy.model_base.ModelType.V_PREDICTION)
        self.diffusion_model = FrameNet(unet)
        self._placed: weakref.WeakValueDictionary[tuple, Placed] = weakref.WeakValueDictionary()

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs.get("control") is not None:
            raise TroupeError(
                "A ControlNet cannot act in this model",
                "its blocks are those of Stable Diffusion 1.5, but they see whole videos",
                "Remove Apply ControlNet; Champ is guided by the maps of Champ Conditioning",
            )
        scene = kwargs.get(SCENE)
        if scene is None:
            return {}
        return {SCENE: CondScene([(self._place(scene, kwargs["device"]), bool(kwargs.get(SHOWN, True)))])}

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, list[int]]:
        scene = kwargs.get(SCENE)
        return {} if scene is None else {SCENE: [frames_together(scene)]}

    def memory_required(self, input_shape: Sequence[int], cond_shapes: dict | None = None) -> float:
        """Only the frames of a window are in the net at a time."""
        frames = sum(size[0] for size in (cond_shapes or {}).get(SCENE, ()))
        return super().memory_required([min(input_shape[0], frames or input_shape[0]), *input_shape[1:]])

    def _place(self, scene: Scene, device: torch.device) -> Placed:
        """Once for a run: positive and negative share a scene."""
        key = id(scene), str(device), self.get_dtype()
        placed = self._placed.get(key)
        if placed is None or placed.origin is not scene:
            placed = self._placed[key] = Placed(scene, scene.to(device, self.get_dtype()))
        return placed


def frames_together(scene: Scene) -> int:
    """How many frames of a scene the net sees at a time."""
    return max((len(window) for window in scene.windows), default=scene.frames)


def around_sampling(executor: Any, noise: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Says what helps where the memory of the GPU is not enough."""
    asked = f"{len(noise)} frames of {noise.shape[3] * 8} x {noise.shape[2] * 8} were asked for"
    remedy = "Choose a smaller size or fewer frames at a time ('window' in Champ Conditioning, 'clip_frames' in Hallo Render)"
    with enough_memory(asked, remedy):
        return executor(noise, *args, **kwargs)


def as_model(unet: DenoisingUNet, layers: Sequence[str]) -> ModelPatcher:
    """A MODEL for ComfyUI's samplers.

    Args:
        unet: On the CPU, in its own type.
        layers: Of guidance that it knows: ``portrait``, and ``speech`` for Hallo.
    """
    patcher = patcher_of(RefnetModel(unet))
    patcher.model_options.setdefault("transformer_options", {})[PRESENT_KEY] = tuple(layers)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, around_sampling)
    return patcher


def conditioning_of(scene: Scene) -> tuple[list, list]:
    """Positive and negative CONDITIONING that show a scene, and the same without its layers."""
    tokens = scene.tokens[1:]
    return [[tokens, {SCENE: scene, SHOWN: True}]], [[scene.tokens[:1], {SCENE: scene, SHOWN: False}]]


def weight_type() -> torch.dtype:
    """What the nets run in: half precision where the device is good at it."""
    device = comfy.model_management.get_torch_device()
    if comfy.model_management.should_use_fp16(device):
        return torch.float16
    return torch.bfloat16 if comfy.model_management.should_use_bf16(device) else torch.float32


def exact_sampler() -> comfy.samplers.KSAMPLER:
    """A SAMPLER for sigmas of any kind that takes ComfyUI's highest noise level, 4518, for what it stands for: no signal at
    all. With ``schedule.sigmas`` it is DDIM as published. Core's euler is the same but for rounding, as it adds to noise that is
    4518 times louder than the picture: it is off by a few ten-thousandths."""
    return comfy.samplers.KSAMPLER(_from_no_signal)


def _from_no_signal(model: Any, x: Tensor, sigmas: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    highest = float(model.inner_model.inner_model.model_sampling.sigma_max)
    if len(sigmas) and float(sigmas[0]) > highest * (1 - 1e-4):
        x = x * (NO_SIGNAL / sigmas[0])
        sigmas = torch.cat([sigmas.new_tensor([NO_SIGNAL]), sigmas[1:]])
    return _ddim(model, x, sigmas, *args, **kwargs)


@torch.no_grad()
def _ddim(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict | None = None,
    callback: Any = None,
    disable: Any = None,
) -> Tensor:
    ones = x.new_ones(len(x))
    for i, (sigma, following) in enumerate(zip(sigmas, sigmas[1:])):
        denoised = model(x, sigma * ones, **(extra_args or {}))
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        x = denoised + (x - denoised) * (following / sigma)
    return x
