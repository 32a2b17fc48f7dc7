"""FantasyTalking's adapter (arXiv 2504.04842): what wav2vec2 hears becomes about 50 tokens a second.

Module and layer names are those of its checkpoint (group ``proj_model``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..errors import TroupeError
from ..speech.embeds import SpeechEmbeds
from .windows import Windows, check_clip, cut_windows, window_ranges

EXPAND = 4  # tokens that a window reaches further on both sides


class SpeechTokens(nn.Module):
    """Linear without bias, then norm."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.proj = nn.Linear(inputs, outputs, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x))


class TalkingProjection(nn.Module):
    """From hidden states ``[N, inputs]`` (768, wav2vec2 base) to tokens ``[N, outputs]``."""

    def __init__(self, inputs: int = 768, outputs: int = 2048):
        super().__init__()
        self.proj_model = SpeechTokens(inputs, outputs)

    @classmethod
    def shaped_like(cls, tensors: Mapping[str, Tensor]) -> TalkingProjection:
        """On the meta device, of the sizes that a checkpoint's tensors have; the official ones where it lacks them."""
        weight = tensors.get("proj_model.proj.weight")
        with torch.device("meta"):
            return cls() if weight is None or weight.ndim != 2 else cls(weight.shape[1], weight.shape[0])

    @property
    def inputs(self) -> int:
        """Width of the hidden states."""
        return self.proj_model.proj.in_features

    def forward(self, x: Tensor) -> Tensor:
        return self.proj_model(x)


def talking_windows(
    project: Callable[[Tensor], Tensor],
    drive: SpeechEmbeds,
    frames: int,
    fps: float,
    device: torch.device | str = "cpu",
) -> Windows:
    """Speech as the latent frames of a clip see it, in real time at any frame rate.

    The reference spreads a sound's tokens evenly over the clip even where the sound is shorter, which slows speech
    down; here they are spread over the sound's own time. A clip that outlasts the sound has windows of fewer valid
    tokens, in the end of none. Silence sounds better: encode the sound with ``seconds`` = frames / fps.

    Args:
        project: From ``[n, D]`` to ``[n, ctx]``, on ``device``.
        drive: Hidden states; the last layer is used.
        frames: Of the clip.
        fps: Of the clip.
        device: Where the tokens are made and stay.

    Returns:
        ``[L, S, ctx]`` with ``lens``; S is 17 at 23 to 25 frames per second.

    Raises:
        TroupeError: if the clip has no frames, too many, or no sensible frame rate.
    """
    check_clip(frames, fps)
    count = tokens_of(drive, frames / fps)
    tokens = project(torch.from_numpy(drive.last[:count]).to(device))
    return cut_windows(tokens, window_ranges(count, frames), EXPAND)


def tokens_of(drive: SpeechEmbeds, seconds: float) -> int:
    """Tokens that the first ``seconds`` of a sound have, or would have if it lasted that long; at least 1.

    Rounded down as wav2vec2 does, which makes no token of a piece that is too short.
    """
    return max(1, int(drive.hidden.shape[1] * seconds / drive.seconds + 1e-6))


def check_encoder(drive: SpeechEmbeds, inputs: int, name: str) -> None:
    """Raise a ``TroupeError`` unless an adapter that reads hidden states of width ``inputs`` can read these."""
    if drive.fps is not None:
        raise TroupeError(
            f"The adapter {name!r} cannot read this speech",
            f"it was encoded for Hallo, one row for each frame of {drive.fps:g} a second",
            "Encode it with Encode Speech, reader 'FantasyTalking'",
        )
    if drive.width != inputs:
        raise TroupeError(
            f"The adapter {name!r} cannot read this speech",
            f"its encoder {drive.encoder!r} makes features of width {drive.width}, the adapter reads {inputs}",
            "Encode it with wav2vec2-base-960h" if inputs == 768 else f"Use an encoder of width {inputs}",
        )
