"""Emotions over time: what is written is what is felt, when; and faces change without a jerk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.presets import preset_pose
from troupe.engine.speech.channels import CHANNELS, aperture, gather, spread
from troupe.engine.speech.conditions import EMOTIONS, emotion_table
from troupe.engine.speech.emotion import (
    HEADS,
    HEARD,
    LEAD,
    POSES,
    EmotionTrack,
    Feelings,
    emotion_mix,
    emotion_name,
)

HAPPY, SAD, SURPRISED = (EMOTIONS.index(n) for n in ("happy", "sad", "surprised"))


def felt(text: str, *times: float) -> np.ndarray:
    return EmotionTrack.parse(text).sample(np.array(times))


def test_text_says_what_is_felt_when():
    np.testing.assert_allclose(felt("happy:0.6", 0, 1e4)[:, HAPPY], 0.6)
    mixed = felt("happy:0.6+surprised:0.2", 3)[0]
    np.testing.assert_allclose(mixed[[HAPPY, SURPRISED, SAD]], [0.6, 0.2, 0], atol=1e-7)
    two = felt("happy:0.6@0-2; sad:0.4@2-", 0, 1.99, 2, 50)
    np.testing.assert_allclose(two[:, HAPPY], [0.6, 0.6, 0, 0], atol=1e-7)
    np.testing.assert_allclose(two[:, SAD], [0, 0, 0.4, 0.4], atol=1e-7)
    later = felt("# a scene\nsad 0.3 @ 1 - 1.5 # briefly\n\nAnger@2", 0.5, 1.2, 1.7, 2, 99)
    np.testing.assert_allclose(later.sum(1), [0, 0.3, 0, 1, 1], atol=1e-6)
    assert felt("happy@-2", 1, 2)[:, HAPPY].tolist() == [1, 0]


def test_parts_that_hold_together_add_up_to_one_at_most():
    both = felt("happy:0.5; sad:0.3@1-2", 0, 1.5, 3)
    np.testing.assert_allclose(both.sum(1), [0.5, 0.8, 0.5], atol=1e-6)
    full = felt("happy+surprised", 0)[0]
    np.testing.assert_allclose(full[[HAPPY, SURPRISED]], 0.5)
    assert felt("neutral:0.7+happy:0.5", 0)[0].sum() == pytest.approx(0.5)
    assert not felt("calm", 0).any()


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "empty"), ("  ;  ", "empty"), ("hapy:0.5", "'happy'"), ("happy:1.5", "0 to 1"), ("happy:-0.1", "0 to 1"),
        ("happy@", "no time"), ("happy@3-2", "ends before"), ("happy@2-2", "ends before"), ("happy@1 2", "lack"),
        ("happy@x", "name:weight"), ("happy:0.5 sad:0.5", "name:weight"), ("happy++sad", "name:weight"),
        ("smile", "known are neutral, happy, sad, angry, surprised, fearful, disgusted, contemptuous"),
        (";".join(["happy"] * 1001), "1001"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_read_is_refused_by_its_part(text, says):
    with pytest.raises(TroupeError, match=says):
        EmotionTrack.parse(text)


def test_names_and_weights():
    assert emotion_name("Scared") == "fearful" and emotion_name("contempt") == "contemptuous"
    assert emotion_mix({"happiness": 0.25, "calm": 1}).tolist() == [0, 0.25, 0, 0, 0, 0, 0, 0]
    assert emotion_mix({}).shape == (8,)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8), st.booleans()),
             min_size=1, max_size=6),
    st.lists(st.floats(-5, 30), min_size=1, max_size=5),
)  # fmt: skip
def test_keys_hold_or_glide(keys, times):
    keys.sort(key=lambda k: k[0])
    track = EmotionTrack(*(np.array(v) for v in zip(*keys)))
    got = track.sample(np.array(times))
    assert got.shape == (len(times), 8) and got.dtype == np.float32
    assert got.min() >= 0 and got.sum(1).max() <= 1 + 1e-5 and not got[:, 0].any()
    for time, mix in zip(times, got):
        before = [i for i, k in enumerate(keys) if k[0] <= time] or [0]
        i, j = before[-1], min(before[-1] + 1, len(keys) - 1)
        low, high = np.minimum(track.mixes[i], track.mixes[j]), np.maximum(track.mixes[i], track.mixes[j])
        assert (mix >= low - 1e-6).all() and (mix <= high + 1e-6).all()
        if keys[i][2] or i == j or time <= keys[0][0]:
            np.testing.assert_allclose(mix, track.mixes[i], atol=1e-6)


def test_gliding_is_linear():
    track = EmotionTrack([1, 3], [[0] * 8, [0, 0.8, 0, 0, 0, 0, 0, 0]], [False, False])
    np.testing.assert_allclose(
        track.sample([0, 1, 1.5, 2, 3, 9])[:, HAPPY], [0, 0, 0.2, 0.4, 0.8, 0.8], atol=1e-6
    )


@pytest.mark.parametrize(
    "times, mixes, held",
    [
        ([], np.zeros((0, 8)), []), ([0], np.zeros((1, 7)), [True]), ([0], np.zeros((1, 8)), []),
        ([1, 0], np.zeros((2, 8)), [True, True]), ([np.nan], np.zeros((1, 8)), [True]),
        ([0], np.full((1, 8), 1.5), [True]), ([0], np.full((1, 8), np.nan), [True]),
    ],
)  # fmt: skip
def test_tracks_that_make_no_sense_are_refused(times, mixes, held):
    with pytest.raises(TroupeError):
        EmotionTrack(times, mixes, held)


def test_what_network_and_rules_show_is_the_pose():
    table = spread(emotion_table())
    for row, name in enumerate(EMOTIONS):
        shapes, head = preset_pose(name)
        whole = table[row] + POSES[row]
        speech_only = [INDEX["jawOpen"], INDEX["mouthClose"]]  # how far the mouth is open is not theirs
        whole[speech_only] = shapes[speech_only]
        np.testing.assert_allclose(whole, shapes, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(HEADS[row], head)
    assert HEARD.sum() == len(spread(np.ones((1, len(CHANNELS))))[0].nonzero()[0])
    np.testing.assert_allclose(gather(np.where(HEARD, POSES, 0)), 0, atol=1e-6)  # sides cancel out
    np.testing.assert_allclose(aperture(POSES), 0, atol=1e-6)


def test_feelings_lead_and_change_within_half_a_second_without_a_jerk():
    feelings = Feelings(EmotionTrack.parse("happy:0.8@1-3"))
    course = feelings.step(0, 300)[:, HAPPY]
    assert course[: int((1 - LEAD) * 50)].max() == 0
    assert 0.25 < course[50] < 0.7  # under way as it is said
    assert course[75] > 0.75 and course[90:130].min() == pytest.approx(0.8, abs=0.01)
    assert course[-1] == 0
    rise = np.flatnonzero((course > 0.08) & (course < 0.72) & (np.arange(300) < 100))
    assert 0.3 < len(rise) / 50 < 0.7
    assert np.abs(np.diff(course, 3)).max() * 50**3 < 600


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 200), max_size=12))
def test_feelings_are_the_same_in_any_pieces(cuts):
    track = EmotionTrack(
        [0.5, 1, 2], emotion_mix({"sad": 1})[None] * [[0.2], [1], [0.5]], [True, False, True]
    )
    whole, parts = Feelings(track).step(0, 200), Feelings(track)
    edges = [0, *sorted(cuts), 200]
    pieces = [parts.step(a, b - a) for a, b in zip(edges, edges[1:])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_track_may_be_exchanged_while_it_is_felt():
    feelings = Feelings(EmotionTrack.parse("happy"))
    assert feelings.step(0, 100)[-1, HAPPY] == 1
    feelings.track = EmotionTrack.parse("sad:0.5")
    after = feelings.step(100, 100)
    assert after[0, HAPPY] > 0.9 and after[-1, HAPPY] == 0 and after[-1, SAD] == pytest.approx(0.5)
