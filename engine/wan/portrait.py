"""FantasyPortrait's adapter (arXiv 2507.12956): an expression becomes 24 tokens a frame.

Module and layer names are those of its checkpoint (groups ``proj_model``, ``mouth_proj_model``, ``emo_proj_model``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from .embeds import PARTS, ExpressionEmbeds
from .resampler import HEAD, Resampler
from .windows import Windows, check_clip, cut_windows, window_ranges

MOUTH_QUERIES, EMOTION_QUERIES = 16, 4
# Which part of the expression each of a frame's tokens speaks of.
TOKEN_PARTS = (*PARTS, *["mouth"] * MOUTH_QUERIES, *["emotion"] * EMOTION_QUERIES)
TOKENS = len(TOKEN_PARTS)
CHUNK = 32  # frames projected at a time: 14 MB for the widest layer


class PartTokens(nn.Module):
    """One token for each part of the expression: a linear layer each, one norm for all."""

    def __init__(self, outputs: int):
        super().__init__()
        self.headpose_proj = nn.Linear(PARTS["head"], outputs, bias=False)
        self.eye_proj = nn.Linear(PARTS["eyes"], outputs, bias=False)
        self.emo_proj = nn.Linear(PARTS["emotion"], outputs, bias=False)
        self.mouth_proj = nn.Linear(PARTS["mouth"], outputs, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, head: Tensor, eyes: Tensor, emotion: Tensor, mouth: Tensor) -> Tensor:
        """From ``[F, width]`` each to ``[F, 4, outputs]``."""
        tokens = [
            self.headpose_proj(head),
            self.eye_proj(eyes),
            self.emo_proj(emotion),
            self.mouth_proj(mouth),
        ]
        return self.norm(torch.stack(tokens, 1))


class PortraitProjection(nn.Module):
    """All 24 tokens of a frame: head pose, eyes, emotion, mouth, 16 more of the mouth, 4 more of the emotion.

    Args:
        outputs: Width of the tokens.
        mouth, emotion: Sizes of the resamplers where they differ from ``Resampler``'s own.
    """

    def __init__(
        self,
        outputs: int = 2048,
        mouth: Mapping[str, int] | None = None,
        emotion: Mapping[str, int] | None = None,
    ):
        super().__init__()
        self.proj_model = PartTokens(outputs)
        self.mouth_proj_model = Resampler(PARTS["mouth"], outputs, MOUTH_QUERIES, **(mouth or {}))
        self.emo_proj_model = Resampler(PARTS["emotion"], outputs, EMOTION_QUERIES, **(emotion or {}))

    @classmethod
    def shaped_like(cls, tensors: Mapping[str, Tensor]) -> PortraitProjection:
        """On the meta device, of the sizes that a checkpoint's tensors have; the official ones where it lacks them."""
        norm = tensors.get("proj_model.norm.weight")
        with torch.device("meta"):
            return cls(
                2048 if norm is None else len(norm),
                _resampler_sizes(tensors, "mouth_proj_model."),
                _resampler_sizes(tensors, "emo_proj_model."),
            )

    def forward(self, features: Tensor) -> Tensor:
        """From ``[F, 554]`` to ``[F, 24, outputs]``."""
        head, eyes, emotion, mouth = features.split(tuple(PARTS.values()), -1)
        return torch.cat(
            [
                self.proj_model(head, eyes, emotion, mouth),
                self.mouth_proj_model(mouth),
                self.emo_proj_model(emotion),
            ],
            1,
        )


def portrait_windows(
    project: Callable[[Tensor], Tensor],
    drive: ExpressionEmbeds,
    frames: int,
    fps: float,
    device: torch.device | str = "cpu",
) -> Windows:
    """An expression as the latent frames of a clip see it.

    Args:
        project: From ``[n, 554]`` to ``[n, 24, ctx]``, on ``device``.
        drive: Resampled by time; its last frame is held where it is too short.
        frames: Of the clip.
        fps: Of the clip.
        device: Where the tokens are made and stay.

    Returns:
        ``[L, 97, ctx]``, ``lens`` None: the adapter was trained to attend to the zeros behind the first frame's
        24 tokens, which dilute its drive; without them the first latent frame differs from the reference.

    Raises:
        TroupeError: if the clip has no frames, too many, or no sensible frame rate.
    """
    check_clip(frames, fps)
    features = torch.from_numpy(drive.resample(fps, frames).features).to(device)
    tokens = torch.cat([project(part) for part in features.split(CHUNK)])
    # Behind the tokens' norm, which would take any scale off again.
    scales = dict(zip(PARTS, drive.scales))
    tokens = tokens * tokens.new_tensor([scales[part] for part in TOKEN_PARTS])[:, None]
    windows = cut_windows(tokens.flatten(0, 1), window_ranges(TOKENS * frames, frames))
    return Windows(windows.tokens, None)


def _resampler_sizes(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    """Sizes of a ``Resampler`` by its tensors, without those that cannot be read off."""
    sizes = {}
    latents = tensors.get(prefix + "latents")
    query = tensors.get(prefix + "layers.0.0.to_q.weight")
    up = tensors.get(prefix + "layers.0.1.1.weight")
    if latents is not None and latents.ndim:
        sizes["dim"] = latents.shape[-1]
    if query is not None and query.ndim and len(query) % HEAD == 0:
        sizes["heads"] = len(query) // HEAD
    if up is not None and up.ndim:
        sizes["inner"] = len(up)
    depth = 0
    while any(key.startswith(f"{prefix}layers.{depth}.") for key in tensors):
        depth += 1
    return sizes | ({"depth": depth} if depth else {})
