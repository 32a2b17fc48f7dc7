"""The adapters' extra attention in a plain DiT, against the references."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from troupe.engine.wan.branch import BranchInput, BranchRun
from troupe.engine.wan.territory import labels_to_seen
from troupe.engine.wan.windows import cut_windows, window_ranges
from troupe.kernels.face_attention import FacePlan, face_attention

pytestmark = pytest.mark.golden


def portrait_windows(tokens):
    """``[24 F, ctx]`` to ``[L, 97, ctx]``."""
    return cut_windows(tokens.float(), window_ranges(len(tokens), len(tokens) // 24)).tokens


def projecting(keys, values):
    return lambda block, tokens: (tokens @ keys[block].T, tokens @ values[block].T)


def taken_out(weights, inner):
    """The branch's projections, out of a checkpoint that holds the base model too."""
    pairs = []
    for part in "kv":
        ending = f"cross_attn.processor.{inner.format(part)}"
        names = sorted(
            (n for n in weights if n.endswith(ending)), key=lambda n: int(n.split("blocks.")[1].split(".")[0])
        )
        pairs.append([weights.pop(n) for n in names])
    return pairs


class Portrait:
    """A folder with a small DiT and FantasyPortrait's branch in it."""

    def __init__(self, folder, plain_wan, synthetic):
        from safetensors.torch import load_file

        meta = json.loads((folder / "meta.json").read_text())
        self.heads = (meta.get("config") or meta["dit_config"])["heads"]
        self.weights = synthetic.synthetic_checkpoint(json.loads((folder / "keys.json").read_text()))
        pairs = taken_out(self.weights, "ip_adapter_single_stream_{}_proj.weight")
        self.project, self.plain_wan = projecting(*pairs), plain_wan
        self.t = load_file(folder / "io.safetensors")

    @torch.inference_mode()
    def run(self, tokens, strength, seen=None):
        frames = tuple(range(len(tokens)))
        run = BranchRun(
            BranchInput(tokens, None, (strength,) * tokens.shape[1], seen), self.project, self.heads
        )
        dit = self.plain_wan(self.weights, self.heads, lambda block, q: run(block, q, frames))
        return self.bare(dit)

    @torch.inference_mode()
    def bare(self, dit=None):
        t = self.t
        dit = dit or self.plain_wan(self.weights, self.heads)
        return dit(torch.cat([t["latents"], t["y"]], 1), t["timestep"], t["context"], t["clip_fea"].float())


def apart(a, b):
    return (a - b).abs().max().item()


def test_branch_at_every_scale(golden_part, plain_wan, synthetic):
    from safetensors.torch import load_file

    folder = golden_part("fantasy_portrait", "dit", "keys.json").parent
    scene = Portrait(folder, plain_wan, synthetic)
    proj = load_file(folder / "proj_tokens.safetensors")["proj_tokens"][0]
    tokens = portrait_windows(proj)[:, None]
    scales = [k for k in scene.t if k.startswith("out_scale_")]
    assert scales
    for key in scales:
        assert apart(scene.run(tokens, float(key.removeprefix("out_scale_"))), scene.t[key]) <= 1e-4, key
    assert apart(scene.bare(), scene.t["out_no_adapter"]) <= 1e-4


def test_faces_see_their_own_video(golden_part, plain_wan, synthetic):
    scene = Portrait(golden_part("fantasy_portrait", "multi_face", "keys.json").parent, plain_wan, synthetic)
    t = scene.t
    tokens = torch.stack([portrait_windows(v) for v in t["video_tokens"]], 1)
    seen = torch.as_tensor(labels_to_seen(t["labels_latent"].numpy(), tokens.shape[1]))
    assert apart(scene.run(tokens, 1.0, seen), t["out_masked"]) <= 1e-4
    assert apart(scene.run(tokens, 1.0), t["out_unmasked"]) <= 1e-4
    assert apart(scene.run(tokens, 0.0, seen), t["out_scale_0"]) <= 1e-4
    # In another order, with the territories' bits swapped alike, nothing changes.
    bits = sum(((seen >> i) & 1) << (tokens.shape[1] - 1 - i) for i in range(tokens.shape[1])).to(torch.int32)
    assert apart(scene.run(tokens.flip(1), 1.0, bits), t["out_masked"]) <= 1e-4


class Talking:
    """The folder with a small DiT and FantasyTalking's branch in it."""

    def __init__(self, golden_part, plain_wan, synthetic):
        from safetensors.torch import load_file

        folder = golden_part("fantasy_talking", "keys.json").parent
        self.config = json.loads((folder / "tiny_config.json").read_text())
        self.d, self.synthetic = self.config["dit_config"], synthetic
        keys = json.loads((folder / "keys.json").read_text())
        gains = self.config["gains"]

        def made(names, gain_of):
            weights = synthetic.synthetic_checkpoint(names)
            return {n: w * gain_of(n) if w.ndim > 1 else w for n, w in weights.items()}

        self.weights = made(keys["tiny.dit"], lambda n: gains["dit"])
        self.audio = made(keys["tiny.audio"], lambda n: gains[n.split(".")[0]])
        self.t = load_file(folder / "tiny.safetensors")
        self.project = projecting(*taken_out(self.audio, "{}_proj.weight"))
        self.plain_wan, self.heads = plain_wan, self.d["num_heads"]
        tokens = F.linear(
            self.noise("wav2vec", 1, self.config["audio_tokens"], 768), self.audio["proj_model.proj.weight"]
        )
        norm = self.audio["proj_model.norm.weight"], self.audio["proj_model.norm.bias"]
        self.projected = F.layer_norm(tokens, tokens.shape[-1:], *norm)
        ranges = window_ranges(self.config["audio_tokens"], self.config["num_frames"])
        self.windows = cut_windows(self.projected[0], ranges, self.config["expand_length"])

    def noise(self, name, *shape):
        tensor = self.synthetic.synthetic_tensor(f"in.{name}.{self.config['noise_tag']}", shape)
        return tensor * torch.tensor(shape[1:]).prod().item() ** 0.5

    def branch(self, strength):
        given = BranchInput(self.windows.tokens[:, None], self.windows.lens[:, None], (strength,), None)
        return BranchRun(given, self.project, self.heads)

    @torch.inference_mode()
    def run(self, sign, strength):
        frames, (height, width) = self.config["latent_frames"], self.config["latent_hw"]
        run = self.branch(strength)
        dit = self.plain_wan(
            self.weights,
            self.heads,
            (lambda block, q: run(block, q, tuple(range(frames)))) if strength else None,
            text_len=self.d["text_len"],
        )
        x = [self.noise(n, 1, c, frames, height, width) for n, c in (("latents", 16), ("y", 20))]
        tokens = self.config["context_tokens"][sign == "neg"]
        context = self.noise(f"context.{sign}", 1, tokens, self.d["text_dim"])
        step = torch.tensor([self.config["timestep"]])
        return dit(torch.cat(x, 1), step, context, self.noise("clip", 1, 257, 1280))


@pytest.fixture(scope="module")
def talking(golden_part, plain_wan, synthetic):
    return Talking(golden_part, plain_wan, synthetic)


@pytest.mark.parametrize(
    ("key", "sign", "strength"),
    [
        ("audio", "pos", 1.0),
        ("audio_scale_0.5", "pos", 0.5),
        ("no_audio", "pos", 0.0),
        ("uncond", "neg", 0.0),
    ],
)
def test_speech_branch_in_the_dit(talking, key, sign, strength):
    assert apart(talking.run(sign, strength), talking.t[f"dit.{key}"]) <= 2e-4


def test_speech_branch_in_one_attention(talking):
    """Block 1's whole cross-attention: windows, scales, no speech, and one long window for all."""
    t, d = talking.t, talking.d
    frames, (height, width) = talking.config["latent_frames"], talking.config["latent_hw"]
    tokens = frames * (height // 2) * (width // 2)
    x = talking.noise("attn.x", 1, tokens, d["dim"])
    context = talking.noise("attn.context", 1, 257 + d["text_len"], d["dim"])
    every, keys_values = tuple(range(frames)), talking.project(1, talking.projected)

    def whole(_, q):
        plan = FacePlan.of(None, None, 1)
        k, v = (w[:, None] for w in keys_values)
        return face_attention(q.flatten(1, 2)[:, None], k, v, plan, heads=talking.heads).view(q.shape)

    cases = {
        "audio": lambda _, q: talking.branch(1.0)(1, q, every),
        "audio_scale_0.6": lambda _, q: talking.branch(0.6)(1, q, every),
        "no_audio": None,
        "audio_3d_global": whole,
    }
    grid = (frames, height // 2, width // 2)
    for name, branch in cases.items():
        dit = talking.plain_wan(talking.weights, talking.heads, branch)
        with torch.inference_mode():
            out = dit.cross("blocks.1.cross_attn", 1, x, context[:, 257:], context[:, :257], grid)
        assert apart(out[:, :, ::2], t[f"attn.{name}"]) <= 2e-4, name
    assert apart(out[:, :, ::2], t["attn.unmasked_do_not_reproduce"]) > 1e-3
