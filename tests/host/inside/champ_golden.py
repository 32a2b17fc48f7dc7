"""Champ's golden pipeline (published code, random weights) through this host's own sampling.

    champ_golden.py HOST GOLDEN_FOLDER SYNTHETIC_MODULE

Prints how far each stage is off. The picture's CLIP embedding and VAE latents are the golden's: ComfyUI reads both
networks in their true sizes only.
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
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from troupe.engine.guidance import Guidance, Layer  # noqa: E402
from troupe.engine.refnet.champ import reference_pixels  # noqa: E402
from troupe.engine.refnet.schedule import sigmas  # noqa: E402
from troupe.host import champ  # noqa: E402
from troupe.host.guider import LayeredGuider  # noqa: E402
from troupe.host.refnet import SCENE  # noqa: E402

spec = importlib.util.spec_from_file_location("synthetic", SYNTHETIC)
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)

tiny = Path(FOLDER) / "champ" / "tiny"
config = json.loads((tiny / "config.json").read_text())
gold = load_file(tiny / "pipeline.safetensors")
keys = json.loads((tiny / "champ.keys.json").read_text())
NAMES = {kind: name for name, kind in champ.INPUTS.items()}


def write_parts(folder: Path) -> Path:
    """The files as they are published: motion modules apart, no prefixes."""
    parts: dict[str, dict] = {}
    for name, tensor in synthetic.synthetic_checkpoint(keys).items():
        part, _, key = name.partition(".")
        if part == "denoising_unet" and "motion_modules" in key:
            part = "motion_module"
        parts.setdefault(part, {})[key] = tensor
    for part, tensors in parts.items():
        save_file(tensors, folder / f"{part}.safetensors")
    return folder / "denoising_unet.safetensors"


class Encoder:
    """The golden's latents for the golden's pixels, in ComfyUI's interface and scale."""

    def encode(self, pixels):
        self.off = off(pixels.movedim(-1, 1) * 2 - 1, "reference_pixels")
        return gold["reference_latents"] / 0.18215


def off(ours, name):
    assert ours.shape == gold[name].shape, (name, ours.shape, gold[name].shape)
    return (ours.float() - gold[name].float()).abs().max().item()


def run(model, positive, negative, latent, scale, layered=None, memory=None):
    """Euler on the published schedule from the golden's noise."""
    if layered is None:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_cfg(scale)
    else:
        guider = LayeredGuider(model, layered)
    guider.set_conds(positive, negative)
    noise = gold["noise"][0].transpose(0, 1)
    usual = comfy.model_management.get_free_memory
    if memory is not None:
        comfy.model_management.get_free_memory = lambda *a, **k: memory
    try:
        out = guider.sample(
            noise, latent["samples"], comfy.samplers.sampler_object("euler"), sigmas(config["pipeline"]["steps"]), seed=0
        )
    finally:
        comfy.model_management.get_free_memory = usual
    return out.transpose(0, 1)[None] * 0.18215


def main() -> dict:
    told, settings = {}, config["pipeline"]
    with tempfile.TemporaryDirectory() as folder:
        model, loaded = champ.load_champ(write_parts(Path(folder)))
    maps = {
        NAMES[kind]: gold[f"guidance_images.{kind}"].float() / 255 for kind in config["guidance_types"]
    }
    height, width = gold["reference_pixels"].shape[-2:]
    plan = champ.Plan(
        width, height, settings["context_frames"], settings["context_overlap"], loop=True, fade="even", fit="stretch"
    )
    vae, picture = Encoder(), gold["reference_image"][None].float() / 255
    seen = SimpleNamespace(image_embeds=gold["image_embeds"])
    positive, negative, latent, report = champ.condition(loaded, vae, picture, seen, maps, plan)
    told["reference_pixels"] = vae.off
    told["guidance_fea"] = off(positive[0][1][SCENE].added, "guidance_fea")
    scale = settings["guidance_scale"]
    layers = Guidance((Layer("portrait", scale),))
    first = run(model, positive, negative, latent, scale)
    told["CFGGuider"] = off(first, "final_latents")
    told["one by one"] = off(run(model, positive, negative, latent, scale, memory=0), "final_latents")
    told["LayeredGuider"] = off(run(model, positive, negative, latent, 1.0, layers), "final_latents")
    told["LayeredGuider, one by one"] = off(
        run(model, positive, negative, latent, 1.0, layers, memory=0), "final_latents"
    )
    with_text = Guidance((Layer("text", 1.0), Layer("portrait", scale)))
    told["LayeredGuider with text"] = off(run(model, positive, negative, latent, 1.0, with_text), "final_latents")
    told["again"] = (run(model, positive, negative, latent, scale) - first).abs().max().item()
    told["largest"] = gold["final_latents"].abs().max().item()
    told["report"] = report
    return told


with torch.inference_mode():
    print(json.dumps(main()))  # noqa: T201
