"""Checkpoints from nothing but their keys: each tensor is drawn from a generator seeded by its own name.

The goldens' references were made with weights of this rule, so that no weights need to be stored.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch


def synthetic_tensor(name: str, shape: Sequence[int]) -> torch.Tensor:
    """The tensor that belongs to ``name``: float32, or int64 zeros for a norm's counter."""
    shape = tuple(shape)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    u = rng.random(math.prod(shape), dtype=np.float32).reshape(shape) * 2 - 1
    if name.endswith("running_var"):
        u = 1 + 0.5 * np.abs(u)
    elif len(shape) > 1:
        u = u * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith((".weight", ".gamma")):
        u = 1 + 0.1 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(np.ascontiguousarray(u, np.float32))


def synthetic_checkpoint(keys: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """One tensor for each ``name: shape``."""
    return {name: synthetic_tensor(name, shape) for name, shape in keys.items()}
