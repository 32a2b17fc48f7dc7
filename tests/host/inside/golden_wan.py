"""Run inside a ComfyUI: the adapters' goldens through ComfyUI's own Wan model and the pack's patch.

python golden_wan.py COMFYUI GOLDEN SYNTHETIC.py
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

HOST, GOLDEN, SYNTHETIC = sys.argv[1:4]
sys.path.insert(0, HOST)
sys.argv = ["golden_wan", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.ops  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.wan.model import WanModel  # noqa: E402
from comfy.model_patcher import ModelPatcher  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from troupe.engine.wan.adapter import Adapter  # noqa: E402
from troupe.engine.wan.branch import BranchInput  # noqa: E402
from troupe.engine.wan.territory import labels_to_seen  # noqa: E402
from troupe.engine.wan.windows import cut_windows, window_ranges  # noqa: E402
from troupe.host.adapters import BranchWeights, LoadedAdapter  # noqa: E402
from troupe.host.guider import LAYERS_KEY  # noqa: E402
from troupe.host.wan_patch import RUN, CastBranch, apply_branches  # noqa: E402

spec = importlib.util.spec_from_file_location("synthetic", SYNTHETIC)
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)
DIFFERENCES = {}


class Holder(torch.nn.Module):
    """What a ModelPatcher holds, in ComfyUI a BaseModel."""

    def __init__(self, dit):
        super().__init__()
        self.diffusion_model = dit
        self.model_sampling = SimpleNamespace(percent_to_sigma=lambda p: 1.0 - p)


def dit_of(weights, config):
    dit = WanModel(
        model_type="i2v", in_dim=36, out_dim=16, freq_dim=256, cross_attn_norm=True, eps=1e-6, device="cpu",
        dtype=torch.float32, operations=comfy.ops.disable_weight_init, **config,
    )  # fmt: skip
    missing, unexpected = dit.load_state_dict(weights, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return dit


class Patched:
    """A DiT with one branch, called as ComfyUI would."""

    def __init__(self, dit, kind, keys, values, given):
        adapter = Adapter(kind, "golden", torch.nn.Identity(), tuple(keys), tuple(values))
        device = torch.device("cpu")
        loaded = LoadedAdapter(adapter, ModelPatcher(BranchWeights(adapter), device, device))
        branch = CastBranch(loaded, lambda *grid: given)
        self.column = 0 if kind == "portrait" else 1
        self.model = apply_branches(ModelPatcher(Holder(dit), device, device), [branch])
        self.patch = self.model.wrappers["diffusion_model"]["troupe"][0].__self__

    def __call__(self, x, timestep, context, clip, layers):
        run = self.patch.begin(self.model, torch.Size((1, 16, *x.shape[2:])))
        options = {"wrappers": self.model.wrappers, RUN: run, "sigmas": torch.tensor([0.5])}
        rows = torch.zeros(len(layers), 2)
        rows[:, self.column] = torch.tensor(layers)
        batch = len(layers)
        self.model.patch_model()
        try:
            return self.model.model.diffusion_model(
                x.expand(batch, *x.shape[1:]), timestep.expand(batch), context.expand(batch, -1, -1),
                clip_fea=clip.expand(batch, -1, -1), transformer_options=options, **{LAYERS_KEY: rows},
            )  # fmt: skip
        finally:
            self.model.unpatch_model()
            run.close()


def close(name, got, want, tolerance):
    difference = (got - want).abs().max().item()
    DIFFERENCES[name] = difference
    assert difference <= tolerance, f"{name}: {difference} > {tolerance}"


def padded(context, length):
    return torch.nn.functional.pad(context, (0, 0, 0, length - context.shape[1]))


def split(weights, inner="processor.ip_adapter_single_stream_{}_proj.weight"):
    depth = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("blocks."))
    pairs = [[weights.pop(f"blocks.{i}.cross_attn.{inner.format(p)}") for i in range(depth)] for p in "kv"]
    return weights, pairs


def portrait(folder, tokens_of, seen_of, cases, tolerance=1e-4):
    meta = json.loads((folder / "meta.json").read_text())
    c = meta.get("config") or meta["dit_config"]
    weights = synthetic.synthetic_checkpoint(json.loads((folder / "keys.json").read_text()))
    weights, (keys, values) = split(weights)
    t = load_file(folder / "io.safetensors")
    config = {
        "dim": c["dim"], "ffn_dim": c["ffn_dim"], "text_dim": c["text_dim"], "num_heads": c["heads"],
        "num_layers": c["layers"],
    }  # fmt: skip
    dit = dit_of(weights, config)
    x, clip = torch.cat([t["latents"], t["y"]], 1), t["clip_fea"].float()
    given = BranchInput(tokens_of(t), None, (1.0,) * tokens_of(t).shape[1], seen_of(t))
    call = Patched(dit, "portrait", keys, values, given)
    scales = list(cases)
    out = call(x, t["timestep"], padded(t["context"], 512), clip, scales)
    for row, scale in enumerate(scales):
        for name in cases[scale]:
            close(f"{folder.name}.{name}", out[row], t[name][0], tolerance)
    return call, (x, t["timestep"], padded(t["context"], 512), clip), t


def windows(tokens):
    return cut_windows(tokens.float(), window_ranges(len(tokens), len(tokens) // 24)).tokens


def check_dit(folder):
    proj = load_file(folder / "proj_tokens.safetensors")["proj_tokens"]
    cases = {1.0: ["out_scale_1"], 0.5: ["out_scale_0.5"], 0.0: ["out_scale_0", "out_no_adapter"]}
    portrait(folder, lambda t: windows(proj[0])[:, None], lambda t: None, cases)


def check_multi_face(folder):
    tokens = lambda t: torch.stack([windows(v) for v in t["video_tokens"]], 1)  # noqa: E731
    count = lambda t: t["video_tokens"].shape[0]  # noqa: E731
    seen = lambda t: torch.as_tensor(labels_to_seen(t["labels_latent"].numpy(), count(t)))  # noqa: E731
    portrait(folder, tokens, seen, {1.0: ["out_masked"], 0.0: ["out_scale_0"]})
    portrait(folder, tokens, lambda t: None, {1.0: ["out_unmasked"]})


def check_talking(folder):
    config = json.loads((folder / "tiny_config.json").read_text())
    d, tag = config["dit_config"], config["noise_tag"]
    weights = talking_weights(d, config)

    def noise(name, shape):
        return (
            synthetic.synthetic_tensor(f"in.{name}.{tag}", shape)
            * float(torch.tensor(shape[1:]).prod()) ** 0.5
        )

    weights, (keys, values) = split(weights, "processor.{}_proj.weight")
    t = load_file(folder / "tiny.safetensors")
    dit = dit_of(
        weights, {k: d[k] for k in ("dim", "ffn_dim", "text_dim", "num_heads", "num_layers", "text_len")}
    )
    frames, (height, width) = config["latent_frames"], config["latent_hw"]
    projection = synthetic.synthetic_checkpoint(
        {
            "proj_model.proj.weight": [2048, 768],
            "proj_model.norm.weight": [2048],
            "proj_model.norm.bias": [2048],
        }
    )
    audio = torch.nn.functional.layer_norm(
        noise("wav2vec", [1, config["audio_tokens"], 768]) @ projection["proj_model.proj.weight"].T,
        (2048,), projection["proj_model.norm.weight"], projection["proj_model.norm.bias"],
    )  # fmt: skip
    ranges = window_ranges(config["audio_tokens"], config["num_frames"])
    found = cut_windows(audio[0], ranges, config["expand_length"])
    given = BranchInput(found.tokens[:, None], found.lens[:, None], (1.0,), None)
    x = torch.cat(
        [noise("latents", [1, 16, frames, height, width]), noise("y", [1, 20, frames, height, width])], 1
    )
    clip, step = noise("clip", [1, 257, 1280]), torch.tensor([config["timestep"]])
    call = Patched(dit, "talking", keys, values, given)
    positive, negative = (
        padded(noise(f"context.{sign}", [1, n, d["text_dim"]]), d["text_len"])
        for sign, n in zip(("pos", "neg"), config["context_tokens"], strict=True)
    )
    out = call(x, step, positive, clip, [1.0, 0.5, 0.0])
    for row, name in enumerate(("dit.audio", "dit.audio_scale_0.5", "dit.no_audio")):
        close(f"talking.{name}", out[row], t[name][0], 2e-4)
    close("talking.dit.uncond", call(x, step, negative, clip, [0.0])[0], t["dit.uncond"][0], 2e-4)


def talking_weights(d, config):
    """The tiny model's weights: Wan's own, and the processors', whose names begin otherwise in the checkpoint."""
    dit = WanModel(
        model_type="i2v", in_dim=36, out_dim=16, freq_dim=256, cross_attn_norm=True, eps=1e-6, device="meta",
        dtype=torch.float32, operations=comfy.ops.disable_weight_init,
        **{k: d[k] for k in ("dim", "ffn_dim", "text_dim", "num_heads", "num_layers")},
    )  # fmt: skip
    weights = synthetic.synthetic_checkpoint({k: list(v.shape) for k, v in dit.state_dict().items()})
    weights = {k: v * (config["gains"]["dit"] if v.ndim > 1 else 1) for k, v in weights.items()}
    for i in range(d["num_layers"]):
        for p in "kv":
            name = f"blocks.{i}.cross_attn.processor.{p}_proj.weight"
            made = synthetic.synthetic_tensor(f"audio_processor.{name}", [d["dim"], config["audio_proj_dim"]])
            weights[name] = made * config["gains"]["audio_processor"]
    return weights


with torch.inference_mode():
    ran = []
    for name, check in (("dit", check_dit), ("multi_face", check_multi_face)):
        folder = Path(GOLDEN) / "fantasy_portrait" / name
        if folder.is_dir():
            check(folder)
            ran.append(name)
    talking = Path(GOLDEN) / "fantasy_talking"
    if (talking / "tiny.safetensors").is_file():
        check_talking(talking)
        ran.append("talking")
sys.stdout.write(json.dumps({"ran": ran, "differences": DIFFERENCES}) + "\n")
