"""ComfyUI's AUDIO and the engine's ``Audio``."""

from __future__ import annotations

import numpy as np
import torch

from ..engine.errors import TroupeError
from ..engine.video import Audio


def to_audio(audio: dict, name: str = "audio") -> Audio:
    """One recording of ComfyUI's AUDIO.

    Args:
        audio: ``waveform`` [1, channels, samples] and ``sample_rate``.
        name: The input, for messages.

    Raises:
        TroupeError: if it holds several recordings or none, or values that are not finite.
    """
    waveform = audio["waveform"]
    if waveform.ndim != 3 or len(waveform) != 1 or waveform.shape[2] == 0:
        raise TroupeError(
            f"The input '{name}' cannot be used",
            f"its shape is {list(waveform.shape)}, expected one recording [1, channels, samples]",
            "Use one recording at a time",
        )
    return Audio(waveform[0].detach().float().cpu().numpy(), int(audio["sample_rate"]))


def audio_of(sound: Audio) -> dict:
    """ComfyUI's AUDIO of a recording."""
    return {
        "waveform": torch.from_numpy(np.ascontiguousarray(sound.samples))[None],
        "sample_rate": sound.rate,
    }
