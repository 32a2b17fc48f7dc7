"""espeak-ng: text to sounds and to speech, one voice at a time.

espeak-ng (GPL-3.0) is no part of this pack; it is used where the user has it, and the sound it makes is the user's.
Its library runs in a process of its own (``espeak_child``), as it dies of some words in some voices (version 1.51: one
sentence in 20,000): then that text is refused, and the next one gets a new process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import TroupeError

_LIBRARIES = (
    "libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.dylib", "/opt/homebrew/lib/libespeak-ng.dylib",
    "/usr/local/lib/libespeak-ng.dylib", "libespeak-ng.dll", r"C:\Program Files\eSpeak NG\libespeak-ng.dll",
)  # fmt: skip
_PATIENCE = 120.0  # seconds for one answer; half an hour of speech takes 20
_CHILD = Path(__file__).with_name("espeak_child.py")
_LOCK = threading.Lock()
_SHOWN = 60  # characters of a text in messages


class EspeakEnded(TroupeError):
    """espeak-ng died of a text, or did not come to an end."""


def _candidates() -> list[tuple[str, str | None]]:
    """Libraries to try; ``espeakng_loader`` brings one where the system has none."""
    candidates: list[tuple[str, str | None]] = [(name, None) for name in _LIBRARIES]
    try:
        import espeakng_loader

        candidates.append((espeakng_loader.get_library_path(), espeakng_loader.get_data_path()))
    except ImportError:
        pass
    return candidates


class _Process:
    """espeak-ng, started.

    Attributes:
        rate: Samples a second; 0 if it is not installed.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", str(_CHILD), json.dumps(_candidates())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would show one
        )
        self._owner = os.getpid()
        self.rate = int(self._answer("")[0])

    @property
    def alive(self) -> bool:
        """Whether this process (not one that it was forked from) may ask."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, about: str, *request: object) -> tuple:
        """The answer to a request, and the sound that follows it.

        Raises:
            EspeakEnded: naming the text it is ``about``.
        """
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended(about) from None
        return self._answer(about, request[0] == "say")

    def _answer(self, about: str, sound: bool = False) -> tuple:
        watch = threading.Timer(_PATIENCE, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline()
            if not line.endswith(b"\n"):
                raise self._ended(about)
            answer = json.loads(line)
            data = self._process.stdout.read(answer[0]) if sound else b""
        finally:
            watch.cancel()
        if sound and len(data) < answer[0]:
            raise self._ended(about)
        return answer, data

    def _ended(self, about: str) -> EspeakEnded:
        shown = about if len(about) <= _SHOWN else about[:_SHOWN] + "…"
        code = self.stop()
        return EspeakEnded(
            f"espeak-ng broke down on '{shown}'",
            f"its process ended with {code}",
            "Write those words otherwise, or use a newer espeak-ng",
        )

    def stop(self) -> int:
        """Its exit code."""
        try:
            self._process.stdin.close()
        except OSError:  # it died with a request unread
            pass
        try:
            return self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


_running: _Process | None = None


def _espeak() -> _Process:
    """The running espeak-ng, started anew if it has to be. Whoever calls holds the lock."""
    global _running
    if _running is None or not _running.alive:
        _running = _Process()
        if not _running.rate:
            _running.stop()
            _running = None
            raise TroupeError(
                "The text cannot be turned into sounds",
                "espeak-ng is not installed",
                "Install it (Debian: apt install libespeak-ng1; macOS: brew install espeak-ng; Windows: its installer;"
                " or pip install espeakng-loader), or leave the text out",
            )
    return _running


def restart() -> None:
    """Forget what was said: espeak-ng remembers it, and speaks a little differently after it."""
    global _running
    with _LOCK:
        if _running is not None and _running.alive:
            _running.stop()
        _running = None


def installed() -> bool:
    """Whether there is an espeak-ng to use."""
    try:
        with _LOCK:
            return bool(_espeak())
    except TroupeError:
        return False


@contextmanager
def _speaking(voice: str) -> Iterator[_Process]:
    """espeak-ng with a voice chosen; other threads wait.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the voice.
    """
    with _LOCK:
        espeak = _espeak()
        if not espeak.ask(voice, "choose", voice)[
            0
        ]:  # each time, as that takes its melody back to the beginning
            raise TroupeError(
                f"espeak-ng cannot speak in the voice '{voice}'",
                "this installation does not have it",
                "Choose another voice, or install espeak-ng's data",
            )
        yield espeak


@contextmanager
def reader(voice: str) -> Iterator[Callable[[str], list[str]]]:
    """A function that reads a clause as the symbols of its sounds, in the IPA as espeak-ng writes it.

    Raises:
        TroupeError: if espeak-ng is not installed or does not have the voice; from the function, if it dies of the clause.
    """
    with _speaking(voice) as espeak:

        def read(clause: str) -> list[str]:
            symbols = espeak.ask(clause, "read", clause)[0]
            return [s for s in symbols.replace("_", " ").split() if not s.startswith("(")]

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
        TroupeError: if espeak-ng is not installed, does not have the voice, or dies of the text (``EspeakEnded``).
    """
    how = {"rate": int(rate), "pitch": int(pitch), "range": int(range_), "wordgap": int(wordgap)}
    with _speaking(voice) as espeak:
        (_, phones, words), sound = espeak.ask(text, "say", text, how)
        second = espeak.rate
    return Spoken(
        np.frombuffer(sound, np.int16).astype(np.float32) / 32768,
        second,
        tuple((at / second, symbol) for at, symbol in phones),
        tuple((at / second, character) for at, character in words),
    )
