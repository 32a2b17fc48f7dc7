"""What the checks of layered guidance share: a tiny Wan model that ComfyUI itself loads and samples.

A stand-in for the adapters adds a known function of the layers to the model's output and writes down which passes
ran: P or N for the prompt, then a for portrait and s for speech.
"""

import json
import logging
import sys
import traceback

HOST = sys.argv[1]
sys.path.insert(0, HOST)
sys.argv = ["guided", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.context_windows  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.wan.model import WanModel  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402

from troupe.engine.guidance import Guidance, Layer, flow_sigmas  # noqa: E402
from troupe.host.guider import (  # noqa: E402
    KEY,
    LAYERS_KEY,
    PRESENT_KEY,
    LayeredGuider,
)

SHAPE = (1, 16, 3, 8, 12)
CALLS: list[list[str]] = []  # passes of each call of the model
LOG: list[str] = []
RESULTS = {}


class Listener(logging.Handler):
    def emit(self, record):
        LOG.append(record.getMessage())


logging.getLogger().addHandler(Listener())
logging.getLogger().setLevel(logging.INFO)


def random(*shape, seed, gain=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * gain


def wan():
    """A tiny image-to-video Wan model."""
    dit = WanModel(
        model_type="i2v", in_dim=36, out_dim=16, dim=128, ffn_dim=128, num_heads=1, num_layers=2, freq_dim=256,
        text_dim=4096, cross_attn_norm=True, device="meta", dtype=torch.float32, operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    weights = {}
    for seed, (name, meant) in enumerate(dit.state_dict().items()):
        gain = meant[0].numel() ** -0.5 if meant.ndim > 1 else 0.05
        weights[name] = random(*meant.shape, seed=seed, gain=gain) + (meant.ndim == 1 and "norm" in name)
    model = comfy.sd.load_diffusion_model_state_dict(weights)
    model.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    model.get_model_object("model_sampling").set_parameters(shift=5.0)
    return model


def acts(x, layers, sigma):
    """What the stand-in adds: nonlinear in x, another thing for each adapter."""
    a, s = layers[:, :, None, None, None, None].unbind(1)
    return a * torch.sin(2 * x) * (0.5 + sigma) + s * torch.cos(3 * x).flip(-1)


def name_of(context, layers=(1, 1)):
    return ("P" if context[0, 0] > 0 else "N") + "a" * (layers[0] > 0) + "s" * (layers[1] > 0)


def patched(model, present=("portrait", "speech"), effect=acts):
    """The model with the stand-in for the adapters."""

    def around(executor, x, timestep, context, *args, **kwargs):
        layers = kwargs.pop(LAYERS_KEY, torch.ones(len(x), 2))
        CALLS.append([name_of(c, row) for c, row in zip(context, layers)])
        return executor(x, timestep, context, *args, **kwargs) + effect(
            x[:, :16], layers, timestep.max() / 1000
        )

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, around)
    model.model_options.setdefault("transformer_options", {})[PRESENT_KEY] = present
    return model


def watched(model):
    """A model without adapters; ``troupe_layers`` must not reach it."""

    def around(executor, x, timestep, context, *args, **kwargs):
        assert LAYERS_KEY not in kwargs
        CALLS.append([name_of(c, (0, 0)) for c in context])
        return executor(x, timestep, context, *args, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", around)
    return model


def cond(sign, layers=None, **more):
    text = random(1, 6, 4096, seed=10 + sign)
    text[:, :, 0] = sign
    model_conds = {} if layers is None else {LAYERS_KEY: comfy.conds.CONDRegular(torch.tensor([layers]))}
    return [[text, {"model_conds": model_conds, **more}]]


POSITIVE, NEGATIVE = cond(1), cond(-1)
NOISE, EMPTY = random(*SHAPE, seed=1), torch.zeros(SHAPE)


def run(guider, steps=4, sampler="euler", callback=None, noise=NOISE):
    CALLS.clear()
    sigmas = flow_sigmas(steps)
    sampler = comfy.samplers.sampler_object(sampler)
    latent = torch.zeros_like(noise)
    return guider.sample(noise, latent, sampler, sigmas, callback=callback, disable_pbar=True, seed=1)


def stock(model, cfg, positive=POSITIVE, negative=NEGATIVE):
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider


def layered(model, *layers, positive=POSITIVE, negative=NEGATIVE):
    guider = LayeredGuider(model, Guidance(layers))
    guider.set_conds(positive, negative)
    return guider


def text(scale=1.0, **more):
    return Layer("text", scale, **more)


def portrait(scale=4.0, **more):
    return Layer("portrait", scale, **more)


def speech(scale=3.0, **more):
    return Layer("speech", scale, **more)


def ksampler(model, steps=4, cfg=1.0, sampler="euler"):
    CALLS.clear()
    return comfy.sample.sample(
        model, NOISE, steps, cfg, sampler, "simple", POSITIVE, NEGATIVE, EMPTY, seed=1, disable_pbar=True
    )


def same(name, a, b, tolerance=0.0):
    RESULTS[name] = (a - b).abs().max().item()
    assert RESULTS[name] <= tolerance, f"{name}: {RESULTS[name]} > {tolerance}"


def differ(name, a, b):
    RESULTS[name] = (a - b).abs().max().item()
    assert RESULTS[name] > 1e-2, f"{name}: only {RESULTS[name]}"


def passes():
    """Of each call, highest first."""
    return ["+".join(sorted(rows, key=lambda r: (len(r), r), reverse=True)) for rows in CALLS]


PLAIN = wan()
MODEL = patched(PLAIN)
TOLERANCE = 5e-5


def report(names):
    """Run the checks among ``names``; the last line is JSON: what ran, failures, and the differences measured."""
    checks = {name: check for name, check in names.items() if name.startswith("check_")}
    failed = {}
    with torch.inference_mode():
        for name, check in checks.items():
            try:
                check()
            except Exception:
                failed[name] = traceback.format_exc()
    sys.stdout.write("\n" + json.dumps({"ran": list(checks), "failed": failed, "results": RESULTS}) + "\n")
