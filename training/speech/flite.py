"""Speech with timed phones from flite: voices made of recordings of real people, English only.

Needs Debian's ``flite`` (its own free licence, BSD-like). ``-psdur`` prints where every phone ends. In the waveform
(kal16, rms, awb, slt; median of 30 to 60 each) p is silent from about 8 % to 65 % of its interval, b is quietest right
before its end, m hums throughout.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from troupe.engine.speech.phones import INDEX as PHONE

from .synth import Spoken
from .teacher import Segment

VOICES = ("kal", "kal16", "rms", "awb")
HELD_OUT_VOICE = "slt"
_USUAL_PITCH = {"kal": 105, "kal16": 105, "rms": 95, "awb": 120, "slt": 180}  # Hz

CLASSES = {
    "aa": "aa", "ae": "ae", "ah": "ah", "ao": "ao", "aw": "a uh", "ax": "ax", "axr": "er", "ay": "a ih", "b": "b",
    "ch": "ch", "d": "d", "dh": "dh", "dx": "rr", "eh": "eh", "el": "ax l", "em": "m", "en": "n", "er": "er",
    "ey": "e ih", "f": "f", "g": "g", "hh": "h", "hv": "h", "ih": "ih", "iy": "i", "jh": "jh", "k": "k", "l": "l",
    "m": "m", "n": "n", "nx": "n", "ng": "ng", "ow": "o uh", "oy": "ao ih", "p": "p", "r": "r", "s": "s", "sh": "sh",
    "t": "t", "th": "th", "uh": "uh", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "zh",
}  # fmt: skip


def say(text: str, voice: str, *, stretch: float = 1.0, pitch: float = 1.0) -> Spoken:
    """An utterance; its events are the starts of flite's phones.

    Args:
        text: English.
        voice: One of flite's, such as ``rms``.
        stretch: How much slower than usual.
        pitch: Mean pitch as a multiple of the voice's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch:.3f}"]
        command += [
            "--setf",
            f"int_f0_target_mean={pitch * _USUAL_PITCH[voice]:.1f}",
            "-t",
            text,
            "-o",
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        with wave.open(str(path)) as sound:
            rate = sound.getframerate()
            pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float32) / 32768
    events, start = [], 0.0
    for item in done.stdout.split():
        name, _, end = item.partition(":")
        events.append((start, "" if name == "pau" else name))
        start = float(end)
    return Spoken(pcm, rate, (*events, (start, "")))


def segments(spoken: Spoken) -> list[Segment]:
    """The sounds of ``say`` with a begin, an end, and their contact."""
    return timed(spoken, CLASSES.__getitem__)


def timed(
    spoken: Spoken, classes_of: Callable[[str], str], release_of_p: float = 0.66, late: float = 0.0
) -> list[Segment]:
    """Sounds of a voice whose intervals hold the closure of a stop before its release.

    Args:
        spoken: What was said; events are starts of phones.
        classes_of: Names in ``PHONES``, parted by blanks, of one of the voice's phones.
        release_of_p: Where in its interval p lets go.
        late: Seconds by which the events come too late.
    """
    found = []
    for (start, name), (end, _) in zip(spoken.events, spoken.events[1:]):
        if not name or end <= start:
            continue
        names = classes_of(name).split()
        times = np.maximum(np.linspace(start, end, len(names) + 1) - late, 0.0)
        for phone, a, b in zip(names, times, times[1:]):
            length = b - a
            shut, release = {
                "p": (a + 0.08 * length, a + release_of_p * length),
                "b": (a + 0.004, b - 0.010),
                "m": (a + 0.004, b - 0.006),
            }.get(phone, (a + 0.2 * length, b - 0.2 * length))
            found.append(
                Segment(PHONE[phone], float(a), float(b), float(shut), float(max(release, shut + 0.02)))
            )
    return found
