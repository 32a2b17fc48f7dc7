"""Speech features by wav2vec2 (arXiv 2006.11477), as FantasyTalking and its relatives hear.

    embeds = encode_speech(samples, rate, load_wav2vec2("wav2vec2-base-960h.safetensors"))

Any network that gives its hidden states will do as ``encoder``; ComfyUI's own is one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import load_checkpoint, load_strict
from ..errors import TroupeError
from .embeds import SpeechEmbeds

RATE = 16000
HOP, FIELD = 320, 400  # samples between two tokens, and that one token sees
MOST_SECONDS = 3600.0
# Attention costs the square of the length. Longer recordings are encoded in parts that overlap, so that every token
# has at least CONTEXT seconds of sound around it.
PART, CONTEXT = 30.0, 2.0

# From normalised sound [1, N] at 16 kHz to hidden states [1, tokens, D], the embedded sound first, the output last.
Encoder = Callable[[Tensor], Sequence[Tensor]]


def encode_speech(
    waveform: Tensor | np.ndarray,
    rate: int,
    encoder: Encoder,
    seconds: float | None = None,
    name: str = "wav2vec2",
) -> SpeechEmbeds:
    """Hidden states over a recording.

    Args:
        waveform: Float ``[N]`` or ``[channels, N]``; channels are averaged.
        rate: Samples a second.
        encoder: See ``Encoder``.
        seconds: Cut the sound to this length, or pad it with silence; None: as it is.
        name: Of the encoder, for error messages.

    Raises:
        TroupeError: if the sound is empty, too long, damaged or its rate unusable.
    """
    sound = prepare(waveform, rate, seconds)
    length = len(sound) / RATE
    sound = (sound - sound.mean()) / (sound.var(correction=0) + 1e-7).sqrt()
    hidden = torch.cat([_part(sound, encoder, *p) for p in parts(len(sound))], 1)
    return SpeechEmbeds(hidden.float().cpu().numpy(), length, f"{name}-{hidden.shape[2]}")


def prepare(waveform: Tensor | np.ndarray, rate: int, seconds: float | None) -> Tensor:
    """Float32 ``[N]`` at 16 kHz: mono, cut or padded."""
    from torchaudio.functional import resample

    sound = torch.as_tensor(waveform).float().cpu()
    what = "This sound cannot be encoded"
    if sound.ndim not in (1, 2) or sound.numel() == 0:
        raise TroupeError(
            what, f"its shape is {list(sound.shape)}: there is nothing to hear", "Use another recording"
        )
    if not torch.isfinite(sound).all():
        raise TroupeError(what, "it holds NaN or infinite samples", "Check what made it")
    if not 1000 <= rate <= 768_000:
        raise TroupeError(
            what, f"its rate is {rate} samples a second", "Use a recording of 8000 to 192000 Hz"
        )
    sound = sound if sound.ndim == 1 else sound.mean(0)
    wanted = len(sound) / rate if seconds is None else seconds
    if not 0 < wanted <= MOST_SECONDS:
        raise TroupeError(
            what, f"it lasts {wanted:g} s, at most {MOST_SECONDS:g} s are possible", "Cut it first"
        )
    sound = sound[: math.ceil(wanted * rate)]
    if rate != RATE:
        # A long filter: as good as the resamplers that the published code uses.
        sound = resample(sound, rate, RATE, lowpass_filter_width=64, rolloff=0.95)
    length = max(round(wanted * RATE), FIELD)  # shorter than one token sees is padded, too
    return torch.nn.functional.pad(sound[:length], (0, max(0, length - len(sound))))


def parts(samples: int) -> list[tuple[int, int, int, int]]:
    """How a recording is encoded: for each part its first token, how many, and the first and last token of the sound
    that it is heard in (included)."""
    tokens = (samples - FIELD) // HOP + 1
    most, context = int(PART * RATE / HOP), int(CONTEXT * RATE / HOP)
    if tokens <= most:
        return [(0, tokens, 0, tokens - 1)]
    step = most - 2 * context
    return [
        (first, min(step, tokens - first), max(0, first - context), min(tokens, first + step + context) - 1)
        for first in range(0, tokens, step)
    ]


def _part(sound: Tensor, encoder: Encoder, first: int, count: int, start: int, last: int) -> Tensor:
    """float32 ``[layers, count, D]``."""
    stop = last * HOP + FIELD
    # The last part keeps the samples behind its last whole token: some encoders look at them.
    piece = sound[start * HOP : stop if stop + HOP <= len(sound) else len(sound)]
    hidden = torch.stack([layer[0].float().cpu() for layer in encoder(piece[None])])
    return hidden[:, first - start : first - start + count]


def load_wav2vec2(path: str | Path, device: torch.device | str = "cpu") -> Encoder:
    """wav2vec2 of ``transformers`` from a file of its weights (facebook/wav2vec2-base-960h's names).

    Raises:
        TroupeError: if the file holds another network, or not all of it.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    path = Path(path)
    tensors = {n.removeprefix("wav2vec2."): t for n, t in load_checkpoint(path).items()}
    norm = tensors.get("encoder.layer_norm.weight")
    layers = [int(m[1]) for n in tensors if (m := re.match(r"encoder\.layers\.(\d+)\.", n))]
    if norm is None or not layers:
        raise TroupeError(
            f"The file {path.name!r} is no wav2vec2",
            "it has no encoder.layers or no encoder.layer_norm",
            "Choose the weights of wav2vec2-base-960h",
        )
    large = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    config = Wav2Vec2Config(
        hidden_size=len(norm),
        num_hidden_layers=1 + max(layers),
        num_attention_heads=len(norm) // 64,
        intermediate_size=4 * len(norm),
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        conv_bias=large,
    )
    with torch.device("meta"):
        network = Wav2Vec2Model(config)
    network.to_empty(device="cpu")
    load_strict(network, renamed(tensors, network), path.name, unused=("lm_head.", "masked_spec_embed"))
    network = network.eval().requires_grad_(False).to(device)

    def encode(sound: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode():
            return network(sound.to(device), output_hidden_states=True).hidden_states

    return encode


def renamed(tensors: dict[str, Tensor], network: torch.nn.Module) -> dict[str, Tensor]:
    """The positional convolution's weight norm has had two spellings; and a mask token that is not needed."""
    old = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    names = {f"encoder.pos_conv_embed.conv.{a}": f"encoder.pos_conv_embed.conv.{b}" for a, b in old.items()}
    if not any(n in network.state_dict() for n in names.values()):
        names = {b: a for a, b in names.items()}
    out = {names.get(n, n): t for n, t in tensors.items()}
    if "masked_spec_embed" in network.state_dict():
        out["masked_spec_embed"] = torch.zeros(network.config.hidden_size)
    return out
