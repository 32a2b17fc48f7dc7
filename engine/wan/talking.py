"""FantasyTalking's projection: speech features become the tokens that a talking face follows (arXiv 2504.04842)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import TroupeError
from ..speech.embeds import SpeechEmbeds
from .windows import Windows, talking_windows

FEATURES, WIDTH = 768, 2048


class SpeechTokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(FEATURES, WIDTH, bias=False)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.proj(features))


class TalkingProjection(nn.Module):
    """Speech features to tokens; key names as in the checkpoint."""

    def __init__(self):
        super().__init__()
        self.proj_model = SpeechTokens()

    def forward(self, features: Tensor) -> Tensor:
        """``[N, 768]`` to ``[N, 2048]``."""
        return self.proj_model(features)

    def windows(self, drive: SpeechEmbeds, frames: int, fps: float, device: torch.device) -> Windows:
        """The drive's first ``frames / fps`` seconds as windows ``[L, S, 2048]``; after its end there are no tokens.

        Raises:
            TroupeError: if another speech encoder made the drive.
        """
        if drive.width != FEATURES:
            raise TroupeError(
                "This speech cannot drive FantasyTalking",
                f"its features ({drive.encoder}) have width {drive.width}, expected {FEATURES}",
                "Encode it with wav2vec2-base-960h",
            )
        # In real time: as many tokens as the clip lasts, though the sound may be longer or shorter. (The published
        # code spreads the sound over the clip, which stretches speech by up to five per cent.)
        count = max(1, round(len(drive.last) * frames / fps / drive.seconds))
        tokens = self(torch.from_numpy(drive.last[:count]).to(device))
        windows = talking_windows(torch.cat([tokens, tokens.new_zeros(count - len(tokens), WIDTH)]), frames)
        if count == len(tokens):
            return windows
        heard = talking_windows(
            torch.cat([torch.ones_like(tokens[:, :1]), tokens.new_zeros(count - len(tokens), 1)]), frames
        )
        return Windows(windows.tokens, heard.tokens[..., 0].sum(1).to(torch.int64))
