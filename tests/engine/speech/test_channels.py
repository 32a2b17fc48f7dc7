"""Channels of speech and blendshapes: which is which, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from troupe.engine.motion.face_motion import BLENDSHAPES
from troupe.engine.motion.face_motion import INDEX as SHAPE
from troupe.engine.speech.channels import (
    AJAR,
    CHANNELS,
    INDEX,
    MOUTH_SHAPES,
    NARROW,
    aperture,
    gather,
    shut,
    spread,
)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_there_and_back_and_both_sides_alike(seed: int, frames: int):
    channels = np.random.default_rng(seed).random((frames, len(CHANNELS)), np.float32)
    shapes = spread(channels)
    assert shapes.shape == (frames, 52) and shapes.dtype == np.float32
    np.testing.assert_array_equal(gather(shapes), channels)
    for name in BLENDSHAPES:
        if name.endswith("Left") and name not in ("jawLeft", "mouthLeft"):
            np.testing.assert_array_equal(shapes[:, SHAPE[name]], shapes[:, SHAPE[name[:-4] + "Right"]])
    np.testing.assert_allclose(aperture(shapes), aperture(channels))


def test_each_channel_moves_the_shapes_of_its_name_only():
    for name in CHANNELS:
        one = np.zeros((1, len(CHANNELS)))
        one[0, INDEX[name]] = 0.5
        moved = {BLENDSHAPES[i] for i in np.flatnonzero(spread(one)[0])}
        assert moved in ({name}, {name + "Left", name + "Right"})


def test_gather_takes_the_mean_of_the_sides():
    shapes = np.zeros((1, 52), np.float32)
    shapes[0, SHAPE["mouthSmileLeft"]] = 0.8
    assert gather(shapes)[0, INDEX["mouthSmile"]] == pytest.approx(0.4)


def test_lips_metrics_look_at_27_shapes():
    assert len(MOUTH_SHAPES) == 27 and {"jawOpen", "jawLeft", "mouthRight"} <= set(MOUTH_SHAPES)


@pytest.mark.parametrize("make", [spread, gather, aperture])
def test_wrong_shapes_are_refused(make):
    with pytest.raises(ValueError, match="17"):
        make(np.zeros((3, 17)))


@given(
    hnp.arrays(np.float32, (7, 18), elements=st.floats(0, 1, width=32)),
)
def test_lips_that_are_nearly_shut_are_shut_further_and_nothing_else_changes(channels):
    after = shut(channels)
    others = np.arange(len(CHANNELS)) != INDEX["jawOpen"]
    np.testing.assert_array_equal(after[:, others], channels[:, others])
    less = channels[:, INDEX["jawOpen"]] - after[:, INDEX["jawOpen"]]
    assert (less >= 0).all() and (less <= AJAR + 1e-6).all() and (after >= 0).all()
    assert (less[aperture(channels) >= NARROW] <= 1e-6).all()
    np.testing.assert_array_equal(shut(channels[None])[0], after)  # any shape before the channels


def test_an_open_mouth_never_ends_below_a_narrower_one():
    rows = np.zeros((50, 18), np.float32)
    rows[:, INDEX["jawOpen"]] = np.linspace(0, 0.4, 50)
    assert (np.diff(aperture(shut(rows))) >= -1e-7).all()
