"""Easing curves: how a value travels from 0 to 1."""

from __future__ import annotations

import difflib

import numpy as np

from ..errors import TroupeError

CURVES = ("linear", "ease_in", "ease_out", "ease_in_out", "bounce")

# A dropped ball that keeps half of its speed at each bounce: a fall of 1, then three rebounds as (begin, half length).
_REBOUNDS = ((1.0, 0.5), (2.0, 0.25), (2.5, 0.125))
_LANDED = 2.75


def _bounce(t: np.ndarray) -> np.ndarray:
    t = t * _LANDED
    out = t * t
    for begin, half in _REBOUNDS:
        out = np.where(t >= begin, 1 - half**2 + (t - begin - half) ** 2, out)
    return np.minimum(out, 1.0)


def check_curve(name: str) -> str:
    """``name`` if it is a curve.

    Raises:
        TroupeError: if there is no such curve.
    """
    if name not in CURVES:
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), CURVES, 1, 0.5)
        raise TroupeError(
            f"Unknown curve '{name}'",
            f"known are {', '.join(CURVES)}",
            f"Perhaps '{near[0]}' is meant" if near else "Use ease_in_out",
        )
    return name


def apply_curve(name: str, t: np.ndarray | float) -> np.ndarray:
    """Progress under a curve.

    Args:
        name: One of ``CURVES``. The eases are quadratic or, for ``ease_in_out``, cubic; ``bounce`` lands at 1
            like a dropped ball, with three rebounds.
        t: Time in 0..1, any shape; values outside are clipped.

    Returns:
        float64 of the same shape in 0..1, exactly 0 at 0 and 1 at 1.

    Raises:
        TroupeError: if there is no such curve.
    """
    check_curve(name)
    t = np.clip(np.asarray(t, np.float64), 0.0, 1.0)
    if name == "ease_in":
        return t * t
    if name == "ease_out":
        return t * (2 - t)
    if name == "ease_in_out":
        return t * t * (3 - 2 * t)
    return _bounce(t) if name == "bounce" else t


def pulse(
    times: np.ndarray, start: float, end: float, attack: float, release: float, curve: str = "ease_in_out"
) -> np.ndarray:
    """An envelope that rises, holds and releases, all within ``start``..``end`` seconds.

    The curve shapes the rise; the release is always ``ease_in_out``. Attack and release shrink alike where
    they do not fit.

    Args:
        times: float ``[T]`` seconds.
        start, end: Where the envelope is 0, seconds.
        attack, release: Seconds of rise and fall.
        curve: One of ``CURVES``.

    Returns:
        float64 ``[T]`` in 0..1.
    """
    times = np.asarray(times, np.float64)
    fit = min(1.0, (end - start) / max(attack + release, 1e-9))
    attack, release = max(attack * fit, 1e-9), max(release * fit, 1e-9)
    inside = (times >= start) & (times < end)
    rise = apply_curve(curve, (times - start) / attack)
    fall = apply_curve("ease_in_out", (end - times) / release)
    return np.where(inside, np.minimum(rise, fall), 0.0)
