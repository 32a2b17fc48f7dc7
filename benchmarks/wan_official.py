"""Fantasy-AMAP's own DiT, loaded from a checkout of their repository, for ``wan_gpu.py`` to compare with."""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F

TEXT, PICTURE, CONTEXT, WINDOW = 512, 257, 2048, 97


def official(folder: Path, size: Any, dtype: torch.dtype, weights: dict) -> dict:
    """Fantasy-AMAP's own DiT with its adapter's arithmetic, seconds a pass. Where flash-attn is missing, which it needs,
    torch's attention takes its place, and the result says so."""
    package = types.ModuleType("official")
    package.__path__ = [str(folder / "diffsynth" / "models")]
    sys.modules["official"] = package
    spec = importlib.util.spec_from_file_location(
        "official.wan_video_dit", folder / "diffsynth/models/wan_video_dit.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    def attend(q, k, v, **_):
        q, k, v = (x.transpose(1, 2).to(dtype) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    has_flash = getattr(module, "FLASH_ATTN_2_AVAILABLE", False) or getattr(
        module, "FLASH_ATTN_3_AVAILABLE", False
    )
    if not has_flash:
        module.flash_attention = attend
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device("meta"):
        net = module.WanModel(
            model_type="i2v", in_dim=36, dim=size.dim, ffn_dim=size.ffn, freq_dim=256, text_dim=4096, out_dim=16,
            num_heads=size.heads, num_layers=size.layers, qk_norm=True, cross_attn_norm=True,
        )  # fmt: skip
    net.load_state_dict({k: v.to(device) for k, v in weights.items()}, assign=True)
    d = size.dim // size.heads
    parts = (d - 4 * (d // 6), 2 * (d // 6), 2 * (d // 6))
    net.freqs = torch.cat([module.rope_params(1024, p) for p in parts], 1).to(device)
    for block in net.blocks:
        block.cross_attn.set_processor(Processor(module, size, dtype, device))
    seconds = run_official(net.eval(), size, dtype, device)
    return {"seconds": seconds, "flash_attn": has_flash}


class Processor:
    """What the published processor of a block computes: text, image and adapter attention, one output projection."""

    def __init__(self, module, size: Any, dtype, device):
        self.module, self.latents = module, size.latents
        self.k, self.v = (
            torch.randn(size.dim, CONTEXT, dtype=dtype, device=device) * CONTEXT**-0.5 for _ in "kv"
        )

    def __call__(self, attn, x, context, lens, adapter=None, *_, **__):
        heads = (attn.num_heads, attn.head_dim)
        q = attn.norm_q(attn.q(x)).unflatten(2, heads)
        text, picture = context[:, PICTURE:], context[:, :PICTURE]
        attention = self.module.flash_attention
        out = attention(q, attn.norm_k(attn.k(text)).unflatten(2, heads), attn.v(text).unflatten(2, heads))
        k_img = attn.norm_k_img(attn.k_img(picture)).unflatten(2, heads)
        out = out.flatten(2) + attention(q, k_img, attn.v_img(picture).unflatten(2, heads)).flatten(2)
        k, v = (F.linear(adapter[0], w).unflatten(2, heads) for w in (self.k, self.v))
        by_frame = q[0].unflatten(0, (self.latents, -1))
        out = out + attention(by_frame, k, v).flatten(2).reshape(out.shape)
        return attn.o(out)


def run_official(net, size: Any, dtype, device) -> float:
    shape = (size.latents, 2 * size.rows, 2 * size.columns)
    x = torch.randn(16, *shape, device=device, dtype=dtype)
    inputs = {
        "timestep": torch.tensor([500.0], device=device),
        "context": [torch.randn(TEXT, 4096, device=device, dtype=dtype)],
        "seq_len": size.latents * size.rows * size.columns,
        "clip_fea": torch.randn(1, PICTURE, 1280, device=device, dtype=dtype),
        "y": [torch.randn(20, *shape, device=device, dtype=dtype)],
        "adapter_proj": torch.randn(1, size.latents, WINDOW, CONTEXT, device=device, dtype=dtype),
        "latents_num_frames": size.latents,
    }
    times = []
    for _ in range(size.repeats):
        start = time.perf_counter()
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=device == "cuda"):
            net([x], **inputs)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])
