"""Small random model files in the spellings that users have, for tests on a real ComfyUI.

    files = write_all(models_dir)            # all of FILES, in under three seconds
    files = write_all(models_dir, ["wan_i2v", "vae"])

Nothing is downloaded and ComfyUI is not imported; the same values come out each time. Models whose size is fixed by
those who read them are torch files of overlapping views of one small pool of random numbers: a few megabytes on
disk, their full size in memory.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
DIM, WIDER, LAYERS = 256, 384, 2
TEXT, VISION, TOKEN = 4096, 1280, 2048  # widths that ComfyUI's Wan and the adapters fix
FILES = {
    "wan_i2v": "diffusion_models/tiny_wan21_i2v.safetensors",
    "wan_t2v": "diffusion_models/tiny_wan21_t2v.safetensors",
    "wan_i2v_384": "diffusion_models/tiny_wan21_i2v_384.safetensors",
    "vae": "vae/tiny_wan21_vae.safetensors",
    "clip_vision": "clip_vision/random_clip_vision_h.pt",
    "clip_text": "text_encoders/random_clip_l.pt",
    "audio_encoder": "audio_encoders/random_wav2vec2_base.pt",
    "portrait": "model_patches/tiny_fantasyportrait_256.ckpt",
    "portrait_flat": "model_patches/tiny_fantasyportrait_256.safetensors",
    "portrait_384": "model_patches/tiny_fantasyportrait_384.ckpt",
    "talking": "model_patches/tiny_fantasytalking_256.ckpt",
    "talking_flat": "model_patches/tiny_fantasytalking_256.safetensors",
    "encoder": "model_patches/pd_fpg.pth",
    "bad_missing_key": "model_patches/bad_missing_key.ckpt",
    "bad_nan": "model_patches/bad_nan.ckpt",
    "bad_code": "model_patches/bad_code.ckpt",
    "bad_truncated": "model_patches/bad_truncated.safetensors",
}

Shapes = dict[str, tuple[int, ...]]
Tensors = dict[str, torch.Tensor]


class Fill:
    """Well-scaled random values for named shapes.

    Args:
        seed: Another seed, other values.
        gains: How much louder than its input a layer's output is, by the end of its weight's name; else 1.
        spreads: Standard deviations of what is no layer (embeddings), by the end of the name.
        compact: Whether the tensors are views of a pool.
        dtype: Of all but counters.
    """

    POOL, SHIFTS = 1 << 18, 1 << 12

    def __init__(
        self,
        seed: int,
        gains: Mapping[str, float] | None = None,
        spreads: Mapping[str, float] | None = None,
        compact: bool = False,
        dtype: torch.dtype = torch.float16,
    ):
        self.generator = torch.Generator().manual_seed(seed)
        self.gains, self.spreads = gains or {}, spreads or {}
        self.compact, self.dtype = compact, dtype
        self.pools: dict[float, torch.Tensor] = {}

    def __call__(self, shapes: Mapping[str, Iterable[int]]) -> Tensors:
        return {name: self.tensor(name, tuple(shape)) for name, shape in shapes.items()}

    def tensor(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.zeros(shape, dtype=torch.int64)
        spread = _by_end(name, self.spreads)
        if spread is not None:
            return self.normal(name, shape, spread)
        if name.endswith("running_var"):
            return torch.full(shape, 1.5, dtype=self.dtype)  # keeps a deep network's output near 1
        if name.endswith(("gamma", "weight_g")) or (name.endswith(".weight") and len(shape) == 1):
            return self.around(1.0, 0.1, shape)
        if len(shape) == 1:
            return self.around(0.0, 0.05, shape)
        gain = _by_end(name, self.gains)
        return self.normal(name, shape, (1.0 if gain is None else gain) / math.sqrt(math.prod(shape[1:])))

    def around(self, mean: float, spread: float, shape: tuple[int, ...]) -> torch.Tensor:
        """Norms and biases; a compact model's are all alike."""
        if self.compact:
            return torch.full((1,), mean, dtype=self.dtype).expand(shape)
        return (mean + spread * torch.randn(shape, generator=self.generator)).to(self.dtype)

    def normal(self, name: str, shape: tuple[int, ...], spread: float) -> torch.Tensor:
        if not self.compact:
            return (torch.randn(shape, generator=self.generator) * spread).to(self.dtype)
        if spread not in self.pools:
            values = torch.randn(self.POOL, generator=self.generator).clamp_(-3, 3)
            self.pools[spread] = (values * spread).to(self.dtype)
        rows, columns = shape[0], math.prod(shape[1:])
        step = (self.POOL - self.SHIFTS - columns) // max(rows - 1, 1)
        assert step > 0, f"the pool is too small for {name} {shape}"
        strides = [step] + [math.prod(shape[i + 1 :]) for i in range(1, len(shape))]
        return self.pools[spread].as_strided(shape, strides, zlib.crc32(name.encode()) % self.SHIFTS)


def _by_end(name: str, values: Mapping[str, float]) -> float | None:
    return next((value for end, value in values.items() if name.endswith(end)), None)


def _layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _keys(path: str) -> dict:
    return json.loads((GOLDEN / path).read_text())


def wan_shapes(dim: int, channels: int, image: bool, layers: int = LAYERS) -> Shapes:
    """Wan 2.1 as released: ``channels`` 36 and ``image`` for image-to-video, 16 and not for text-to-video.

    ComfyUI takes 128 to a head, so ``dim`` is a multiple of that.
    """
    shapes = {
        **_layer("patch_embedding", dim, channels, 1, 2, 2),
        **_layer("text_embedding.0", dim, TEXT),
        **_layer("text_embedding.2", dim, dim),
        **_layer("time_embedding.0", dim, 256),
        **_layer("time_embedding.2", dim, dim),
        **_layer("time_projection.1", 6 * dim, dim),
        **_layer("head.head", 64, dim),
        "head.modulation": (1, 2, dim),
    }
    for block in (f"blocks.{i}" for i in range(layers)):
        names = [f"{part}.{name}" for part in ("self_attn", "cross_attn") for name in "qkvo"]
        norms = [f"{part}.norm_{name}" for part in ("self_attn", "cross_attn") for name in "qk"]
        if image:
            names += ["cross_attn.k_img", "cross_attn.v_img"]
            norms += ["cross_attn.norm_k_img"]
        for name in names:
            shapes |= _layer(f"{block}.{name}", dim, dim)
        shapes |= {f"{block}.{name}.weight": (dim,) for name in norms}
        shapes |= {f"{block}.modulation": (1, 6, dim), **_layer(f"{block}.norm3", dim)}
        shapes |= {**_layer(f"{block}.ffn.0", 2 * dim, dim), **_layer(f"{block}.ffn.2", dim, 2 * dim)}
    if image:
        shapes |= {**_layer("img_emb.proj.0", VISION), **_layer("img_emb.proj.1", VISION, VISION)}
        shapes |= {**_layer("img_emb.proj.3", dim, VISION), **_layer("img_emb.proj.4", dim)}
    return shapes


def vae_shapes(width: int = 8) -> Shapes:
    """Wan 2.1's video VAE; ComfyUI reads its width from the file."""
    latent, widths = 16, [width * m for m in (1, 1, 2, 4, 4)]
    shapes: Shapes = {}

    def conv(name: str, out: int, inner: int, *kernel: int) -> None:
        shapes.update(_layer(name, out, inner, *kernel))

    def residual(name: str, inner: int, out: int) -> None:
        shapes.update(
            {f"{name}.residual.0.gamma": (inner, 1, 1, 1), f"{name}.residual.3.gamma": (out, 1, 1, 1)}
        )
        conv(f"{name}.residual.2", out, inner, 3, 3, 3)
        conv(f"{name}.residual.6", out, out, 3, 3, 3)
        if inner != out:
            conv(f"{name}.shortcut", out, inner, 1, 1, 1)

    def ends(part: str, wide: int, first: tuple[int, int], last: tuple[int, int]) -> None:
        conv(f"{part}.conv1", *first, 3, 3, 3)
        residual(f"{part}.middle.0", wide, wide)
        shapes[f"{part}.middle.1.norm.gamma"] = (wide, 1, 1)
        conv(f"{part}.middle.1.to_qkv", 3 * wide, wide, 1, 1)
        conv(f"{part}.middle.1.proj", wide, wide, 1, 1)
        residual(f"{part}.middle.2", wide, wide)
        shapes[f"{part}.head.0.gamma"] = (last[1], 1, 1, 1)
        conv(f"{part}.head.2", *last, 3, 3, 3)

    ends("encoder", widths[-1], (widths[0], 3), (2 * latent, widths[-1]))
    ends("decoder", widths[-1], (widths[-1], latent), (3, widths[0]))
    conv("conv1", 2 * latent, 2 * latent, 1, 1, 1)
    conv("conv2", latent, latent, 1, 1, 1)
    down = up = 0
    rising = widths[:0:-1]  # the decoder's stages; each upsampler halves the width on the way to the next
    for stage in range(4):
        inner, out = widths[stage : stage + 2]
        for name in (f"encoder.downsamples.{down + i}" for i in range(2)):
            residual(name, inner, out)
            inner = out
        inner, out = (rising[0] if stage == 0 else rising[stage - 1] // 2), rising[stage]
        for name in (f"decoder.upsamples.{up + i}" for i in range(3)):
            residual(name, inner, out)
            inner = out
        down, up = down + 3, up + 4
        if stage == 3:
            break
        for name, wide, half, time in (
            (f"encoder.downsamples.{down - 1}", widths[stage + 1], widths[stage + 1], 1 if stage > 0 else 0),
            (f"decoder.upsamples.{up - 1}", out, out // 2, 2 if stage < 2 else 0),
        ):
            conv(f"{name}.resample.1", half, wide, 3, 3)
            if time:
                conv(f"{name}.time_conv", time * wide, wide, 3, 1, 1)
    return shapes


def _clip_layers(prefix: str, layers: int, dim: int) -> Shapes:
    shapes: Shapes = {}
    for layer in (f"{prefix}.encoder.layers.{i}" for i in range(layers)):
        shapes |= {**_layer(f"{layer}.layer_norm1", dim), **_layer(f"{layer}.layer_norm2", dim)}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _layer(f"{layer}.self_attn.{name}", dim, dim)
        shapes |= {**_layer(f"{layer}.mlp.fc1", 4 * dim, dim), **_layer(f"{layer}.mlp.fc2", dim, 4 * dim)}
    return shapes


def clip_vision_shapes() -> Shapes:
    """CLIP ViT-H, the one core image encoder with the 1280 wide states that Wan reads."""
    embeddings = "vision_model.embeddings"
    return {
        f"{embeddings}.class_embedding": (VISION,),
        f"{embeddings}.patch_embedding.weight": (VISION, 3, 14, 14),
        f"{embeddings}.position_embedding.weight": (257, VISION),
        **_layer("vision_model.pre_layrnorm", VISION),
        **_clip_layers("vision_model", 32, VISION),
        **_layer("vision_model.post_layernorm", VISION),
        "visual_projection.weight": (1024, VISION),
    }


def clip_text_shapes() -> Shapes:
    """CLIP-L; loaded as type sd3, ComfyUI pads what it says with zeros from 768 to the 4096 that Wan reads."""
    return {
        "text_model.embeddings.token_embedding.weight": (49408, 768),
        "text_model.embeddings.position_embedding.weight": (77, 768),
        **_clip_layers("text_model", 12, 768),
        **_layer("text_model.final_layer_norm", 768),
        "text_projection.weight": (768, 768),
    }


def wan(dim: int = DIM, channels: int = 36, image: bool = True) -> Tensors:
    return Fill(dim + channels, spreads={"modulation": 0.3})(wan_shapes(dim, channels, image))


def vae() -> Tensors:
    quiet = {"residual.6.weight": 0.3, "1.proj.weight": 0.3, "decoder.head.2.weight": 0.3}
    return Fill(1, quiet)(vae_shapes())


def clip(shapes: Shapes, seed: int) -> Tensors:
    quiet = {"out_proj.weight": 0.1, "fc2.weight": 0.1}
    spreads = {"text_model.embeddings.position_embedding.weight": 0.1, "class_embedding": 0.5}
    spreads |= {"token_embedding.weight": 0.5, "position_embedding.weight": 0.5}
    return Fill(seed, quiet, spreads, compact=True)(shapes)


def audio_encoder() -> Tensors:
    """wav2vec2-base-960h by the names of its release; ComfyUI takes no other base model."""
    shapes = _keys("fantasy_talking/keys.json")["wav2vec2-base-960h"]
    return Fill(4, {"attention.out_proj.weight": 0.5, "output_dense.weight": 0.5}, compact=True)(shapes)


def encoder() -> Tensors:
    """PD-FGC in float32, as released."""
    return Fill(5, dtype=torch.float32)(_keys("fantasy_portrait/pd_fgc/keys.json"))


def branch(dim: int, seed: int, pattern: str) -> Tensors:
    """Keys and values of an adapter's branch, louder than the model's own so that a drive shows in the latents."""
    fill = Fill(seed, {".weight": 2.0})
    return fill({pattern.format(block=i, kind=k): (dim, TOKEN) for i in range(LAYERS) for k in "kv"})


def portrait(dim: int = DIM, pattern: str = "blocks.{block}.cross_attn.processor.{stream}") -> Tensors:
    """FantasyPortrait's adapter by flat names: the three projections, and the branch under ``ip_adapter.``."""
    fill = Fill(
        6, {"to_q.weight": 2.0, "to_kv.weight": 2.0, "to_out.weight": 2.0}, {"latents": 0.3}, compact=True
    )
    stream = "ip_adapter_single_stream_{kind}_proj.weight"
    own = branch(dim, 7, "ip_adapter." + pattern.replace("{stream}", stream))
    return fill(_keys("fantasy_portrait/adapter_proj/keys.json")) | own


def portrait_flat() -> Tensors:
    """As repackaged for ComfyUI: one flat file, no ``processor`` in the names, the expression encoder in it."""
    seen = {f"pd_fpg.{k}": v.half() if v.is_floating_point() else v for k, v in encoder().items()}
    return portrait(pattern="blocks.{block}.cross_attn.{stream}") | seen


def talking(
    pattern: str = "audio_processor.blocks.{block}.cross_attn.processor.{kind}_proj.weight",
) -> Tensors:
    """FantasyTalking's adapter by flat names."""
    shapes = {
        k: s
        for k, s in _keys("fantasy_talking/keys.json")["tiny.audio"].items()
        if k.startswith("proj_model.")
    }
    return Fill(8)(shapes) | branch(DIM, 9, pattern)


def nested(tensors: Tensors) -> dict[str, Tensors]:
    """Groups as in the official files, by the first part of each name."""
    groups: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    return groups


class MakesFolder:
    """A pickle that makes a folder when it is executed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def trace_of(path: Path) -> Path:
    """The folder that appears if the file ``bad_code`` was executed."""
    return path.with_suffix(".executed")


def _content(name: str, path: Path) -> object:
    """What stands in a file."""
    if name.startswith("bad_"):
        groups = nested(portrait())
        if name == "bad_missing_key":
            del groups["ip_adapter"]["blocks.1.cross_attn.processor.ip_adapter_single_stream_v_proj.weight"]
        elif name == "bad_nan":
            groups["ip_adapter"]["blocks.0.cross_attn.processor.ip_adapter_single_stream_k_proj.weight"][
                3, 5
            ] = math.nan
        elif name == "bad_code":
            groups["note"] = MakesFolder(trace_of(path))
        return groups
    makers = {
        "wan_i2v": wan,
        "wan_t2v": lambda: wan(channels=16, image=False),
        "wan_i2v_384": lambda: wan(WIDER),
        "vae": vae,
        "clip_vision": lambda: clip(clip_vision_shapes(), 2),
        "clip_text": lambda: clip(clip_text_shapes(), 3),
        "audio_encoder": audio_encoder,
        "portrait": lambda: nested(portrait()),
        "portrait_flat": portrait_flat,
        "portrait_384": lambda: nested(portrait(WIDER)),
        "talking": lambda: nested(talking()),
        "talking_flat": lambda: talking("blocks.{block}.cross_attn.{kind}_proj.weight"),
        "encoder": encoder,
    }
    return makers[name]()


def write(name: str, path: Path) -> None:
    """Write one of ``FILES``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "bad_truncated":
        write("talking_flat", path)
        os.truncate(path, path.stat().st_size // 2)
    elif path.suffix == ".safetensors":
        save_file(
            {k: t.clone(memory_format=torch.contiguous_format) for k, t in _content(name, path).items()}, path
        )
    else:
        torch.save(_content(name, path), path)


def write_all(models_dir: str | Path, only: Iterable[str] | None = None) -> dict[str, Path]:
    """Write ``FILES`` (or those named) below a models folder and return their paths by name."""
    paths = {name: Path(models_dir) / FILES[name] for name in (FILES if only is None else only)}
    for name, path in paths.items():
        write(name, path)
    return paths
