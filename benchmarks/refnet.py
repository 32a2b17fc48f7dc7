"""Hallo at full size with random weights: memory and seconds by resolution, beside AnimateDiff's network of diffusers.

    python benchmarks/refnet.py [--sizes 256,512,1024] [--frames 16] [--steps 2] [--tiny]

The weights are random (the arithmetic does not know them), half precision on a GPU, float32 without one. A step is both
passes of classifier-free guidance over one clip; ``step`` is its time, ``frame`` what a frame of the clip takes with the
published 40 steps, ``memory`` the most that was allocated, the reference net's pass included. Beside it in the same run
diffusers' ``UNetMotionModel``, the network of AnimateDiff: the same U-Net without audio, without a reference. Hallo's
paper gives 6.62, 9.77 and 20.66 GB and 0.46, 1.63 and 10.29 s at 256, 512 and 1024 pixels on an A100, without saying what
was counted. ``--tiny`` runs the script at toy size on any machine; its figures mean nothing. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from common import finish, say

from troupe.engine.refnet.config import HALLO, UNetConfig
from troupe.engine.refnet.hallo_masks import hallo_masks
from troupe.engine.refnet.reference import ReferenceNet
from troupe.engine.refnet.scene import Scene
from troupe.engine.refnet.unet import DenoisingUNet

PUBLISHED_STEPS, TOKENS = 40, 32
TINY = UNetConfig(
    widths=(32, 64, 64, 64), cross_dim=32, groups=16, audio=24, motion_frames=2, motion_everywhere=False
)


def built(make: Callable[[], torch.nn.Module], device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    """A network with small random weights, never on the CPU."""
    with torch.device("meta"):
        net = make().to(dtype)
    net = net.to_empty(device=device).eval().requires_grad_(False)
    generator = torch.Generator(device).manual_seed(0)
    for value in (*net.parameters(), *net.buffers()):
        if value.is_floating_point():
            value.normal_(0, 0.02, generator=generator)
    return net


def scene_of(
    config: UNetConfig, bank, frames: int, side: int, device: torch.device, dtype: torch.dtype
) -> Scene:
    """A clip that hears something, with a face in the middle."""
    import numpy as np

    size = side // 8
    points = np.random.default_rng(0).uniform(0.35 * side, 0.65 * side, (478, 2))
    masks = hallo_masks(points, side, side, config.sizes(size, size)).levels
    scene = Scene(
        bank,
        torch.randn(2, 4, config.cross_dim),
        torch.randn(1, config.widths[0], 1, size, size),
        frames,
        audio=torch.randn(1, frames, TOKENS, config.audio),
        masks=masks,
    )
    return scene.to(device, dtype)


@torch.no_grad()
def hallo(
    config: UNetConfig, side: int, frames: int, steps: int, device: torch.device, dtype: torch.dtype
) -> dict:
    reference = built(lambda: ReferenceNet(config), device, dtype)
    denoising = built(lambda: DenoisingUNet(config), device, dtype)
    reset(device)
    size = side // 8
    images = torch.randn(3, 4, size, size, device=device, dtype=dtype)
    bank = reference.write(images, torch.randn(3, 4, config.cross_dim, device=device, dtype=dtype))
    scene = scene_of(config, bank, frames, side, device, dtype)
    x = torch.randn(1, 4, frames, size, size, device=device, dtype=dtype)
    t = torch.full((1,), 500.0, device=device)
    seconds = timed(lambda: scene.predict(denoising, x, t, [False, True], [0.0, 1.0]), steps, device)
    return told(seconds, frames, device)


@torch.no_grad()
def animatediff(
    config: UNetConfig, side: int, frames: int, steps: int, device: torch.device, dtype: torch.dtype
) -> dict:
    from diffusers import UNetMotionModel

    net = built(
        lambda: UNetMotionModel(
            block_out_channels=config.widths,
            cross_attention_dim=config.cross_dim,
            norm_num_groups=config.groups,
            motion_num_attention_heads=config.heads,
            num_attention_heads=config.heads,
            use_motion_mid_block=True,
        ),
        device,
        dtype,
    )
    reset(device)
    size = side // 8
    x = torch.randn(2, 4, frames, size, size, device=device, dtype=dtype)
    tokens = torch.randn(2 * frames, 77, config.cross_dim, device=device, dtype=dtype)
    seconds = timed(lambda: net(x, 500, encoder_hidden_states=tokens), steps, device)
    return told(seconds, frames, device)


def timed(work: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each repeat after a first one that is not counted."""
    out = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        out.append(time.perf_counter() - start)
    return out[1:]


def reset(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def told(seconds: list[float], frames: int, device: torch.device) -> dict:
    step = median(seconds)
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return {"step_s": step, "frame_s": step * PUBLISHED_STEPS / frames, "memory_gb": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    config, sizes = (TINY, [64]) if args.tiny else (HALLO, [int(s) for s in args.sizes.split(",")])
    figures: dict = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "frames": args.frames,
    }
    for side in sizes:
        for name, way in (("hallo", hallo), ("animatediff", animatediff)):
            figures[f"{name}_{side}"] = one = way(config, side, args.frames, args.steps, device, dtype)
            memory = "" if one["memory_gb"] is None else f", {one['memory_gb']:.2f} GB"
            say(f"{name:12} {side:5}: {one['step_s']:.3f} s a step, {one['frame_s']:.2f} s a frame{memory}")
    finish(figures)


if __name__ == "__main__":
    main()
