"""Speech as Hallo hears it: all layers of wav2vec2 (arXiv 2006.11477), one row for each frame of 25 a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import TroupeError
from ..progress import Progress, report
from ..speech.embeds import SpeechEmbeds
from ..speech.wav2vec import RATE, as_samples
from .hallo_nets import WINDOW

FPS = 25.0
SAMPLES = int(RATE / FPS)  # of a frame
# Attention is quadratic in the length: longer recordings are heard in pieces, each with its neighbours' seconds around it.
PIECE, MARGIN = 1500, 50  # frames
LEAST = 4  # frames: what wav2vec2's convolutions need, with some room
SILENT, CLIPPED_SHARE = 1e-4, 1e-3  # of full scale; of the samples

Convolve = Callable[[Tensor], Tensor]  # [1, N] at 16 kHz to features [1, T, C]
Encode = Callable[
    [Tensor], Sequence[Tensor]
]  # features to the embedded sound and each layer's output, [1, T, D] each


def encode_frames(
    waveform: Tensor | np.ndarray,
    rate: int,
    convolve: Convolve,
    encode: Encode,
    *,
    multiple: int = 1,
    progress: Progress | None = None,
) -> SpeechEmbeds:
    """What wav2vec2 hears, frame by frame.

    Its convolutions' features are brought to the frame rate before its transformer sees them, first on first and last
    on last frame, as published (which is off by less than a frame). Up to 60 seconds are heard as a whole.

    Args:
        waveform: ``[channels, N]`` or ``[N]``; channels are averaged.
        rate: Samples per second; resampled to 16 kHz.
        convolve, encode: Both halves of the network.
        multiple: Silence fills up to a multiple of so many frames: the length of Hallo's clips.
        progress: Called after each piece.

    Returns:
        ``hidden`` ``[layers, frames, D]``, without the embedded sound; ``seconds`` as long as the sound.

    Raises:
        TroupeError: on a waveform that is no sound, or a network that is no wav2vec2.
    """
    samples = as_samples(waveform, rate)
    seconds = len(samples) / RATE
    heard = math.ceil(len(samples) / SAMPLES)
    frames = max(LEAST, math.ceil(heard / multiple) * multiple)
    padded = normalised_and_padded(samples, frames - heard)
    hidden = _in_pieces(padded, frames, convolve, encode, progress)
    return SpeechEmbeds(hidden, seconds, "wav2vec2 by frames", _remarks(samples), fps=FPS)


def _remarks(samples: np.ndarray) -> tuple[str, ...]:
    """What a user should know of a recording."""
    peak = np.abs(samples).max()
    notes = []
    if peak < SILENT:
        notes.append("The sound is silent: nobody speaks.")
    elif peak > 0.5 and (np.abs(samples) >= 0.99 * peak).mean() > CLIPPED_SHARE:
        notes.append("The sound is clipped: lips may be less exact.")
    if len(samples) < LEAST * SAMPLES:
        notes.append(f"The sound lasts only {len(samples) / RATE:.3f} s; silence follows.")
    return tuple(notes)


def normalised_and_padded(samples: np.ndarray, frames: int) -> np.ndarray:
    """float32 ``[N]`` with mean 0 and variance 1, then so many frames of silence."""
    exact = samples.astype(np.float64)
    normal = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-7)
    return np.pad(normal.astype(np.float32), (0, frames * SAMPLES))


def at_frames(features: Tensor, frames: int) -> Tensor:
    """``[1, T, C]`` to ``[1, frames, C]``, the ends on the ends."""
    return interpolate(features.transpose(1, 2), frames, mode="linear", align_corners=True).transpose(1, 2)


def frame_windows(hidden: np.ndarray | Tensor, frames: int | None = None, start: int = 0) -> Tensor:
    """For each frame from ``start`` on the rows of its neighbours: ``[layers, F, D]`` to float32
    ``[frames, 5, layers, D]``.

    Beyond both ends the last row is repeated.
    """
    rows = torch.as_tensor(hidden).float().transpose(0, 1)
    frames = len(rows) - start if frames is None else frames
    at = torch.arange(start, start + frames)[:, None] + torch.arange(WINDOW) - WINDOW // 2
    return rows[at.clamp(0, len(rows) - 1)]


@torch.no_grad()
def _in_pieces(
    samples: np.ndarray, frames: int, convolve: Convolve, encode: Encode, progress: Progress | None
) -> np.ndarray:
    count = math.ceil(frames / PIECE) if frames > PIECE + 2 * MARGIN else 1
    seams = [round(i * frames / count) for i in range(count + 1)]
    parts = []
    for i, (start, stop) in enumerate(zip(seams, seams[1:])):
        first, last = (
            max(0, start - MARGIN if i else 0),
            min(frames, stop + MARGIN if i < count - 1 else frames),
        )
        layers = _hear(samples[first * SAMPLES : last * SAMPLES], last - first, convolve, encode)
        parts.append(layers[:, start - first : stop - first])
        report(progress, i + 1, count)
    return np.concatenate(parts, 1)


def _hear(samples: np.ndarray, frames: int, convolve: Convolve, encode: Encode) -> np.ndarray:
    features = convolve(torch.from_numpy(np.pad(samples, (0, max(0, LEAST * SAMPLES - len(samples)))))[None])
    layers = list(encode(at_frames(features, frames)))[1:]
    if not layers or any(layer.shape[-2] != frames for layer in layers):
        raise TroupeError(
            "The speech encoder cannot be used",
            f"for {frames} frames it answers with {[list(layer.shape) for layer in layers[:2]]}",
            "Load wav2vec2-base-960h",
        )
    hidden = torch.stack([layer.reshape(layer.shape[-2:]).float().cpu() for layer in layers]).numpy()
    if not np.isfinite(hidden).all():
        raise TroupeError(
            "The speech encoder failed", "its hidden states hold NaN or infinite values", "Run it in fp32"
        )
    return hidden
