"""FantasyPortrait's projection: a frame's expression features become 24 tokens (arXiv 2507.12956)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .embeds import PARTS, ExpressionEmbeds
from .resampler import Resampler
from .windows import TOKENS_A_FRAME, Windows, portrait_windows

WIDTH = 2048
MOUTH_QUERIES, EMOTION_QUERIES = 16, 4
FRAMES_AT_ONCE = 256


class PartTokens(nn.Module):
    """One token for each part: head pose, eyes, emotion, mouth."""

    def __init__(self):
        super().__init__()
        self.headpose_proj = nn.Linear(PARTS["head"], WIDTH, bias=False)
        self.eye_proj = nn.Linear(PARTS["eyes"], WIDTH, bias=False)
        self.emo_proj = nn.Linear(PARTS["emotion"], WIDTH, bias=False)
        self.mouth_proj = nn.Linear(PARTS["mouth"], WIDTH, bias=False)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, head: Tensor, eyes: Tensor, emotion: Tensor, mouth: Tensor) -> Tensor:
        parts = (
            self.headpose_proj(head),
            self.eye_proj(eyes),
            self.emo_proj(emotion),
            self.mouth_proj(mouth),
        )
        return self.norm(torch.stack(parts, 1))


class PortraitProjection(nn.Module):
    """Expression features to tokens; key names as in the checkpoint."""

    def __init__(self):
        super().__init__()
        self.proj_model = PartTokens()
        self.mouth_proj_model = Resampler(PARTS["mouth"], MOUTH_QUERIES, WIDTH)
        self.emo_proj_model = Resampler(PARTS["emotion"], EMOTION_QUERIES, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        """``[F, 554]`` to ``[F, 24, 2048]``: head, eyes, emotion, mouth, 16 of the mouth, 4 of the emotion."""
        parts = features.split(tuple(PARTS.values()), -1)
        _, _, emotion, mouth = parts
        return torch.cat(
            [self.proj_model(*parts), self.mouth_proj_model(mouth), self.emo_proj_model(emotion)], 1
        )

    def windows(self, drive: ExpressionEmbeds, frames: int, fps: float, device: torch.device) -> Windows:
        """The drive at ``frames`` frames of ``fps``, joined by time, as windows ``[L, 97, 2048]``."""
        features = torch.from_numpy(drive.resample(fps, frames).features).to(device)
        tokens = torch.cat([self(part) for part in features.split(FRAMES_AT_ONCE)])
        return portrait_windows((tokens * part_scales(drive.scales).to(tokens)[:, None]).flatten(0, 1))


def part_scales(scales: tuple[float, float, float, float]) -> Tensor:
    """A factor for each of a frame's tokens, ``[24]``.

    They multiply tokens, after the last norm: scaled features would change nothing, the norm takes a factor out.
    """
    head, eyes, emotion, mouth = scales
    factors = [head, eyes, emotion, mouth] + [mouth] * MOUTH_QUERIES + [emotion] * EMOTION_QUERIES
    assert len(factors) == TOKENS_A_FRAME
    return torch.tensor(factors)
