"""Speech of espeak-ng as sounds in time: what was said when, exact to the sample.

    spoken = say("hello world", "en-us+f2", rate=170, pitch=50, range_=50)
    sounds = segments(spoken, "en-us")

For voiceless stops an event marks the release of the stop (measured: the audible burst follows 4 to 8 ms later), their
closure of 32 to 49 ms lies before it, in the tail of the previous interval; everything else begins at its event.
"""

from __future__ import annotations

import numpy as np

from troupe.engine.speech.espeak import Spoken, installed
from troupe.engine.speech.espeak import synthesise as say
from troupe.engine.speech.phones import INDEX as PHONE
from troupe.engine.speech.phones import PHONES, SIL, of_espeak

from .teacher import Segment

__all__ = ["Spoken", "installed", "say", "segments"]

_RELEASED = frozenset(PHONE[n] for n in ("p", "t", "k", "ch"))  # their event is the release of the closure
_CLOSED_FOR, _OPEN_BY = 0.040, 0.007  # seconds before and after that event
_LONGEST_CLOSURE, _QUIET, _STEP = 0.150, 0.003, 0.005  # double stops; share of the peak; seconds
_WORD_GAP = 0.06  # seconds of silence before a stop that are its closure
_NO_PAUSE = 0.03  # gaps below belong to the sound that follows


def segments(spoken: Spoken, voice: str) -> list[Segment]:
    """Events as sounds with a begin, an end, and their contact."""
    found: list[tuple[int, float, float]] = []  # phone, start, end
    releases: dict[float, float] = {}  # of stops, by their start
    events = [*spoken.events, (len(spoken.pcm) / spoken.rate, "")]
    level = _levels(spoken)
    for (start, symbol), (end, _) in zip(events, events[1:]):
        if symbol in ("", "#"):
            if found and end - start < _NO_PAUSE and start - found[-1][2] < 1e-6:
                found[-1] = (*found[-1][:2], end)
            continue
        classes, _ = of_espeak(symbol, voice)
        if not classes:  # a palatal glide or the like: the sound before lasts
            if found:
                found[-1] = (*found[-1][:2], end)
            continue
        shares = np.linspace(start, end, len(classes) + 1)
        if classes[0] in _RELEASED:
            before = found[-1] if found else (SIL, 0.0, 0.0)
            # After a pause nobody can tell the closure from the pause: it is as short as usual.
            closed = _closure(level, start) if start - before[2] < _WORD_GAP else _CLOSED_FOR
            shares[0] = max(start - closed, before[1] + 0.4 * (before[2] - before[1]), 0.0)
            if len(classes) > 1:  # ts, pf: what follows the release is the second sound
                shares[1] = min(start + _OPEN_BY, end)
            releases[float(shares[0])] = min(start + _OPEN_BY, end)
            if found and before[2] > shares[0]:
                found[-1] = (*before[:2], float(shares[0]))
        found += [(c, float(a), float(b)) for c, a, b in zip(classes, shares, shares[1:])]
    return [_contact_times(*f, releases.get(f[1], f[2])) for f in found if f[2] > f[1]]


def _levels(spoken: Spoken) -> np.ndarray:
    """Peak of every 5 ms as a share of the loudest."""
    size = int(_STEP * spoken.rate)
    pcm = np.abs(spoken.pcm[: len(spoken.pcm) // size * size]).reshape(-1, size).max(1)
    return pcm / max(float(pcm.max(initial=0.0)), 1e-6)


def _closure(level: np.ndarray, event: float) -> float:
    """How long before its event a stop has been closed, in seconds: as long as it is quiet there."""
    at = int(event / _STEP) - 1
    steps = 0
    while at - steps >= 0 and level[at - steps] < _QUIET and steps * _STEP < _LONGEST_CLOSURE:
        steps += 1
    return max(steps * _STEP, _CLOSED_FOR)


def _contact_times(phone: int, start: float, end: float, release: float) -> Segment:
    name, length = PHONES[phone], end - start
    if name == "p":
        return Segment(phone, start, end, start, release)
    if name in ("b", "m"):
        return Segment(phone, start, end, start + 0.004, max(end - 0.006, start + 0.03))
    return Segment(phone, start, end, start + 0.2 * length, end - 0.2 * length)
