"""The idle layer: real-time events, human blink statistics, rest at the begin, linear cost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.motion.idle import SACCADE, blink_times, gaze_targets, idle_layer, idle_motion


def onsets(motion, name="eyeBlinkLeft", level=0.5):
    v = motion.column(name)
    return np.flatnonzero((v[1:] >= level) & (v[:-1] < level)) / motion.fps


@pytest.mark.parametrize("seed", range(4))
def test_same_seed_at_another_rate_has_the_same_events(seed):
    slow, fast = idle_motion(60, 25, seed=seed), idle_motion(60, 100, seed=seed)
    a, b = onsets(slow), onsets(fast)
    assert len(a) == len(b) > 8
    assert np.abs(a - b).max() <= 0.05
    shapes, head = fast.sample(np.arange(len(slow)) / 25)
    np.testing.assert_allclose(slow.head, head, atol=1e-3)
    np.testing.assert_allclose(slow.blendshapes, shapes, atol=1e-5)


def test_longer_begins_like_shorter():
    short, long = idle_motion(20, 30, seed=5), idle_motion(200, 30, seed=5)
    np.testing.assert_array_equal(short.head, long.head[:600])
    np.testing.assert_array_equal(short.blendshapes[:580], long.blendshapes[:580])


@pytest.mark.parametrize("seed", range(20))
def test_first_frame_is_rest_and_nothing_jumps_in(seed):
    motion = idle_motion(8, 25, seed=seed)
    assert not motion.blendshapes[0].any() and not motion.head[0].any()
    assert np.abs(motion.head[:5]).max() < 0.15
    assert np.abs(np.diff(motion.head[:, :3], axis=0)).max() < 0.25  # degrees a frame
    assert (onsets(motion) >= 0.9).all()
    assert motion.blendshapes[-1, 8:10].max() < 0.1  # never ends with shut eyes


def test_blink_statistics():
    events = blink_times(7200, 15, np.random.default_rng(0))
    begin = np.array([e[0] for e in events])
    gap = np.diff(begin)
    double = gap < 0.6
    assert 0.07 < double.mean() < 0.13
    single = gap[~double]
    assert 1.5 < single.min() and single.max() < 6.1 and 3.5 < single.mean() < 4.5
    shut, opening = np.array([e[1:] for e in events]).T
    assert shut.min() >= 0.04 and shut.max() <= 0.08 and opening.min() >= 0.15 and opening.max() <= 0.2
    motion = idle_motion(600, 100, seed=2)
    lid = motion.column("eyeBlinkLeft")
    peaks = [lid[max(0, int(t * 100)) : int(t * 100) + 20].max() for t in onsets(motion)]
    assert min(peaks) == 1.0


def test_blink_rate_is_per_minute():
    counts = {rate: len(onsets(idle_motion(1200, 25, blink_rate=rate))) / 20 for rate in (0, 5, 15, 30)}
    assert counts[0] == 0
    for rate in (5, 15, 30):
        assert counts[rate] == pytest.approx(rate * 1.1, rel=0.2)  # a tenth are double


def test_saccades_are_quick_and_eyes_move_together():
    motion = idle_motion(120, 200, seed=1, blink_rate=0)
    left = motion.column("eyeLookOutLeft") - motion.column("eyeLookInLeft")
    right = motion.column("eyeLookInRight") - motion.column("eyeLookOutRight")
    np.testing.assert_allclose(left, right, atol=1e-6)
    moving = np.abs(np.diff(left)) > 1e-5
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, moving, 0]))[::1])[::2] / 200
    assert runs.max() <= 0.06 and SACCADE < 0.06
    assert 0.3 < moving.sum() and np.mean(moving) < 0.2  # still most of the time
    at, where = gaze_targets(120, np.random.default_rng(0))
    assert np.diff(at[1:]).min() >= 0.2 and np.abs(where).max() <= 0.35
    assert np.median(np.abs(where)) < 0.05  # mostly at the viewer


def test_lids_follow_the_gaze():
    motion = idle_motion(60, 50, seed=3, blink_rate=0)
    down = motion.column("eyeLookDownLeft")
    np.testing.assert_allclose(motion.column("eyeBlinkLeft"), 0.3 * down, atol=1e-6)


def test_amounts_switch_parts_off_without_touching_others():
    full = idle_motion(30, 25, seed=9)
    no_gaze = idle_motion(30, 25, seed=9, gaze=0)
    no_sway = idle_motion(30, 25, seed=9, sway=0)
    assert np.array_equal(full.head, no_gaze.head) and not no_sway.head.any()
    assert not no_gaze.column("eyeLookInLeft").any()
    assert np.array_equal(full.column("eyeLookInLeft"), no_sway.column("eyeLookInLeft"))
    assert not idle_layer(np.arange(50) / 25, 0)[0].any()
    assert np.abs(idle_motion(60, 25, sway=2).head).max() > 1.5 * np.abs(idle_motion(60, 25).head).max()


def test_hours_cost_linear_time():
    begin = time.perf_counter()
    motion = idle_motion(3600, 30)
    assert len(motion) == 108_000 and time.perf_counter() - begin < 10
    late = motion.blendshapes[-54_000:]
    assert late[:, 8].max() == 1  # still blinking in the second half


@pytest.mark.parametrize(
    "more", [{"blink_rate": -1}, {"blink_rate": 1e3}, {"gaze": 9}, {"sway": float("nan")}]
)
def test_bad_amounts(more):
    with pytest.raises(TroupeError):
        idle_motion(1, 25, **more)


def test_odd_seeds_work():
    for seed in (-1, 0, 2**63, 2**64 - 1):
        assert len(idle_motion(1, 10, seed=seed)) == 10
