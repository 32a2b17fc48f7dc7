"""Frame rates as exact fractions."""

from __future__ import annotations

from fractions import Fraction

from ..errors import TroupeError

MAX_RATE = 240  # frames per second that a clip is read or written at
DEFAULT_RATE = Fraction(25)

_NTSC = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120))
_NOMINAL = tuple(Fraction(n) for n in (5, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240))


def fraction(value) -> Fraction | None:
    """A rational of PyAV, whose type depends on its release, as a ``Fraction``; ``None`` for none or zero."""
    return Fraction(value) if value else None


def exact_rate(fps: float | Fraction) -> Fraction:
    """Frames per second as the fraction that is meant: 29.97 is 30000/1001, 12.5 is 25/2.

    Raises:
        TroupeError: if it is not a number in (0, 240].
    """
    if not 0 < fps <= MAX_RATE:  # also catches NaN
        raise TroupeError(
            f"The frame rate {fps} is out of range", f"it must lie in 0 to {MAX_RATE}", "Use 25 or 30"
        )
    if isinstance(fps, Fraction):
        return fps
    for rate in _NTSC:
        if abs(fps - rate) < 0.004:
            return rate
    return Fraction(fps).limit_denominator(1001)


def nominal_rate(average: Fraction | None, base: Fraction | None) -> Fraction:
    """The constant rate that a clip is read at.

    Args:
        average: Frames divided by duration.
        base: The rate that its timestamps can all be told in; equals the average for a constant rate.

    Returns:
        The average of a constant-rate clip. A variable-rate clip gets the usual rate within 2 % of its average,
        else the next higher one, so that no moment of it is lost for long.
    """
    average = average or base
    if not average:
        return DEFAULT_RATE
    if base and abs(average - base) < base / 1000 and average <= MAX_RATE:
        return max(base, Fraction(1))
    nearest = min(_NOMINAL, key=lambda rate: abs(rate - average))
    if abs(nearest - average) <= average / 50:
        return nearest
    return next((rate for rate in _NOMINAL if rate >= average), Fraction(60))
