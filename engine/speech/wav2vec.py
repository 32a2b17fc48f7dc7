"""Sound to ``SpeechEmbeds`` by wav2vec2 (arXiv 2006.11477), the encoder FantasyTalking listens with.

embeds = encode_speech(waveform, rate, load_wav2vec2("wav2vec2-base-960h.safetensors"), seconds=frames / fps)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..checkpoint import listed, load_checkpoint, load_strict
from ..errors import TroupeError
from ..progress import Progress, report
from .embeds import SpeechEmbeds

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Wav2Vec2Config

RATE = 16_000
HOP, FIELD = 320, 400  # samples from token to token, and samples that one token hears
MIN_RATE, MAX_RATE = 1000, 384_000
MAX_CHANNELS = 64
MAX_SECONDS = 1800.0  # 3.6 GB of hidden states
# Attention is quadratic in the sound's length: longer sounds are heard in pieces of 30 s, each with at least
# 2 s of its neighbours on either side, which nobody reads.
CHUNK, OVERLAP = 1500, 200  # tokens
# Low pass of the resampler: zero crossings on each side, Kaiser's beta, edge as a share of the lower Nyquist
# frequency. Within 2e-3 of librosa's soxr_hq, with which FantasyTalking reads sound (beside an abrupt start or end).
CROSSINGS, BETA, EDGE = 64, 12.0, 0.96

UNUSED = ("lm_head.", "masked_spec_embed")  # of its training
# The positional convolution's weight norm as torch.nn.utils.weight_norm names it, and as parametrizations do.
POSITIONAL = "encoder.pos_conv_embed.conv."
SCALES = ("weight_g", "parametrizations.weight.original0")
VALUES = ("weight_v", "parametrizations.weight.original1")
HEAD = 64  # channels of an attention head

# From float32 [1, N] at 16 kHz, mean 0 and variance 1, to hidden states: the embedded sound, then every layer's
# output, each [1, T, D].
Encoder = Callable[["Tensor"], "Sequence[Tensor] | Tensor"]


def encode_speech(
    waveform: Tensor | np.ndarray,
    rate: int,
    encoder: Encoder,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> SpeechEmbeds:
    """What a wav2vec2 network hears in a recording: all hidden layers.

    Recordings of more than 30 seconds are encoded in pieces that overlap, so that memory stays bounded. The network's
    attention and its first norm then take in a piece instead of the whole, which is not quite the same; up to
    30 seconds the result is that of the whole.

    Args:
        waveform: ``[channels, N]`` or ``[N]``; channels are averaged.
        rate: Samples per second, 1000 to 384000; resampled to 16 kHz.
        encoder: The network, see ``Encoder``; ``load_wav2vec2`` gives one.
        seconds: Cut or pad with silence to this length: that of the clip, frames / fps. Silence has to be heard by
            the encoder; tokens of zeros would be something else.
        progress: Called after each piece.

    Raises:
        TroupeError: on a waveform that is no sound, a rate or length out of range, or an encoder that is no wav2vec2.
    """
    sound = _mono(waveform, rate, seconds)
    notes = []
    samples = _resample(sound, rate)
    if seconds is not None:
        count = int(seconds * RATE)
        if count > len(samples):
            notes.append(f"The sound lasts {len(samples) / RATE:.2f} s; silence follows to {seconds:.2f} s.")
        samples = np.pad(samples[:count], (0, max(0, count - len(samples))))
    if len(samples) < FIELD:  # less than one token
        notes.append(f"The sound lasts only {len(samples) / RATE:.3f} s; silence follows.")
        samples, seconds = np.pad(samples, (0, FIELD - len(samples))), None
    hidden = _in_pieces(_normalise(samples), encoder, progress)
    layers, _, width = hidden.shape
    name = {(13, 768): "wav2vec2-base", (25, 1024): "wav2vec2-large"}.get(
        (layers, width), f"wav2vec2-{width}"
    )
    return SpeechEmbeds(hidden, seconds or len(samples) / RATE, name, tuple(notes))


def as_samples(waveform: Tensor | np.ndarray, rate: int) -> np.ndarray:
    """A recording as the network wants it before it is normalised: float32 ``[N]`` at 16 kHz.

    Raises:
        TroupeError: on a waveform that is no sound, or a rate or length out of range.
    """
    return _resample(_mono(waveform, rate, None), rate)


def _mono(waveform: Tensor | np.ndarray, rate: int, seconds: float | None) -> np.ndarray:
    """Checked, not much longer than ``seconds``, and averaged over the channels: float32 ``[N]``."""
    what = "The sound cannot be encoded"
    if not (math.isfinite(rate) and MIN_RATE <= rate <= MAX_RATE):
        raise TroupeError(
            what, f"its rate is {rate}, possible are {MIN_RATE} to {MAX_RATE}", "Use 16000 to 48000"
        )
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= MAX_SECONDS):
        raise TroupeError(
            what,
            f"its length shall be {seconds} seconds, possible are 0 to {MAX_SECONDS:g}",
            "Make the clip shorter",
        )
    sound = waveform if isinstance(waveform, np.ndarray) else waveform.detach().float().cpu().numpy()
    if sound.ndim == 1:
        sound = sound[None]
    if sound.ndim != 2 or not 1 <= len(sound) <= MAX_CHANNELS or not sound.shape[1]:
        raise TroupeError(
            what,
            f"its shape is {list(waveform.shape)}, expected [channels, samples] or [samples], none of them 0",
            "Check what made it",
        )
    if seconds is not None:  # and half a second for the resampler's filter to look ahead
        sound = sound[:, : math.ceil((seconds + 0.5) * rate)]
    if sound.shape[1] > MAX_SECONDS * rate:
        raise TroupeError(
            what,
            f"it lasts {sound.shape[1] / rate:.0f} seconds, at most {MAX_SECONDS:g} are possible",
            "Cut it, or give 'seconds'",
        )
    if not np.isfinite(sound).all():
        raise TroupeError(what, "it holds NaN or infinite values", "Check what made it")
    return sound.mean(0, dtype=np.float64).astype(np.float32)


def _resample(sound: np.ndarray, rate: int) -> np.ndarray:
    """At 16 kHz, float32, by a windowed sinc."""
    from scipy.signal import firwin, resample_poly

    if rate == RATE:
        return sound
    # Rates that share no factor with 16000 are taken within 1e-5 of their value: the filter stays small.
    ratio = Fraction(RATE / rate).limit_denominator(10_000)
    up, down = ratio.numerator, ratio.denominator
    slower = max(up, down)
    low_pass = firwin(2 * CROSSINGS * slower + 1, EDGE / slower, window=("kaiser", BETA))
    return resample_poly(sound, up, down, window=low_pass).astype(np.float32)


def _normalise(samples: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, as wav2vec2's feature extractor does; silence stays silent."""
    exact = samples.astype(np.float64)
    return ((exact - exact.mean()) / np.sqrt(exact.var() + 1e-7)).astype(np.float32)


def _in_pieces(samples: np.ndarray, encoder: Encoder, progress: Progress | None) -> np.ndarray:
    """Hidden states ``[layers, T, D]``, in as few pieces as ``CHUNK`` allows, cut in the middle of their overlaps."""
    total = (len(samples) - FIELD) // HOP + 1
    if total <= CHUNK:
        hidden = _hear(samples, total, encoder)
        report(progress, 1, 1)
        return hidden
    count = math.ceil((total - OVERLAP) / (CHUNK - OVERLAP))
    starts = [round(i * (total - CHUNK) / (count - 1)) for i in range(count)]
    seams = [0, *((a + CHUNK + b) // 2 for a, b in zip(starts, starts[1:])), total]
    hidden = None
    for i, start in enumerate(starts):
        piece = samples[start * HOP : (start + CHUNK - 1) * HOP + FIELD]
        heard = _hear(piece, CHUNK, encoder)
        if hidden is None:
            hidden = np.empty((len(heard), total, heard.shape[2]), np.float32)
        own = slice(seams[i], seams[i + 1])
        hidden[:, own] = heard[:, own.start - start : own.stop - start]
        report(progress, i + 1, count)
    return hidden


def _hear(samples: np.ndarray, tokens: int, encoder: Encoder) -> np.ndarray:
    """One call of the encoder, its answer checked: float32 ``[layers, tokens, D]``."""
    import torch

    with torch.no_grad():
        layers = encoder(torch.from_numpy(samples)[None])
        layers = [h.reshape(h.shape[-2:]).float().cpu() for h in layers]
    if not layers or any(h.shape != layers[0].shape or len(h) != tokens for h in layers):
        shapes = sorted({tuple(h.shape) for h in layers})
        raise TroupeError(
            "The speech encoder cannot be used",
            f"for {len(samples)} samples it answers with layers of shape {shapes}, wav2vec2 with {tokens} rows each",
            "Load wav2vec2-base-960h",
        )
    hidden = torch.stack(layers).numpy()
    if not np.isfinite(hidden).all():
        raise TroupeError(
            "The speech encoder failed",
            "its hidden states hold NaN or infinite values",
            "Check its weights, or run it in fp32",
        )
    return hidden


class Wav2Vec2:
    """transformers' network as an ``Encoder``.

    Attributes:
        module: ``transformers.Wav2Vec2Model``, float32, eval mode.
        device: Where it runs.
    """

    def __init__(self, module: torch.nn.Module, device: torch.device | str = "cpu"):
        self.module, self.device = module.to(device), device

    def __call__(self, sound: Tensor) -> tuple[Tensor, ...]:
        out = self.module(sound.to(self.device), output_hidden_states=True)
        # Of networks with a norm behind the last layer, versions of transformers list what goes in or what comes out.
        return (*out.hidden_states[:-1], out.last_hidden_state)


def load_wav2vec2(path: str | Path, device: torch.device | str = "cpu") -> Wav2Vec2:
    """A wav2vec2 from a local file, or a folder with ``model.safetensors`` or ``pytorch_model.bin`` in it.

    Nothing is downloaded; the sizes are read off the tensors. Names may carry the prefix ``wav2vec2.``; a head
    (``lm_head``) and ``masked_spec_embed`` are left out.

    Raises:
        TroupeError: if the file is no wav2vec2, or lacks or holds more than it should, naming the keys.
    """
    import torch

    try:
        from transformers import Wav2Vec2Model
    except ImportError as error:
        raise TroupeError(
            "wav2vec2 cannot be loaded",
            "the package 'transformers' is missing",
            "Run: pip install transformers",
        ) from error

    path = Path(path)
    if path.is_dir():
        path = next(
            (p for p in (path / "model.safetensors", path / "pytorch_model.bin") if p.is_file()),
            path / "model.safetensors",
        )
    tensors = {key.removeprefix("wav2vec2."): t for key, t in load_checkpoint(path).items()}
    with torch.device("meta"):
        module = Wav2Vec2Model(_config(tensors, path.name)).eval()
    own = module.state_dict().keys()
    load_strict(module, {_spelled(k, own): t for k, t in tensors.items()}, path.name, UNUSED)
    return Wav2Vec2(module.requires_grad_(False), device)


def _config(tensors: Mapping[str, Tensor], name: str) -> Wav2Vec2Config:
    """transformers' configuration for a network with these tensors."""
    from transformers import Wav2Vec2Config

    sizes = {
        "conv": [f"feature_extractor.conv_layers.{i}.conv.weight" for i in range(7)],
        "hidden": ["feature_projection.projection.weight"],
        "inner": ["encoder.layers.0.feed_forward.intermediate_dense.weight"],
        "positional": [
            next((POSITIONAL + v for v in VALUES if POSITIONAL + v in tensors), POSITIONAL + VALUES[0])
        ],
    }
    missing = [key for keys in sizes.values() for key in keys if key not in tensors or not tensors[key].ndim]
    if missing:
        raise TroupeError(
            f"The checkpoint {name!r} is no wav2vec2",
            f"it lacks {listed(missing)}; it holds the groups {listed(sorted({k.partition('.')[0] for k in tensors}))}",
            "Choose wav2vec2-base-960h",
        )
    conv, (hidden,), (inner,) = (
        [len(tensors[k]) for k in sizes[what]] for what in ("conv", "hidden", "inner")
    )
    positional = tensors[sizes["positional"][0]]  # [hidden, hidden / groups, kernel]
    if hidden % HEAD or positional.ndim != 3 or not 1 <= positional.shape[1] <= hidden:
        raise TroupeError(
            f"The checkpoint {name!r} is no wav2vec2",
            f"its width is {hidden} (a multiple of {HEAD} is possible), "
            f"its positional convolution {list(positional.shape)}",
            "Choose wav2vec2-base-960h",
        )
    layers = {key.split(".")[2] for key in tensors if key.startswith("encoder.layers.")}
    # The two families of published networks: base, and large trained on more data, with norms before the layers.
    large = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    return Wav2Vec2Config(
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=hidden // HEAD,
        intermediate_size=inner,
        conv_dim=conv,
        conv_bias="feature_extractor.conv_layers.0.conv.bias" in tensors,
        num_conv_pos_embeddings=positional.shape[2],
        num_conv_pos_embedding_groups=hidden // positional.shape[1],
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        mask_time_prob=0,  # masks are of its training; without them it has no masked_spec_embed
        mask_feature_prob=0,
    )


def _spelled(key: str, own: Collection[str]) -> str:
    """A file's key in the spelling of the module's ``own``: versions of torch name the weight norm differently."""
    if key.startswith(POSITIONAL) and key not in own:
        inner = key.removeprefix(POSITIONAL)
        for names in (SCALES, VALUES):
            if inner in names:
                return POSITIONAL + names[1 - names.index(inner)]
    return key
