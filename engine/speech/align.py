"""When each word of a text is said in a recording.

    alignment = align("speech.wav's samples", 16000, "So glad you came!", "english")
    for word in alignment.words: print(word.text, word.start, word.end, word.confidence)

The pack's own speech network names the sounds, espeak-ng turns the text into sounds (other languages than English are
aligned the same way), and a Viterbi path through both (``trellis``) says what is where. Who has a wav2vec2 with letters
(``wav2vec2-base-960h``, English) may use that instead. Where text and recording differ, the words that are not said and the
sound that is not in the text are named with their places; nothing is forced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .channels import CHANNEL_FPS
from .features import RATE
from .phones import SIL, phonemise
from .trellis import Trellis

UNCLEAR = 0.2  # confidence below which a word is named
SHORTEST_FOREIGN, BRIDGED = (
    0.25,
    0.1,
)  # seconds of other sound that are named, and quiet within it that is not told apart
_PIECE = 10 * RATE
MAX_CELLS = 1_500_000_000  # frames times sounds of the text: about 20 minutes of speech


class TextWord(Protocol):
    """A word of a text: how it is written, and where it stands in the text, in characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class AlignedWord:
    """A word and when it is said.

    Attributes:
        text: As written.
        character, character_end: Where it stands in the text.
        start, end: Seconds; the same moment, between its neighbours, for a word that is not said.
        confidence: How sure the network is of its sounds, 0 to 1; 0 for a word that is not said.
    """

    text: str
    character: int
    character_end: int
    start: float
    end: float
    confidence: float

    @property
    def said(self) -> bool:
        return self.confidence > 0


@dataclass(frozen=True)
class Mismatch:
    """Where text and recording differ.

    Attributes:
        kind: ``not said``, ``not in the text`` or ``unclear``.
        start, end: Seconds.
        text: The words, if there are any.
        character: Where they stand in the text, or where the next word does.
    """

    kind: str
    start: float
    end: float
    text: str
    character: int

    def __str__(self) -> str:
        if self.kind == "not in the text":
            return f"From {self.start:.2f} to {self.end:.2f} s something is said that is not in the text."
        where = (
            f"at {self.start:.2f} s"
            if self.kind == "not said"
            else f"from {self.start:.2f} to {self.end:.2f} s"
        )
        words = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        return f"'{words}' (character {self.character + 1} of the text) is {self.kind} {where}."


@dataclass(frozen=True)
class Alignment:
    """A text in time.

    Attributes:
        words: In the order of the text.
        mismatches: Where it does not fit, in order of time.
        seconds: Length of the recording.
        source: Who listened: ``speech network``, ``wav2vec2`` or ``espeak-ng``.
    """

    words: tuple[AlignedWord, ...]
    mismatches: tuple[Mismatch, ...]
    seconds: float
    source: str

    @property
    def share_said(self) -> float:
        """Share of the words that are said, unclear ones not counted, 0 to 1."""
        return sum(w.confidence >= UNCLEAR for w in self.words) / len(self.words)

    @property
    def sureness(self) -> float:
        """Mean confidence of the words, each as heavy as it is long, 0 to 1. What tells a text apart from another one:
        single words are found in any sound."""
        letters = [w.character_end - w.character for w in self.words]
        return sum(n * w.confidence for n, w in zip(letters, self.words)) / sum(letters)

    def begins(self, character: int) -> float | None:
        """When the first said word at or after a character begins; ``None`` after the last."""
        return next((w.start for w in self.words if w.said and w.character_end > character), None)

    def ended(self, character: int) -> float | None:
        """When the last said word before a character ends; ``None`` before the first."""
        return next((w.end for w in reversed(self.words) if w.said and w.character < character), None)


def align(
    samples: np.ndarray,
    rate: int,
    text: str,
    language: str = "english",
    wav2vec2: str | Path | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Find a text in a recording.

    Args:
        samples: ``[S]`` or ``[channels, S]``, see ``animate.listened``.
        rate: Samples a second, 4000 to 192000.
        text: What is said, in the script of its language.
        language: One of ``phones.LANGUAGES``, or a code such as ``de``.
        wav2vec2: File or folder of a wav2vec2 with a head for letters, to listen instead of the pack's own network;
            needs PyTorch and transformers.
        progress: Called now and then.

    Raises:
        TroupeError: if espeak-ng or the weights are missing, the language or its script is unknown, the text says
            nothing, or recording and text are too long.
    """
    if wav2vec2 is not None:
        from .align_letters import align_letters

        return align_letters(samples, rate, text, wav2vec2, progress)
    from .animate import listened

    phones = phonemise(text, language)
    heard = heard_phones(listened(samples, rate)[0], progress)
    seconds = np.shape(samples)[-1] / rate
    return align_phones(heard, phones.classes, phones.words, seconds, progress)


def heard_phones(sound: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """What the pack's own network hears, float ``[M, phones]`` log-probabilities for ``align_phones``.

    Args:
        sound: ``[S]`` at 16 kHz, see ``animate.listened``.
        progress: Called for every ten seconds of sound.

    Raises:
        TroupeError: if the weights are missing.
    """
    from .stream import SpeechStream

    stream = SpeechStream(setting="quality")
    pieces = range(0, len(sound), _PIECE)
    rows = []
    for i, at in enumerate(pieces, 1):
        rows.append(stream.push(sound[at : at + _PIECE]))
        report(progress, i, len(pieces))
    return np.concatenate([r.phones for r in (*rows, stream.flush())])


def align_phones(
    log_probs: np.ndarray,
    classes: Sequence[int],
    words: Sequence,
    seconds: float,
    progress: Progress | None = None,
) -> Alignment:
    """Find phones in what the speech network heard.

    Args:
        log_probs: float ``[M, phones]``; row m is at ``m / 50`` seconds.
        classes: Phones of the text.
        words: ``phones.Word``s: text and characters, and which of ``classes`` are theirs.
        seconds: Length of the recording.
        progress: Called now and then.

    Raises:
        TroupeError: if there is too much of both.
    """
    spoken = [w for w in words if w.last > w.first]
    owners = np.repeat(np.arange(len(spoken)), [w.last - w.first for w in spoken])
    tokens = np.concatenate([np.asarray(classes[w.first : w.last], np.int64) for w in spoken])
    trellis = Trellis(tokens, owners, np.zeros(len(tokens), bool), (SIL,))
    # A row says what is heard at its moment, so it stands for the 20 ms around that.
    return aligned(log_probs, trellis, spoken, 1 / CHANNEL_FPS, -0.5, seconds, "speech network", progress)


def aligned(
    log_probs: np.ndarray,
    trellis: Trellis,
    words: Sequence[TextWord],
    step: float,
    offset: float,
    seconds: float,
    source: str,
    progress: Progress | None = None,
) -> Alignment:
    """The best path, told in words.

    Args:
        log_probs: float ``[M, C]``.
        trellis: The text, of as many words as ``words``.
        step, offset: Frame m begins at ``(m + offset) * step`` seconds.
        seconds, source: For the ``Alignment``.
        progress: Called now and then.

    Raises:
        TroupeError: if there are too many frames and tokens, or none.
    """
    if not len(log_probs) or len(log_probs) * len(trellis.tokens) > MAX_CELLS:
        raise TroupeError(
            "The text cannot be found in the sound",
            f"the sound lasts {seconds:.2f} s, the text has {len(words)} words"
            + (": together that is too much" if len(log_probs) else ""),
            "Align it in parts of ten minutes" if len(log_probs) else "Use a longer recording",
        )
    path = trellis.best_path(log_probs, progress)
    sure = log_probs[np.arange(len(path)), trellis.tokens[np.maximum(path, 0)]] - log_probs.max(1)

    def moment(frame: int) -> float:
        return float(np.clip((frame + offset) * step, 0.0, seconds))

    found, end = [], 0.0
    for n, word in enumerate(words):
        at = np.flatnonzero((path >= trellis.first[n]) & (path <= trellis.last[n]))
        start, end = (moment(at[0]), moment(at[-1] + 1)) if len(at) else (end, end)
        confidence = max(float(np.exp(sure[at].mean())), 1e-6) if len(at) else 0.0
        found.append(AlignedWord(word.text, word.start, word.end, start, end, confidence))
    foreign = (path < 0) & trellis.gap_scores(log_probs)[1]
    return Alignment(
        tuple(found), tuple(_mismatches(found, _runs(foreign, path, step), path, moment)), seconds, source
    )


def _runs(foreign: np.ndarray, path: np.ndarray, step: float) -> list[tuple[int, int]]:
    """Begins and ends of stretches of frames that are long enough to be named."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], foreign.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        near = runs and (begin - runs[-1][1]) * step <= BRIDGED
        if near and (path[runs[-1][1] : begin] < 0).all():
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((begin, end))
    return [run for run in runs if (run[1] - run[0]) * step >= SHORTEST_FOREIGN]


def _mismatches(
    words: list[AlignedWord], runs: list[tuple[int, int]], path: np.ndarray, moment
) -> list[Mismatch]:
    found = []
    for n, word in enumerate(words):
        if word.said and word.confidence < UNCLEAR:
            found.append(Mismatch("unclear", word.start, word.end, word.text, word.character))
        elif not word.said and (n == 0 or words[n - 1].said):
            missing = [word]
            for other in words[n + 1 :]:
                if other.said:
                    break
                missing.append(other)
            text = " ".join(w.text for w in missing)
            found.append(Mismatch("not said", word.start, word.end, text, word.character))
    for begin, end in runs:
        following = int(-1 - path[begin])  # the gap before this word
        character = words[following].character if following < len(words) else words[-1].character_end
        found.append(Mismatch("not in the text", moment(begin), moment(end), "", character))
    return sorted(found, key=lambda m: (m.start, m.end))
