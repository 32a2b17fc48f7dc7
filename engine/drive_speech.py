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
    from .motion.timeline import Timeline
    from .speech.emotion import EmotionTrack
    from .speech.persona import Persona

MIX_RATE = 48_000
LOUDEST = 0.99
# How sure an alignment must be for the lips to follow the text. Of 122 sentences in voices and a language held out from
# training 99 % are surer, of 244 texts that belong to other sentences 2 %.
FOLLOWED = 0.2


@dataclass(frozen=True)
class Voice:
    """What goes with a recording.

    Attributes:
        text: What is said, with tags (``speech.script``).
        language: Of the text, see ``speech.phones``.
        emotion: A track, or ``happy:0.6``, ``happy:0.6@0-2; sad:0.4@2-``; see ``speech.emotion``.
        persona: Or its name or file, see ``speech.persona``.
        seed: Which blinks and glances.

    Raises:
        TroupeError: on an unknown language.
    """

    text: str | None = None
    language: str = "english"
    emotion: EmotionTrack | str | None = None
    persona: Persona | str | None = None
    seed: int = 0

    def __post_init__(self):
        from .speech.phones import language_of

        language_of(self.language)


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound that somebody of the cast speaks, ``start`` seconds after the beginning."""

    audio: Audio
    start: float = 0.0

    @property
    def seconds(self) -> float:
        """When it is over."""
        return self.start + self.audio.duration

    def until(self, seconds: float, name: str) -> Recording:
        """What of it is heard if all ends at ``seconds``.

        Args:
            seconds: After the beginning of all.
            name: Of the recording, for messages.

        Raises:
            TroupeError: if that is before it begins.
        """
        if self.start >= seconds:
            raise TroupeError(
                f"{name} is not heard",
                f"it begins at {self.start:g} s, and all ends at {seconds:g} s",
                "Begin earlier, or make it longer",
            )
        most = max(1, round((seconds - self.start) * self.audio.rate))
        have = self.audio.samples.shape[1]
        return Recording(self.audio.fit(most), self.start) if have > most else self


def read_recording(path: Path, start: float, seconds: float | None = None) -> Recording:
    """The sound of a file, ended at ``seconds`` after the beginning of all.

    Raises:
        TroupeError: if there is none, or it begins after the end.
    """
    audio = read_audio(path)
    if audio is None:
        raise TroupeError(f"'{path.name}' has no sound", "no audio track found", "Use a recording of speech")
    recording = Recording(audio, start)
    return recording if seconds is None else recording.until(seconds, f"'{path.name}'")


def spoken(
    recording: Recording, voice: Voice, fps: float, seconds: float, progress: Progress | None = None
) -> tuple[FaceMotion, tuple[str, ...]]:
    """The motion of who speaks, over ``seconds``: before and after the recording the face listens; and remarks.

    Where there is a text it is looked for in the recording: what is said as written helps the lips, tags land where
    their words are said, and the differences are among the remarks.

    Raises:
        TroupeError: if the sound, the text, the emotion or the persona cannot be used.
    """
    from .motion.edit import add
    from .speech.animate import speech_motion

    sound = placed(recording, seconds)
    said = _said(sound, voice, progress) if voice.text else _Said(voice.emotion)
    motion, notes = speech_motion(
        sound.samples,
        sound.rate,
        fps,
        said.phones,
        said.emotion,
        voice.persona,
        voice.seed,
        progress=progress,
    )
    if said.beats is not None:
        motion = add(motion, said.beats.motion(fps, motion.duration))
    return motion, (*notes, *said.notes)


@dataclass(frozen=True, eq=False)
class _Said:
    """What a text brings: phones that the network may follow, emotions and beats in time, and remarks."""

    emotion: EmotionTrack | str | None
    phones: tuple[int, ...] | None = None
    beats: Timeline | None = None
    notes: tuple[str, ...] = ()


def _said(sound: Audio, voice: Voice, progress: Progress | None) -> _Said:
    from .speech.align import align_phones, heard_phones
    from .speech.animate import listened
    from .speech.phones import phonemise
    from .speech.place import place
    from .speech.script import parse_script

    script = parse_script(voice.text)
    phones = phonemise(script.text, voice.language)
    heard = heard_phones(listened(sound.samples, sound.rate)[0], progress)
    alignment = align_phones(heard, phones.classes, phones.words, sound.duration, progress)
    tags = place(script, alignment)
    notes = [*map(str, alignment.mismatches), *tags.notes]
    follow = alignment.sureness >= FOLLOWED
    if not follow:
        notes.append(
            f"Only {alignment.share_said:.0%} of the text is clearly said, so the lips follow the sound alone."
        )
    if tags.emotion is not None and voice.emotion is not None:
        notes.append("The emotions in the text take the place of the other one.")
    emotion = voice.emotion if tags.emotion is None else tags.emotion
    return _Said(emotion, tuple(phones.classes) if follow else None, tags.timeline, tuple(notes))


def placed(recording: Recording, seconds: float) -> Audio:
    """The recording at its time, silence before and after, ``seconds`` long or as long as it takes."""
    rate, samples = recording.audio.rate, recording.audio.samples
    before = round(recording.start * rate)
    after = max(round(seconds * rate) - before - samples.shape[1], 0)
    return Audio(np.pad(samples, ((0, 0), (before, after))), rate)


def mixed(recordings: Sequence[Recording], seconds: float) -> Audio:
    """All recordings together, each at its time, no louder than full scale: float32 ``[C, N]`` at 48 kHz, or as it
    is if there is one."""
    if len(recordings) == 1 and recordings[0].start == 0:
        return recordings[0].audio
    channels = 2 if any(len(r.audio.samples) == 2 for r in recordings) else 1
    out = np.zeros((channels, max(1, round(seconds * MIX_RATE))), np.float32)
    for recording in recordings:
        samples = resampled(recording.audio, MIX_RATE)
        begin = round(recording.start * MIX_RATE)
        part = out[:, begin : begin + samples.shape[1]]
        part += samples[:, : part.shape[1]]
    return Audio(out * min(1.0, LOUDEST / max(float(np.abs(out).max()), 1e-9)), MIX_RATE)


def few_channels(audio: Audio) -> Audio:
    """Sound of at most two channels, which is what players and other nodes take: more become one, their sum, at the peak
    of the loudest."""
    if len(audio.samples) <= 2:
        return audio
    together = audio.samples.sum(0, keepdims=True)
    peaks = (float(np.abs(samples).max(initial=0.0)) for samples in (audio.samples, together))
    return Audio(together * min(1.0, next(peaks) / max(next(peaks), 1e-9)), audio.rate)


def resampled(audio: Audio, rate: int) -> np.ndarray:
    """float32 ``[C, N]`` at another rate (windowed sinc of FFmpeg), of ``few_channels``."""
    samples = few_channels(audio).samples
    if audio.rate == rate:
        return samples
    import av

    layout = "mono" if len(samples) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
    frame.sample_rate = audio.rate
    turn = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    return np.concatenate([f.to_ndarray() for f in (*turn.resample(frame), *turn.resample(None))], 1)
