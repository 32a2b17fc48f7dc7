"""The tracker on made-up faces: no pictures, many people."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.faces.track import Seen, Tracker
from troupe.engine.faces.types import Face

SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (478, 3)).astype(np.float32)
SHAPE[0, :2], SHAPE[1, :2] = -0.5, 0.5  # so that the box is exactly one unit


def face(x: float, y: float, size: float = 50.0) -> Face:
    return Face(SHAPE * np.float32(size) + np.array([x, y, 0], np.float32), 0.9)


def looks(kind: int) -> np.ndarray:
    return np.random.default_rng(100 + kind).uniform(0, 90, (6, 6, 3)).astype(np.float32)


def run(plot, frames, fps=25.0, max_faces=16):
    tracker = Tracker(fps)
    for t in range(frames):
        tracker.update(t, [Seen(f, looks(k) if k is not None else None) for f, k in plot(t)])
    return tracker.tracks(frames, max_faces)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_people_apart_are_never_mixed_up_whatever_the_order_they_come_in(count, seed):
    rng = np.random.default_rng(seed)
    starts = np.column_stack([np.arange(count) * 160 + 80, rng.uniform(50, 300, count)])
    speed = rng.uniform(-2, 2, (count, 2))
    orders = [rng.permutation(count) for _ in range(12)]
    tracks = run(lambda t: [(face(*(starts[i] + t * speed[i])), None) for i in orders[t]], 12)
    assert len(tracks) == count
    for i, track in enumerate(tracks):
        assert track.person == i + 1 and track.present.all()
        where = np.array([f.centre for f in track.faces])
        assert np.allclose(where, starts[i] + np.arange(12)[:, None] * speed[i], atol=0.01)


@settings(max_examples=25, deadline=None)
@given(st.floats(4, 16), st.integers(0, 12), st.booleans())
def test_people_cross_and_one_hides_behind_the_other(speed, hidden, with_looks):
    """Motion alone tells them apart, looks or not."""
    middle = 240 / speed

    def plot(t):
        a, b = face(100 + speed * t, 100), face(580 - speed * t, 110)
        one, two = (a, 1 if with_looks else None), (b, 2 if with_looks else None)
        return [two] if abs(t - middle) <= hidden / 2 else [one, two]

    frames = int(2 * middle)
    tracks = run(plot, frames)
    assert len(tracks) == 2
    assert tracks[0].faces[0].centre[0] < 200 and tracks[0].faces[-1].centre[0] > 400
    assert tracks[1].present.all() and tracks[1].faces[-1].centre[0] < 250


def test_looks_bring_back_a_person_from_anywhere_and_place_alone_does_not():
    def plot(t, kind):
        if t < 20:
            return [(face(100, 100), kind)]
        return [] if t < 90 else [(face(500, 300), kind)]

    assert len(run(lambda t: plot(t, 1), 110)) == 1
    assert len(run(lambda t: plot(t, None), 110)) == 2


def test_ghosts_are_dropped_but_short_clips_keep_their_people():
    def ghost(t):
        return [(face(100, 100), 1)] + ([(face(400, 100), 2)] if t in (10, 11) else [])

    assert len(run(ghost, 50)) == 1
    assert len(run(lambda t: [(face(100, 100), 1), (face(400, 100), 2)], 2)) == 2


def test_of_too_many_the_longest_and_largest_stay_numbered_from_the_left():
    sizes = [30, 80, 40, 90, 50]
    tracks = run(lambda t: [(face(100 + 150 * i, 100, s), i) for i, s in enumerate(sizes)], 10, max_faces=3)
    assert [round(t.first.size) for t in tracks] == [80, 90, 50]
    assert [t.person for t in tracks] == [1, 2, 3]


def test_a_newcomer_in_the_place_of_somebody_lost_is_somebody_else():
    def plot(t):
        return [(face(100, 100), 1)] if t < 15 else [] if t < 20 else [(face(100, 100), 2)]

    assert len(run(plot, 40)) == 2
