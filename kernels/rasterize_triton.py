"""The z-buffer of ``rasterize`` as a Triton kernel: one program per triangle, the nearest kept by an atomic maximum.

A program walks over the blocks of its triangle's box. Edge functions are whole numbers in float64, as in the torch
form, so both cover the same pixels; the entries of the buffer are the same, too.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .rasterize import GRID, Corners, corners_of

ROWS, COLUMNS = 8, 16  # a block of pixels: triangles of a body are a few pixels wide


@triton.jit
def _kernel(
    A, B, C, INVERSE, AREA, BOX, OUT,
    count, width, size,
    STEP: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    face = tl.program_id(0)
    picture = tl.program_id(1).to(tl.int64)
    at = picture * count + face
    left = tl.load(BOX + at * 4).to(tl.int32)
    right = tl.load(BOX + at * 4 + 1).to(tl.int32)
    top = tl.load(BOX + at * 4 + 2).to(tl.int32)
    bottom = tl.load(BOX + at * 4 + 3).to(tl.int32)
    if (left <= right) & (top <= bottom):
        area = tl.load(AREA + at)
        a0, a1, a2 = tl.load(A + at * 3), tl.load(A + at * 3 + 1), tl.load(A + at * 3 + 2)
        b0, b1, b2 = tl.load(B + at * 3), tl.load(B + at * 3 + 1), tl.load(B + at * 3 + 2)
        c0, c1, c2 = tl.load(C + at * 3), tl.load(C + at * 3 + 1), tl.load(C + at * 3 + 2)
        n0 = tl.load(INVERSE + at * 3) / area
        n1 = tl.load(INVERSE + at * 3 + 1) / area
        n2 = tl.load(INVERSE + at * 3 + 2) / area
        number = (count - 1 - face).to(tl.int64)
        for first_row in range(top, bottom + 1, ROWS):
            row = first_row + tl.arange(0, ROWS)
            y = (row.to(tl.float64) * STEP + STEP / 2)[:, None]
            for first_column in range(left, right + 1, COLUMNS):
                column = first_column + tl.arange(0, COLUMNS)
                x = (column.to(tl.float64) * STEP + STEP / 2)[None, :]
                e0, e1, e2 = a0 * x + b0 * y + c0, a1 * x + b1 * y + c1, a2 * x + b2 * y + c2
                inside = (e0 >= 0) & (e1 >= 0) & (e2 >= 0)
                inside = inside & (row <= bottom)[:, None] & (column <= right)[None, :]
                near = (e0 * n0 + e1 * n1 + e2 * n2).to(tl.float32)
                key = (near.to(tl.int32, bitcast=True).to(tl.int64) << 32) | number
                pixel = picture * size + row[:, None].to(tl.int64) * width + column[None, :]
                tl.atomic_max(OUT + pixel, key, mask=inside, sem="relaxed")


def zbuffer_triton(corners: Corners, height: int, width: int) -> Tensor:
    """``zbuffer_torch`` (same arguments and result)."""
    pictures, count = corners.area.shape
    out = torch.zeros(pictures, height * width, dtype=torch.int64, device=corners.area.device)
    a, b, c, inverse, area, box = (
        x.contiguous() for x in (corners.a, corners.b, corners.c, corners.inverse, corners.area, corners.box)
    )
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device(out.device) if out.is_cuda else nullcontext():
        _kernel[(count, pictures)](
            a, b, c, inverse, area, box, out, count, width, height * width,
            STEP=GRID, ROWS=ROWS, COLUMNS=COLUMNS, num_warps=4,
        )  # fmt: skip
    return out


@lru_cache(maxsize=32)
def works_on(device: torch.device) -> bool:
    """Whether the kernel runs there, tried once on one triangle. Triton needs a C compiler and a card it knows; what
    it raises without differs from version to version."""
    points = torch.tensor([[[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [0.0, 4.0, 1.0]]], device=device)
    try:
        corners = corners_of(points, torch.tensor([[0, 1, 2]], device=device), 4, 4)
        return int((zbuffer_triton(corners, 4, 4) > 0).sum()) > 0
    except Exception as error:
        logging.getLogger(__name__).warning(
            "Triton does not run on %s, plain torch is used: %s", device, error
        )
        return False
