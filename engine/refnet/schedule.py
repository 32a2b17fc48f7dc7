"""The noise schedule of the family: v-prediction, linear betas, no signal left at the last step (arXiv 2305.08891)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import TroupeError
from ..guidance import Differences, Guidance, combine, plan, settings_at

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

BETAS = 0.00085, 0.012
TRAINED_STEPS = 1000
# Of the last step, instead of 0: ComfyUI counts in noise over signal, which would be infinite.
LEAST_ALPHA = 4.8973451890853435e-08


def ddim(steps: int) -> DDIMScheduler:
    """The published scheduler (DDIM, eta 0, steps counted from the noisy end).

    Raises:
        TroupeError: unless there are 1 to 1000 steps.
    """
    from diffusers import DDIMScheduler

    _check_steps(steps)
    scheduler = DDIMScheduler(
        num_train_timesteps=TRAINED_STEPS,
        beta_start=BETAS[0],
        beta_end=BETAS[1],
        beta_schedule="linear",
        clip_sample=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )
    scheduler.set_timesteps(steps)
    return scheduler


def sigmas(steps: int) -> Tensor:
    """The same steps as noise over signal, falling, and a last 0: float32 ``[steps + 1]``. Euler's method on them is DDIM."""
    scheduler = ddim(steps)
    alphas = scheduler.alphas_cumprod[scheduler.timesteps].double().clamp(min=LEAST_ALPHA)
    return torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1, dtype=torch.float64)]).float()


def denoise(
    predict: Callable[[Tensor, Tensor, tuple[int, ...]], Tensor],
    noise: Tensor,
    steps: int,
    guidance: Guidance,
) -> Iterator[tuple[Tensor, Tensor]]:
    """From noise to latents.

    Args:
        predict: From latents, the timestep ``[1]`` and the passes that are wanted to their predictions of v, one row for
            each pass. Pass i has the first i layers of ``guidance``.
        noise: ``[1, C, ...]``.
        steps: How many.
        guidance: Layers without reuse.

    Yields:
        After each step the guided prediction and the latents, like ``noise``.
    """
    scheduler, schedule = ddim(steps), sigmas(steps).tolist()
    latents, kept = noise, Differences()
    for i, t in enumerate(scheduler.timesteps):
        step = plan(settings_at(guidance.layers, schedule[i], schedule, _sigma_of))
        rows = predict(latents, t[None].to(latents.device), step.passes)
        found = dict(zip(step.passes, rows.split(1), strict=True))
        # The weights add up to one, so that mixing v is mixing x_0.
        guided = combine(step, found, kept, schedule[i])
        latents = scheduler.step(guided, t, latents, eta=0.0).prev_sample
        yield guided, latents


def _sigma_of(share: float) -> float:
    """Noise at a fraction of the trained schedule, as ComfyUI's ``percent_to_sigma``."""
    alphas = ddim(1).alphas_cumprod
    at = round((1 - share) * (TRAINED_STEPS - 1))
    alpha = max(float(alphas[at]), LEAST_ALPHA)
    return ((1 - alpha) / alpha) ** 0.5


def _check_steps(steps: int) -> None:
    if not 1 <= steps <= TRAINED_STEPS:
        raise TroupeError(
            f"{steps} steps are not possible", f"there may be 1 to {TRAINED_STEPS}", "Use 20 to 40"
        )
