"""Phones: one inventory of speech sounds by how they look and sound, and text to phones by espeak-ng.

The classes are ours, made for this project: sounds that share a mouth shape and nearly share a sound are one class, so
that an International Phonetic Alphabet symbol of any language maps to one class, or to two in a row (diphthongs,
``ts``, palatal nasals). Symbols follow the IPA chart (International Phonetic Association, 2020).

    classes, unknown = of_ipa("ˈpeɪpɚ")
    phones = phonemise("paper cup", "en")
"""

from __future__ import annotations

import unicodedata

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


def of_espeak(symbol: str, voice: str) -> list[int]:
    """Phone classes of one sound as espeak-ng writes it; none for marks and switches of language such as ``(en)``."""
    if symbol.startswith("("):
        return []
    symbol = _ESPEAK_OF.get(voice.partition("+")[0], {}).get(symbol, symbol)
    return of_ipa(_ESPEAK.get(symbol, symbol))[0]
