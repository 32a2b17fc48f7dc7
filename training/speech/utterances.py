"""Utterances as the network learns them: from every synthesiser and from sounds that are no speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from troupe.engine.speech.espeak import EspeakEnded
from troupe.engine.speech.features import RATE, log_mel, resample

from . import corpus, festival, flite, synth
from .negatives import negative
from .teacher import FPS, Segment, labels, teach

STEP = RATE // FPS
BATCH = 16  # sentences that festival says at once
LONGEST, SHORTEST = 14.0, 0.35  # seconds of speech
_WEIGHTS = {"en": 5.0, "ko": 2.0, "zh": 2.0, "hi": 1.3, "ca": 0.6}  # how often a language is drawn; others 1


@dataclass(frozen=True)
class Part:
    """One part of the data: who speaks what, how much of it.

    Attributes:
        name: Folder.
        seconds: Of sound.
        languages, variants: Of espeak-ng.
        flite, festival: Voices; with ``festival`` nobody else speaks.
        flite_share, negatives: Shares of utterances.
        test: Of the test's sentences, or of the training's.
        first: Number of its first file.
    """

    name: str
    seconds: float
    languages: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    flite: tuple[str, ...] = ()
    flite_share: float = 0.0
    negatives: float = 0.0
    festival: tuple[str, ...] = ()
    test: bool = True
    first: int = 0


@dataclass(frozen=True, eq=False)
class Utterance:
    """What is heard and what a face does: see ``data`` for the arrays; ``about`` says who says what. ``sound``, which is
    not kept in files, is float32 ``[320 M]`` at 16 kHz."""

    mel: np.ndarray
    target: np.ndarray
    phone: np.ndarray
    tokens: np.ndarray
    about: dict[str, str]
    sound: np.ndarray | None = None


def speak(part: Part, rng: np.random.Generator, seconds: float) -> list[Utterance]:
    """Utterances of a part, at least so many seconds of them.

    Args:
        part: Who speaks what.
        rng: Chance.
        seconds: At least.
    """
    made, found = 0.0, []
    for one in _endless(part, rng):
        if one is not None:
            made += len(one.target) / FPS
            found.append(one)
        if made >= seconds:
            break
    return found


def _endless(part: Part, rng: np.random.Generator) -> Iterator[Utterance | None]:
    while True:
        if part.festival:
            yield from _festival_utterances(rng, part)
        elif rng.random() < part.negatives:
            yield _negative_utterance(rng)
        elif not part.variants or rng.random() < part.flite_share:
            yield _flite_utterance(rng, part)
        else:
            yield _espeak_utterance(rng, part)


def _espeak_utterance(rng: np.random.Generator, part: Part) -> Utterance | None:
    weights = np.array([_WEIGHTS.get(name, 1.0) for name in part.languages])
    name = str(rng.choice(part.languages, p=weights / weights.sum()))
    voice, variant = str(rng.choice(corpus.LANGUAGES[name].voices)), str(rng.choice(part.variants))
    text = corpus.sentence(rng, name, test=part.test)
    # Wide: sad and calm people speak slowly and flat, happy and angry ones fast and with a large range.
    how = {"rate": int(np.clip(rng.normal(168, 28), 105, 245)), "pitch": int(rng.integers(12, 89))}
    how |= {"range_": int(rng.integers(5, 96)), "wordgap": int(rng.choice([0, 0, 0, 0, 1, 3, 8]))}
    try:
        spoken = synth.say(text, voice + ("+" + variant if variant else ""), **how)
    except EspeakEnded:  # one sentence in 20,000
        return None
    about = {"voice": variant, "language": voice, "source": "espeak-ng", "text": text}
    return _checked(rng, spoken, spoken.rate, synth.segments(spoken, voice), about, part)


def _flite_utterance(rng: np.random.Generator, part: Part) -> Utterance | None:
    voice, text = str(rng.choice(part.flite)), corpus.sentence(rng, "en", test=part.test)
    spoken = flite.say(text, voice, stretch=rng.uniform(0.75, 1.4), pitch=rng.uniform(0.8, 1.3))
    rate, segments = _at_speed(rng, spoken, flite.segments(spoken), part)
    about = {"voice": voice, "language": "en-us", "source": "flite", "text": text}
    return _checked(rng, spoken, rate, segments, about, part)


def _festival_utterances(rng: np.random.Generator, part: Part) -> Iterator[Utterance | None]:
    voice = str(rng.choice(part.festival))
    language = festival.VOICES[voice].language
    texts = [corpus.sentence(rng, language, test=part.test) for _ in range(BATCH)]
    for text, spoken in festival.say_all(texts, voice, stretch=rng.uniform(0.8, 1.35)):
        rate, segments = _at_speed(rng, spoken, festival.segments(spoken, voice), part)
        about = {"voice": voice, "language": language, "source": "festival", "text": text}
        yield _checked(rng, spoken, rate, segments, about, part)


def _negative_utterance(rng: np.random.Generator) -> Utterance:
    frames = int(FPS * rng.uniform(2.5, 6))
    pcm, kind = negative(rng, frames * STEP)
    about = {"voice": kind, "language": "", "source": "negative", "text": ""}
    return Utterance(
        log_mel(pcm), teach([], frames), np.zeros(frames, np.uint8), np.zeros(0, np.uint8), about
    )


def _moved(segment: Segment, to: Callable[[float], float]) -> Segment:
    return Segment(segment.phone, to(segment.start), to(segment.end), to(segment.shut), to(segment.release))


def _at_speed(
    rng: np.random.Generator, spoken: synth.Spoken, segments: list[Segment], part: Part
) -> tuple[int, list[Segment]]:
    """A sampling rate, and segments in its time.

    In training the tape of recorded voices runs faster or slower: longer and shorter throats, more people than voices.
    """
    rate = spoken.rate if part.test else int(round(spoken.rate * rng.uniform(0.86, 1.18) / 100)) * 100
    speed = rate / spoken.rate
    return rate, [_moved(s, lambda t: t / speed) for s in segments]


def _checked(
    rng: np.random.Generator,
    spoken: synth.Spoken,
    rate: int,
    segments: list[Segment],
    about: dict[str, str],
    part: Part,
) -> Utterance | None:
    """An utterance, or none if it is too short, too long or silent."""
    seconds = len(spoken.pcm) / rate
    if not SHORTEST < seconds < LONGEST or not segments or not np.abs(spoken.pcm).max() > 0.01:
        return None
    wander = not part.test or rng.random() < 0.5
    return between_silences(rng, resample(spoken.pcm, rate), segments, about, wander)


def between_silences(
    rng: np.random.Generator, pcm: np.ndarray, segments: list[Segment], about: dict[str, str], wander: bool
) -> Utterance:
    """Speech at 16 kHz and its sounds as one utterance.

    Args:
        rng: Chance.
        pcm: float32 ``[S]``.
        segments: Timed in it.
        about: Who says what.
        wander: Whether its loudness goes up and down.
    """
    if wander:
        pcm = pcm * _loudness_course(rng, len(pcm))
    pcm = pcm * (0.5 / max(float(np.abs(pcm).max()), 1e-4))
    before, after = _around(rng, 0.7), _around(rng, 0.9)
    late = len(before) / RATE
    pcm = np.concatenate([before, pcm, after])
    frames = len(pcm) // STEP
    pcm = pcm[: frames * STEP]
    moved = [_moved(s, lambda t: t + late) for s in segments]
    target = teach(moved, frames, _effort(pcm, frames))
    tokens = np.array([s.phone for s in segments], np.uint8)
    return Utterance(log_mel(pcm), target, labels(moved, frames), tokens, about, pcm.astype(np.float32))


def _effort(pcm: np.ndarray, frames: int) -> np.ndarray:
    """How much the mouth moves: more where it is louder than usual in its utterance. ``[M]``, 0.82 to 1.18."""
    power = np.convolve((pcm.reshape(frames, STEP) ** 2).mean(1), np.hanning(25) / 12, "same") + 1e-9
    power = power[:frames]  # np.convolve gives the longer of the two
    spoken = power > power.max() * 1e-3
    away = 10 * np.log10(power / power[spoken].mean())
    return 1.0 + 0.18 * np.tanh(away / 8.0)


def _around(rng: np.random.Generator, longest: float) -> np.ndarray:
    """Silence before or after speech; now and then another sound instead."""
    if rng.random() < 0.1:
        return negative(rng, int(RATE * rng.uniform(0.4, 1.5)))[0]
    return np.zeros(int(RATE * rng.uniform(0.1, longest)), np.float32)


def _loudness_course(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A gain that wanders by some decibels, about once a second."""
    keys = max(3, int(samples / RATE) + 2)
    decibels = np.interp(np.arange(samples), np.linspace(0, samples, keys), rng.uniform(-5, 5, keys))
    return (10 ** (decibels / 20)).astype(np.float32)
