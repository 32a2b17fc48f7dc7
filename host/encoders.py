"""The expression and speech encoders under ComfyUI's memory management."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.model_management
import torch

from ..engine.errors import TroupeError
from ..engine.speech.embeds import SpeechEmbeds
from ..engine.wan.embeds import ExpressionEmbeds
from ..engine.wan.expression import ExpressionEncoder, check_seen, encode_clip
from .memory import patcher_of
from .progress import NodeProgress
from .sound import to_audio

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..engine.faces.types import Faces
    from .clips import Clip


@dataclass(frozen=True, eq=False)
class LoadedEncoder:
    """The expression encoder and the patcher that moves it to the GPU."""

    encoder: ExpressionEncoder
    patcher: ModelPatcher

    @classmethod
    def of(cls, path: Path) -> LoadedEncoder:
        """Raises ``TroupeError`` if the file is none."""
        encoder = ExpressionEncoder.load(path)
        return cls(encoder, patcher_of(encoder.module))

    def on_device(self) -> torch.device:
        """Bring the encoder to its device and say which."""
        comfy.model_management.load_models_gpu([self.patcher])
        return self.patcher.load_device


def encode_persons(
    loaded: LoadedEncoder, clip: Clip, faces: Faces, persons: Iterable[int]
) -> dict[int, ExpressionEmbeds | TroupeError]:
    """Each person's expression, or why there is none: a passer-by does not spoil the others.

    Raises:
        TroupeError: if there is none for the first of ``persons``.
    """
    persons = list(persons)
    out: dict[int, ExpressionEmbeds | TroupeError] = {}
    for person in persons:
        try:
            check_seen(faces, person)
        except TroupeError as error:
            if person == persons[0]:
                raise
            out[person] = error
    able = [person for person in persons if person not in out]
    device, progress = loaded.on_device(), NodeProgress()
    out |= encode_clip(loaded.encoder, clip.frames, faces, persons=able, device=device, progress=progress)
    return {person: out[person] for person in persons}


def encode_audio(audio_encoder: object, audio: dict, seconds: float | None = None) -> SpeechEmbeds:
    """Speech embeddings of ComfyUI's AUDIO by ComfyUI's own audio encoder.

    Args:
        audio_encoder: Of core's Load Audio Encoder, a wav2vec2.
        audio: ``waveform`` [1, channels, samples] and ``sample_rate``.
        seconds: Cut or pad with silence to this length.

    Raises:
        TroupeError: if the encoder is no wav2vec2, or the sound cannot be used.
    """
    from ..engine.speech.wav2vec import encode_speech

    network = _wav2vec2(audio_encoder)
    sound = to_audio(audio)
    comfy.model_management.load_models_gpu([audio_encoder.patcher])

    def encoder(waves: torch.Tensor) -> list[torch.Tensor]:
        with torch.inference_mode():
            _, layers = network(waves[:, None].to(audio_encoder.load_device))
        return list(layers)  # the embedded sound, then each block's output; the last is the encoder's

    return encode_speech(torch.from_numpy(sound.samples), sound.rate, encoder, seconds=seconds)


def encode_audio_by_frames(
    audio_encoder: object, audio: dict, seconds: float | None = None, clip: int = 16
) -> SpeechEmbeds:
    """Speech as Hallo hears it, by ComfyUI's own audio encoder in its two halves.

    Silence fills up to whole clips of so many frames, as published. The rest is as in ``encode_audio``.
    """
    from ..engine.refnet.hallo_audio import encode_frames

    network = _wav2vec2(audio_encoder)
    sound = to_audio(audio)
    if seconds is not None:
        sound = sound.fit(max(1, round(seconds * sound.rate)))
    comfy.model_management.load_models_gpu([audio_encoder.patcher])

    def convolve(waves: torch.Tensor) -> torch.Tensor:
        return network.feature_extractor(waves.to(audio_encoder.load_device))

    def encode(features: torch.Tensor) -> list[torch.Tensor]:
        _, layers = network.encoder(network.feature_projection(features))
        return list(layers)

    with torch.inference_mode():
        samples = torch.from_numpy(sound.samples)
        return encode_frames(samples, sound.rate, convolve, encode, multiple=clip, progress=NodeProgress())


def _wav2vec2(audio_encoder: object) -> torch.nn.Module:
    """The network of core's audio encoder.

    Raises:
        TroupeError: if it is none of the kind.
    """
    network = audio_encoder.model
    if "Wav2Vec2" not in type(network).__name__:
        raise TroupeError(
            "The input 'audio_encoder' cannot be used",
            f"it is a {type(network).__name__}, FantasyTalking and Hallo listen with wav2vec2",
            "Load wav2vec2-base-960h with Load Audio Encoder",
        )
    return network
