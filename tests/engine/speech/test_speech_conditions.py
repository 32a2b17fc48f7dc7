"""What emotion and persona must do to plain speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from troupe.engine.motion.presets import preset_pose
from troupe.engine.speech.channels import CHANNELS, INDEX, aperture, gather
from troupe.engine.speech.conditions import (
    CONDITION,
    EMOTIONS,
    PERSONA,
    closure,
    conditioned,
    emotion_table,
    smile_pose,
)

unit = st.floats(0, 1, width=32)
speeches = arrays(np.float32, (5, len(CHANNELS)), elements=unit)
vectors = arrays(np.float32, (5, CONDITION), elements=st.floats(-0.5, 1, width=32))


def told(name: str, value: float = 1.0) -> np.ndarray:
    out = np.zeros((1, CONDITION), np.float32)
    out[0, [*EMOTIONS, *PERSONA].index(name)] = value
    return out


@settings(max_examples=50)
@given(speeches)
def test_plain_is_untouched(speech):
    np.testing.assert_array_equal(conditioned(speech, np.zeros((5, CONDITION), np.float32)), speech)
    np.testing.assert_array_equal(conditioned(speech, told("neutral")), speech)


@settings(max_examples=50)
@given(speeches, vectors)
def test_it_stays_in_range_and_leaves_its_input_alone(speech, vector):
    before = speech.copy()
    out = conditioned(speech, vector)
    assert out.min() >= 0 and out.max() <= 1 and out.dtype == np.float32
    np.testing.assert_array_equal(speech, before)


@settings(max_examples=50)
@given(speeches, arrays(np.float32, (5, len(EMOTIONS)), elements=unit))
def test_emotions_never_open_or_shut_the_mouth(speech, mix):
    vector = np.concatenate([mix, np.zeros((5, len(PERSONA)), np.float32)], 1)
    np.testing.assert_allclose(aperture(conditioned(speech, vector)), aperture(speech), atol=1e-6)


@pytest.mark.parametrize("emotion", EMOTIONS[1:-1])
def test_the_table_is_that_of_the_presets_but_for_the_jaw(emotion):
    row, pose = emotion_table()[EMOTIONS.index(emotion)], gather(preset_pose(emotion)[0][None])[0]
    still = [INDEX["jawOpen"], INDEX["mouthClose"]]
    assert (row[still] == 0).all() and row.max() > 0.2
    np.testing.assert_array_equal(np.delete(row, still), np.delete(pose, still))


def test_contempt_is_a_look_of_its_own():
    table = emotion_table()
    contempt = table[EMOTIONS.index("contemptuous")]
    assert contempt[INDEX["mouthDimple"]] == contempt.max() > 0.3
    others = [row for name, row in zip(EMOTIONS, table) if name not in ("neutral", "contemptuous")]
    assert max(np.corrcoef(contempt, row)[0, 1] for row in others) < 0.8


def test_emotions_give_way_where_lips_close():
    speech = np.zeros((2, len(CHANNELS)), np.float32)
    speech[:, INDEX["jawOpen"]] = speech[0, INDEX["mouthClose"]] = 0.2
    speech[0, INDEX["mouthPress"]] = 0.3
    np.testing.assert_allclose(closure(speech), [1, 0])
    moved = (conditioned(speech, told("happy")) - speech)[:, INDEX["mouthSmile"]]
    assert moved[0] == pytest.approx(0.4 * moved[1]) and moved[1] > 0.5


def test_articulation_scales_the_opening_and_spares_closures():
    speech = np.random.default_rng(0).uniform(0, 0.5, (6, len(CHANNELS))).astype(np.float32)
    speech[:, INDEX["mouthClose"]] = speech[:, INDEX["jawOpen"]] * np.linspace(0, 1, 6)
    out = conditioned(speech, told("articulation", 0.3))
    np.testing.assert_allclose(aperture(out), 1.3 * aperture(speech), atol=1e-6)
    np.testing.assert_array_equal(out[:, INDEX["mouthPress"]], speech[:, INDEX["mouthPress"]])


def test_range_scales_emotion_and_smile_adds():
    rest = np.zeros((1, len(CHANNELS)), np.float32)
    np.testing.assert_allclose(
        conditioned(rest, told("sad", 0.5) + told("range", 0.4)), 1.4 * 0.5 * emotion_table()[[2]], atol=1e-6
    )
    np.testing.assert_allclose(conditioned(rest, told("smile", 0.5))[0], 0.5 * smile_pose(), atol=1e-6)
