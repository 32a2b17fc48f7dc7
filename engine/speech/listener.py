"""What the rules hear in prosody: stresses, the beginnings and ends of phrases, silence. And the courses they answer with."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from .prosody import FORCE, FPS, PITCH, SPEAKING, VOICED


def rows(seconds: float) -> int:
    """Rows of 20 ms, at least one."""
    return max(1, round(seconds * FPS))


def minimum_jerk(share: float) -> float:
    """How far a movement has come: from 0 at 0 to 1 at 1, with the least jerk.

    Flash and Hogan 1985, doi 10.1523/JNEUROSCI.05-07-01688.1985.
    """
    share = min(max(share, 0.0), 1.0)
    return share**3 * (10 - 15 * share + 6 * share * share)


def bump(rise: float, hold: float, fall: float) -> list[float]:
    """0 to 1 and back, each way with the least jerk: row by row, of seconds."""
    up, flat, down = rows(rise), rows(hold) if hold else 0, rows(fall)
    there = [minimum_jerk(i / up) for i in range(up)]
    return there + [1.0] * (flat + 1) + [minimum_jerk(1 - i / down) for i in range(1, down + 1)]


class Slow:
    """Follows a value through three equal stages of smoothing, so that no step of it gives a jerk."""

    def __init__(self, seconds: float) -> None:
        self._step = 1.0 - exp(-1.0 / (FPS * seconds))
        self._a = self._b = self.value = 0.0

    def to(self, goal: float) -> float:
        """One row on."""
        self._a += self._step * (goal - self._a)
        self._b += self._step * (self._a - self._b)
        self.value += self._step * (self._b - self.value)
        return self.value


class Pulses:
    """Gestures that are under way: each a size times a course; they add up."""

    def __init__(self) -> None:
        self._running: list[tuple[float, list[float], int]] = []

    def add(self, size: float, course: list[float]) -> None:
        """Begin one in this row."""
        self._running.append((size, course, 0))

    def step(self) -> float:
        """One row on."""
        if not self._running:
            return 0.0
        value = sum(size * course[at] for size, course, at in self._running)
        self._running = [(s, c, at + 1) for s, c, at in self._running if at + 1 < len(c)]
        return value


# A stress is where pitch and force together stand out from what is around, by a mark that rises with every stress and
# sinks in between, so that lively and flat speakers both have about STRESSES a second of speech.
STRESSES = 1.1
_MARK_UP, _MARK = 0.25, (0.3, 1.6)
_VOICED = 28  # rows with voice in a second of speech
_MARK_DOWN = _MARK_UP * STRESSES / _VOICED
_AROUND = rows(0.5)
_APART = rows(0.3)
_BEGIN = rows(0.12)  # of silence before a phrase, on top of what prosody counts as a stop


class Moment(NamedTuple):
    """What is heard in one row.

    Attributes:
        active: How much somebody is speaking, 0..1, smooth.
        stress: How strong a stress is that begins here, 0 to 1; 0 is none.
        begins, ends: Whether a phrase begins here, or has just ended.
        pitch, force: As in prosody, smooth.
        silence: Seconds that nobody has been speaking.
    """

    active: float
    stress: float
    begins: bool
    ends: bool
    pitch: float
    force: float
    silence: float


class Listener:
    """Hears rows of prosody, forward in time."""

    def __init__(self) -> None:
        self._active, self._pitch, self._force = Slow(0.1), Slow(0.08), Slow(0.06)
        self._loud = self._around = 0.0
        self._mark, self._since = 0.6, _APART
        self._rising, self._peak = 0, 0.0
        self._silence, self._spoke = _BEGIN, False

    def step(self, row: list[float]) -> Moment:
        """The next row, ``[4]`` plain floats as ``Prosody.push`` gives them."""
        speaking = row[SPEAKING] > 0.5
        begins = speaking and self._silence >= _BEGIN
        ends = self._spoke and not speaking
        self._silence = 0 if speaking else self._silence + 1
        self._spoke = speaking
        active, pitch, force = (
            self._active.to(speaking),
            self._pitch.to(row[PITCH]),
            self._force.to(row[FORCE]),
        )
        return Moment(active, self._stress(row), begins, ends, pitch, force, self._silence / FPS)

    def _stress(self, row: list[float]) -> float:
        voiced = row[VOICED] > 0.5
        goal = 0.5 * row[PITCH] + 0.7 * row[FORCE] if voiced else -0.5
        self._loud += 0.5 * (goal - self._loud)
        self._around += (self._loud - self._around) / _AROUND
        stands_out = self._loud - self._around
        self._since += 1
        if self._rising:  # two rows more tell how strong it gets
            self._rising -= 1
            self._peak = max(self._peak, stands_out)
            if self._rising:
                return 0.0
            strength = min(0.3 + 0.6 * (self._peak - self._mark), 1.0)
            self._mark = min(self._mark + _MARK_UP, _MARK[1])
            return max(strength, 0.3)
        if voiced:
            self._mark = max(self._mark - _MARK_DOWN, _MARK[0])
            if stands_out > self._mark and self._since >= _APART:
                self._rising, self._peak, self._since = 2, stands_out, 0
        return 0.0
