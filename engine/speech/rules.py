"""Blinks, brows, gaze and head of a speaker: by rule, from prosody, chance with a seed, and persona. Nothing is learned.

Sound does not say how a head moves, it only says when: at stresses, at pauses. What people do then is known from
studies, cited where a number comes from one; how far a face goes is set so that it is about as lively as recordings
of people who talk to a camera. Everything runs forward in time, one row of 20 ms after the other, so that a live
stream and a whole recording move alike. Motion is made of minimum-jerk pieces and slow
waves: nothing but lids and eyes moves abruptly.
"""

from __future__ import annotations

from math import exp, pi, sin
from typing import NamedTuple

import numpy as np

from ..motion.face_motion import HEAD, INDEX
from ..motion.idle import BREATH_EVERY, FIXATION, SWAY
from ..motion.names import channel_pose
from ..motion.presets import overlay
from .emotion import HEADS, HEARD, LIVELINESS, POSES, SMILE
from .listener import Listener, Moment, Pulses, Slow, bump, minimum_jerk, rows
from .persona import Persona
from .prosody import FPS

# --- blinks ---------------------------------------------------------------------------------------------------

# 17 blinks a minute at rest, 26 in conversation (Bentivoglio et al. 1997, doi 10.1002/mds.870120629). Those of speakers
# that listeners answer lie at the ends and in the pauses of speech (Nakano and Kitazawa 2010,
# doi 10.1007/s00221-010-2387-z), others come with large shifts of gaze (Evinger et al. 1994, doi 10.1007/BF00227203).
# The need to blink grows at the persona's rate, faster at such moments and slower at others.
_PAUSE_BLINK, _GAZE_BLINK = 6.0, 12.0
_NO_BLINK = rows(0.8)  # from the beginning
_LID_FALL = (0.14, 0.5, 0.88)  # 80 ms; then shut for 40 to 80 ms; then up within 160 to 220 ms
_DOUBLE = 0.07


class _Blinks:
    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 1])
        self._need, self._limit, self._usual = 0.0, self._draw(), 1.2
        self._row, self._course, self._at = 0, [], 0
        self._wait = _NO_BLINK

    def _draw(self) -> float:
        return float(self._chance.gamma(5.0, 0.2))  # of mean 1, seldom very short or long

    def step(self, rate: float, moment: Moment, leap: float) -> float:
        """How far the lids are shut."""
        weight = 1.0 if moment.active > 0.5 else 1.3
        if 0 < moment.silence < 0.3:
            weight = _PAUSE_BLINK
        if leap > 0.15:
            weight = _GAZE_BLINK
        self._usual += (weight - self._usual) / (20 * FPS)
        self._need += rate / 60 / FPS * weight / self._usual
        self._wait -= 1
        if self._at < len(self._course):
            self._at += 1
            return self._course[self._at - 1]
        if self._need < self._limit or self._wait > 0:
            return 0.0
        self._need, self._limit = self._need - self._limit, self._draw()
        shut, rise = int(self._chance.integers(2, 5)), int(self._chance.integers(8, 12))
        up = [(1 - minimum_jerk((i / rise) ** 0.8)) for i in range(1, rise)]
        self._course, self._at = [*_LID_FALL, *[1.0] * shut, *up], 1
        double = self._chance.random() < _DOUBLE
        self._wait = len(self._course) + (3 if double else rows(0.5))
        if double:
            self._need, self._limit = self._need + self._limit, self._limit * 2
        return self._course[0]


# --- gaze -----------------------------------------------------------------------------------------------------

# Fixations and small jumps as in ``motion.idle`` (Lee, Badler and Badler 2002, doi 10.1145/566654.566629). Speakers
# look away as they begin to say something long and when they search for words, and come back as they end (Kendon 1967,
# doi 10.1016/0001-6918(67)90005-4). Eyes stay on what they look at while the head turns.
_ASIDE_BEGIN, _ASIDE_PAUSE, _ASIDE = 0.15, 0.15, 0.04
_NO_GLANCE = rows(1.5)  # from the beginning
_PER_DEGREE = 0.75 / 38  # weight of an eyeLook shape per degree of the head, three quarters of the whole
_JUMP = ((1.0,), (0.5, 1.0), (0.22, 0.78, 1.0))  # 20 to 60 ms, by size: Bahill et al. 1975's main sequence


class _Gaze:
    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 2])
        self._from = self._to = (0.0, 0.0)
        self._course, self._at, self._left, self._away = _JUMP[0], 1, rows(0.6), False
        self._wait = _NO_GLANCE

    def step(self, amount: float, moment: Moment, yaw: float, pitch: float) -> tuple[float, float, float]:
        """Where the eyes look (to the person's left, up; weights), and how far they have begun to jump in this row."""
        chance, leap = self._chance, 0.0
        self._left -= 1
        self._wait -= 1
        cue = _ASIDE_BEGIN if moment.begins else _ASIDE_PAUSE if moment.ends else 0.0
        if self._left <= 0:
            cue = max(cue, _ASIDE)
        aside = cue > 0 and not self._away and self._wait <= 0 and chance.random() < cue * amount
        come_back = self._away and moment.silence > 0.6
        if aside or come_back or self._left <= 0:
            leap = self._jump(aside)
        x, y = self._now()
        self._at += 1
        return amount * x - _PER_DEGREE * yaw, amount * y + _PER_DEGREE * pitch, leap * amount

    def _jump(self, aside: bool) -> float:
        chance = self._chance
        x, y = chance.normal(0, 0.035), chance.normal(-0.01, 0.022)
        if aside:
            x = float(chance.choice([-1, 1])) * chance.uniform(0.12, 0.28)
            y = chance.uniform(-0.1, 0.1)
        seconds = chance.uniform(0.4, 1.0) if aside else exp(chance.normal(0.1, 0.55))
        self._left, self._away = rows(min(max(seconds, FIXATION[0]), FIXATION[1])), aside
        self._from, self._to = self._now(), (float(x), float(y))
        size = abs(self._to[0] - self._from[0]) + abs(self._to[1] - self._from[1])
        self._course, self._at = _JUMP[0 if size < 0.03 else 1 if size < 0.15 else 2], 0
        return size

    def _now(self) -> tuple[float, float]:
        share = self._course[min(self._at, len(self._course) - 1)]
        return tuple(a + share * (b - a) for a, b in zip(self._from, self._to))  # type: ignore[return-value]


# --- brows ----------------------------------------------------------------------------------------------------

# Brows rise with stresses, mostly where the pitch rises too, and where a new topic begins (Ekman 1979, "About brows";
# Cave et al. 1996, doi 10.21437/ICSLP.1996-551; Flecha-Garcia 2010, doi 10.1016/j.specom.2009.12.003), but with few of
# them. Credit grows at the persona's rate while somebody speaks; the stronger a stress, the less of it is needed.
_RAISE = bump(0.2, 0.08, 0.46)
_BROW_OPENING = 0.45  # how strong a stress the beginning of a phrase counts, every third time


class _Brows:
    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 3])
        self._credit, self._wait = 0.6, 0
        self._inner, self._left, self._right = Pulses(), Pulses(), Pulses()

    def step(self, rate: float, moment: Moment) -> tuple[float, float, float]:
        """Inner and both outer brows."""
        self._credit = min(self._credit + rate / 60 / FPS * moment.active, 1.6)
        self._wait -= 1
        strength = moment.stress
        if moment.begins and self._chance.random() < 1 / 3:
            strength = max(strength, _BROW_OPENING)
        if strength > 0 and self._wait <= 0 and rate > 0 and self._credit >= 1.15 - 0.7 * strength:
            size = (0.13 + 0.2 * strength) * self._chance.uniform(0.8, 1.2)
            self._inner.add(size * self._chance.uniform(0.7, 1.0), _RAISE)
            self._left.add(size * self._chance.uniform(0.8, 1.1), _RAISE)
            self._right.add(size * self._chance.uniform(0.8, 1.1), _RAISE)
            self._credit -= 1.0
            self._wait = len(_RAISE) - 10
        rest = 0.0035 * min(rate, 15.0) * max(moment.pitch, 0.0)
        return self._inner.step() + rest, self._left.step() + rest, self._right.step() + rest


# --- head -----------------------------------------------------------------------------------------------------

# Heads nod at stresses and rise and sink a little with pitch (Yehia et al. 2002, doi 10.1006/jpho.2002.0165; Munhall
# et al. 2004, doi 10.1111/j.0963-7214.2004.01502010.x), take a new posture where a phrase begins, and are all but
# still in pauses (Hadar et al. 1983, doi 10.1016/0167-9457(83)90004-0). Sway and breath are those of ``motion.idle``.
_NOD = bump(0.24, 0.0, 0.36)
_NOD_DEGREES = (0.8, 1.8)  # at the weakest stress, and more at the strongest
_POSTURE = (1.0, 1.9, 1.1)  # degrees of pitch, yaw and roll: deviation
_POSTURE_APART, _POSTURE_LATEST = 1.6, 5.0  # seconds
_PITCH_DEGREES, _FORCE_DEGREES = (
    0.5,
    0.35,
)  # up per deviation of the voice's pitch, down per deviation of its force
# Somebody who speaks is never quite still: three slow wanderers (degrees of pitch, yaw, roll).
_WANDER, _WANDER_EVERY = (0.9, 1.7, 0.9), (0.3, 0.9)
_SWAY_STILL = 0.4  # of the sway that is left in silence
_QUIET_AFTER = 1.2


class _Head:
    def __init__(self, seed: int) -> None:
        chance = self._chance = np.random.default_rng([seed, 4])
        self._waves = [
            (
                HEAD.index(name),
                size,
                2 * pi / (period * chance.uniform(0.93, 1.07)),
                chance.uniform(0, 2 * pi),
            )
            for name, size, period in SWAY
        ]
        self._breath = 2 * pi / chance.uniform(*BREATH_EVERY), chance.uniform(0, 2 * pi)
        self._pulses = [Pulses() for _ in _POSTURE]
        self._wander = [Slow(0.17) for _ in _WANDER]
        self._goals, self._roam = [0.0] * len(_WANDER), 0
        self._from = self._to = (0.0, 0.0, 0.0)
        self._moved, self._takes, self._row = 0, 1, 0
        self._sway, self._resting = Slow(0.3), True

    def step(self, amount: float, moment: Moment) -> tuple[list[float], float]:
        """Pitch, yaw, roll, x, y, z; and how full of breath the chest is."""
        time = self._row / FPS
        self._row += 1
        self._moved += 1
        self._posture(moment)
        self._nod(moment)
        self._roam -= 1
        if self._roam <= 0:
            self._roam = rows(self._chance.uniform(*_WANDER_EVERY))
            self._goals = [float(self._chance.normal(0, size)) for size in _WANDER]
        ramp = minimum_jerk(time)
        sway = ramp * self._sway.to(_SWAY_STILL + (1 - _SWAY_STILL) * moment.active)
        out = [0.0] * len(HEAD)
        for i, size, speed, phase in self._waves:
            out[i] += sway * size * sin(speed * time + phase)
        share = minimum_jerk(self._moved / self._takes)
        for i, slow in enumerate(self._wander):
            out[i] += self._from[i] + share * (self._to[i] - self._from[i])
            out[i] += self._pulses[i].step() + slow.to(self._goals[i] * moment.active)
        out[0] += _FORCE_DEGREES * moment.force - _PITCH_DEGREES * moment.pitch
        speed, phase = self._breath
        chest = speed * time + phase
        breath = ramp * (0.5 + 0.5 * sin(chest + 0.45 * sin(chest)))
        out[0] -= 0.3 * breath
        out[4] -= 0.009 * breath
        return [amount * v for v in out], breath

    def _posture(self, moment: Moment) -> None:
        """Where the head is held: anew as phrases begin, now and then within long ones, back when all is said."""
        if self._moved < self._takes:
            return
        chance, since = self._chance, self._moved / FPS
        starts = moment.begins and since > _POSTURE_APART
        late = since > _POSTURE_LATEST and moment.stress > 0
        rests = moment.silence > _QUIET_AFTER and not self._resting
        if not (starts or late or rests):
            return
        self._from, self._resting = self._to, rests
        size = 0.3 if rests else 1.0
        self._to = tuple(float(np.clip(chance.normal(0, s * size), -1.8 * s, 1.8 * s)) for s in _POSTURE)
        self._moved, self._takes = 0, rows(chance.uniform(1.2, 1.7) if rests else chance.uniform(0.7, 1.1))

    def _nod(self, moment: Moment) -> None:
        chance = self._chance
        if moment.stress <= 0 or chance.random() > 0.35 + 0.6 * moment.stress:
            return
        size = (_NOD_DEGREES[0] + _NOD_DEGREES[1] * moment.stress) * chance.uniform(0.75, 1.2)
        up = moment.pitch > 0.8 and chance.random() < 0.4
        for pulses, share in zip(
            self._pulses, (-0.6 if up else 1.0, chance.normal(0, 0.3), chance.normal(0, 0.2))
        ):
            pulses.add(share * size, _NOD)


# --- all of it ------------------------------------------------------------------------------------------------

# What one unit of each rule does to the face: lids, gaze to the person's left, right, up, down, brows, wide
# eyes, breath.
_SHAPES = np.stack(
    [
        channel_pose(values)[0]
        for values in (
            {"eyeBlink": 1.0, "eyeSquint": 0.1, "browDown": 0.03},
            {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
            {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
            {"eyeLookUp": 1.0},
            {"eyeLookDown": 1.0, "eyeBlink": 0.3},
            {"browInnerUp": 1.0},
            {"browOuterUpLeft": 1.0},
            {"browOuterUpRight": 1.0},
            {"eyeWideLeft": 1.0},
            {"eyeWideRight": 1.0},
            {"noseSneer": 0.02},
        )
    ]
)
_FROWN = POSES[:, INDEX["browDownLeft"]]
_UPPER = np.where(HEARD, 0, POSES).astype(np.float32)
_UPPER_SMILE = np.where(HEARD, 0, SMILE).astype(np.float32)


class _Felt(NamedTuple):
    """What the emotions of some rows do to the rules: a factor each on the motion and on the brows, a pose on top."""

    key: bytes
    lively: list[float]
    brows: list[float]
    shapes: np.ndarray
    head: np.ndarray
    calm: bool


class RuleState:
    """The rules for one speaker, forward in time.

    Args:
        persona: Who speaks.
        seed: Same seed, same chance: blinks, gaze, brows and head each have their own.
    """

    def __init__(self, persona: Persona, seed: int = 0) -> None:
        seed &= 0xFFFFFFFF
        self._persona = persona
        self._listener = Listener()
        self._upper, self._held = np.float32(persona.range) * _UPPER, np.float32(persona.range) * HEADS
        self._smile = np.float32(persona.smile) * _UPPER_SMILE
        self._felt: _Felt | None = None
        self._blinks, self._gaze, self._brows, self._head = (
            part(seed) for part in (_Blinks, _Gaze, _Brows, _Head)
        )

    def step(self, prosody: np.ndarray, mixes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next rows.

        Args:
            prosody: float ``[n, 4]`` as ``Prosody.push`` gives it, for the moments of the rows or a little after.
            mixes: float32 ``[n, 8]``, emotions as ``Feelings.step`` gives them.

        Returns:
            float32 ``[n, 52]`` in 0..1, nothing in the shapes that the network moves; and head ``[n, 6]``.
        """
        felt = self._feel(mixes)
        values, heads = [], []
        for row, lively, brows in zip(prosody.tolist(), felt.lively, felt.brows):
            value, head = self._step(row, lively, brows)
            values.append(value)
            heads.append(head)
        count = len(values)
        shapes = np.array(values, np.float32).reshape(count, len(_SHAPES)) @ _SHAPES
        head = np.array(heads, np.float32).reshape(count, len(HEAD))
        np.minimum(shapes, 1.0, out=shapes)
        return (shapes, head) if felt.calm else overlay(shapes, head, felt.shapes, felt.head)

    def _feel(self, mixes: np.ndarray) -> _Felt:
        key = mixes.tobytes()  # feelings seldom change
        if self._felt is None or self._felt.key != key:
            self._felt = _Felt(
                key=key,
                lively=(1.0 + mixes @ LIVELINESS).tolist(),
                # Who frowns does not raise the brows as well.
                brows=(1.0 - 0.7 * (mixes @ _FROWN)).tolist(),
                shapes=np.minimum(mixes @ self._upper + self._smile, 1),
                head=mixes @ self._held,
                calm=not (mixes.any() or self._persona.smile),
            )
        return self._felt

    def _step(self, row: list[float], lively: float, brows: float) -> tuple[tuple[float, ...], list[float]]:
        persona, moment = self._persona, self._listener.step(row)
        head, breath = self._head.step(persona.head * lively, moment)
        x, y, leap = self._gaze.step(persona.gaze, moment, head[1], head[0])
        lid = self._blinks.step(persona.blink_rate, moment, leap)
        size = persona.range * lively * brows
        inner, left, right = (size * v for v in self._brows.step(persona.brow_rate, moment))
        gaze = max(x, 0.0), max(-x, 0.0), max(y, 0.0), max(-y, 0.0)
        wide = 0.2 * gaze[2] * (1 - lid), 0.15 * (1 - lid)  # lids go with gaze and brows, unless they shut
        return (
            lid,
            *gaze,
            inner,
            left,
            right,
            wide[0] + wide[1] * left,
            wide[0] + wide[1] * right,
            breath,
        ), head
