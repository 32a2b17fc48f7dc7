"""Phones: one inventory of speech sounds by how they look and sound, and text to phones by espeak-ng.

The classes are ours, made for this project: sounds that share a mouth shape and nearly share a sound are one class, so
that an International Phonetic Alphabet symbol of any language maps to one class, or to two in a row (diphthongs,
``ts``, palatal nasals). Symbols follow the IPA chart (International Phonetic Association, 2020).

    classes, unknown = of_ipa("ˈpeɪpɚ")
    phones = phonemise("paper cup", "en")
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from ..motion.names import find_name
from .espeak import reader

PHONES: tuple[str, ...] = (
    "sil",
    "p", "b", "m", "f", "v", "w", "t", "d", "n", "th", "dh", "s", "z", "sh", "zh", "ch", "jh", "l", "r", "rr", "rh",
    "k", "g", "ng", "x", "h", "q", "j", "bv",
    "i", "ih", "e", "eh", "ae", "a", "aa", "ah", "ax", "er", "ao", "o", "uh", "u", "y", "oe", "ix",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(PHONES)}
SIL = 0
VOWELS = frozenset(range(INDEX["i"], len(PHONES)))
BILABIAL = frozenset(INDEX[n] for n in ("p", "b", "m"))

# The IPA as classes. Longer symbols are looked for first. r: approximants (English); rr: taps and trills of the tongue
# tip; rh: uvular r; x: fricatives at the back; bv: lips near each other without closing; q: glottal stop.
_SYMBOLS = {
    "p": "p", "b": "b", "m": "m", "f": "f", "v": "v", "ʋ": "v", "ɱ": "v", "w": "w", "ʍ": "w", "ɥ": "w",
    "t": "t", "ʈ": "t", "d": "d", "ɖ": "d", "n": "n", "ɳ": "n", "ɲ": "n j", "θ": "th", "ð": "dh",
    "s": "s", "z": "z", "ʃ": "sh", "ʂ": "sh", "ɕ": "sh", "ʒ": "zh", "ʐ": "zh", "ʑ": "zh",
    "tʃ": "ch", "tɕ": "ch", "tʂ": "ch", "ʈʂ": "ch", "ʧ": "ch", "dʒ": "jh", "dʑ": "jh", "dʐ": "jh", "ɖʐ": "jh",
    "ʤ": "jh", "ʦ": "t s", "ʣ": "d z", "l": "l", "ɫ": "l", "ɭ": "l", "ʎ": "l j", "ɬ": "s", "ɮ": "z",
    "ɹ": "r", "ɻ": "r", "r": "rr", "ɾ": "rr", "ɽ": "rr", "ʁ": "rh", "ʀ": "rh",
    "k": "k", "c": "k", "q": "k", "ɡ": "g", "g": "g", "ɟ": "g", "ɢ": "g", "ŋ": "ng", "ɴ": "ng",
    "x": "x", "χ": "x", "ç": "x", "ɣ": "x", "h": "h", "ɦ": "h", "ħ": "h", "ʔ": "q", "ʕ": "q",
    "j": "j", "ʝ": "j", "β": "bv", "ɸ": "bv",
    "i": "i", "ɪ": "ih", "ᵻ": "ih", "e": "e", "ɛ": "eh", "æ": "ae", "a": "a", "ɑ": "aa", "ɒ": "ao", "ʌ": "ah",
    "ɐ": "ah", "ə": "ax", "ɘ": "ax", "ɜː": "er", "ɜ": "ah", "ɝ": "er", "ɚ": "er", "ɔ": "ao", "o": "o", "ɤ": "ah",
    "ʊ": "uh", "u": "u", "ʉ": "u", "y": "y", "ʏ": "y", "ø": "oe", "œ": "oe", "ɵ": "oe", "ɞ": "oe", "ɶ": "oe",
    "ɨ": "ix", "ɯ": "ix",
}  # fmt: skip
# Rare ones, which are also reported: what they look like most.
_NEAREST = {
    "ɓ": "b", "ɗ": "d", "ʄ": "g", "ɠ": "g", "ʛ": "g", "ʙ": "b", "ʘ": "p", "ǀ": "t", "ǃ": "t", "ǂ": "t", "ǁ": "l",
    "ⱱ": "v", "ɺ": "l", "ʟ": "l", "ɧ": "sh", "ʜ": "h", "ʢ": "q", "ʡ": "q", "ɰ": "x", "ɷ": "uh", "ɩ": "ih", "ɿ": "ix",
    "ʅ": "ix", "ʮ": "y", "ʯ": "y", "ȵ": "n j", "ȡ": "jh", "ȶ": "ch", "ȴ": "l j", "ƫ": "t", "ʆ": "sh", "ʓ": "zh",
    "ɼ": "rr", "ᴀ": "a", "ᴇ": "eh", "ƥ": "p", "ƭ": "t", "ƙ": "k",
}  # fmt: skip
_TABLE = {k: tuple(INDEX[n] for n in v.split()) for k, v in (_SYMBOLS | _NEAREST).items()}
_LONGEST = max(map(len, _TABLE))
# Stress, length, tone, syllable and liaison marks and modifiers: they change neither class nor count.
_MARKS = frozenset("ˈˌ'ːˑ.|‖‿-_,;:!?¡¿\"()[]{}/\\ʰʱʲʷˠˤˀⁿˡᵊᵝʴ˞˥˦˧˨˩↗↘↑↓→ꜜꜛ*^~#0123456789")


# How espeak-ng writes single sounds that the IPA writes otherwise: everywhere, and for one language.
_ESPEAK = {
    "ts.": "tʂ", "ts.h": "tʂ", "s.": "ʂ", "z.": "ʐ", "i.": "ɨ", "ər": "ɚ", "sx": "ɧ", "ε": "ɛ", "ph": "p", "th": "t",
    "kh": "k", "tsh": "ts", "tɕh": "tɕ",
}  # fmt: skip
_STRESS = {ord("ˈ"): None, ord("ˌ"): None}
_ESPEAK_OF = {"ru": {"y": "ɨ"}}


def _is_mark(symbol: str) -> bool:
    return symbol in _MARKS or symbol.isspace() or unicodedata.combining(symbol) > 0


def of_ipa(text: str) -> tuple[list[int], list[str]]:
    """Phone classes of a string in the IPA.

    Stress, length, tone, tie bars and other diacritics are skipped.

    Args:
        text: IPA symbols; blanks and punctuation do not matter.

    Returns:
        Indices into ``PHONES``, and the symbols that the inventory does not hold, in order: each of them was taken
        for the class that looks most like it, or was left out if there is none.
    """
    # Decomposed, so that marks come loose; but the cedilla of ç is part of the letter.
    loose = unicodedata.normalize("NFD", text)
    plain = unicodedata.normalize(
        "NFC", "".join(c for c in loose if c == "\u0327" or not unicodedata.combining(c))
    )
    classes: list[int] = []
    unknown: list[str] = []
    at = 0
    while at < len(plain):
        for size in range(_LONGEST, 0, -1):
            symbol = plain[at : at + size]
            if len(symbol) == size and symbol in _TABLE:
                classes += _TABLE[symbol]
                if symbol in _NEAREST:
                    unknown.append(symbol)
                at += size
                break
        else:
            if not _is_mark(plain[at]):
                unknown.append(plain[at])
            at += 1
    return classes, unknown


def of_espeak(symbol: str, voice: str) -> tuple[list[int], list[str]]:
    """As ``of_ipa``, of one sound as espeak-ng writes it; switches of language such as ``(en)`` are no sound."""
    if symbol.startswith("("):
        return [], []
    language = voice.partition("+")[0]
    if language.startswith("cmn"):  # tones are digits, one of them written as a letter
        symbol = re.sub("[0-9]", "", symbol).removesuffix("ɜ")
    symbol = symbol.translate(_STRESS)
    symbol = _ESPEAK_OF.get(language, {}).get(symbol, symbol)
    return of_ipa(_ESPEAK.get(symbol, symbol))


# --- text -----------------------------------------------------------------------------------------------------

MAX_CHARACTERS = 50_000  # an hour of speech

# Language, its espeak-ng voice, the scripts it is written in (as Unicode names its letters) if not in Latin letters.
_CYRILLIC, _CHINESE = ("CYRILLIC",), ("CJK",)
_VOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "english": ("en-us", ()), "british": ("en-GB-x-rp", ()), "german": ("de", ()), "french": ("fr", ()),
    "spanish": ("es", ()), "italian": ("it", ()), "portuguese": ("pt", ()), "brazilian": ("pt-br", ()),
    "catalan": ("ca", ()), "romanian": ("ro", ()), "dutch": ("nl", ()), "swedish": ("sv", ()), "danish": ("da", ()),
    "norwegian": ("nb", ()), "finnish": ("fi", ()), "polish": ("pl", ()), "czech": ("cs", ()), "slovak": ("sk", ()),
    "hungarian": ("hu", ()), "croatian": ("hr", ()), "turkish": ("tr", ()), "indonesian": ("id", ()),
    "vietnamese": ("vi", ()), "swahili": ("sw", ()), "greek": ("el", ("GREEK",)), "russian": ("ru", _CYRILLIC),
    "ukrainian": ("uk", _CYRILLIC), "bulgarian": ("bg", _CYRILLIC), "hindi": ("hi", ("DEVANAGARI",)),
    "korean": ("ko", ("HANGUL",)), "japanese": ("ja", ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH")),
    # "cmn" of espeak-ng 1.51 spells Chinese in English; this voice reads characters as well as pinyin with tone digits.
    "chinese": ("cmn-Latn-pinyin", _CHINESE),
}  # fmt: skip
LANGUAGES: tuple[str, ...] = tuple(_VOICES)
_ALIASES = {voice.lower(): language for language, (voice, _) in _VOICES.items()} | {
    "en": "english", "american": "english", "en-gb": "british", "zh": "chinese", "cmn": "chinese", "zh-cn": "chinese",
    "mandarin": "chinese", "kr": "korean", "jp": "japanese", "no": "norwegian", "pt-pt": "portuguese", "fr-fr": "french",
    "de-de": "german", "es-es": "spanish", "it-it": "italian", "ko-kr": "korean", "ja-jp": "japanese",
}  # fmt: skip
_LONGEST_CLAUSE, _LONGEST_WORD = 20, 200  # words, letters
_PAUSES = frozenset(".,;:!?…。，、！？；：")


@dataclass(frozen=True)
class Word:
    """A word of a text and its phones.

    Attributes:
        text: As it is written, without punctuation around it.
        start, end: Where it stands in the text, in characters.
        first, last: Its phones are ``classes[first:last]``; none for what is not spoken.
    """

    text: str
    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Phones:
    """A text as sounds.

    Attributes:
        classes: Indices into ``PHONES``, pauses left out.
        words: In order, each with its share of ``classes``.
        unknown: Symbols of the IPA that were taken for a similar class or left out.
    """

    classes: tuple[int, ...]
    words: tuple[Word, ...]
    unknown: tuple[str, ...] = ()


def language_of(name: str) -> str:
    """The one of ``LANGUAGES`` that a name, a code or an espeak-ng voice means.

    Raises:
        TroupeError: listing the languages.
    """
    return find_name(name, LANGUAGES, "language", _ALIASES)


def voice_of(language: str) -> str:
    """The espeak-ng voice of a language.

    Raises:
        TroupeError: listing the languages.
    """
    return _VOICES[language_of(language)][0]


def phonemise(text: str, language: str = "english") -> Phones:
    """The sounds of a text, as espeak-ng reads it.

    Args:
        text: At most ``MAX_CHARACTERS`` in the script of the language; Latin letters are read everywhere.
        language: One of ``LANGUAGES``, or a code such as ``de``.

    Raises:
        TroupeError: if espeak-ng is not installed, the language is unknown, or the text is too long, silent, or in a
            script that the language's voice cannot read.
    """
    name = language_of(language)
    voice, scripts = _VOICES[name]
    if len(text) > MAX_CHARACTERS:
        raise TroupeError(
            f"The text has {len(text)} characters", f"at most {MAX_CHARACTERS} can be read", "Split it"
        )
    clauses = _clauses(text)
    _check_words([w for clause in clauses for w in clause], name, scripts)
    classes: list[int] = []
    words: list[Word] = []
    unknown: list[str] = []
    with reader(voice) as read:
        for clause in clauses:
            for (word, start), symbols in zip(clause, _read_clause(clause, read)):
                first = len(classes)
                for symbol in symbols:
                    found, odd = of_espeak(symbol, voice)
                    classes += found
                    unknown += odd
                words.append(Word(word, start, start + len(word), first, len(classes)))
    if not classes:
        raise TroupeError(
            "The text says nothing", f"nothing in {text[:40]!r} is spoken", "Write what is said in the sound"
        )
    return Phones(tuple(classes), tuple(words), tuple(unknown))


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").partition(" ")[0]


def _clauses(text: str) -> list[list[tuple[str, int]]]:
    """Words and where they start, in clauses: what lies between pauses. Chinese characters are words of their own."""
    clauses: list[list[tuple[str, int]]] = [[]]
    for match in re.finditer(r"[^\s—–]+", text):
        chunk, start = match.group(), match.start()
        pieces = re.split(r"([\u4e00-\u9fff])", chunk) if re.search(r"[\u4e00-\u9fff]", chunk) else [chunk]
        for piece in pieces:
            inner = piece.strip("".join(c for c in set(piece) if unicodedata.category(c)[0] in "PSZC"))
            if inner:
                clauses[-1].append((inner, start + piece.index(inner)))
            paused = _PAUSES & set(piece.rpartition(inner)[2] if inner else piece)
            if clauses[-1] and (paused or len(clauses[-1]) == _LONGEST_CLAUSE):
                clauses.append([])
            start += len(piece)
    return [clause for clause in clauses if clause]


def _check_words(words: list[tuple[str, int]], language: str, scripts: tuple[str, ...]) -> None:
    for word, start in words:
        if len(word) > _LONGEST_WORD:
            raise TroupeError(
                f"The word '{word[:20]}…' at character {start + 1} has {len(word)} letters",
                f"at most {_LONGEST_WORD} are read as one word",
                "Put blanks between words",
            )
        for letter in word:
            if letter.isalpha() and _script(letter) not in ("LATIN", "MODIFIER", "FULLWIDTH", *scripts):
                mine = " or ".join(s.capitalize() for s in (*scripts[:2], "LATIN"))
                raise TroupeError(
                    f"The text cannot be read as {language}",
                    f"'{word[:20]}' at character {start + 1} holds '{letter}', which is not {mine}",
                    "Choose the language of the text, or write it as it sounds"
                    + (" in Kana" if language == "japanese" else ""),
                )


def _read_clause(clause: list[tuple[str, int]], read: Callable[[str], list[str]]) -> list[list[str]]:
    """Symbols of each word.

    A clause is read as a whole, as words change in company ("the", liaison), and because espeak-ng then joins some
    ("of the") and parts others (numbers), its symbols are dealt out after the words read one by one.
    """
    together = read(" ".join(word for word, _ in clause))
    owners, alone = [], []
    for i, (word, _) in enumerate(clause):
        symbols = read(word)
        alone += symbols
        owners += [i] * len(symbols)
    dealt: list[list[str]] = [[] for _ in clause]
    for symbol, at in zip(together, _aligned(together, alone)):
        dealt[owners[at] if owners else 0].append(symbol)
    return dealt


def _aligned(symbols: list[str], others: list[str]) -> list[int]:
    """For each symbol the place of its counterpart, by the least number of changes; never going back."""
    n = len(others)
    costs = np.zeros((len(symbols) + 1, n + 1), np.int32)
    costs[0], costs[:, 0] = np.arange(n + 1), np.arange(len(symbols) + 1)
    plain = [s.translate(_STRESS) for s in others]
    for i, symbol in enumerate(symbols):
        differs = [symbol.translate(_STRESS) != other for other in plain]
        for j in range(n):
            costs[i + 1, j + 1] = min(costs[i, j] + differs[j], costs[i, j + 1] + 1, costs[i + 1, j] + 1)
    places, i, j = [0] * len(symbols), len(symbols), n
    while i > 0:
        differs = j > 0 and symbols[i - 1].translate(_STRESS) != plain[j - 1]
        if j > 0 and costs[i, j] == costs[i - 1, j - 1] + differs:
            i, j = i - 1, j - 1
            places[i] = j
        elif j > 0 and costs[i, j] == costs[i, j - 1] + 1:
            j -= 1
        else:
            i -= 1
            places[i] = max(j - 1, 0)
    return places
