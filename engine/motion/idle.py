"""What a face does while it does nothing: blinks, glances, breath and sway.

Events lie in real time: the same seed gives the same blinks and glances at the same seconds at any frame
rate, and a longer motion begins like a shorter one (but a blink that the end would cut is left out). The first
frame is rest; all sets in over ``RAMP`` seconds.
"""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from .curves import apply_curve
from .face_motion import BLENDSHAPES, HEAD, INDEX, FaceMotion, frame_count

BLINK_RATE = 15.0  # a minute, for adults at rest
RAMP = 1.0  # seconds

# Blinks come every 2 to 6 s, one in ten is double. The lid falls in 80 ms, stays, and rises more slowly.
BLINK_EVERY, DOUBLE = (2.0, 6.0), 0.1
CLOSING, SHUT, OPENING = 0.08, (0.04, 0.08), (0.15, 0.2)

SACCADE = 0.045  # seconds a jump of the eyes takes
FIXATION = (0.3, 4.0)  # seconds between jumps

# (channel, amplitude, seconds per cycle): periods without a common multiple, so that nothing visibly repeats.
SWAY = (
    ("pitch", 0.6, 3.1), ("pitch", 0.5, 7.9), ("yaw", 1.1, 4.7), ("yaw", 0.9, 11.3), ("roll", 0.7, 7.3),
    ("roll", 0.4, 13.7), ("x", 0.007, 5.9), ("x", 0.005, 12.1), ("z", 0.01, 9.7),
)  # fmt: skip
BREATH = (("y", -0.009), ("pitch", -0.35), ("noseSneerLeft", 0.02), ("noseSneerRight", 0.02))
BREATH_EVERY = (3.6, 4.6)


def _amount(value: float, top: float, what: str) -> float:
    if not 0 <= value <= top:
        raise TroupeError(
            f"The idle {what} {value} is out of range", f"it must lie in 0 to {top:g}", "Use the default"
        )
    return float(value)


def idle_motion(
    seconds: float,
    fps: float,
    *,
    seed: int = 0,
    blink_rate: float = BLINK_RATE,
    gaze: float = 1.0,
    sway: float = 1.0,
) -> FaceMotion:
    """A face at rest that lives.

    Args:
        seconds: Length; hours are fine.
        fps: Frames per second.
        seed: Same seed, same motion.
        blink_rate: Blinks a minute, 0 to 60; 0 is none.
        gaze: Amount of small jumps of the eyes, 0 to 4; 1 is a person who looks at you.
        sway: Amount of breath and head drift, 0 to 4; 1 is up to about two degrees.

    Raises:
        TroupeError: on values out of range.
    """
    times = np.arange(frame_count(seconds, fps)) / fps
    return FaceMotion(*_idle(times, seed, blink_rate, gaze, sway), fps)


def idle_layer(times: np.ndarray, amount: bool | float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The idle motion at ascending ``times``, to be laid over something else.

    Args:
        times: float ``[T]`` seconds from rest.
        amount: 0 (or ``False``) is none, 1 (or ``True``) as is, at most 2. Less means fewer blinks and less of
            everything else.
        seed: Same seed, same motion.

    Returns:
        float32 blendshapes ``[T, 52]`` and head ``[T, 6]``.
    """
    amount = _amount(amount, 2.0, "amount")
    return _idle(np.asarray(times, np.float64), seed, BLINK_RATE * amount, amount, amount)


def _idle(times: np.ndarray, seed: int, rate: float, gaze: float, sway: float):
    rate, gaze, sway = (
        _amount(rate, 60, "blink rate"),
        _amount(gaze, 4, "gaze"),
        _amount(sway, 4, "sway"),
    )
    # One stream each, so that changing one amount leaves the others as they were.
    blinks, eyes, body = (np.random.default_rng([seed & 0xFFFFFFFF, n]) for n in range(3))
    shapes = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
    head = np.zeros((len(times), len(HEAD)), np.float32)
    if gaze > 0:
        _look(shapes, times, eyes, gaze)
    if sway > 0:
        _sway(shapes, head, times, body, sway)
    if rate > 0:
        _blink(shapes, times, blink_times(times[-1], rate, blinks))
    return shapes, head


def blink_times(end: float, rate: float, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Blinks that begin before ``end``: (begin, seconds shut, seconds of opening), never in the first second."""
    out, at, slow = [], 0.0, BLINK_RATE / rate
    while True:
        at += slow * rng.uniform(*BLINK_EVERY)
        shut, opening, second = rng.uniform(*SHUT), rng.uniform(*OPENING), rng.random() < DOUBLE
        gap, shut2, opening2 = rng.uniform(0.03, 0.1), rng.uniform(*SHUT), rng.uniform(*OPENING)
        if at >= end:
            return out
        out.append((max(at, RAMP), shut, opening))
        if second:
            at = max(at, RAMP) + CLOSING + shut + opening + gap
            out.append((at, shut2, opening2))


def _blink(shapes: np.ndarray, times: np.ndarray, events: list[tuple[float, float, float]]) -> None:
    closed = np.zeros(len(times))
    for begin, shut, opening in events:
        if begin + CLOSING + shut + opening > times[-1]:
            continue
        lo, hi = np.searchsorted(times, (begin, begin + CLOSING + shut + opening))
        t = times[lo:hi] - begin
        fall = apply_curve("ease_in_out", t / CLOSING)
        rise = np.clip(1 - (t - CLOSING - shut) / opening, 0, 1) ** 1.6
        closed[lo:hi] = np.maximum(closed[lo:hi], np.minimum(fall, rise))
    for name, weight in (("eyeBlink", 1.0), ("eyeSquint", 0.1), ("browDown", 0.03)):
        for side in ("Left", "Right"):
            column = shapes[:, INDEX[name + side]]
            column += (weight * closed * (1 - column)).astype(np.float32)


def gaze_targets(end: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Fixations up to ``end``: begin of each ``[N]`` seconds, direction ``[N, 2]`` (to the person's left, up).

    Mostly tiny corrections around the viewer's eyes, now and then a glance aside that returns; units are
    weights of the eyeLook shapes.
    """
    at, where = [0.0], [(0.0, 0.0)]
    away = False
    now = RAMP * 0.6
    while now < end:
        glance = rng.random() < (0.12 if not away else 0.25)
        spread = (0.17, 0.07) if glance else (0.035, 0.022)
        x, y = rng.normal(0, spread[0]), rng.normal(-0.01, spread[1])
        fixation = float(np.exp(rng.normal(np.log(1.1), 0.55)))
        at.append(now)
        where.append((float(np.clip(x, -0.35, 0.35)), float(np.clip(y, -0.16, 0.13))))
        now += float(np.clip(fixation * (0.7 if glance else 1.0), *FIXATION))
        away = glance
    return np.array(at), np.array(where)


def _look(shapes: np.ndarray, times: np.ndarray, rng: np.random.Generator, amount: float) -> None:
    at, where = gaze_targets(times[-1], rng)
    i = np.searchsorted(at, times, side="right") - 1
    before = where[np.maximum(i - 1, 0)]
    moved = apply_curve("ease_in_out", (times - at[i]) / SACCADE)[:, None]
    x, y = (amount * (before + (where[i] - before) * moved)).T
    left, right, up, down = (np.clip(v, 0, 1) for v in (x, -x, y, -y))
    for name, value in (
        ("eyeLookOutLeft", left), ("eyeLookInRight", left), ("eyeLookInLeft", right), ("eyeLookOutRight", right),
        ("eyeLookUpLeft", up), ("eyeLookUpRight", up), ("eyeLookDownLeft", down), ("eyeLookDownRight", down),
        # The lids go with the gaze, a little more than the eyeLook shapes themselves carry them.
        ("eyeBlinkLeft", 0.3 * down), ("eyeBlinkRight", 0.3 * down),
        ("eyeWideLeft", 0.2 * up), ("eyeWideRight", 0.2 * up),
    ):  # fmt: skip
        shapes[:, INDEX[name]] = np.clip(value, 0, 1)


def _sway(
    shapes: np.ndarray, head: np.ndarray, times: np.ndarray, rng: np.random.Generator, amount: float
) -> None:
    ramp = apply_curve("ease_in_out", times / RAMP) * amount
    turn = 2 * np.pi * times
    for name, size, period in SWAY:
        period, phase = period * rng.uniform(0.93, 1.07), rng.uniform(0, 2 * np.pi)
        head[:, HEAD.index(name)] += ramp * size * np.sin(turn / period + phase)
    # Breath: in quicker than out, so the chest's wave is skewed.
    phase = turn / rng.uniform(*BREATH_EVERY) + rng.uniform(0, 2 * np.pi)
    breath = 0.5 + 0.5 * np.sin(phase + 0.45 * np.sin(phase))
    for name, size in BREATH:
        value = (ramp * size * breath).astype(np.float32)
        if name in HEAD:
            head[:, HEAD.index(name)] += value
        else:
            shapes[:, INDEX[name]] += np.clip(value, 0, 1)
