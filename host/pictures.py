"""IMAGE batches as the engine's sequences of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Pictures:
    """An IMAGE as float32 ``[H, W, 3]`` pictures; nothing is copied where the batch allows it."""

    def __init__(self, image: torch.Tensor):
        self._image = image

    def __len__(self) -> int:
        return len(self._image)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.ascontiguousarray(self._image[index, ..., :3].detach().float().cpu().numpy())

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[t] for t in range(len(self)))
