"""ComfyUI's AUDIO and the engine's ``Audio``."""

from __future__ import annotations

import numpy as np
import torch

from ..engine.errors import TroupeError
from ..engine.video import Audio


def to_audio(audio: dict | None, name: str = "audio") -> Audio:
    """One recording of ComfyUI's AUDIO.

    Args:
        audio: ``waveform`` [1, channels, samples] and ``sample_rate``; None is what core gives out for a video
            without sound.
        name: The input, for messages.

    Raises:
        TroupeError: if it holds several recordings or none, or values that are not finite.
    """
    if audio is None:
        raise _unusable(name, "there is no sound: the video before it has none", "Use one with sound")
    waveform = audio["waveform"]
    shape = list(waveform.shape)
    if len(shape) != 3 or shape[1] == 0:
        raise _unusable(
            name, f"its shape is {shape}, expected [1, channels, samples]", "Check the node before it"
        )
    if shape[0] != 1:
        raise _unusable(name, f"it holds {shape[0]} recordings", "Use one recording at a time")
    if shape[2] == 0:
        raise _unusable(name, "the recording is empty", "Check how it was cut")
    broken = int((~torch.isfinite(waveform)).sum())
    if broken:
        raise _unusable(
            name,
            f"{broken} of its {waveform.numel()} values are NaN or infinite",
            "Check the node before it, or load the sound again",
        )
    return Audio(waveform[0].detach().float().cpu().numpy(), int(audio["sample_rate"]))


def _unusable(name: str, why: str, remedy: str) -> TroupeError:
    return TroupeError(f"The input '{name}' cannot be used", why, remedy)


def audio_of(sound: Audio) -> dict:
    """ComfyUI's AUDIO of a recording."""
    return {
        "waveform": torch.from_numpy(np.ascontiguousarray(sound.samples))[None],
        "sample_rate": sound.rate,
    }
