"""Recordings of speech as drives: who speaks when, in which mood, and what is heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import TroupeError
from .progress import Progress
from .video.audio import Audio, read_audio

if TYPE_CHECKING:
    from .motion import FaceMotion

MIX_RATE = 48_000
LOUDEST = 0.99


@dataclass(frozen=True)
class Voice:
    """What goes with a recording.

    Attributes:
        text: What is said, with tags (``speech.script``), or the file it is written in.
        language: Of the text, see ``speech.phones``.
        emotion: ``happy:0.6``, ``happy:0.6@0-2; sad:0.4@2-``; see ``speech.emotion``.
        persona: A name or a file, see ``speech.persona``.
        seed: Which blinks and glances.
    """

    text: str | None = None
    language: str = "english"
    emotion: str | None = None
    persona: str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound that somebody of the cast speaks, ``start`` seconds after the beginning."""

    audio: Audio
    start: float = 0.0

    @property
    def seconds(self) -> float:
        """When it is over."""
        return self.start + self.audio.duration


def read_recording(path: Path, start: float, seconds: float | None = None) -> Recording:
    """The sound of a file, ended at ``seconds`` after the beginning of all.

    Raises:
        TroupeError: if there is none, or it begins after the end.
    """
    audio = read_audio(path)
    if audio is None:
        raise TroupeError(f"'{path.name}' has no sound", "no audio track found", "Use a recording of speech")
    if seconds is not None:
        if start >= seconds:
            raise TroupeError(
                f"'{path.name}' is not heard",
                f"it begins at {start:g} s, and all ends at {seconds:g} s",
                "Begin earlier, or make it longer",
            )
        audio = audio.fit(min(audio.samples.shape[1], max(1, round((seconds - start) * audio.rate))))
    return Recording(audio, start)


def spoken(
    recording: Recording, voice: Voice, fps: float, seconds: float, progress: Progress | None = None
) -> tuple[FaceMotion, tuple[str, ...]]:
    """The motion of who speaks, over ``seconds``: before and after the recording the face listens; and remarks.

    Raises:
        TroupeError: as ``speech.animate.speech_motion``.
    """
    from .speech.animate import speech_motion

    rate, samples = recording.audio.rate, recording.audio.samples
    before = round(recording.start * rate)
    whole = max(round(seconds * rate), before + samples.shape[1])
    samples = np.pad(samples, ((0, 0), (before, whole - before - samples.shape[1])))
    return speech_motion(samples, rate, fps, voice, progress=progress)


def mixed(recordings: Sequence[Recording], seconds: float) -> Audio:
    """All recordings together, each at its time, no louder than full scale: float32 ``[C, N]`` at 48 kHz, or as it
    is if there is one."""
    if len(recordings) == 1 and recordings[0].start == 0:
        return recordings[0].audio
    channels = max(len(r.audio.samples) for r in recordings)
    out = np.zeros((channels, max(1, round(seconds * MIX_RATE))), np.float32)
    for recording in recordings:
        samples = resampled(recording.audio, MIX_RATE)
        begin = round(recording.start * MIX_RATE)
        part = out[:, begin : begin + samples.shape[1]]
        part += samples[:, : part.shape[1]]
    return Audio(out * min(1.0, LOUDEST / max(float(np.abs(out).max()), 1e-9)), MIX_RATE)


def resampled(audio: Audio, rate: int) -> np.ndarray:
    """float32 ``[C, N]`` at another rate (windowed sinc of FFmpeg)."""
    if audio.rate == rate:
        return audio.samples
    import av

    layout = "mono" if len(audio.samples) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples[:2]), "fltp", layout)
    frame.sample_rate = audio.rate
    turn = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    return np.concatenate([f.to_ndarray() for f in (*turn.resample(frame), *turn.resample(None))], 1)
