"""Small random files of Champ and what goes with it, and jobs that use them.

    placed = write_all(models_folder, tiny_models_module, synthetic)
    job = graph(frames=64)

Champ's are the golden's tiny networks with tokens 768 wide, as the CLIP encoder that ComfyUI reads gives them.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
FOLDER = "tiny_champ"
TOKEN, VISION = 768, 1024
MODEL, VAE, CLIP = f"{FOLDER}/denoising_unet.safetensors", "tiny_taesd.safetensors", "random_clip_vision_l.pt"
MAPS = ("depth", "normal", "semantic", "skeleton")
PARTS = {
    "align": "whole", "face": 1, "travel": 1.0, "smooth": 1, "fps": 0.0, "length": 0, "width": 64, "height": 64,
}  # fmt: skip
PLAN = {"width": 0, "height": 0, "window": 24, "overlap": 4, "ends": "open", "fade": "soft", "fit": "crop"}


def champ_parts(synthetic: ModuleType) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors by file, as published: motion modules in a file of their own."""
    keys = json.loads((GOLDEN / "champ" / "tiny" / "champ.keys.json").read_text())
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, shape in keys.items():
        part, _, key = name.partition(".")
        if ".attn2.to_k." in key or ".attn2.to_v." in key:
            shape = [shape[0], TOKEN]
        if part == "denoising_unet" and "motion_modules" in key:
            part = "motion_module"
        parts.setdefault(part, {})[key] = synthetic.synthetic_tensor(name, shape)
    return parts


def taesd_shapes() -> dict[str, tuple[int, ...]]:
    """The small autoencoder of Stable Diffusion 1.5 that ComfyUI knows."""
    shapes: dict[str, tuple[int, ...]] = {"vae_scale": (), "vae_shift": ()}

    def conv(name: str, out: int, inner: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (out, inner, 3, 3)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    def blocks(part: str, *places: int) -> None:
        for place in places:
            for i in (0, 2, 4):
                conv(f"{part}.{place}.conv.{i}", 64, 64)

    conv("taesd_encoder.0", 64, 3)
    conv("taesd_encoder.14", 4, 64)
    blocks("taesd_encoder", 1, 3, 4, 5, 7, 8, 9, 11, 12, 13)
    for place in (2, 6, 10):
        conv(f"taesd_encoder.{place}", 64, 64, bias=False)
    conv("taesd_decoder.1", 64, 4)
    conv("taesd_decoder.19", 3, 64)
    blocks("taesd_decoder", 3, 4, 5, 8, 9, 10, 13, 14, 15, 18)
    for place in (7, 12, 17):
        conv(f"taesd_decoder.{place}", 64, 64, bias=False)
    return shapes


def taesd(models: ModuleType) -> dict[str, torch.Tensor]:
    quiet = {".conv.4.weight": 0.3, "taesd_decoder.19.weight": 0.1}
    tensors = models.Fill(11, quiet, dtype=torch.float32)(
        {k: s for k, s in taesd_shapes().items() if not k.startswith("vae_")}
    )
    tensors["taesd_decoder.19.bias"] += 0.5  # pictures of middle grey
    return tensors | {"vae_scale": torch.tensor(0.18215), "vae_shift": torch.tensor(0.0)}


def clip_shapes(models: ModuleType) -> dict[str, tuple[int, ...]]:
    """CLIP ViT-L/14 with its projection to 768."""
    embeddings = "vision_model.embeddings"
    return {
        f"{embeddings}.class_embedding": (VISION,),
        f"{embeddings}.patch_embedding.weight": (VISION, 3, 14, 14),
        f"{embeddings}.position_embedding.weight": (257, VISION),
        **models._layer("vision_model.pre_layrnorm", VISION),
        **models._clip_layers("vision_model", 24, VISION),
        **models._layer("vision_model.post_layernorm", VISION),
        "visual_projection.weight": (TOKEN, VISION),
    }


def write_champ(folder: Path, synthetic: ModuleType, prefix: str = "", suffix: str = ".safetensors") -> None:
    """Champ's files into a folder; ``suffix`` is that of the guidance encoders, the others are safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, tensors in champ_parts(synthetic).items():
        if part.startswith("guidance") and suffix != ".safetensors":
            torch.save(tensors, folder / f"{prefix}{part}{suffix}")
        else:
            save_file(tensors, folder / f"{prefix}{part}.safetensors")


def write_all(models_dir: Path, models: ModuleType, synthetic: ModuleType) -> None:
    """All files into a server's models folder; the encoders as torch files, as published."""
    write_champ(models_dir / "diffusion_models" / FOLDER, synthetic, suffix=".pth")
    for name in ("vae", "clip_vision"):
        (models_dir / name).mkdir(parents=True, exist_ok=True)
    save_file(taesd(models), models_dir / "vae" / VAE)
    torch.save(models.clip(clip_shapes(models), 12), models_dir / "clip_vision" / CLIP)


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def graph(
    seconds: float = 0.4,
    steps: int = 2,
    cfg: float = 3.5,
    seed: int = 1,
    plan: dict | None = None,
    maps: dict | None = None,
    kinds: tuple[str, ...] = MAPS,
) -> dict[str, dict]:
    """A small job: a body walks, the picture follows; every node under a telling id. ``latent`` saves what is sampled."""
    return {
        "load": node("TroupeLoadChamp", denoising_unet=MODEL),
        "vae": node("VAELoader", vae_name=VAE),
        "picture": node("LoadImage", image="portrait.png"),
        "vision": node("TroupeTestVision", width=TOKEN, pictures=1),
        "move": node("TroupeBodyMove", move="walk", seconds=seconds, fps=25.0),
        "maps": node("TroupeBodyMaps", motion=["move", 0], **{**PARTS, **(maps or {})}),
        "scene": node(
            "TroupeChampConditioning",
            champ=["load", 1],
            vae=["vae", 0],
            image=["picture", 0],
            clip_vision_output=["vision", 0],
            **{**PLAN, **(plan or {})},
            **{kind: ["maps", MAPS.index(kind)] for kind in kinds},
        ),
        "sampler": node(
            "KSampler",
            model=["load", 0],
            positive=["scene", 0],
            negative=["scene", 1],
            latent_image=["scene", 2],
            seed=seed,
            steps=steps,
            cfg=cfg,
            sampler_name="euler",
            scheduler="sgm_uniform",
            denoise=1.0,
        ),
        "latent": node("SaveLatent", samples=["sampler", 0], filename_prefix="champ/latent"),
    }


def custom(job: dict, guider: dict, steps: int | None = None) -> dict:
    """The same job sampled by ``SamplerCustomAdvanced`` with a guider, on KSampler's schedule or (``steps``) ours."""
    job = dict(job)
    old = job.pop("sampler")["inputs"]
    job["guider"] = guider
    job["noise"] = node("RandomNoise", noise_seed=old["seed"])
    job["which"] = node("KSamplerSelect", sampler_name=old["sampler_name"])
    plain = node(
        "BasicScheduler", model=old["model"], scheduler=old["scheduler"], steps=old["steps"], denoise=1.0
    )
    job["sigmas"] = node("TroupeTrailingSigmas", steps=steps) if steps else plain
    job["sampler"] = node(
        "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["which", 0],
        sigmas=["sigmas", 0], latent_image=old["latent_image"],
    )  # fmt: skip
    return job
