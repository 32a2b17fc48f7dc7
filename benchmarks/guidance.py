"""What layered guidance saves and what it costs: passes per step, and how far the latents end from full guidance.

    python benchmarks/guidance.py

30 steps of Euler at shift 5, portrait 4 with text 1 (two passes a step) and with text 5 (three), on two models:

- exact: the flow of Gaussian mixtures, one for each of 512 places, whose weights and means the text and the portrait
  change. Its predictions are known, as those of a network that has learnt all there is to learn about such pictures.
- wan: a tiny random Wan in ComfyUI (``COMFYUI_PATH``, else ``~/ComfyUI``) with a random adapter in the pack's patch.

Beside each setting: no guidance at all, fewer steps for the same number of passes, and reuse of the difference in
x_0 instead of that in velocity. Neither model is a trained one: figures tell settings apart, not what one will see.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

from troupe.engine.guidance import Differences, Layer, combine, flow_sigmas, plan, settings_at

STEPS, SHIFT = 30, 5.0
PLACES, CHANNELS, PARTS = 512, 16, 8  # of the mixtures
DIM, DEPTH, FRAMES, HEIGHT, WIDTH = 256, 2, 3, 16, 16  # of the tiny Wan and its latent
CONTEXT, WINDOW = 64, 9  # of its adapter's tokens

# Layers and steps to the final latent and the number of passes.
Sample = Callable[[tuple[Layer, ...], int], tuple[Tensor, int]]


def settings(text: float) -> dict[str, tuple[Layer, ...]]:
    """Ways to save passes, with the text's scale."""

    def layers(*, text_more: dict | None = None, scale: float = 4.0, **more) -> tuple[Layer, ...]:
        return Layer("text", text, **(text_more or {})), Layer("portrait", scale, **more)

    found = {
        "full": layers(),
        "portrait up to 0.5": layers(end=0.5),
        "portrait from 0.2": layers(start=0.2),
        "portrait every 2": layers(every=2),
        "portrait every 3": layers(every=3),
        "portrait every 2 from 0.2": layers(start=0.2, every=2),
        "portrait every 2 to the end": layers(every=2, every_until=1.0),
        "portrait every 3 to the end": layers(every=3, every_until=1.0),
    }
    if text != 1:
        found |= {
            "both every 2": layers(text_more={"every": 2}, every=2),
            "both every 3": layers(text_more={"every": 3}, every=3),
            "text up to 0.5": layers(text_more={"end": 0.5}),
            "both up to 0.5": layers(text_more={"end": 0.5}, end=0.5),
        }
    return found


def flow(share: float) -> float:
    """Noise level at a share of the schedule."""
    return SHIFT * (1 - share) / (1 + (SHIFT - 1) * (1 - share))


def exact_model() -> Sample:
    """Euler on the exact flow of the mixtures."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    means, logits = random(PLACES, PARTS, CHANNELS), random(3, PLACES, PARTS).cumsum(0)
    portrait = means + 0.5 * random(PLACES, 1, CHANNELS)
    conditions = [(logits[0], means), (logits[1], means), (logits[2], portrait)]
    noise = random(PLACES, CHANNELS)

    def predict(x: Tensor, sigma: float, condition: int, width: float = 0.3) -> Tensor:
        """E[x_0 | x_t] where x_t = (1 - sigma) x_0 + sigma noise and each part is ``width`` wide."""
        logit, mean = conditions[condition]
        clean = 1 - sigma
        variance = (clean * width) ** 2 + sigma**2
        off = x[:, None] - clean * mean
        share = (logit - off.square().sum(-1) / (2 * variance)).softmax(-1)
        return (share[..., None] * (mean + clean * width**2 / variance * off)).sum(1)

    def sample(layers: tuple[Layer, ...], steps: int) -> tuple[Tensor, int]:
        x, sigmas, kept, passes = noise, flow_sigmas(steps, SHIFT).tolist(), Differences(), 0
        for sigma, following in zip(sigmas, sigmas[1:]):
            step = plan(settings_at(layers, sigma, sigmas, flow), kept.links)
            guided = combine(step, {i: predict(x, sigma, i) for i in step.passes}, kept, sigma)
            x, passes = x + (x - guided) / sigma * (following - sigma), passes + len(step.passes)
        return x, passes

    return sample


def wan_model(host: Path) -> Sample:
    """ComfyUI's Euler with the pack's guider on a tiny Wan with an adapter."""
    sys.path.insert(0, str(host))
    sys.argv = sys.argv[:1] + ["--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.samplers
    from comfy.patcher_extension import WrappersMP

    from troupe.engine.guidance import Guidance
    from troupe.host.guider import LayeredGuider

    generator = torch.Generator().manual_seed(0)

    def random(*shape: int, gain: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * gain

    model, rows = _tiny_wan(random), []

    def count(executor, x: Tensor, *args, **kwargs) -> Tensor:
        rows.append(len(x))
        return executor(x, *args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "count", count)
    prompts = [[[random(1, 8, 4096), {}]] for _ in range(2)]
    noise = random(1, 16, FRAMES, HEIGHT, WIDTH)

    def sample(layers: tuple[Layer, ...], steps: int) -> tuple[Tensor, int]:
        rows.clear()
        guider = LayeredGuider(model, Guidance(layers))
        guider.set_conds(*prompts)
        euler, sigmas = comfy.samplers.sampler_object("euler"), flow_sigmas(steps, SHIFT)
        out = guider.sample(noise, torch.zeros_like(noise), euler, sigmas, disable_pbar=True, seed=0)
        return out, sum(rows)

    return sample


def _tiny_wan(random: Callable[..., Tensor]):
    """A random Wan, loaded by ComfyUI, with a random portrait adapter on it."""
    import comfy.ops
    import comfy.sd
    from comfy.ldm.wan.model import WanModel
    from comfy.model_patcher import ModelPatcher

    from troupe.engine.wan.adapter import Adapter
    from troupe.engine.wan.branch import BranchInput
    from troupe.host.adapters import BranchWeights, LoadedAdapter
    from troupe.host.wan_patch import CastBranch, apply_branches

    dit = WanModel(
        model_type="i2v", in_dim=36, out_dim=16, dim=DIM, ffn_dim=2 * DIM, num_heads=DIM // 128, num_layers=DEPTH,
        freq_dim=256, text_dim=4096, device="meta", dtype=torch.float32, operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    weights = {}
    for name, meant in dit.state_dict().items():
        gain = meant[0].numel() ** -0.5 if meant.ndim > 1 else 0.05
        weights[name] = random(*meant.shape, gain=gain) + (meant.ndim == 1 and "norm" in name)
    model = comfy.sd.load_diffusion_model_state_dict(weights)
    model.get_model_object("model_sampling").set_parameters(shift=SHIFT)
    keys, values = (tuple(random(DIM, CONTEXT, gain=CONTEXT**-0.5) for _ in range(DEPTH)) for _ in range(2))
    adapter = Adapter("portrait", "random", torch.nn.Identity(), keys, values)
    cpu = torch.device("cpu")
    loaded = LoadedAdapter(adapter, ModelPatcher(BranchWeights(adapter), cpu, cpu))
    given = BranchInput(random(FRAMES, 1, WINDOW, CONTEXT, gain=2.0), None, (1.0,), None)
    return apply_branches(model, [CastBranch(loaded, lambda *grid: given)])


def as_x0(self: Differences, term, predictions, sigma: float, *, of=Differences.of) -> Tensor:
    """The alternative: the difference in x_0 is reused as it is."""
    return of(self, term, predictions, 1.0)


def measure(sample: Sample, text: float) -> dict[str, dict[str, float]]:
    """Passes per step of 30 and the relative error of the final latents, of each setting and its alternatives."""
    cases = settings(text)
    full, _ = sample(cases["full"], STEPS)

    def error(x: Tensor) -> float:
        return float((x - full).norm() / full.norm())

    none, passes = sample((Layer("text", 1.0), Layer("portrait", 1.0)), STEPS)
    out = {"no guidance": {"passes": passes / STEPS, "error": error(none)}}
    for name, layers in cases.items():
        x, passes = sample(layers, STEPS)
        out[name] = {"passes": passes / STEPS, "error": error(x)}
        fewer = round(STEPS * passes / (STEPS * (2 if text == 1 else 3)))
        if fewer < STEPS:
            out[name] |= {"fewer_steps": fewer, "error_fewer_steps": error(sample(cases["full"], fewer)[0])}
        if any(layer.every > 1 for layer in layers):
            with mock.patch.object(Differences, "of", as_x0):
                out[name]["error_x0"] = error(sample(layers, STEPS)[0])
    return out


def find_host() -> Path | None:
    named = os.environ.get("COMFYUI_PATH")
    places = named.split(os.pathsep) if named else [str(Path.home() / "ComfyUI")]
    return next((Path(p) for p in places if (Path(p) / "comfy" / "samplers.py").is_file()), None)


def main() -> None:
    models, host, figures = {"exact": exact_model()}, find_host(), {}
    if host is None:
        say("no ComfyUI found (COMFYUI_PATH): the exact model only")
    else:
        models["wan"] = wan_model(host)
    with torch.inference_mode():
        for model, sample in models.items():
            for text in (1.0, 5.0):
                say(
                    f"\n{model}, text {text:g}, portrait 4      passes  error  (as x_0)  (fewer steps instead)"
                )
                figures[f"{model}_text_{text:g}"] = found = measure(sample, text)
                for name, f in found.items():
                    x0 = f"{f['error_x0']:9.3f}" if "error_x0" in f else " " * 9
                    steps = (
                        f"{f['error_fewer_steps']:9.3f} ({f['fewer_steps']})" if "fewer_steps" in f else ""
                    )
                    say(f"{name:32s} {f['passes']:6.2f} {f['error']:6.3f} {x0} {steps}")
    finish({"benchmark": "guidance", "steps": STEPS, "shift": SHIFT, **figures})


if __name__ == "__main__":
    main()
