"""What the adapters' attention costs: beside attention with a dense mask, and beside the DiT block it is part of.

    python benchmarks/branch.py

480x832, 81 frames (21 latent frames of 1560 tokens), windows of 97 tokens, tracked territories of 1, 2 and 3 heads.
On CUDA at the width of the 14B model (40 heads of 128, bfloat16); elsewhere at a tenth of it (4 heads, float32),
and the block at 2 latent frames, so that its attention and its linear layers keep about the 14B's proportion.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

from troupe.engine.cast import Role
from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.motion.mesh import mean_mesh
from troupe.engine.wan.territory import territories
from troupe.kernels.face_attention import FacePlan, base_group, face_attention

CUDA = torch.cuda.is_available()
DEVICE, DTYPE = ("cuda", torch.bfloat16) if CUDA else ("cpu", torch.float32)
LATENTS, ROWS, COLUMNS, WINDOW = 21, 30, 52, 97
TOKENS = ROWS * COLUMNS
HEADS, HEAD = (40 if CUDA else 4), 128
DIM = HEADS * HEAD
BLOCK_LATENTS = LATENTS if CUDA else 2
TEXT, PICTURE, CONTEXT = 512, 257, 2048
FULL_DIM, FULL_FFN = 5120, 13824
REPEATS = 20 if CUDA else 9
FACES = (1, 2, 3)
# Without a GPU the processor's time of all threads is taken: others on the machine do not count.
CLOCK = time.perf_counter if CUDA else time.process_time


def who_sees_whom(people: int, latents: int, background: str = "all") -> np.ndarray:
    """``seen [L, N]`` of heads 160 pixels high side by side, each swaying by a fifth of its width."""
    points = mean_mesh().vertices
    low, high = points[:468].min(0), points[:468].max(0)
    tracks, frames = [], 4 * latents - 3
    for k in range(people):
        middle = [(k + 0.5) * COLUMNS * 16 / people, ROWS * 8, 0]
        landmarks = (points - (low + high) / 2) * 160 / (high - low)[1] + middle
        tracks.append(FaceTrack(k + 1, (Face(landmarks.astype(np.float32)),)))
    sway = np.sin(np.arange(frames) / 8)[:, None] * [20, 0, 20, 0]
    paths = [np.array([100, 100, 200, 220]) + sway] * people
    faces = Faces(tuple(tracks), ROWS * 16, COLUMNS * 16)
    roles = [Role(k + 1, None) for k in range(people)]
    return territories(faces, roles, paths, (latents, ROWS, COLUMNS), frames, background=background)


def inputs(people: int, latents: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random queries ``[1, L, N, C]``, keys and values ``[L, R, S, C]``."""
    torch.manual_seed(0)
    shapes = (1, latents, TOKENS, DIM), (latents, people, WINDOW, DIM), (latents, people, WINDOW, DIM)
    return tuple(torch.randn(s, device=DEVICE, dtype=DTYPE) for s in shapes)


def dense_masks(seen: np.ndarray, people: int) -> dict[str, Tensor]:
    """The named alternatives: ``[L, 1, N, keys]``, bool (True may attend) and float (added)."""
    bits = np.repeat(seen[:, None, :, None] >> np.arange(people) & 1, WINDOW, -1)
    boolean = torch.from_numpy(bits.astype(bool)).to(DEVICE)
    added = torch.zeros(boolean.shape, dtype=DTYPE, device=DEVICE).masked_fill_(~boolean, -30000.0)
    return {"dense_bool_mask": boolean, "dense_float_mask": added}


def dense_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Torch's attention over all roles' keys with a mask."""
    by_head = (x.flatten(1, -2).unflatten(-1, (HEADS, HEAD)).transpose(1, 2) for x in (q[0], k, v))
    return F.scaled_dot_product_attention(*by_head, attn_mask=mask).transpose(1, 2).reshape(q.shape)


def seconds(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Medians; the works take turns, so that a busy machine is as busy for each. One round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS + 1):
        for name, work in works.items():
            if CUDA:
                torch.cuda.synchronize()
            start = CLOCK()
            work()
            if CUDA:
                torch.cuda.synchronize()
            times[name].append(CLOCK() - start)
    return {name: median(taken[1:]) for name, taken in times.items()}


def peak_bytes(work: Callable[[], object]) -> int:
    """What the GPU holds at most during ``work``, beyond what it held before."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def counted_bytes(plan: FacePlan) -> int:
    """Without a GPU, by arithmetic: the plan's tables, and queries and results of the largest group gathered. What
    comes out is not counted, as it is not for the masks."""
    if plan.one_group:
        return 0
    parts = [t for g in plan.groups for t in (g.tokens, g.kept, g.rows, g.frames)]
    held = sum(t.nbytes for t in (plan.seen, plan.order, *parts) if t is not None)
    base = base_group(plan, *inputs(plan.roles, LATENTS)[:2])
    return held + 2 * max(len(g.tokens) for g in plan.groups if g is not base) * DIM * DTYPE.itemsize


def kernel(people: int, background: str) -> dict:
    """Milliseconds and memory of one call for all frames, our forms and the dense ones."""
    seen = who_sees_whom(people, LATENTS, background)
    q, k, v = inputs(people, LATENTS)
    start = CLOCK()
    plan = FacePlan.of(seen, None, people, DEVICE)
    figures: dict = {"plan_ms": (CLOCK() - start) * 1000, "groups": len(plan.groups)}
    works = {}
    for impl in ("torch", "triton") if CUDA else ("torch",):
        name = {"torch": "gather", "triton": "triton"}[impl]
        works[name] = lambda impl=impl: face_attention(q, k, v, plan, heads=HEADS, impl=impl)
    masks = dense_masks(seen, people)
    for name, mask in masks.items():
        works[name] = lambda mask=mask: dense_attention(q, k, v, mask)
    wanted = works["dense_float_mask"]().float()
    sees = torch.from_numpy(seen > 0).to(DEVICE)[None, :, :, None]
    for name, work in works.items():
        # Where nothing is seen a dense mask gives some average instead of zero.
        error = float(((work().float() - wanted) * sees).abs().max())
        if error > (0.05 if DTYPE == torch.bfloat16 else 1e-4):
            raise SystemExit(f"{name} is wrong by {error}")
    for name, taken in seconds(works).items():
        mask = masks[name].nbytes if name in masks else 0
        extra = peak_bytes(works[name]) + mask if CUDA else mask or counted_bytes(plan)
        figures[name] = {"ms": taken * 1000, "MiB": extra / 2**20}
        say(
            f"{people} face(s), background {background}, {name}: {taken * 1000:.1f} ms, {extra / 2**20:.1f} MiB beside its inputs"
        )
    return figures


class Block(nn.Module):
    """A Wan I2V block of the 14B's proportions: self-attention, text and image attention, feed-forward."""

    def __init__(self):
        super().__init__()
        kind = {"device": DEVICE, "dtype": DTYPE}
        ffn = FULL_FFN * DIM // FULL_DIM
        self.norms = nn.ModuleList(nn.LayerNorm(DIM, eps=1e-6, **kind) for _ in range(3))
        self.lines = nn.ModuleDict({n: nn.Linear(DIM, DIM, **kind) for n in ("q", "k", "v", "o")})
        names = ("q", "k", "v", "o", "k_img", "v_img")
        self.cross = nn.ModuleDict({n: nn.Linear(DIM, DIM, **kind) for n in names})
        self.scales = nn.ModuleList(nn.RMSNorm(DIM, eps=1e-6, **kind) for _ in range(5))
        self.ffn = nn.Sequential(nn.Linear(DIM, ffn, **kind), nn.GELU("tanh"), nn.Linear(ffn, DIM, **kind))
        self.turns = torch.polar(torch.ones(1), torch.rand(BLOCK_LATENTS * TOKENS, 1, HEAD // 2)).to(DEVICE)

    def rotated(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.float().unflatten(-1, (HEADS, HEAD // 2, 2)))
        return torch.view_as_real(pairs * self.turns).flatten(-3).to(x.dtype)

    @staticmethod
    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        by_head = (x.unflatten(-1, (HEADS, HEAD)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2)

    def forward(
        self, x: Tensor, text: Tensor, picture: Tensor, branch: Callable[[Tensor], Tensor] | None
    ) -> Tensor:
        own, cross, scale = self.lines, self.cross, self.scales
        y = self.norms[0](x)
        q, k = self.rotated(scale[0](own["q"](y))), self.rotated(scale[1](own["k"](y)))
        x = x + own["o"](self.attention(q, k, own["v"](y)))
        q = scale[2](cross["q"](self.norms[1](x)))
        found = self.attention(q, scale[3](cross["k"](text)), cross["v"](text))
        found = found + self.attention(q, scale[4](cross["k_img"](picture)), cross["v_img"](picture))
        if branch is not None:
            found = found + branch(q)
        x = x + cross["o"](found)
        return x + self.ffn(self.norms[2](x))


def block_flops(tokens: int, dim: int) -> float:
    """Multiplications and additions of a block's matrix products."""
    other = TEXT + PICTURE
    linear = 2 * tokens * dim * (6 * dim + 2 * (FULL_FFN * dim // FULL_DIM)) + 4 * other * dim * dim
    return linear + 4 * tokens * tokens * dim + 4 * tokens * other * dim


def branch_flops(seen: np.ndarray, people: int, dim: int) -> tuple[float, float]:
    """Those of the branch: attention, and the keys' and values' projection (once a run where they are kept)."""
    roles_seen = (seen[..., None] >> np.arange(people) & 1).sum()
    return 4.0 * roles_seen * WINDOW * dim, 4.0 * len(seen) * people * WINDOW * CONTEXT * dim


def shares(people: int, latents: int, dim: int) -> dict:
    """The branch's part of a block's arithmetic, in percent."""
    seen = who_sees_whom(people, latents)
    attention, projection = branch_flops(seen, people, dim)
    block = block_flops(latents * TOKENS, dim)
    return {
        "attention_percent": 100 * attention / block,
        "with_projection_percent": 100 * (attention + projection) / block,
    }


@torch.inference_mode()
def overhead() -> dict:
    """What the branch adds to a block's pass, keys and values kept: measured, and by arithmetic."""
    torch.manual_seed(0)
    block = Block()
    x = torch.randn(1, BLOCK_LATENTS * TOKENS, DIM, device=DEVICE, dtype=DTYPE)
    text = torch.randn(1, TEXT, DIM, device=DEVICE, dtype=DTYPE)
    picture = torch.randn(1, PICTURE, DIM, device=DEVICE, dtype=DTYPE)
    figures: dict = {"latent_frames": BLOCK_LATENTS, "dim": DIM}
    for people in FACES:
        q, k, v = inputs(people, BLOCK_LATENTS)
        plan = FacePlan.of(who_sees_whom(people, BLOCK_LATENTS), None, people, DEVICE)

        def branch(query: Tensor, k: Tensor = k, v: Tensor = v, plan: FacePlan = plan) -> Tensor:
            query = query.view(1, BLOCK_LATENTS, TOKENS, DIM)
            return face_attention(query, k, v, plan, heads=HEADS).flatten(1, 2)

        taken = seconds(
            {
                "block": lambda: block(x, text, picture, None),
                "block_with_branch": lambda branch=branch: block(x, text, picture, branch),
                "branch": lambda q=q, branch=branch: branch(q),
            }
        )
        percent = 100 * taken["branch"] / taken["block"]
        here, full = shares(people, BLOCK_LATENTS, DIM), shares(people, LATENTS, FULL_DIM)
        figures[f"faces_{people}"] = {
            **{f"{name}_ms": value * 1000 for name, value in taken.items()},
            "branch_percent_of_block": percent,
            "arithmetic_here": here,
            "arithmetic_14B": full,
        }
        say(
            f"{people} face(s): block {taken['block'] * 1000:.1f} ms, with branch "
            f"{taken['block_with_branch'] * 1000:.1f} ms; branch alone {percent:.2f} % of the bare block; by arithmetic "
            f"{here['attention_percent']:.2f} % here, {full['attention_percent']:.2f} % at the 14B's size "
            f"({full['with_projection_percent']:.2f} % with keys and values made anew)"
        )
    return figures


def main() -> None:
    load = os.getloadavg()[0]
    size = {
        "latent_frames": LATENTS,
        "tokens_in_a_frame": TOKENS,
        "window": WINDOW,
        "heads": HEADS,
        "head": HEAD,
    }
    memory = (
        "peak of the GPU beside the inputs, masks included"
        if CUDA
        else "counted: masks, or the gather's tables and buffers"
    )
    with torch.inference_mode():
        kernels = {
            f"faces_{people}_background_{background}": kernel(people, background)
            for people in FACES
            for background in ("all", "none")
        }
    finish(
        {
            "benchmark": "branch", "device": DEVICE, "dtype": str(DTYPE), "threads": torch.get_num_threads(),
            "load_at_start": load, **size, "clock": "wall" if CUDA else "processor, all threads", "memory": memory, "kernel": kernels, "overhead": overhead(),
        }
    )  # fmt: skip


if __name__ == "__main__":
    main()
