"""What the checks of Champ inside a host share: the golden's tiny networks as files, and sampling with them.

The arguments are HOST GOLDEN_FOLDER SYNTHETIC_MODULE. The picture's CLIP embedding and VAE latents are the golden's:
ComfyUI reads both networks in their true sizes only.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

HOST, FOLDER, SYNTHETIC = sys.argv[1:4]
sys.path.insert(0, HOST)
sys.argv = ["champ", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.model_management  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from troupe.engine.refnet.schedule import ddim, sigmas  # noqa: E402
from troupe.host import champ  # noqa: E402
from troupe.host.guider import LayeredGuider  # noqa: E402

spec = importlib.util.spec_from_file_location("synthetic", SYNTHETIC)
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)

tiny = Path(FOLDER) / "champ" / "tiny"
CONFIG = json.loads((tiny / "config.json").read_text())
GOLD = load_file(tiny / "pipeline.safetensors")
SETTINGS = CONFIG["pipeline"]
NAMES = {kind: name for name, kind in champ.OUTPUTS.items()}
SEEN = SimpleNamespace(image_embeds=GOLD["image_embeds"])
PICTURE = GOLD["reference_image"][None].float() / 255
MAPS = {NAMES[kind]: GOLD[f"guidance_images.{kind}"].float() / 255 for kind in CONFIG["guidance_types"]}
HEIGHT, WIDTH = GOLD["reference_pixels"].shape[-2:]
SCALE = 0.18215


def load():
    """MODEL and the rest, from files as they are published: motion modules apart, no prefixes."""
    keys = json.loads((tiny / "champ.keys.json").read_text())
    parts: dict[str, dict] = {}
    for name, tensor in synthetic.synthetic_checkpoint(keys).items():
        part, _, key = name.partition(".")
        if part == "denoising_unet" and "motion_modules" in key:
            part = "motion_module"
        parts.setdefault(part, {})[key] = tensor
    with tempfile.TemporaryDirectory() as folder:
        for part, tensors in parts.items():
            save_file(tensors, Path(folder) / f"{part}.safetensors")
        return champ.load_champ(Path(folder) / "denoising_unet.safetensors")


def off(ours, name):
    """How far a tensor is from the golden's."""
    assert ours.shape == GOLD[name].shape, (name, ours.shape, GOLD[name].shape)
    return (ours.float() - GOLD[name].float()).abs().max().item()


class Encoder:
    """The golden's latents for the golden's pixels, in ComfyUI's interface and scale."""

    def encode(self, pixels):
        self.off = off(pixels.movedim(-1, 1) * 2 - 1, "reference_pixels")
        return GOLD["reference_latents"] / SCALE


def published_ddim(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """The published sampler in the place of one of ComfyUI's.

    ComfyUI's last noise level is finite (4518), the published one is not: no signal is left at all. So core's Euler, else
    the same method, is off by a few ten-thousandths of the latents.
    """
    scheduler = ddim(len(sigmas) - 1)
    latents = x / (1 + sigmas[0] ** 2).sqrt()
    for t, sigma in zip(scheduler.timesteps, sigmas):
        alpha = 1 / (1 + sigma**2)
        denoised = model(latents / alpha.sqrt(), sigma * x.new_ones(len(x)), **extra_args)
        v = (alpha.sqrt() * latents - denoised) / (1 - alpha).sqrt()
        latents = scheduler.step(v, t, latents, eta=0.0).prev_sample
    return latents


def sample(model, conditions, noise, steps, scale, layers=None, memory=None, sampler=None):
    """Latents ``[1, 4, F, h, w]`` in the networks' scale from ``noise [F, 4, h, w]``, on the published schedule.

    Args:
        layers: Of a LayeredGuider; None for the plain one of strength ``scale``.
        memory: What the host believes to be free, bytes; 0 parts every batch.
        sampler: Default core's Euler.
    """
    guider = comfy.samplers.CFGGuider(model) if layers is None else LayeredGuider(model, layers)
    if layers is None:
        guider.set_cfg(scale)
    guider.set_conds(*conditions)
    usual = comfy.model_management.get_free_memory
    if memory is not None:
        comfy.model_management.get_free_memory = lambda *a, **k: memory
    try:
        sampler = sampler or comfy.samplers.sampler_object("euler")
        out = guider.sample(noise, torch.zeros_like(noise), sampler, sigmas(steps), seed=0)
    finally:
        comfy.model_management.get_free_memory = usual
    return out.transpose(0, 1)[None] * SCALE
