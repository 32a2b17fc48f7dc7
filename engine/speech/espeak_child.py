"""espeak-ng's library in a process of its own: what ``espeak`` starts and talks to.

    python espeak_child.py '[["libespeak-ng.so.1", null], …]'

Knows nothing of the pack, so that it starts at once. One request a line on standard input, JSON; one answer a line on
standard output, JSON; the answer to ``say`` is followed by as many bytes of 16-bit sound as it tells. The first answer
comes unasked: samples a second, or that there is no library. It ends with its input.

Phone events come from espeak-ng's old ``espeak_Initialize`` alone: the ``_ng`` calls cannot switch them on.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

_SYNCHRONOUS, _DONT_EXIT, _PHONE_EVENTS, _AS_IPA, _UTF8 = 2, 0x8000, 1, 2, 1
_PARAMETERS = {"rate": 1, "pitch": 3, "range": 4, "wordgap": 7}
_END_OF_LIST, _WORD, _PHONE = 0, 1, 7
_IPA_PARTED = 0x02 | (ord("_") << 8)


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Library:
    """The first library of some that can be loaded.

    Args:
        candidates: (file, folder of its data or None).

    Attributes:
        rate: Samples a second; 0 if there is none.
    """

    def __init__(self, candidates: list[tuple[str, str | None]]) -> None:
        self.rate = 0
        for name, data in candidates:
            try:
                self._espeak = ctypes.CDLL(name)
            except OSError:
                continue
            options = _DONT_EXIT | _PHONE_EVENTS | _AS_IPA
            place = os.fsencode(data) if data else None
            self.rate = max(self._espeak.espeak_Initialize(_SYNCHRONOUS, 0, place, options), 0)
            if self.rate:
                break
        else:
            return
        self._espeak.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._espeak.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            ctypes.c_int,
        ]
        self._espeak.espeak_Info.restype = ctypes.c_char_p
        folder = ctypes.c_char_p()
        self._espeak.espeak_Info(ctypes.byref(folder))
        variants = os.path.join(os.fsdecode(folder.value or b""), "voices", "!v")
        self._variants = set(os.listdir(variants)) if os.path.isdir(variants) else set()

    def choose(self, voice: str) -> bool:
        """Whether there is such a voice; espeak-ng itself takes no notice of a variant it does not have."""
        known = "+" not in voice or voice.partition("+")[2] in self._variants
        return known and self._espeak.espeak_SetVoiceByName(voice.encode()) == 0

    def read(self, clause: str) -> str:
        """The sounds of a clause in the IPA, parted by underscores and blanks."""
        rest, spoken = ctypes.c_char_p(clause.encode()), []
        while rest:
            spoken.append(self._espeak.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA_PARTED).decode())
        return " ".join(spoken)

    def say(self, text: str, parameters: dict[str, int]) -> tuple[bytes, list, list]:
        """Sound, and the samples at which each of its phones and words begins."""
        pieces: list[bytes] = []
        phones: list[tuple[int, str]] = []
        words: list[tuple[int, int]] = []

        def heard(pcm, count, event) -> int:
            if pcm and count > 0:
                pieces.append(ctypes.string_at(pcm, 2 * count))
            i = 0
            while event[i].type != _END_OF_LIST:
                if event[i].type == _PHONE:
                    phones.append((event[i].sample, event[i].id.string.decode("utf-8", "ignore")))
                elif event[i].type == _WORD:
                    phones.append((event[i].sample, "#"))
                    words.append((event[i].sample, event[i].text_position - 1))
                i += 1
            return 0

        callback = _Heard(heard)
        self._espeak.espeak_SetSynthCallback(callback)
        for name, value in parameters.items():
            self._espeak.espeak_SetParameter(_PARAMETERS[name], value, 0)
        data = text.encode() + b"\0"
        self._espeak.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        self._espeak.espeak_SetSynthCallback(_Heard())
        return b"".join(pieces), phones, words


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints is no answer
    library = Library(json.loads(sys.argv[1]))

    def answer(value: object, sound: bytes = b"") -> None:
        answers.write(json.dumps(value).encode() + b"\n" + sound)
        answers.flush()

    answer(library.rate)
    for line in sys.stdin.buffer:
        kind, *values = json.loads(line)
        if kind == "choose":
            answer(library.choose(*values))
        elif kind == "read":
            answer(library.read(*values))
        elif kind == "say":
            sound, phones, words = library.say(*values)
            answer([len(sound), phones, words], sound)


if __name__ == "__main__":
    main()
