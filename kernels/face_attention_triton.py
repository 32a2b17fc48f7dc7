"""``face_attention`` as one Triton kernel: no gather, no mask in memory, one pass over queries and result.

A program works on one block of one latent frame's tokens and one head. The plan orders a frame's tokens by what
they see, so that most blocks hold tokens of one group; the program reads its tokens through that order, runs over
the roles, leaves out those that none of its tokens sees, and masks the rest inside the block. The softmax is the
running one of FlashAttention (Dao et al. 2022), in float32.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .face_attention import FacePlan

LOG2_E = 1.4426950408889634
TYPES = (torch.float32, torch.float16, torch.bfloat16)


@triton.jit
def _kernel(
    Q, K, V, OUT, SEEN, ORDER, LENS,
    scale, frames, tokens, roles, keys, width,
    HEAD: tl.constexpr, BLOCK: tl.constexpr, KEYS: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(1)
    frame = tl.program_id(2) % frames
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < tokens
    token = tl.load(ORDER + frame * tokens + place, mask=inside, other=0)
    seen = tl.load(SEEN + frame * tokens + token, mask=inside, other=0)
    channel = tl.arange(0, HEAD)
    # Long clips have more than 2^31 values, one frame has not.
    base = tl.program_id(2).to(tl.int64) * tokens * width + head * HEAD
    at = token[:, None] * width + channel[None, :]
    q = tl.load(Q + base + at, mask=inside[:, None], other=0.0)

    highest = tl.full([BLOCK], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    out = tl.zeros([BLOCK, HEAD], tl.float32)
    for role in range(roles):
        mine = (seen >> role) & 1
        if tl.max(mine, 0) > 0:
            count = tl.load(LENS + frame * roles + role)
            first = (frame * roles + role).to(tl.int64) * keys * width + head * HEAD
            for start in range(0, count, KEYS):
                key = start + tl.arange(0, KEYS)
                counts = key < count
                where = key[:, None] * width + channel[None, :]
                k = tl.load(K + first + where, mask=counts[:, None], other=0.0)
                v = tl.load(V + first + where, mask=counts[:, None], other=0.0)
                if EXACT:
                    logits = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
                else:
                    logits = tl.dot(q, tl.trans(k)) * scale
                logits = tl.where((mine[:, None] > 0) & counts[None, :], logits, -float("inf"))
                higher = tl.maximum(highest, tl.max(logits, 1))
                # Tokens that have seen nothing yet stay at nothing instead of inf - inf.
                anchor = tl.where(higher == -float("inf"), 0.0, higher)
                weight = tl.exp2(logits - anchor[:, None])
                fade = tl.exp2(highest - anchor)
                total = total * fade + tl.sum(weight, 1)
                if EXACT:
                    out = out * fade[:, None] + tl.dot(weight, v, input_precision="ieee")
                else:
                    out = out * fade[:, None] + tl.dot(weight.to(v.dtype), v)
                highest = higher
    out = out / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(OUT + base + at, out.to(OUT.dtype.element_ty), mask=inside[:, None])


def blocks(dtype: torch.dtype, size: int) -> tuple[int, int, int]:
    """Tokens and keys a program holds at a time, and its warps: what fits the 99 KiB of shared memory of consumer
    cards for heads of ``size`` channels."""
    return (32, 32, 4) if dtype == torch.float32 or size > 128 else (128, 64, 8)


def face_attention_triton(q: Tensor, k: Tensor, v: Tensor, plan: FacePlan, *, heads: int) -> Tensor:
    """``face_attention`` (same arguments) for heads of 16 to 256 channels, a power of two.

    Raises:
        ValueError: on another head size or type.
    """
    passes, frames, tokens, width = q.shape
    roles, keys = k.shape[1:3]
    size = width // heads
    if q.dtype not in TYPES or size not in (16, 32, 64, 128, 256):
        raise ValueError(
            f"the Triton kernel takes heads of 16 to 256 channels, a power of two, got {size} of {q.dtype}"
        )
    q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
    seen, order, lens = plan.seen, plan.order, plan.lens
    if seen is None:
        seen = torch.full((frames, tokens), (1 << roles) - 1, dtype=torch.int32, device=q.device)
    if order is None:
        order = torch.arange(tokens, dtype=torch.int32, device=q.device).repeat(frames, 1)
    if lens is None:
        lens = torch.full((frames, roles), keys, dtype=torch.int32, device=q.device)
    block, chunk, warps = blocks(q.dtype, size)
    block = max(16, min(block, triton.next_power_of_2(tokens)))
    chunk = max(16, min(chunk, triton.next_power_of_2(keys)))
    out = torch.empty_like(q)
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device(q.device) if q.is_cuda else nullcontext():
        _kernel[(triton.cdiv(tokens, block), heads, passes * frames)](
            q, k, v, out, seen, order, lens,
            size**-0.5 * LOG2_E, frames, tokens, roles, keys, width,
            HEAD=size, BLOCK=block, KEYS=chunk, EXACT=q.dtype == torch.float32, num_warps=warps, num_stages=1,
        )  # fmt: skip
    return out


@lru_cache(maxsize=32)
def works_on(device: torch.device, dtype: torch.dtype, size: int) -> bool:
    """Whether the kernel runs there, tried once on one full block of tokens and keys. Triton needs a C compiler and
    a card it knows; what it raises without differs from version to version."""
    if dtype not in TYPES or size not in (16, 32, 64, 128, 256):
        return False
    q = torch.zeros(1, 1, 128, size, dtype=dtype, device=device)
    k = torch.zeros(1, 1, 64, size, dtype=dtype, device=device)
    try:
        face_attention_triton(q, k, k, FacePlan.of(None, None, 1, device), heads=1)
        torch.cuda.synchronize(device)
    except Exception as error:
        logging.getLogger(__name__).warning(
            "Triton does not run on %s, plain torch is used: %s", device, error
        )
        return False
    return True
