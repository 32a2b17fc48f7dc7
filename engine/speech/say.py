"""A text spoken by espeak-ng, with the time of every word: for tests, demos, and where no recording is at hand.

    spoken = say(parse_script("[happy 0.7] So glad you came! [/happy] [pause 0.5] Sit down."), "english")

The voice is a machine's. Its times need no listening: they are espeak-ng's own, exact to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from .align import AlignedWord, Alignment
from .espeak import synthesise
from .phones import Word, phonemise, voice_of
from .script import Script

MAX_SECONDS = 1800.0
RATES, LEVELS = (80, 450), (0, 99)  # words a minute; pitch and range


@dataclass(frozen=True, eq=False)
class SpokenText:
    """Sound and its words.

    Attributes:
        samples: float32 ``[S]``, -1 to 1.
        rate: Samples a second (22050).
        alignment: When each word of the text is said.
    """

    samples: np.ndarray
    rate: int
    alignment: Alignment


def say(
    script: Script,
    language: str = "english",
    *,
    variant: str = "",
    rate: int = 170,
    pitch: int = 50,
    range_: int = 50,
) -> SpokenText:
    """Speak a script; its pauses are silence, its emotions are left to the face.

    Args:
        script: See ``script.parse_script``; for plain text ``Script(text)`` will do.
        language: One of ``phones.LANGUAGES``, or a code such as ``de``.
        variant: Of the voice, one of espeak-ng's, such as ``f2`` or ``m5``.
        rate: Words a minute, 80 to 450.
        pitch, range_: Of the voice and of its melody, 0 to 99; 50 is usual.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the variant, the language or its script is unknown, a
            value is out of range, or it would last longer than half an hour.
    """
    for name, value, (low, high) in (
        ("rate", rate, RATES),
        ("pitch", pitch, LEVELS),
        ("range", range_, LEVELS),
    ):
        if not low <= value <= high:
            raise TroupeError(
                f"The voice's {name} {value} is out of range",
                f"it must lie in {low} to {high}",
                "Use the usual one",
            )
    words = phonemise(script.text, language).words
    if len(words) / rate * 60 > MAX_SECONDS:
        raise TroupeError(
            "The script is too long to be spoken",
            f"{len(words)} words at {rate} a minute last over {MAX_SECONDS:g} s",
            "Say it in parts",
        )
    voice = voice_of(language) + (f"+{variant}" if variant else "")
    edges = [0, *(p.at for p in script.pauses), len(script.text)]
    pieces: list[np.ndarray] = []
    found: list[AlignedWord] = []
    length, per_second = 0, 22050
    for n, (begin, end) in enumerate(zip(edges, edges[1:])):
        part = script.text[begin:end]
        spoken = synthesise(part, voice, rate=rate, pitch=pitch, range_=range_)
        per_second = spoken.rate
        inside = [w for w in words if begin <= w.start < end]
        found += _timed(
            inside, begin, spoken.words, spoken.events, length / per_second, len(spoken.pcm) / per_second
        )
        silence = round(script.pauses[n].seconds * per_second) if n < len(script.pauses) else 0
        pieces += [spoken.pcm if inside else spoken.pcm[:0], np.zeros(silence, np.float32)]
        length += sum(map(len, pieces[-2:]))
    samples = np.concatenate(pieces)
    return SpokenText(samples, per_second, Alignment(tuple(found), (), length / per_second, "espeak-ng"))


def _timed(
    words: list[Word],
    begin: int,
    starts: tuple[tuple[float, int], ...],
    events: tuple[tuple[float, str], ...],
    offset: float,
    seconds: float,
) -> list[AlignedWord]:
    """The words of a piece of text that begins at a character and at ``offset`` seconds.

    espeak-ng gives some words ("of the") one start: these share its time by their letters.
    """
    quiet = [t for t, symbol in events if symbol == ""]
    sounds = [t for t, symbol in events if symbol not in ("", "#")]
    known = {}
    for time, character in starts:
        at = next((n for n, w in enumerate(words) if w.start <= character + begin < w.end), None)
        if at is not None:
            known.setdefault(at, time)
    known.setdefault(0, 0.0)
    order = sorted(known)
    found = []
    for n, following in zip(order, [*order[1:], len(words)]):
        start = known[n]
        until = known[following] if following < len(words) else seconds
        last = max((t for t in sounds if start <= t < until), default=start)
        end = min((t for t in quiet if last < t < until), default=until)
        letters = np.cumsum([0, *(len(w.text) for w in words[n:following])])
        moments = offset + start + (end - start) * letters / max(letters[-1], 1)
        for word, a, b in zip(words[n:following], moments.tolist(), moments[1:].tolist()):
            found.append(AlignedWord(word.text, word.start, word.end, a, b, 1.0))
    return found
