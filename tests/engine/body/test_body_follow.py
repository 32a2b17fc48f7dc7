"""Who is who among persons listed in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.body.follow import STRIDE, distances, follow


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(3, 60))
def test_whatever_the_order_everybody_stays_who_they_are(seed, persons, depth):
    """Persons three strides apart who walk about, are lost now and then, and come in any order."""
    rng = np.random.default_rng(seed)
    start = np.stack([4 * STRIDE * np.arange(persons), rng.random(persons), np.full(persons, depth)], 1)
    names, places, said = [], [], []
    for frame in range(20):
        start = start + rng.uniform(-0.1, 0.1, start.shape)
        there = rng.permutation(persons)
        there = np.arange(persons) if not frame else there[: rng.integers(0, persons + 1)]
        names.append(there)
        places.append(start[there])
    said = follow(places, list(range(3, 23)))
    assert all(np.array_equal(who, name) for who, name in zip(said, names, strict=True))


def test_who_is_near_nobody_is_new_and_who_was_away_is_known_again():
    here, there = [0.0, 0, 10], [5.0, 0, 10]
    said = follow([np.array(p) for p in ([here], [there], [there, here], [here])], [0, 1, 2, 9])
    assert [w.tolist() for w in said] == [[0], [1], [1, 0], [0]]
    empty = follow([np.zeros((0, 3)), np.array([here])], [0, 1])
    assert [w.tolist() for w in empty] == [[], [0]]


def test_each_is_taken_once_and_all_together_are_nearest():
    """The one in the middle is nearer to the second; but then the first would be nobody."""
    before = np.array([[0.0, 0, 10], [1.0, 0, 10]])
    after = np.array([[0.8, 0, 10], [1.7, 0, 10]])
    assert [w.tolist() for w in follow([before, after], [0, 1])] == [[0, 1], [0, 1]]


def test_distances_are_metres_aside_and_ratios_away():
    one = np.array([[0.0, 0, 40]])
    assert distances(one, np.array([[0.3, 0.4, 40.0]]))[0, 0] == pytest.approx(0.5)
    assert distances(one, np.array([[0.0, 0, 44.0]]))[0, 0] == pytest.approx(np.log(1.1))
    far = np.array([[3.0, 1, 40]])
    assert distances(far, far * 1.1)[0, 0] == pytest.approx(np.log(1.1))  # along the line of sight
