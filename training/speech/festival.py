"""More voices made of recordings of real people, in six languages, with timed phones from Debian's festival.

Used where ``festival`` and the voices' packages are installed: ``festvox-kdlpc16k festvox-italp16k festvox-itapc16k
festvox-ca-ona-hts festvox-czech-dita festvox-czech-krb festvox-czech-machac festvox-czech-ph festvox-ru
festvox-suopuhe-lj festvox-suopuhe-mv`` (each under its own free licence, of Debian main).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unicodedata
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .flite import CLASSES as _ENGLISH
from .flite import timed
from .synth import Spoken
from .teacher import Segment

VOICES_FOLDER = Path("/usr/share/festival/voices")
_SAME = {n: n for n in "p b m f v t d n s z l k g h j w a e i o u y".split()} | {"r": "rr"}
_ITALIAN = _SAME | {
    "E": "eh", "O": "ao", "tS": "ch", "dZ": "jh", "ts": "t s", "dz": "d z", "S": "sh", "J": "n j", "L": "l j", "N": "ng",
    "ng": "ng", "nf": "v",
}  # fmt: skip
_CATALAN = _ITALIAN | {
    "ax": "ax", "Z": "zh", "B": "bv", "D": "dh", "G": "x", "rr": "rr", "y": "j", "uw": "w", "iw": "j",
    "Zh": "zh", "Sh": "sh", "ch": "ch", "ny": "n j", "ll": "l j", "J": "n j", "nn": "n", "mm": "m", "x": "sh",
}  # fmt: skip
_CZECH = _SAME | {
    "c": "t s", "c~": "ch", "ch": "x", "d~": "d j", "dz": "d z", "dz~": "jh", "n*": "ng", "n~": "n j", "r~": "rr zh",
    "r~*": "rr sh", "s~": "sh", "t~": "t j", "z~": "zh", "e": "eh",
}  # fmt: skip
_FINNISH = _SAME | {
    "@": "ae",
    "7": "oe",
    "&": "a",
    "T": "th",
    "D": "dh",
    "S": "sh",
    "Z": "zh",
    "N": "ng",
    "L": "l",
}
_RUSSIAN = {n + n: c for n, c in _SAME.items() if n in "pbmfvtdnszlkgr"} | _SAME | {
    "ii": "i", "yy": "ix", "uu": "u", "ee": "eh", "oo": "ao", "aa": "a", "a": "ah", "i": "ih", "y": "ix", "u": "uh",
    "ae": "ah", "ay": "ax", "ur": "ax", "c": "t s", "ch": "ch", "sh": "sh", "sch": "sh", "zh": "zh", "h": "x", "hh": "x",
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """A voice of festival.

    Attributes:
        folder: Where it lies.
        language, encoding: What it reads.
        classes: Its phones as ours.
        release_of_p, late: See ``flite.timed``. Measured on the waveforms (median of 20 to 70 each): where p is not
            aspirated it is silent until 5 ms before its end; the Russian voice runs 20 ms ahead of its labels.
    """

    folder: str
    language: str
    encoding: str
    classes: dict[str, str]
    release_of_p: float = 0.93
    late: float = 0.0


VOICES = {
    "ked_diphone": Voice("english/ked_diphone", "en", "ascii", _ENGLISH, 0.66),
    "lp_diphone": Voice("italian/lp_diphone", "it", "latin-1", _ITALIAN),
    "pc_diphone": Voice("italian/pc_diphone", "it", "latin-1", _ITALIAN),
    "upc_ca_ona_hts": Voice("catalan/upc_ca_ona_hts", "ca", "ascii", _CATALAN),
    "czech_dita": Voice("czech/czech_dita", "cs", "iso-8859-2", _CZECH),
    "czech_krb": Voice("czech/czech_krb", "cs", "iso-8859-2", _CZECH),
    "czech_machac": Voice("czech/czech_machac", "cs", "iso-8859-2", _CZECH),
    "czech_ph": Voice("czech/czech_ph", "cs", "iso-8859-2", _CZECH),
    "msu_ru_nsh_clunits": Voice("russian/msu_ru_nsh_clunits", "ru", "utf-8", _RUSSIAN, late=0.02),
    "suo_fi_lj_diphone": Voice("finnish/suo_fi_lj_diphone", "fi", "latin-1", _FINNISH),
    "hy_fi_mv_diphone": Voice("finnish/hy_fi_mv_diphone", "fi", "latin-1", _FINNISH),
}
HELD_OUT_VOICE = "czech_ph"

_SCRIPT = """(voice_{voice})
(Parameter.set 'Duration_Stretch {stretch:.3f})
"""
_SENTENCE = """(set! u (utt.synth (Utterance Text "{text}")))
(utt.save.wave u "{path}" 'riff)
(format t "=")
(mapcar (lambda (s) (format t " %s|%f" (item.name s) (item.feat s "end"))) (utt.relation.items u 'Segment))
(format t "\\n")
"""


def installed() -> tuple[str, ...]:
    """Voices that can be used here."""
    if not shutil.which("festival"):
        return ()
    return tuple(name for name, voice in VOICES.items() if (VOICES_FOLDER / voice.folder).is_dir())


def _readable(text: str, encoding: str) -> str:
    """Text in the letters that an encoding has, without what ends a string of Scheme."""
    text = re.sub(r'["\\]', "", text)
    if encoding == "ascii":
        text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return text.encode(encoding, "ignore").decode(encoding)


def say_all(texts: Sequence[str], voice: str, *, stretch: float = 1.0) -> list[tuple[str, Spoken]]:
    """What was asked for and what was said; events are the starts of festival's phones.

    Args:
        texts: In the voice's language.
        voice: One of ``installed()``.
        stretch: How much slower than usual.
    """
    kind = VOICES[voice]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(len(texts))]
        script = _SCRIPT.format(voice=voice, stretch=stretch)
        for text, path in zip(texts, paths):
            script += _SENTENCE.format(text=_readable(text, kind.encoding), path=path)
        file = Path(folder) / "say.scm"
        file.write_bytes(script.encode(kind.encoding))
        done = subprocess.run(["festival", "-b", str(file)], capture_output=True, timeout=600)
        lines = [line for line in done.stdout.decode("latin-1").splitlines() if line.startswith("=")]
        said = zip(texts, paths, lines)  # festival stops at what it cannot say
        return [(text, _spoken(path, line)) for text, path, line in said if path.is_file()]


def _spoken(path: Path, line: str) -> Spoken:
    with wave.open(str(path)) as sound:
        rate = sound.getframerate()
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float32) / 32768
    events, start = [], 0.0
    for item in line.split()[1:]:
        name, _, end = item.rpartition("|")
        events.append((start, "" if name in ("pau", "#", "##", "_", "h#", "brth") else name))
        start = float(end)
    return Spoken(pcm, rate, (*events, (start, "")))


def segments(spoken: Spoken, voice: str) -> list[Segment]:
    """The sounds of ``say_all`` with a begin, an end, and their contact."""
    table = VOICES[voice].classes

    def classes(name: str) -> str:
        for plain in (name, name.rstrip(":"), name.rstrip("0123456789"), name.rstrip("0123456789").lower()):
            if plain in table:
                return table[plain]
        raise KeyError(f"{voice} has a phone '{name}' that is not in its table")

    return timed(spoken, classes, VOICES[voice].release_of_p, VOICES[voice].late)
