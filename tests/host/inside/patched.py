"""What the checks of the patch share: a tiny Wan model that ComfyUI itself loads and samples, and adapters for it.

The arguments are COMFYUI [CHECK ...]: its folder, and the names of checks if not all of them shall run.
"""

import json
import sys

HOST, *CHOSEN = sys.argv[1:]
sys.path.insert(0, HOST)
sys.argv = ["patched", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.model_management  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import torch  # noqa: E402
from comfy.model_patcher import ModelPatcher  # noqa: E402

from troupe.engine.wan.adapter import Adapter  # noqa: E402
from troupe.engine.wan.branch import BranchInput  # noqa: E402
from troupe.host.adapters import BranchWeights, LoadedAdapter  # noqa: E402
from troupe.host.wan_patch import CastBranch  # noqa: E402

DIM, LAYERS, CTX, WINDOW = 256, 3, 64, 9
CPU = torch.device("cpu")
RESULTS = {}


def random(*shape, seed, gain=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * gain


def wan_state(dim=DIM, layers=LAYERS, in_dim=36, image=True):
    """A Wan model's weights under the official names."""
    sd, seed = {}, [0]

    def linear(name, out, inner, *kernel):
        seed[0] += 1
        size = inner
        for k in kernel:
            size *= k
        sd[f"{name}.weight"] = random(out, inner, *kernel, seed=seed[0], gain=size**-0.5)
        sd[f"{name}.bias"] = random(out, seed=1000 + seed[0], gain=0.02)

    linear("patch_embedding", dim, in_dim, 1, 2, 2)
    linear("text_embedding.0", dim, 4096)
    linear("text_embedding.2", dim, dim)
    linear("time_embedding.0", dim, 256)
    linear("time_embedding.2", dim, dim)
    linear("time_projection.1", dim * 6, dim)
    for i in range(layers):
        for part, names in (("self_attn", "qkvo"), ("cross_attn", "qkvo")):
            for name in names:
                linear(f"blocks.{i}.{part}.{name}", dim, dim)
            for name in ("norm_q", "norm_k"):
                sd[f"blocks.{i}.{part}.{name}.weight"] = torch.ones(dim)
        if image:
            for name in ("k_img", "v_img"):
                linear(f"blocks.{i}.cross_attn.{name}", dim, dim)
            sd[f"blocks.{i}.cross_attn.norm_k_img.weight"] = torch.ones(dim)
        sd[f"blocks.{i}.norm3.weight"], sd[f"blocks.{i}.norm3.bias"] = torch.ones(dim), torch.zeros(dim)
        linear(f"blocks.{i}.ffn.0", 2 * dim, dim)
        linear(f"blocks.{i}.ffn.2", dim, 2 * dim)
        sd[f"blocks.{i}.modulation"] = random(1, 6, dim, seed=5000 + i, gain=0.3)
    linear("head.head", 64, dim)
    sd["head.modulation"] = random(1, 2, dim, seed=7000, gain=0.3)
    if image:
        for name, size in (("img_emb.proj.0", 1280), ("img_emb.proj.4", dim)):
            sd[f"{name}.weight"], sd[f"{name}.bias"] = torch.ones(size), torch.zeros(size)
        linear("img_emb.proj.1", 1280, 1280)
        linear("img_emb.proj.3", dim, 1280)
    return sd


def wan(dtype=None, **kind):
    options = {} if dtype is None else {"dtype": dtype}
    return comfy.sd.load_diffusion_model_state_dict(wan_state(**kind), model_options=options)


def adapter(kind="portrait", seed=1):
    weights = [random(DIM, CTX, seed=seed + i, gain=CTX**-0.5 * 2) for i in range(2 * LAYERS)]
    made = Adapter(kind, "tiny", torch.nn.Identity(), tuple(weights[::2]), tuple(weights[1::2]))
    return LoadedAdapter(made, ModelPatcher(BranchWeights(made), CPU, CPU))


PORTRAIT, TALKING = adapter(), adapter("talking", 50)


def branch(roles=1, frames=3, seed=9, seen=None, strengths=None, loaded=PORTRAIT, tokens=None, calls=None):
    tokens = random(frames, roles, WINDOW, CTX, seed=seed) if tokens is None else tokens

    def prepare(latents, rows, columns):
        assert latents == len(tokens), (latents, len(tokens))
        if calls is not None:
            calls.append((latents, rows, columns))
        return BranchInput(tokens, None, strengths or (1.0,) * tokens.shape[1], seen)

    return CastBranch(loaded, prepare)


def cond(seed, batch=1, height=8, width=12, frames=3):
    return [[random(batch, 20, 4096, seed=seed), {
        "concat_latent_image": random(batch, 16, frames, height, width, seed=3),
        "concat_mask": torch.ones(batch, 1, frames, height, width),
        "clip_vision_output": Vision(),
    }]]  # fmt: skip


class Vision:
    penultimate_hidden_states = random(1, 257, 1280, seed=4)


def sample(model, frames=3, steps=3, cfg=3.0, height=8, width=12, batch=1, seed=0, sampler="euler"):
    latent = torch.zeros(batch, 16, frames, height, width)
    noise = random(batch, 16, frames, height, width, seed=seed)
    positive, negative = (cond(s, 1, height, width, frames) for s in (11, 12))
    return comfy.sample.sample(
        model, noise, steps, cfg, sampler, "simple", positive, negative, latent, seed=seed, disable_pbar=True
    )


def apart(a, b):
    return (a - b).abs().max().item()


def same(name, a, b, tolerance=0.0):
    RESULTS[name] = apart(a, b)
    assert RESULTS[name] <= tolerance, f"{name}: {RESULTS[name]} > {tolerance}"


def differ(name, a, b, least=1e-2):
    RESULTS[name] = apart(a, b)
    assert RESULTS[name] > least, f"{name}: only {RESULTS[name]}"


MODEL = wan()
BASE = sample(MODEL)


def report(names):
    """Run the checks among ``names``, or those that were asked for; the last line is JSON: what ran, and differences."""
    checks = {name[6:]: check for name, check in names.items() if name.startswith("check_")}
    with torch.inference_mode():
        for name in CHOSEN or checks:
            checks[name]()
    sys.stdout.write(json.dumps({"ran": CHOSEN or list(checks), "results": RESULTS}) + "\n")
