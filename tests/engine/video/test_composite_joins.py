"""Clips put one after the other: crossfades, and windows whose drift is measured and removed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.video.composite import CURVES, crossfade, join_windows, measure_drift


def still(scenes, seed=0):
    noise = scenes.picture(seed)
    return 0.6 * noise.mean(2, keepdims=True) + 0.4 * noise


def moving(scenes, count, start=0):
    """A picture whose brightness tells the frame, slowly panning."""
    whole = still(scenes, 3)
    return [np.clip(whole + 0.001 * t, 0, 1) for t in range(start, start + count)]


def drifted(frames, *, shift=(0.0, 0.0), zoom=1.0, turn=0.0, gain=1.0, lift=0.0):
    import cv2

    height, width = frames[0].shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -turn, zoom)
    matrix[:, 2] += shift
    return [
        np.clip(
            cv2.warpAffine(f, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
            * gain
            + lift,
            0,
            1,
        ).astype(np.float32)
        for f in frames
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 12), st.sampled_from(CURVES))
def test_a_crossfade_is_as_long_as_it_says_and_runs_from_one_to_the_other(first, second, fade, curve):
    a = [np.zeros((4, 4, 3), np.float32)] * first
    b = [np.ones((4, 4, 3), np.float32)] * second
    if fade > min(first, second):
        with pytest.raises(TroupeError, match=f"cannot overlap by {fade} frames"):
            list(crossfade(a, b, fade, curve))
        return
    light = np.array([f.mean() for f in crossfade(a, b, fade, curve)])
    assert len(light) == first + second - fade
    assert (light[: first - fade] == 0).all() and (light[first:] == 1).all()
    assert (np.diff(light) >= 0).all() and (
        (light[first - fade : first] > 0) & (light[first - fade : first] < 1)
    ).all()


def test_bytes_stay_bytes():
    clips = [np.full((4, 4, 3), v, np.uint8) for v in (0, 200)]
    mixed = list(crossfade([clips[0]] * 3, [clips[1]] * 3, 1, "linear"))
    assert [f.dtype for f in mixed] == [np.uint8] * 5 and mixed[2].max() == 100


@settings(max_examples=8, deadline=None)
@given(
    st.floats(-6, 6),
    st.floats(-6, 6),
    st.floats(0.97, 1.03),
    st.floats(-2, 2),
    st.floats(0.9, 1.08),
    st.floats(-0.03, 0.03),
)
def test_drift_is_measured_and_removed(scenes, x, y, zoom, turn, gain, lift):
    whole = moving(scenes, 30)
    second = drifted(whole[14:], shift=(x, y), zoom=zoom, turn=turn, gain=gain, lift=lift)
    drift = measure_drift(whole[:20], second, 6)
    assert abs(drift.shift[0] - x) < 0.15 and abs(drift.shift[1] - y) < 0.15
    assert abs(drift.zoom - zoom) < 0.003 and abs(drift.turn - turn) < 0.1
    joined = list(join_windows(whole[:20], second, 6, drift))
    inner = slice(20, -20), slice(20, -20)
    assert len(joined) == 30
    off = np.abs(joined[25] - whole[25])[inner].mean()
    assert off < 0.025 and off <= np.abs(second[11] - whole[25])[inner].mean() + 0.004
    assert drift.after <= drift.before + 0.3 and drift.after < 7  # what two resamplings cost fine noise


def test_without_drift_nothing_is_touched(scenes):
    whole = moving(scenes, 20)
    drift = measure_drift(whole[:12], whole[8:], 4)
    joined = list(join_windows(whole[:12], whole[8:], 4, drift))
    assert drift.matrix is None and drift.tint.is_nothing and drift.before == 0
    assert all((a == b).all() for a, b in zip(joined[12:], whole[12:], strict=True))
    assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(joined, whole, strict=True))


def test_what_is_not_wanted_is_only_measured(scenes):
    whole = moving(scenes, 20)
    second = drifted(whole[8:], shift=(3.0, 0.0), gain=0.9)
    drift = measure_drift(whole[:12], second, 4, colour=False, position=False)
    joined = list(join_windows(whole[:12], second, 4, drift))
    assert abs(drift.shift[0] - 3) < 0.1 and drift.matrix is None and (joined[-1] == second[-1]).all()
    assert "left as it is" in drift.report()


def test_other_content_is_no_drift(scenes):
    """Two different pictures are not bent onto each other."""
    drift = measure_drift([still(scenes, 1)] * 4, [still(scenes, 2)] * 4, 4)
    assert drift.matrix is None or drift.after < drift.before


def test_windows_that_just_go_on(scenes):
    whole = moving(scenes, 20)
    second = drifted(whole[10:], gain=0.93)
    drift = measure_drift(whole[:10], second, 0)
    joined = list(join_windows(whole[:10], second, 0, drift))
    assert len(joined) == 20 and drift.frames == 1
    assert np.abs(joined[10] - whole[10]).mean() < 0.01 < np.abs(second[0] - whole[10]).mean()


def test_the_report_names_the_figures(scenes):
    whole = moving(scenes, 20)
    drift = measure_drift(whole[:12], drifted(whole[8:], shift=(2.0, -1.0), lift=-0.02), 4)
    figures = f"{drift.shift[0]:+.2f}, {drift.shift[1]:+.2f} pixels"
    lines = drift.report().splitlines()
    assert len(lines) == 3 and figures in lines[1] and "removed" in lines[1]
    assert f"{drift.before:.2f} of 255 before, {drift.after:.2f} after, over 4 frame(s)" in lines[2]


@pytest.mark.parametrize("way", ["fade", "join"])
def test_bad_clips_are_named(scenes, way):
    def run(a, b, n=1):
        return list(crossfade(a, b, n)) if way == "fade" else measure_drift(a, b, n)

    one = [still(scenes)] * 3
    for a, b, n, expected in (
        ([], one, 1, "first clip is empty"),
        (one, [], 1, "second clip is empty"),
        (one, [np.zeros((9, 9, 3), np.float32)] * 3, 1, "the first is 240 x 180, the second 9 x 9"),
        (one, one, 4, "cannot overlap by 4 frames"),
        (one, one, -1, "cannot overlap by -1 frames"),
    ):
        with pytest.raises(TroupeError, match=expected):
            run(a, b, n)
    with pytest.raises(TroupeError, match="Unknown curve"):
        list(crossfade(one, one, 1, "bent"))
