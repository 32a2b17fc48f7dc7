"""What the reference net saw in the portrait and in the frames before, as the denoising net's blocks read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import TroupeError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Bank:
    """Features of one or more rows of images.

    Attributes:
        features: ``[rows, images, tokens, C]`` by path of the transformer block: what its first norm gave. One row serves
            all rows of a batch. Image 0 of a row is the portrait, the others are the frames before the clip.
        in_turn: False: a row of a batch sees its own row's portrait and frames. True: there are two rows, written without
            and with the picture's identity; rows of the batch that read have the second one's frames before the clip,
            others the first one's, and frame f of F sees the portrait of row (F + f) mod 2. So it is in Hallo's
            published code, by the way its batch is laid out.
    """

    features: dict[str, Tensor]
    in_turn: bool = False

    @property
    def rows(self) -> int:
        return next(iter(self.features.values())).shape[0]

    @property
    def images(self) -> int:
        return next(iter(self.features.values())).shape[1]

    def portrait(self, path: str) -> Tensor:
        """``[rows, tokens, C]``."""
        return self.of(path)[:, 0]

    def motion(self, path: str) -> Tensor:
        """``[rows, images - 1, tokens, C]``; no image is left where there were no frames before."""
        return self.of(path)[:, 1:]

    def of(self, path: str) -> Tensor:
        """``[rows, images, tokens, C]`` of one block.

        Raises:
            TroupeError: if the bank was written by a net that has no such block.
        """
        if path not in self.features:
            raise TroupeError(
                "The reference features do not fit the denoising net",
                f"there are none for {path!r}",
                "Load both nets from the same model",
            )
        return self.features[path]

    def select(self, rows: Sequence[int]) -> Bank:
        """Some rows, in this order; a row may come more than once."""
        return replace(self, features={path: f[list(rows)] for path, f in self.features.items()})

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Bank:
        return replace(self, features={p: f.to(device=device, dtype=dtype) for p, f in self.features.items()})
