"""The sounds that ``speech.py`` measures on: the held-out parts of the training's data, a minute of speech, and no speech."""

from __future__ import annotations

import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from troupe.engine.speech import espeak
from troupe.engine.speech.channels import CHANNEL_FPS
from troupe.engine.speech.features import RATE
from troupe.training.speech import corpus, data, festival
from troupe.training.speech.utterances import Part, Utterance, speak

SEED = 0  # of the data
STEP = int(RATE / CHANNEL_FPS)
HELD_OUT = ("voices", "de", "es", "fr", "ja", "slt", "ph")
ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True, eq=False)
class Passage:
    """One stretch of speech.

    Attributes:
        sound: float32 ``[S]`` at 16 kHz.
        target: The teacher's channels ``[S / 320, 18]``; None if there is no synthesiser to say when which sound is.
        tokens: Phones of its text; None as before.
        utterances: What it was put together from; none for recordings.
        source: Where it comes from.
    """

    sound: np.ndarray
    target: np.ndarray | None
    tokens: np.ndarray | None
    utterances: list[Utterance]
    source: str


def needs(part: Part) -> str:
    """The synthesiser that a part cannot be made without, if it is not installed; else nothing."""
    if part.festival:
        return "" if set(part.festival) <= set(festival.installed()) else f"festival with {part.festival[0]}"
    if part.languages:
        return "" if espeak.installed() else "espeak-ng"
    return "" if shutil.which("flite") else "flite"


def made(part: Part, seconds: float) -> list[Utterance]:
    """The first utterances of a part: the very ones that ``python -m training.speech data`` begins its first file with."""
    if part.languages:
        espeak.restart()
    return speak(part, np.random.default_rng([SEED, *part.name.encode(), 0]), seconds)


def the_parts() -> dict[str, Part]:
    """The parts of the data by name, and ``ph`` even where festival is missing."""
    found = {p.name: p for p in data.parts(20.0, 5.0, 0.0, quick=False)}
    found.setdefault("ph", Part("ph", 900.0, festival=(festival.HELD_OUT_VOICE,)))
    train = found["train"]
    if not espeak.installed():
        found["train"] = Part("train", train.seconds, flite=train.flite, flite_share=1.0, test=False)
    elif not shutil.which("flite"):
        found["train"] = Part("train", train.seconds, train.languages, train.variants, test=False)
    return found


def held_out(seconds: float, names: tuple[str, ...]) -> tuple[dict[str, list[Utterance]], dict[str, str]]:
    """Held-out parts by name, so much of each and also of ``train`` (for the trivial answers); and why others are not."""
    found, missing = {}, {}
    for name, part in the_parts().items():
        if name in names or name == "train":
            lack = needs(part)
            if lack:
                missing[name] = f"{lack} is not installed"
            else:
                found[name] = made(part, seconds)
    return found, missing


def negatives(seconds: float) -> list[Utterance]:
    """Sounds that are no speech, of every kind that training knows."""
    return made(Part("mute", seconds, negatives=1.0), seconds)


def passage(seconds: float) -> Passage:
    """So many seconds of the held-out voices, or of the bundled recordings over and over without a synthesiser."""
    parts = the_parts()
    for name in ("voices", "slt"):
        if not needs(parts[name]):
            some = made(parts[name], seconds)
            frames = int(seconds * CHANNEL_FPS)
            return Passage(
                np.concatenate([u.sound for u in some])[: frames * STEP],
                np.concatenate([u.target for u in some])[:frames],
                np.concatenate([u.tokens for u in some]),
                some,
                f"part '{name}'",
            )
    sounds = [recording(ASSETS / name) for name in ("speech.wav", "reply.wav")]
    return Passage(
        np.resize(np.concatenate(sounds), int(seconds * RATE)), None, None, [], "bundled recordings"
    )


def recording(path: Path) -> np.ndarray:
    """A bundled recording, float32 ``[S]`` at 16 kHz."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def words() -> dict[str, str]:
    """Where the words of each language come from on this machine: other word lists make another text."""
    return {name: corpus.word_source(name) for name in corpus.LANGUAGES}
