"""Curves start at 0, end at 1, stay between, and do what their name says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.curves import CURVES, apply_curve, pulse

T = np.linspace(0, 1, 2001)


@pytest.mark.parametrize("name", CURVES)
def test_ends_and_range(name):
    y = apply_curve(name, T)
    assert y[0] == 0 and y[-1] == 1
    assert y.min() >= 0 and y.max() <= 1
    assert np.abs(np.diff(y)).max() < 0.01  # no jump
    assert apply_curve(name, -3) == 0 and apply_curve(name, 7) == 1
    assert apply_curve(name, T.reshape(3, -1)).shape == (3, 667)


def test_shapes():
    slow, fast, both = (apply_curve(n, T) for n in ("ease_in", "ease_out", "ease_in_out"))
    np.testing.assert_allclose(slow, 1 - fast[::-1], atol=1e-12)
    np.testing.assert_allclose(both, 1 - both[::-1], atol=1e-12)
    assert slow[1000] < 0.3 < 0.7 < fast[1000]
    for name in ("linear", "ease_in", "ease_out", "ease_in_out"):
        assert (np.diff(apply_curve(name, T)) >= 0).all()


def test_bounce_touches_and_rebounds_lower_each_time():
    y = apply_curve("bounce", T)
    dips = [y[i] for i in range(1, 2000) if y[i] < y[i - 1] and y[i] <= y[i + 1]]
    assert dips == pytest.approx([0.75, 0.9375, 1 - 0.125**2], abs=1e-3)


def test_unknown_curve_suggests():
    with pytest.raises(TroupeError, match="'ease_out'"):
        apply_curve("ease-outt", 0.5)


@given(st.floats(0, 5), st.floats(0.01, 5), st.floats(0, 3), st.floats(0, 3), st.sampled_from(CURVES))
def test_pulse_is_rest_outside_and_never_exceeds_one(start, span, attack, release, curve):
    times = np.linspace(-1, 12, 400)
    y = pulse(times, start, start + span, attack, release, curve)
    assert y.min() >= 0 and y.max() <= 1
    assert not y[(times < start) | (times >= start + span)].any()
    middle = (times > start + attack + 1e-6) & (times < start + span - release - 1e-6)
    np.testing.assert_allclose(y[middle], 1)
