"""espeak-ng's library in this process: loaded once, one voice at a time.

espeak-ng (GPL-3.0) is no part of this pack; it is used where the user has it, and the sound it makes is the user's.
Phone events come from its old ``espeak_Initialize`` alone: the ``_ng`` calls cannot switch them on.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import TroupeError

_LIBRARIES = (
    "libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.dylib", "/opt/homebrew/lib/libespeak-ng.dylib",
    "/usr/local/lib/libespeak-ng.dylib", "libespeak-ng.dll", r"C:\Program Files\eSpeak NG\libespeak-ng.dll",
)  # fmt: skip
_SYNCHRONOUS, _DONT_EXIT, _PHONE_EVENTS, _AS_IPA, _UTF8 = 2, 0x8000, 1, 2, 1
_RATE, _PITCH, _RANGE, _WORDGAP = 1, 3, 4, 7
_END_OF_LIST, _WORD, _PHONE = 0, 1, 7
_IPA_PARTED = 0x02 | (ord("_") << 8)
_LOCK = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """The library, initialised, and its samples per second; ``espeakng_loader`` brings one where the system has none."""
    candidates: list[tuple[str, str | None]] = [(name, None) for name in _LIBRARIES]
    try:
        import espeakng_loader

        candidates.append((espeakng_loader.get_library_path(), espeakng_loader.get_data_path()))
    except ImportError:
        pass
    for name, data in candidates:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        options = _DONT_EXIT | _PHONE_EVENTS | _AS_IPA
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode() if data else None, options)
        if rate > 0:
            library.espeak_TextToPhonemes.restype = ctypes.c_char_p
            library.espeak_TextToPhonemes.argtypes = [
                ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int,
            ]  # fmt: skip
            return library, rate
    raise TroupeError(
        "The text cannot be turned into sounds",
        "espeak-ng is not installed",
        "Install it (Debian: apt install libespeak-ng1; macOS: brew install espeak-ng; Windows: its installer; or "
        "pip install espeakng-loader), or leave the text out",
    )


@cache
def _variants() -> frozenset[str]:
    """What may stand behind the plus of a voice."""
    library, data = _library()[0], ctypes.c_char_p()
    library.espeak_Info.restype = ctypes.c_char_p
    library.espeak_Info(ctypes.byref(data))
    folder = Path((data.value or b"").decode()) / "voices" / "!v"
    return frozenset(p.name for p in folder.iterdir()) if folder.is_dir() else frozenset()


def installed() -> bool:
    """Whether there is an espeak-ng to use."""
    try:
        with _LOCK:
            return bool(_library())
    except TroupeError:
        return False


@contextmanager
def espeak(voice: str) -> Iterator[ctypes.CDLL]:
    """The library with a voice chosen; other threads wait.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the voice.
    """
    with _LOCK:
        library, _ = _library()
        known = "+" not in voice or voice.partition("+")[2] in _variants()  # of others it takes no notice
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise TroupeError(
                f"espeak-ng cannot speak in the voice '{voice}'",
                "this installation does not have it",
                "Choose another voice, or install espeak-ng's data",
            )
        yield library


@contextmanager
def reader(voice: str) -> Iterator[Callable[[str], list[str]]]:
    """A function that reads a clause as the symbols of its sounds, in the IPA as espeak-ng writes it.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the voice.
    """
    with espeak(voice) as library:

        def read(clause: str) -> list[str]:
            rest, spoken = ctypes.c_char_p(clause.encode("utf-8")), []
            while rest:
                spoken.append(library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA_PARTED).decode())
            return [s for s in " ".join(spoken).replace("_", " ").split() if not s.startswith("(")]

        yield read


@dataclass(frozen=True, eq=False)
class Spoken:
    """A synthesised utterance.

    Attributes:
        pcm: float32 ``[S]`` at ``rate``, -1 to 1.
        rate: Samples a second.
        events: (seconds, IPA symbol) in order, exact to the sample; a pause is "", a new word is "#".
        words: (seconds, character of the text, from 0) of every new word; espeak-ng joins some words to the one before.
    """

    pcm: np.ndarray
    rate: int
    events: tuple[tuple[float, str], ...]
    words: tuple[tuple[float, int], ...] = ()


def synthesise(
    text: str, voice: str, *, rate: int = 170, pitch: int = 50, range_: int = 50, wordgap: int = 0
) -> Spoken:
    """Speak a text, and say what is heard when.

    The event of a voiceless stop is its release (the audible burst follows 4 to 8 ms later); its closure of 32 to
    49 ms lies before that, in the tail of the interval before. Everything else begins at its event.

    Args:
        text: What to say.
        voice: A voice of espeak-ng, such as ``en-us`` or ``en-us+f2``.
        rate: Words a minute.
        pitch, range_: Of the voice and of its melody, 0 to 99; 50 is usual.
        wordgap: Pause between words in 10 ms.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the voice.
    """
    pieces: list[np.ndarray] = []
    events: list[tuple[float, str]] = []
    words: list[tuple[float, int]] = []
    with espeak(voice) as library:
        per_second = _library()[1]

        def heard(pcm, count, event) -> int:
            if pcm and count > 0:
                pieces.append(np.ctypeslib.as_array(pcm, (count,)).astype(np.float32))
            i = 0
            while event[i].type != _END_OF_LIST:
                seconds = event[i].sample / per_second
                if event[i].type == _PHONE:
                    events.append((seconds, event[i].id.string.decode("utf-8", "ignore")))
                elif event[i].type == _WORD:
                    events.append((seconds, "#"))
                    words.append((seconds, event[i].text_position - 1))
                i += 1
            return 0

        callback = _Heard(heard)
        library.espeak_SetSynthCallback(callback)
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, range_), (_WORDGAP, wordgap)):
            library.espeak_SetParameter(parameter, int(value), 0)
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        library.espeak_SetSynthCallback(_Heard())
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Spoken(pcm / 32768, per_second, tuple(events), tuple(words))
