"""Edits are pure, keep to real time and obey their algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion import edit
from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD, FaceMotion

RATES = (24.0, 25.0, 30000 / 1001, 30.0, 60.0)


@st.composite
def motions(draw, least=1):
    frames = draw(st.integers(least, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = rng.random((frames, 52)) * draw(st.floats(0, 1))
    return FaceMotion(shapes, rng.normal(0, 8, (frames, 6)), draw(st.sampled_from(RATES)))


def same(a, b, tolerance=0.0):
    assert a.fps == b.fps and len(a) == len(b)
    np.testing.assert_allclose(a.blendshapes, b.blendshapes, atol=tolerance, rtol=0)
    np.testing.assert_allclose(a.head, b.head, atol=10 * tolerance, rtol=0)


def wave(seconds=4.0, fps=25.0, name="jawOpen"):
    t = np.arange(round(seconds * fps)) / fps
    shapes, head = np.zeros((len(t), 52)), np.zeros((len(t), 6))
    shapes[:, BLENDSHAPES.index(name)] = 0.5 - 0.5 * np.cos(2 * np.pi * t)
    head[:, 1] = 10 * np.sin(np.pi * t)
    return FaceMotion(shapes, head, fps)


def test_groups_cover_every_column_once():
    columns = sorted(c for group in edit.GROUPS.values() for c in group)
    assert columns == list(range(len(BLENDSHAPES) + len(HEAD)))


@settings(max_examples=25)
@given(motions(), st.sampled_from(list(edit.GROUPS)), st.floats(0, 3))
def test_scale_changes_one_group_only(motion, group, factor):
    same(edit.scale(motion, {}), motion)
    scaled = edit.scale(motion, {group: factor})
    before, after = (np.concatenate([m.blendshapes, m.head], 1) for m in (motion, scaled))
    inside = list(edit.GROUPS[group])
    outside = [c for c in range(58) if c not in inside]
    assert np.array_equal(before[:, outside], after[:, outside])
    want = before[:, inside] * np.float32(factor)
    np.testing.assert_allclose(after[:, inside], want if inside[0] >= 52 else want.clip(0, 1), atol=1e-5)


@settings(max_examples=25)
@given(motions())
def test_mirror_twice_is_the_identity(motion):
    same(edit.mirror(edit.mirror(motion)), motion)


def test_mirror_swaps_sides():
    motion = FaceMotion(
        np.eye(52)[[BLENDSHAPES.index(n) for n in ("jawLeft", "eyeBlinkLeft", "jawOpen")]],
        np.ones((3, 6)),
        25,
    )
    flipped = edit.mirror(motion)
    assert flipped.column("jawRight")[0] == 1 and flipped.column("eyeBlinkRight")[1] == 1
    assert flipped.column("jawOpen")[2] == 1 and flipped.blendshapes.sum() == 3
    assert flipped.head[0].tolist() == [1, -1, -1, -1, 1, 1]


@settings(max_examples=25)
@given(motions(), motions(), st.floats(0, 1))
def test_mix_and_add_algebra(a, b, amount):
    same(edit.mix(a, b, 0.0), a)
    same(edit.mix(a, a, amount), a, 1e-6)
    same(edit.add(a, b, 0.0), a)
    over = edit.mix(a, b, 1.0)
    shapes, head = b.sample(np.arange(len(a)) / a.fps)
    np.testing.assert_allclose(over.blendshapes, shapes, atol=1e-6)
    np.testing.assert_allclose(over.head, head, atol=1e-5)
    rest = FaceMotion.neutral(len(a), a.fps)
    same(edit.add(rest, a), a)
    same(edit.add(edit.mix(a, rest, 0.5), edit.mix(a, rest, 0.5)), a, 1e-6)
    assert edit.add(a, b).fps == a.fps and len(edit.add(a, b)) == len(a)


def test_motions_of_different_rates_meet_in_time():
    slow, fast = wave(fps=25), wave(fps=50)
    same(edit.mix(slow, fast, 1.0), slow, 1e-5)
    assert np.abs(edit.mix(fast, slow, 1.0).head[:-2] - fast.head[:-2]).max() < 0.1
    assert edit.add(slow, wave(seconds=1)).column("yaw")[60] == pytest.approx(
        slow.column("yaw")[60] + wave(seconds=1).column("yaw")[-1], abs=1e-5
    )  # the end is held


@settings(max_examples=30)
@given(motions(), st.floats(0, 2))
def test_trim_and_negative_delay_undo_delay(motion, seconds):
    later = edit.delay(motion, seconds)
    count = len(later) - len(motion)
    assert count == (round(seconds * motion.fps) if seconds * motion.fps >= 0.5 else 0)
    assert not later.blendshapes[:count].any()
    same(edit.trim(later, seconds), motion)
    if count:
        same(edit.delay(later, -seconds), motion)
    held = edit.delay(motion, seconds, hold=True)
    assert (held.blendshapes[: count + 1] == motion.blendshapes[0]).all()


@settings(max_examples=25)
@given(motions(), st.sampled_from(RATES))
def test_resample_identities(motion, fps):
    assert edit.set_fps(motion, motion.fps) is motion
    other = edit.set_fps(motion, fps)
    assert abs(other.duration - motion.duration) <= 0.5 / fps + 1e-9 or len(other) == 1
    double = edit.set_fps(motion, 2 * motion.fps)
    same(edit.set_fps(double, motion.fps), motion, 1e-6)


def test_resample_keeps_time():
    fine = wave(fps=100).resample(25)
    same(fine, wave(fps=25), 1e-6)


def test_crossfade_joins_without_a_jump():
    a, b = wave(2), edit.scale(wave(3), {"head_rotation": -1})
    joined = edit.crossfade(a, b, 0.4)
    assert joined.duration == pytest.approx(4.6)
    assert np.array_equal(joined.head[:40], a.head[:40]) and np.array_equal(joined.head[50:], b.head[10:])
    assert np.abs(np.diff(joined.column("jawOpen"))).max() < 0.2
    cut = edit.crossfade(a, b, 0)
    assert len(cut) == len(a) + len(b)
    assert edit.crossfade(a, wave(3, fps=50), 0.4).fps == 25
    with pytest.raises(TroupeError, match="crossfade"):
        edit.crossfade(a, b, 2.5)


def test_smooth_has_no_lag_and_calms_noise():
    clean = wave(8)
    noise = np.random.default_rng(0).normal(0, 1, clean.head.shape)
    noisy = FaceMotion(clean.blendshapes, clean.head + noise, clean.fps)
    calm = edit.smooth(noisy, 0.2)
    assert np.abs(calm.head - clean.head)[10:-10].std() < 0.45 * noise.std()
    yaw, smoothed = clean.column("yaw"), edit.smooth(clean, 0.2).column("yaw")
    lag = [np.dot(yaw[20:-20], np.roll(smoothed, k)[20:-20]) for k in (-1, 0, 1)]
    assert lag[1] > lag[0] and lag[1] > lag[2]
    constant = FaceMotion(np.full((30, 52), 0.3), np.full((30, 6), 4.0), 25)
    same(edit.smooth(constant, 0.5), constant, 1e-6)
    assert edit.smooth(clean, 0) is clean


def test_smooth_keeps_blinks_if_told():
    lid = np.zeros((50, 52), np.float32)
    lid[20:24, BLENDSHAPES.index("eyeBlinkLeft")] = (0.55, 1, 1, 0.4)
    motion = FaceMotion(lid, np.zeros((50, 6)), 25)
    assert edit.smooth(motion, 0.3).column("eyeBlinkLeft").max() == pytest.approx(1)
    assert edit.smooth(motion, 0.3, keep_blinks=False).column("eyeBlinkLeft").max() < 0.6


def test_loop_has_no_seam_and_starts_as_it_is():
    motion = edit.trim(wave(4), 0.3, 3.1)
    long = edit.loop(motion, 20, blend=0.5)
    assert len(long) == 500
    assert np.array_equal(long.head[:50], motion.head[:50])
    step = np.abs(np.diff(long.head[:, 1])).max()
    assert step <= 3 * np.abs(np.diff(motion.head[:, 1])).max()
    assert np.abs(np.diff(edit.loop(motion, 20, blend=0).head[:, 1])).max() > 2 * step
    period = len(motion) - 12
    np.testing.assert_array_equal(long.head[period : 2 * period], long.head[2 * period : 3 * period])
    same(edit.loop(motion, 1), edit.trim(motion, 0, 1))
    one = FaceMotion(np.full((1, 52), 0.2), np.zeros((1, 6)), 25)
    assert len(edit.loop(one, 2)) == 50


@pytest.mark.parametrize(
    "do",
    [
        lambda m: edit.scale(m, {"mouths": 1}), lambda m: edit.scale(m, {"mouth": float("nan")}),
        lambda m: edit.scale(m, {"mouth": 11}), lambda m: edit.add(m, m, float("inf")), lambda m: edit.mix(m, m, 1.1),
        lambda m: edit.mix(m, m, float("nan")), lambda m: edit.trim(m, 3, 2), lambda m: edit.trim(m, -1),
        lambda m: edit.trim(m, 99), lambda m: edit.trim(m, float("nan")),
        lambda m: edit.delay(m, 1e9), lambda m: edit.delay(m, -99), lambda m: edit.delay(m, float("nan")),
        lambda m: edit.smooth(m, -1), lambda m: edit.smooth(m, 99), lambda m: edit.loop(m, 0),
        lambda m: edit.loop(m, 1e9), lambda m: edit.loop(m, 9, blend=-1), lambda m: edit.set_fps(m, 0),
        lambda m: edit.set_fps(m, 1e9),
    ],
)  # fmt: skip
def test_bad_values_are_refused(do):
    with pytest.raises(TroupeError) as e:
        do(wave())
    assert e.value.remedy


def test_misspelt_group_gets_a_hint():
    with pytest.raises(TroupeError, match="'mouth'"):
        edit.scale(wave(), {"mouths": 1})


def test_edits_leave_their_input_alone_and_keep_the_start():
    motion = FaceMotion(np.full((30, 52), 0.5), np.ones((30, 6)), 25, start=77.0)
    before = motion.blendshapes.copy()
    for result in (
        edit.scale(motion, {"mouth": 0}), edit.add(motion, motion), edit.mirror(motion), edit.smooth(motion, 0.2),
        edit.delay(motion, 1), edit.loop(motion, 5), edit.mix(motion, motion, 0.5), edit.set_fps(motion, 50),
    ):  # fmt: skip
        assert result.start == 77.0
    assert np.array_equal(motion.blendshapes, before)
