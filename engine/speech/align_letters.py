"""Alignment by a wav2vec2 that writes letters (CTC, Graves et al. 2006), such as ``wav2vec2-base-960h``.

The file is the one FantasyTalking listens with, where it still has its head (``lm_head``). Letters are those of
``vocab.json`` beside it, else those of ``wav2vec2-base-960h``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checkpoint import load_checkpoint
from ..errors import TroupeError
from ..progress import Progress
from .align import Alignment, aligned
from .trellis import Trellis
from .wav2vec import FIELD, HOP, RATE, encode_speech, load_wav2vec2

# The model card's vocabulary, in order: blank, begin, end, unknown, the gap between words, letters by frequency.
LETTERS_960H = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
BLANK, BETWEEN = "<pad>", "|"


@dataclass(frozen=True)
class LetterWord:
    """A word of a text and its letters as the network knows them."""

    text: str
    start: int
    end: int
    letters: tuple[int, ...]


def align_letters(
    samples: np.ndarray, rate: int, text: str, path: str | Path, progress: Progress | None = None
) -> Alignment:
    """Find a text in a recording by its letters.

    Args:
        samples: float ``[S]`` or ``[channels, S]``, full scale 1.
        rate: Samples a second.
        text: What is said; numbers written out, as only letters are heard.
        path: File or folder of the network.
        progress: Called now and then.

    Raises:
        TroupeError: if the network cannot be loaded or has no head, or the text has none of its letters.
    """
    vocabulary, weight, bias = load_head(path)
    words = letter_words(text, vocabulary)
    embeds = encode_speech(samples, rate, load_wav2vec2(path))
    if embeds.width != weight.shape[1]:
        raise _headless(path, f"its head reads {weight.shape[1]} values, the network gives {embeds.width}")
    scores = embeds.last @ weight.T + bias
    log_probs = scores - np.logaddexp.reduce(scores, 1, keepdims=True)
    # Frame t hears the samples from t * HOP on; what it says is in their middle.
    offset = (FIELD - HOP) / (2 * HOP)
    trellis = letter_trellis(words, vocabulary)
    return aligned(log_probs, trellis, words, HOP / RATE, offset, embeds.duration, "wav2vec2", progress)


def letter_trellis(words: Sequence[LetterWord], vocabulary: Mapping[str, int]) -> Trellis:
    """Words as letters with optional blanks between."""
    tokens, owners, optional = [], [], []
    for n, word in enumerate(words):
        for letter in word.letters:
            if owners and owners[-1] == n:
                tokens.append(vocabulary[BLANK])
                owners.append(n)
                optional.append(True)
            tokens.append(letter)
            owners.append(n)
            optional.append(False)
    # What begins or ends a sentence, or is unknown, is no sound.
    quiet = tuple(i for name, i in vocabulary.items() if name == BETWEEN or len(name) > 1)
    return Trellis(np.array(tokens), np.array(owners), np.array(optional), quiet)


def letter_words(text: str, vocabulary: Mapping[str, int]) -> list[LetterWord]:
    """The words of a text that have letters the network knows, accents left out where it knows none.

    Raises:
        TroupeError: if there are none.
    """
    words = []
    for match in re.finditer(r"\S+", text):
        letters = []
        for letter in match.group().replace("’", "'"):
            plain = unicodedata.normalize("NFD", letter)[0]
            ways = (w for c in (letter, plain) for w in (c, c.upper(), c.lower()))
            letters += [vocabulary[w] for w in ways if w in vocabulary][:1]
        if letters:
            words.append(LetterWord(match.group(), match.start(), match.end(), tuple(letters)))
    if not words:
        known = "".join(sorted(name for name in vocabulary if len(name) == 1 and name != BETWEEN))
        raise TroupeError(
            "The text cannot be found by its letters",
            f"none of them is one that the network writes ({known[:60]})",
            "Leave wav2vec2 out, or use one for the language of the text",
        )
    return words


def load_head(path: str | Path) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Vocabulary, and the head's weight float32 ``[V, D]`` and bias ``[V]``.

    Raises:
        TroupeError: if there is no head, or the vocabulary is not its.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        files = [path / name for name in ("model.safetensors", "pytorch_model.bin")]
        path = next((p for p in files if p.is_file()), files[0])
    tensors = load_checkpoint(path)
    if "lm_head.weight" not in tensors or "lm_head.bias" not in tensors:
        raise _headless(path, "it has no lm_head")
    weight, bias = (tensors["lm_head." + name].float().numpy() for name in ("weight", "bias"))
    vocabulary = _vocabulary(folder / "vocab.json") or {name: i for i, name in enumerate(LETTERS_960H)}
    right = BLANK in vocabulary and sorted(vocabulary.values()) == list(range(len(weight)))
    if not right or weight.shape != (len(bias), weight.shape[-1]):
        raise _headless(path, f"its head writes {len(bias)} letters, the vocabulary has {len(vocabulary)}")
    return vocabulary, weight, bias


def _vocabulary(path: Path) -> dict[str, int] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise TroupeError("The file 'vocab.json' cannot be read", str(e), "Download it again") from None
    if not isinstance(found, dict) or not all(isinstance(i, int) for i in found.values()):
        raise TroupeError(
            "The file 'vocab.json' is no vocabulary", "it must say {letter: number}", "Download it again"
        )
    return found


def _headless(path: str | Path, why: str) -> TroupeError:
    return TroupeError(
        f"'{Path(path).name}' cannot write letters", why, "Use wav2vec2-base-960h as it was published"
    )
