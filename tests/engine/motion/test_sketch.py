"""A drawn face that plays a motion."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD, FaceMotion
from troupe.engine.motion.sketch import _MOUTH, _WHITE, sketch


def drawn(size: int = 256, **values: float) -> np.ndarray:
    row = np.array([[values.get(n, 0.0) for n in BLENDSHAPES]], np.float32)
    head = np.array([[values.get(n, 0.0) for n in HEAD]], np.float32)
    (frame,) = sketch(FaceMotion(row, head, 25.0), size)
    return frame


def count(frame: np.ndarray, colour: tuple[int, int, int], side: slice = slice(None)) -> int:
    return int((np.abs(frame[:, side].astype(int) - colour).max(-1) < 12).sum())


def test_every_frame_is_drawn_at_the_size():
    motion = FaceMotion(np.zeros((3, 52), np.float32), np.zeros((3, 6), np.float32), 30.0)
    frames = list(sketch(motion, 100))
    assert [f.shape for f in frames] == [(100, 100, 3)] * 3 and frames[0].dtype == np.uint8
    np.testing.assert_array_equal(frames[0], frames[2])


def test_the_mouth_opens_and_lids_shut_on_the_right_side():
    rest = drawn()
    assert count(drawn(jawOpen=0.7), _MOUTH) > 3 * count(rest, _MOUTH)
    # The person's left is the picture's right.
    winking = drawn(eyeBlinkLeft=1.0)
    assert count(winking, _WHITE, slice(128, None)) < 0.2 * count(rest, _WHITE, slice(128, None))
    assert count(winking, _WHITE, slice(128)) == count(rest, _WHITE, slice(128))


@pytest.mark.parametrize("axis", ["yaw", "roll", "x"])
def test_head_turns_are_mirror_images(axis):
    left, right = drawn(**{axis: 0.2 if axis == "x" else 20}), drawn(**{axis: -0.2 if axis == "x" else -20})
    assert np.abs(left.astype(int) - drawn()).mean() > 4
    assert np.abs(left[:, ::-1].astype(int) - right).mean() < 1.5


def test_faces_that_leave_the_picture_are_drawn_without_an_error():
    for x, y, z in ((5, 0, 0), (0, -5, 0), (0, 0, -3), (0, 0, 30)):
        drawn(x=x, y=y, z=z, jawOpen=1.0, tongueOut=1.0)


@pytest.mark.parametrize("size", [10, 5000])
def test_sizes_out_of_range(size):
    with pytest.raises(ValueError, match=str(size)):
        drawn(size)
