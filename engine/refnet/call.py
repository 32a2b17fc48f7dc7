"""What one call of a U-Net gives to all its blocks. Nothing of it is kept on a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import TroupeError
from .bank import Bank

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = ("full", "face", "lip")  # of the audio's influence, as the checkpoint's attn2_0, attn2_1, attn2_2


@dataclass(frozen=True, eq=False)
class Call:
    """Inside the blocks the frames are folded into the batch, row after row: ``[rows * frames, C, h, w]``.

    Attributes:
        rows, frames: Of the batch.
        time: ``[rows * frames, time_width]``, the embedded timestep.
        tokens: ``[rows, N, cross_dim]``, the picture's.
        bank: What the reference net wrote, its rows 1 or as many as the batch has.
        reads: Which rows see the bank's portrait; its motion frames are seen by all.
        written: Where features go that are to be written.
        audio: ``[rows * frames, tokens, width]``.
        masks: By level, for each depth ``[1 or frames, tokens]``: where the audio has influence.
        scales: Its strength at each level.
    """

    rows: int
    frames: int
    time: Tensor
    tokens: Tensor
    bank: Bank | None = None
    reads: tuple[bool, ...] = ()
    written: dict[str, Tensor] | None = None
    audio: Tensor | None = None
    masks: Mapping[str, Sequence[Tensor]] | None = None
    scales: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def portrait(self, path: str, rows: Sequence[int]) -> Tensor:
        """What the frames of some rows see of it: ``[rows, tokens, C]``, or ``[rows * frames, tokens, C]``."""
        features = self.bank.portrait(path).to(self.time)
        if self.bank.in_turn:
            return features[[(self.frames + frame) % 2 for _ in rows for frame in range(self.frames)]]
        return features.expand(self.rows, -1, -1)[list(rows)]

    def motion(self, path: str, tokens: int) -> Tensor | None:
        """``[rows, n, tokens, C]`` of the frames before the clip; None where there are none.

        Raises:
            TroupeError: if they were of another size than the clip.
        """
        if self.bank is None or self.bank.images < 2:
            return None
        features = self.bank.motion(path).to(self.time)
        if features.shape[2] != tokens:
            raise TroupeError(
                "The frames before the clip are of another size than the clip",
                f"{path!r} has {features.shape[2]} tokens for them and {tokens} for the clip",
                "Make both at the same width and height",
            )
        if self.bank.in_turn:
            return features[[int(reads) for reads in self.reads]]
        return features.expand(self.rows, -1, -1, -1)

    def mask(self, level: str, depth: int, tokens: int) -> Tensor | None:
        """``[1 or frames, tokens, 1]``; None: everywhere.

        Raises:
            TroupeError: if the mask is of another size than the clip.
        """
        if self.masks is None:
            return None
        mask = self.masks[level][depth]
        if mask.shape[-1] != tokens or len(mask) not in (1, self.frames):
            raise TroupeError(
                f"The {level} mask does not fit the clip",
                f"at depth {depth} it is {list(mask.shape)}, the clip has {self.frames} frames of {tokens} tokens",
                "Make masks for the clip's own size and length",
            )
        return mask.to(self.time)[..., None]
