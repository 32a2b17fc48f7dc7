"""The full-size Wan 2.1 I2V 14B with a FantasyPortrait cast, on a GPU: seconds a pass, whole clips, memory.

    python benchmarks/wan_gpu.py --comfyui ComfyUI [--official fantasy-portrait] [--tiny]

Random weights of the true sizes (the arithmetic does not know them), 480x832, 81 frames, bfloat16, through ComfyUI's
own loader, memory management and sampler. Beside it in the same run, with ``--official`` and a checkout of
Fantasy-AMAP/fantasy-portrait: its own DiT with the adapter's arithmetic in it, on the same weights. ``--tiny`` runs
the whole script at toy size on any machine, to show that it works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

TEXT, PICTURE, CONTEXT, WINDOW = 512, 257, 2048, 97


@dataclass(frozen=True)
class Size:
    """Of model and clip; a latent frame has ``rows`` x ``columns`` tokens."""

    dim: int = 5120
    ffn: int = 13824
    layers: int = 40
    latents: int = 21
    rows: int = 30
    columns: int = 52
    steps: int = 30
    repeats: int = 6

    @property
    def heads(self) -> int:
        return self.dim // 128

    @property
    def flops(self) -> float:
        """Of one pass: projections and feed-forward, self-attention, text and image attention."""
        tokens = self.latents * self.rows * self.columns
        linear = 2 * tokens * self.dim * (6 * self.dim + 2 * self.ffn)
        attention = 4 * tokens * self.dim * (tokens + TEXT + PICTURE)
        return self.layers * (linear + attention)


TINY = Size(dim=256, ffn=512, layers=2, latents=3, rows=4, columns=6, steps=6, repeats=2)


def enter(comfyui: Path) -> None:
    """Make ComfyUI importable, on its GPU or without one."""
    import torch

    sys.path.insert(0, str(comfyui))
    sys.argv = ["wan_gpu", *([] if torch.cuda.is_available() else ["--cpu"])]
    import comfy.options

    comfy.options.enable_args_parsing()


def shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the official checkpoint."""
    dim, out = size.dim, {}

    def linear(name: str, rows: int, *columns: int) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = (rows, *columns), (rows,)

    linear("patch_embedding", dim, 36, 1, 2, 2)
    for name, rows, columns in (
        ("text_embedding.0", dim, 4096), ("text_embedding.2", dim, dim), ("time_embedding.0", dim, 256),
        ("time_embedding.2", dim, dim), ("time_projection.1", 6 * dim, dim), ("head.head", 64, dim),
        ("img_emb.proj.1", 1280, 1280), ("img_emb.proj.3", dim, 1280),
    ):  # fmt: skip
        linear(name, rows, columns)
    linear("img_emb.proj.0", 1280)
    linear("img_emb.proj.4", dim)
    out["head.modulation"] = (1, 2, dim)
    for i in range(size.layers):
        block = f"blocks.{i}"
        for part, names in (("self_attn", "q k v o"), ("cross_attn", "q k v o k_img v_img")):
            for name in names.split():
                linear(f"{block}.{part}.{name}", dim, dim)
            for name in ("norm_q", "norm_k", *(["norm_k_img"] if part == "cross_attn" else [])):
                out[f"{block}.{part}.{name}.weight"] = (dim,)
        linear(f"{block}.norm3", dim)
        linear(f"{block}.ffn.0", size.ffn, dim)
        linear(f"{block}.ffn.2", dim, size.ffn)
        out[f"{block}.modulation"] = (1, 6, dim)
    return out


def random_weights(size: Size, dtype):
    """Every weight is a window of one random pool: full size once loaded, made in seconds."""
    import torch

    pool = torch.randn(
        1 << 28 if size.layers > 2 else 1 << 21, generator=torch.Generator().manual_seed(0)
    ).to(dtype)
    weights, start = {}, 0
    for name, shape in shapes(size).items():
        count = math.prod(shape)
        if len(shape) == 1:
            value = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
            weights[name] = value.to(dtype)
            continue
        start = (start + 7919) % (len(pool) - count)
        gain = 0.3 if "modulation" in name else math.prod(shape[1:]) ** -0.5
        weights[name] = pool[start : start + count].view(shape) * gain
    return weights


def load(size: Size, dtype):
    import comfy.sd

    return comfy.sd.load_diffusion_model_state_dict(
        random_weights(size, dtype), model_options={"dtype": dtype}
    )


def cast_on(model, size: Size, people: int, dtype):
    """The model with a cast of ``people`` faces side by side, background seeing all."""
    import comfy.model_management
    import torch
    from comfy.model_patcher import ModelPatcher

    from troupe.engine.wan.adapter import Adapter
    from troupe.engine.wan.branch import BranchInput
    from troupe.host.adapters import BranchWeights, LoadedAdapter
    from troupe.host.wan_patch import CastBranch, apply_branches

    torch.manual_seed(1)
    weights = [
        torch.randn(size.dim, CONTEXT).to(dtype) * CONTEXT**-0.5
        for _ in range(2 if size.layers > 2 else 2 * size.layers)
    ] * (size.layers if size.layers > 2 else 1)
    adapter = Adapter("portrait", "random", torch.nn.Identity(), tuple(weights[::2]), tuple(weights[1::2]))
    device = comfy.model_management.get_torch_device()
    loaded = LoadedAdapter(adapter, ModelPatcher(BranchWeights(adapter), device, torch.device("cpu")))
    tokens = torch.randn(size.latents, people, WINDOW, CONTEXT)
    columns = torch.arange(size.columns)
    face = (columns * people) // size.columns
    middle = ((columns * people) % size.columns - size.columns // 2).abs() < size.columns // 4
    bits = torch.where(middle, 1 << face, (1 << people) - 1).to(torch.int32).repeat(size.rows)
    seen = None if people == 1 else bits.expand(size.latents, -1)
    given = BranchInput(tokens, None, (1.0,) * people, seen)
    return apply_branches(model, [CastBranch(loaded, lambda *grid: given)])


def conditions(size: Size):
    """Positive and negative, as WanImageToVideo makes them."""
    import torch

    def one(seed: int):
        g = torch.Generator().manual_seed(seed)
        shape = (1, 16, size.latents, 2 * size.rows, 2 * size.columns)
        seen = types.SimpleNamespace(penultimate_hidden_states=torch.randn(1, PICTURE, 1280, generator=g))
        more = {
            "concat_latent_image": torch.randn(shape, generator=torch.Generator().manual_seed(3)),
            "concat_mask": torch.ones(1, 1, *shape[2:]),
            "clip_vision_output": seen,
        }
        return [[torch.randn(1, TEXT, 4096, generator=g), more]]

    return one(11), one(12)


def sample(model, size: Size, guidance=None, steps: int | None = None) -> tuple[object, list[float]]:
    """The latent, and the seconds of each step."""
    import comfy.sample
    import comfy.samplers
    import torch

    from troupe.engine.guidance import Guidance, flow_sigmas
    from troupe.host.guider import LayeredGuider

    shape = (1, 16, size.latents, 2 * size.rows, 2 * size.columns)
    noise, latent = torch.randn(shape, generator=torch.Generator().manual_seed(7)), torch.zeros(shape)
    guider = LayeredGuider(model, guidance or Guidance())
    guider.set_conds(*conditions(size))
    stamps = []

    def stamp(*_):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        stamps.append(time.perf_counter())

    sampler = comfy.samplers.sampler_object("euler")
    out = guider.sample(
        noise, latent, sampler, flow_sigmas(steps or size.steps), callback=stamp, disable_pbar=True, seed=7
    )
    return out, [b - a for a, b in zip(stamps, stamps[1:])]


def memory() -> dict[str, float]:
    import torch

    if not torch.cuda.is_available():
        return {}
    peak = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return {"peak_gib": peak}


def psnr(a, b) -> float:
    """Of latents, against the first's own range."""
    return float(10 * ((a.max() - a.min()) ** 2 / (a - b).square().mean().clamp_min(1e-20)).log10())


def passes(model, size: Size, dtype) -> dict:
    """Seconds of one pass: bare, and with 1 to 3 faces."""
    figures = {}
    for people in (0, 1, 2, 3):
        patched = cast_on(model, size, people, dtype) if people else model
        _, times = sample(patched, size, steps=size.repeats)
        seconds = median(times)
        figures[f"{people}_faces"] = {"seconds": seconds, "tflops": size.flops / seconds / 1e12, **memory()}
        say(f"{people} faces: {seconds:.3f} s a pass, {size.flops / seconds / 1e12:.0f} TFLOP/s")
    bare = figures["0_faces"]["seconds"]
    for people in (1, 2, 3):
        share = figures[f"{people}_faces"]["seconds"] / bare - 1
        figures[f"{people}_faces"]["overhead_percent"] = 100 * share
    return figures


def clips(model, size: Size, dtype) -> dict:
    """Whole clips: two passes a step, with reuse, and a distilled schedule of four steps."""
    from troupe.engine.guidance import Guidance, Layer

    model = cast_on(model, size, 1, dtype)
    settings = {
        "two_passes": (Guidance((Layer("portrait", 4.0),)), size.steps),
        "range_to_half": (Guidance((Layer("portrait", 4.0, end=0.5),)), size.steps),
        "every_2": (Guidance((Layer("portrait", 4.0, every=2),)), size.steps),
        "every_3": (Guidance((Layer("portrait", 4.0, every=3),)), size.steps),
        "four_steps": (Guidance(), 4),
    }
    figures, full = {}, None
    for name, (guidance, steps) in settings.items():
        start = time.perf_counter()
        latent, _ = sample(model, size, guidance, steps)
        seconds = time.perf_counter() - start
        full = latent if full is None else full
        figures[name] = {"seconds": seconds, **memory()}
        if steps == size.steps:
            figures[name] |= {"latent_psnr_db": psnr(full, latent)}
        say(f"{name}: {seconds:.1f} s")
    for name in settings:
        figures[name]["times_faster"] = figures["two_passes"]["seconds"] / figures[name]["seconds"]
    return figures


def offloading(model, size: Size, dtype) -> dict:
    """The published tiers: nothing, half and all but nothing offloaded."""
    from troupe.host.memory import cap_weights

    billions = sum(math.prod(s) for s in shapes(size).values()) / 1e9
    figures = {}
    for name, cap in (("unlimited", -1.0), ("half", billions / 2), ("none_stays", 0.0)):
        import comfy.model_management

        comfy.model_management.unload_all_models()
        memory()
        _, times = sample(cap_weights(cast_on(model, size, 1, dtype), cap), size, steps=size.repeats)
        figures[name] = {"seconds_a_pass": median(times), **memory()}
        say(f"offload {name}: {figures[name]}")
    base = figures["unlimited"]["seconds_a_pass"]
    return {name: {**f, "slowdown": f["seconds_a_pass"] / base} for name, f in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    home = Path(os.environ.get("COMFYUI_PATH", Path.home() / "ComfyUI"))
    parser.add_argument("--comfyui", type=Path, default=home)
    parser.add_argument("--official", type=Path)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    enter(args.comfyui)
    import torch

    if not (torch.cuda.is_available() or args.tiny):
        parser.error("there is no GPU here; --tiny shows that the script works")
    size, dtype = (TINY if args.tiny else Size()), torch.bfloat16
    figures = {
        "size": "tiny" if args.tiny else "14B, 480x832, 81 frames, bfloat16",
        "pflop_a_pass": size.flops / 1e15,
    }
    with torch.inference_mode():
        model = load(size, dtype)
        figures["passes"] = passes(model, size, dtype)
        figures["clips"] = clips(model, size, dtype)
        figures["offload"] = offloading(model, size, dtype)
        if args.official:
            import comfy.model_management

            comfy.model_management.unload_all_models()
            # Its mixed precision is CUDA's; elsewhere all of it runs in float32.
            theirs = dtype if torch.cuda.is_available() else torch.float32
            from wan_official import official

            figures["official"] = official(args.official, size, theirs, random_weights(size, theirs))
            say(f"official: {figures['official']['seconds']:.3f} s a pass")
            ours = figures["passes"]["1_faces"]["seconds"]
            figures["times_faster_than_official"] = figures["official"]["seconds"] / ours
    finish(figures)


if __name__ == "__main__":
    main()
