"""The extra attention of an adapter: what it adds to text and image attention in every block of a Wan DiT.

FantasyPortrait (arXiv 2507.12956) and FantasyTalking (arXiv 2504.04842) reuse the block's normalised query, project
their own tokens to keys and values (no bias, no key norm, no rotary embedding) and add the result before the
output projection. Latent frame f sees only its own window of tokens. Keys and values do not depend on the
denoising step, so a run computes them once where memory allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.face_attention import FacePlan, face_attention

# From a block's number and tokens [..., ctx] to keys and values [..., C].
Project = Callable[[int, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class BranchInput:
    """What the roles of one adapter bring into a run.

    Attributes:
        tokens: ``[L, R, S, ctx]``: for each latent frame and role a window of S tokens.
        lens: int64 ``[L, R]``, how many of them count; None: all.
        strengths: One for each role.
        seen: int32 ``[L, N]``, bit r set where one of a frame's N tokens sees role r; None: all see all.
    """

    tokens: Tensor
    lens: Tensor | None
    strengths: tuple[float, ...]
    seen: Tensor | None


class BranchRun:
    """One adapter's branch during one sampling run.

    Args:
        given: Its roles.
        project: Keys and values of a block.
        heads: Attention heads of the DiT.
        keep: Whether keys and values are kept between the steps (see ``kept_bytes``).
    """

    def __init__(self, given: BranchInput, project: Project, heads: int, keep: bool = True):
        self.given, self.project, self.heads, self.keep = given, project, heads, keep
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._plans: dict[tuple[int, ...], FacePlan] = {}

    def kept_bytes(self, depth: int, dim: int, dtype: torch.dtype) -> int:
        """Memory that keeping keys and values takes for ``depth`` blocks of width ``dim``."""
        frames, roles, window = self.given.tokens.shape[:3]
        return 2 * depth * frames * roles * window * dim * dtype.itemsize

    def clear(self) -> None:
        """Forget keys, values and plans."""
        self._kept.clear()
        self._plans.clear()

    def __call__(self, block: int, query: Tensor, frames: tuple[int, ...]) -> Tensor:
        """What the branch adds in a block.

        Args:
            block: Number of the block.
            query: ``[B, T, N, C]``, normalised, N tokens in each of T latent frames.
            frames: Which latent frames of the clip these are.

        Returns:
            ``[B, T, N, C]``, to be added to the input of the output projection.
        """
        keys, values = self._keys_values(block, frames, query)
        return face_attention(query, keys, values, self._plan(frames, query.device), heads=self.heads)

    def _plan(self, frames: tuple[int, ...], device: torch.device) -> FacePlan:
        if frames not in self._plans:
            if len(self._plans) > 64:  # windows that wander never come back
                self._plans.clear()
            at = list(frames)
            seen, lens = self.given.seen, self.given.lens
            self._plans[frames] = FacePlan.of(
                None if seen is None else seen[at],
                None if lens is None else lens[at],
                roles=self.given.tokens.shape[1],
                device=device,
            )
        return self._plans[frames]

    def _keys_values(self, block: int, frames: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
        everything = frames == tuple(range(len(self.given.tokens)))
        if not self.keep:
            tokens = self.given.tokens if everything else self.given.tokens[list(frames)]
            return self._project(block, tokens, like)
        if block not in self._kept:
            self._kept[block] = self._project(block, self.given.tokens, like)
        keys, values = self._kept[block]
        return (keys, values) if everything else (keys[list(frames)], values[list(frames)])

    def _project(self, block: int, tokens: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self.project(block, tokens.to(like))
        if any(s != 1 for s in self.given.strengths):
            values = values * values.new_tensor(self.given.strengths)[:, None, None]
        return keys, values
