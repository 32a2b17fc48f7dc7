"""Smoothing: speech passes with its timing and size, trembling does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.faces.smooth import smooth_landmarks, smooth_track, stretches
from troupe.engine.faces.types import Face, FaceTrack

EYES = 60.0  # pixels
TREMBLE = 0.0035 * EYES  # what the mesh does on a face at rest (measured: 0.3 to 0.4 % of the eye distance)


@pytest.fixture(scope="module")
def rest(scenes):
    from troupe.engine.faces import find_faces

    face = find_faces(scenes.portraits["astronaut"].image).tracks[0].first
    return face.landmarks * np.float32(EYES / face.eye_distance)


def _talking(rest, fps, seconds, hertz, amplitude, seed=0):
    """Rest, with the lower face moving up and down like a jaw, plus trembling."""
    t = np.arange(int(fps * seconds)) / fps
    points = np.repeat(rest[None], len(t), 0)
    weight = np.exp(-((np.linalg.norm(rest[:, :2] - rest[17, :2], axis=1) / (0.35 * EYES)) ** 2))
    wave = amplitude * EYES * np.sin(2 * np.pi * hertz * t)
    points[..., 1] += (wave[:, None] * weight).astype(np.float32)
    points += np.random.default_rng(seed).normal(0, TREMBLE, points.shape).astype(np.float32)
    return t, points, wave


def _response(t, signal, hertz):
    """Amplitude and delay in seconds of the component at ``hertz``."""
    keep = (t > 0.3) & (t < t[-1] - 0.3)
    phasor = 2 * np.mean((signal - signal[keep].mean())[keep] * np.exp(-2j * np.pi * hertz * t[keep]))
    return abs(phasor), -(np.angle(phasor) + np.pi / 2) / (2 * np.pi * hertz)


@pytest.mark.parametrize("fps", [25, 30, 60])
@pytest.mark.parametrize(("hertz", "amplitude"), [(5, 0.06), (3, 0.06), (2, 0.15)])
def test_speech_keeps_its_size_and_timing(rest, fps, hertz, amplitude):
    t, points, wave = _talking(rest, fps, 4.0, hertz, amplitude)
    out = smooth_landmarks(points, fps, EYES)
    before, at_before = _response(t, points[:, 17, 1], hertz)
    after, at_after = _response(t, out[:, 17, 1], hertz)
    assert after >= 0.95 * before
    assert abs(at_after - at_before) < 0.010


def test_the_live_form_keeps_speech_too(rest):
    t, points, _ = _talking(rest, 30, 4.0, 5, 0.06)
    out = smooth_landmarks(points, 30, EYES, causal=True)
    before, at_before = _response(t, points[:, 17, 1], 5)
    after, at_after = _response(t, out[:, 17, 1], 5)
    assert after >= 0.95 * before and abs(at_after - at_before) < 0.010


@pytest.mark.parametrize("causal", [False, True])
def test_trembling_at_rest_is_more_than_halved(rest, causal):
    _, points, _ = _talking(rest, 30, 4.0, 5, 0.0)
    out = smooth_landmarks(points, 30, EYES, causal=causal)
    assert out[20:].std(0).mean() < 0.5 * points[20:].std(0).mean()


def test_the_live_form_knows_nothing_of_the_future(rest):
    _, points, _ = _talking(rest, 30, 2.0, 5, 0.06)
    changed = points.copy()
    changed[40:] += 30
    a = smooth_landmarks(points, 30, EYES, causal=True)
    b = smooth_landmarks(changed, 30, EYES, causal=True)
    assert np.array_equal(a[:40], b[:40]) and not np.array_equal(a[41:], b[41:])


@settings(max_examples=20, deadline=None)
@given(st.floats(-500, 500), st.floats(-500, 500), st.integers(1, 40), st.sampled_from([10, 25, 60]))
def test_a_face_that_stands_still_is_left_where_it_is(x, y, frames, fps):
    points = np.random.default_rng(1).uniform(0, 100, (478, 3)).astype(np.float32)
    points = np.repeat((points + np.array([x, y, 0], np.float32))[None], frames, 0)
    assert np.allclose(smooth_landmarks(points, fps, 40.0), points, atol=1e-2)


def test_gaps_stay_gaps_and_stop_the_smoothing(rest):
    def at(x):
        return Face(rest + np.array([x, 0, 0], np.float32), 0.8)

    faces = [at(0)] * 6 + [None] * 3 + [at(300)] * 6
    out = smooth_track(FaceTrack(2, tuple(faces)), 25)
    assert out.person == 2 and np.array_equal(out.present, FaceTrack(2, tuple(faces)).present)
    assert np.allclose(out.faces[5].landmarks, faces[5].landmarks, atol=1e-3)
    assert np.allclose(out.faces[9].landmarks, faces[9].landmarks, atol=1e-3)
    assert out.faces[9].confidence == 0.8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=30))
def test_stretches_cover_exactly_what_is_present(present):
    covered = [t for a, b in stretches(np.array(present, bool)) for t in range(a, b)]
    assert covered == [t for t, p in enumerate(present) if p]
