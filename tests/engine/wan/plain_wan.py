"""A Wan image-to-video DiT in plain torch, to check an adapter's branch without ComfyUI.

Forward only, float32, one video; weights under the official key names (Wan 2.1, wan/modules/model.py).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


class PlainWan:
    def __init__(
        self,
        weights: dict[str, torch.Tensor],
        heads: int,
        branch=None,
        freq_dim: int = 256,
        text_len: int = 512,
    ):
        """``branch(block, query [1, T, N, C]) -> [1, T, N, C]`` is added before each output projection."""
        self.w, self.heads, self.branch, self.freq_dim, self.text_len = (
            weights,
            heads,
            branch,
            freq_dim,
            text_len,
        )
        self.depth = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("blocks."))

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def norm(self, x: torch.Tensor, name: str, eps: float = 1e-6) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def rms(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.w[f"{name}.weight"]

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def __call__(self, x, timestep, context, clip) -> torch.Tensor:
        """``x`` [1, 36, T, h, w], ``context`` [1, n, text], ``clip`` [1, 257, 1280] -> velocity [1, 16, T, h, w]."""
        x = F.conv3d(x, self.w["patch_embedding.weight"], self.w["patch_embedding.bias"], stride=(1, 2, 2))
        grid = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)
        time = self.linear(
            F.silu(self.linear(sinusoid(timestep, self.freq_dim), "time_embedding.0")), "time_embedding.2"
        )
        steps = self.linear(F.silu(time), "time_projection.1").unflatten(1, (6, -1))
        context = F.pad(context, (0, 0, 0, self.text_len - context.shape[1]))
        text = self.linear(
            F.gelu(self.linear(context, "text_embedding.0"), approximate="tanh"), "text_embedding.2"
        )
        image = self.norm(clip, "img_emb.proj.0", 1e-5)
        image = self.linear(F.gelu(self.linear(image, "img_emb.proj.1")), "img_emb.proj.3")
        image = self.norm(image, "img_emb.proj.4", 1e-5)
        turn = rotations(grid, x.shape[-1] // self.heads)
        for i in range(self.depth):
            x = self.block(f"blocks.{i}", i, x, steps, text, image, grid, turn)
        shift, scale = (self.w["head.modulation"] + time[:, None]).chunk(2, 1)
        x = self.linear(F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift, "head.head")
        t, h, w = grid
        return x.view(1, t, h, w, 1, 2, 2, 16).permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(1, 16, t, h * 2, w * 2)

    def block(self, name, index, x, steps, text, image, grid, turn) -> torch.Tensor:
        e = (self.w[f"{name}.modulation"] + steps).chunk(6, 1)
        y = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + e[1]) + e[0]
        a = f"{name}.self_attn"
        q, k = (turned(self.rms(self.linear(y, f"{a}.{p}"), f"{a}.norm_{p}"), turn, self.heads) for p in "qk")
        x = x + self.linear(self.attend(q, k, self.linear(y, f"{a}.v")), f"{a}.o") * e[2]
        x = x + self.cross(f"{name}.cross_attn", index, self.norm(x, f"{name}.norm3"), text, image, grid)
        y = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + e[4]) + e[3]
        y = self.linear(F.gelu(self.linear(y, f"{name}.ffn.0"), approximate="tanh"), f"{name}.ffn.2")
        return x + y * e[5]

    def cross(self, name, index, x, text, image, grid) -> torch.Tensor:
        q = self.rms(self.linear(x, f"{name}.q"), f"{name}.norm_q")
        k, v = self.rms(self.linear(text, f"{name}.k"), f"{name}.norm_k"), self.linear(text, f"{name}.v")
        k_img = self.rms(self.linear(image, f"{name}.k_img"), f"{name}.norm_k_img")
        out = self.attend(q, k, v) + self.attend(q, k_img, self.linear(image, f"{name}.v_img"))
        if self.branch is not None:
            out = out + self.branch(index, q.unflatten(1, (grid[0], -1))).flatten(1, 2)
        return self.linear(out, f"{name}.o")


def sinusoid(position: torch.Tensor, dim: int) -> torch.Tensor:
    half = torch.arange(dim // 2, dtype=torch.float64) / (dim // 2)
    angle = position.double()[:, None] * torch.pow(10000.0, -half)
    return torch.cat([angle.cos(), angle.sin()], 1).float()


def rotations(grid: tuple[int, int, int], dim: int) -> torch.Tensor:
    """Complex ``[T h w, dim / 2]``: time, row and column turn their own parts of a head."""
    sizes = (dim - 4 * (dim // 6), 2 * (dim // 6), 2 * (dim // 6))
    parts = []
    for axis, (length, size) in enumerate(zip(grid, sizes, strict=True)):
        speed = 1.0 / torch.pow(10000.0, torch.arange(0, size, 2, dtype=torch.float64) / size)
        angle = torch.outer(torch.arange(length, dtype=torch.float64), speed)
        view = [1, 1, 1, size // 2]
        view[axis] = length
        parts.append(angle.view(view).expand(*grid, size // 2))
    angles = torch.cat(parts, -1).reshape(math.prod(grid), -1)
    return torch.polar(torch.ones_like(angles), angles)


def turned(x: torch.Tensor, turn: torch.Tensor, heads: int) -> torch.Tensor:
    pairs = torch.view_as_complex(x.double().unflatten(2, (heads, -1)).unflatten(3, (-1, 2)))
    return torch.view_as_real(pairs * turn[None, :, None]).flatten(2).float()
