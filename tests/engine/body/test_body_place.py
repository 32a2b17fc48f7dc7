"""Bodies in pictures: over a reference's body, over a face, as filmed, or shown whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.body.camera import FOCAL, Camera, full_translation
from troupe.engine.body.figure import stand_in
from troupe.engine.body.place import place
from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face
from troupe.engine.faces.types import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

BODY = stand_in()


def seen(motion, frame: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the vertices ``[V, 2]`` and of the joints ``[24, 2]`` in one frame."""
    part = motion[frame : frame + 1]
    posed = BODY.pose(torch.tensor(part.rotations), torch.tensor(part.betas), torch.tensor(part.position))
    return tuple(motion.camera.project(p)[0, :, :2].numpy() for p in (posed.vertices, posed.joints))


def face_at(x: float, y: float, apart: float, turn: float = 0.0) -> Face:
    """A face whose eyes lie about (x, y), ``apart`` pixels apart in space, turned by ``turn`` radians."""
    landmarks = np.zeros((478, 3), np.float32) + [x, y, 0]
    way = np.array([np.cos(turn), 0, np.sin(turn)]) * apart / 2
    landmarks[list(RIGHT_EYE_CORNERS)] -= way
    landmarks[list(LEFT_EYE_CORNERS)] += way
    return Face(landmarks.astype(np.float32))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 3), st.floats(-1, 1), st.floats(-1, 1), st.integers(64, 900), st.integers(64, 900))
def test_crop_to_full_puts_the_body_where_the_crop_saw_it(scale, x, y, width, height):
    camera = Camera.far(width, height)
    assert camera.focal == FOCAL * max(width, height)
    centre, size = np.array([width * 0.4, height * 0.7]), 0.8 * height
    body = full_translation(np.array([scale, x, y]), centre, size, camera)
    pixel = camera.project(torch.from_numpy(body))
    # The weak perspective of the crop: a point (X, Y) of the body lies at s (X + x) of the crop's half side.
    wanted = centre + scale * np.array([x, y]) * size / 2
    assert np.abs(pixel[:2].numpy() - wanted).max() < 1e-5 * max(width, height)
    one_aside = camera.project(torch.from_numpy(body + [0.001, 0, 0]))[0] - pixel[0]
    assert float(one_aside) == pytest.approx(0.001 * scale * size / 2, rel=1e-5)


def test_resized_cameras_see_the_same():
    camera, points = Camera(1000, 400, 600), torch.tensor([[0.1, -0.2, 5.0], [0, 0, 3]])
    half = camera.resized(200, 300)
    assert torch.allclose(half.project(points)[:, :2], camera.project(points)[:, :2] / 2)
    # Another shape: cut about the middle.
    square = camera.resized(400, 400)
    assert torch.allclose(
        square.project(points)[:, :2] + torch.tensor([0, 100.0]), camera.project(points)[:, :2]
    )


@pytest.mark.parametrize(
    "bad",
    [(0, 64, 64), (float("nan"), 64, 64), (1e9, 64, 64), (100, 8, 64), (100, 64, 9000), (100, 64.5, 64)],
)
def test_cameras_that_are_none(bad):
    with pytest.raises(TroupeError):
        Camera(*bad)


def test_lift_undoes_projection():
    camera = Camera(800, 320, 200)
    point = torch.from_numpy(camera.lift(33.0, 150.0, 4.2))
    assert np.abs(camera.project(point).numpy() - [33, 150, 4.2]).max() < 1e-12


@pytest.mark.parametrize("turn", [0.0, 0.8])
@pytest.mark.parametrize("x, y, apart", [(250.0, 120.0, 60.0), (80.0, 400.0, 9.0)])
def test_eyes_meet_the_eyes_of_the_face(make_motion, x, y, apart, turn):
    placed = place(make_motion(3, bend=0.1), BODY, 512, 768, face_at(x, y, apart, turn))
    right, left = (seen(placed)[0][BODY.face_points[k]] for k in (1, 2))
    assert np.abs((right + left) / 2 - [x, y]).max() < 0.5
    assert right[0] < left[0]  # it faces us
    # Facing the camera its eyes would be as far apart as the face's are in space.
    facing = make_motion(1, bend=0)
    apart_now = np.subtract(
        *(
            seen(place(facing, BODY, 512, 768, face_at(x, y, apart, turn)))[0][BODY.face_points[k]]
            for k in (2, 1)
        )
    )
    assert np.linalg.norm(apart_now) == pytest.approx(apart, rel=0.02)


def test_a_reference_body_is_met(make_motion):
    """At the reference's place, through its camera, also where the picture was made smaller."""
    reference = replace(make_motion(1, camera=Camera.far(1024, 1536)), position=[[0.3, -0.1, 40.0]])
    for width, height in ((1024, 1536), (512, 768)):
        placed = place(make_motion(4), BODY, width, height, reference)
        pelvis = seen(placed)[1][0] * (1024 / width)
        assert np.abs(pelvis - seen(replace(reference, rotations=placed.rotations[:1]))[1][0]).max() < 1e-2


@pytest.mark.parametrize("camera", [None, Camera.far(640, 480)])
def test_travel(make_motion, camera):
    motion = make_motion(5, bend=0, camera=camera)
    if camera is not None:  # comes nearer: looks twice as large at the end
        motion = replace(
            motion, position=motion.position * [1, 1, 0] + [[0, 0, z] for z in (40, 35, 30, 25, 20)]
        )
    at = face_at(250, 200, 30)
    pinned, half, free = (place(motion, BODY, 512, 768, at, travel=t) for t in (0, 0.5, 1))
    assert np.abs(pinned.position - pinned.position[0]).max() == 0
    for placed, share in ((half, 0.5), (free, 1)):
        assert np.abs(placed.position[0] - pinned.position[0]).max() < 1e-4
        assert np.allclose(
            placed.position[:, 0] - placed.position[0, 0], share * 0.02 * np.arange(5), atol=1e-4
        )
    sizes = [np.ptp(seen(free, f)[0][:, 1]) for f in (0, 4)]
    assert sizes[1] / sizes[0] == pytest.approx(2 if camera is not None else 1, rel=0.02)


def test_as_filmed(make_motion):
    motion = make_motion(3, camera=Camera.far(640, 480))
    placed = place(motion, BODY, 640, 480, "clip")
    assert placed.camera == motion.camera and np.allclose(placed.position, motion.position)
    small = place(motion, BODY, 320, 240, "clip")
    assert np.allclose(seen(small)[0] * 2, seen(placed)[0], atol=1e-2)


@pytest.mark.parametrize("size", [(512, 768), (900, 200), (64, 64)])
@pytest.mark.parametrize("frames", [1, 30])
def test_whole_is_in_the_picture_and_fills_it(make_motion, size, frames):
    motion = make_motion(frames)
    placed = place(motion, BODY, *size)
    points = np.concatenate([seen(placed, f)[0] for f in range(frames)])
    low, high = points.min(0), points.max(0)
    assert (low >= 0).all() and (high <= size).all()
    assert ((high - low) / size).max() == pytest.approx(0.9, abs=0.02)
    assert np.abs((low + high) / 2 - np.array(size) / 2).max() < 0.02 * max(size)


def test_what_cannot_be_placed(make_motion):
    motion, camera = make_motion(2), Camera.far(64, 64)
    blind = replace(BODY, face_points=None)
    behind = replace(make_motion(2, camera=camera), position=[[0, 0, 5.0], [0, 0, -1.0]])
    for call, message in (
        (lambda: place(motion, BODY, 64, 64, "clip"), "The body motion has no camera"),
        (lambda: place(motion, BODY, 64, 64, motion), "The reference body has no camera"),
        (lambda: place(motion, BODY, 64, 64, travel=1.5), "travel"),
        (lambda: place(motion, BODY, 5, 64), "width 5"),
        (lambda: place(motion, blind, 64, 64, face_at(30, 30, 10)), "by a face"),
        (lambda: place(motion, BODY, 64, 64, face_at(30, 30, 0.01)), "pixels apart"),
        (lambda: place(behind, BODY, 64, 64), "behind its camera"),
        (lambda: place(replace(motion, rotations=motion.rotations[:, :22]), BODY, 64, 64), "does not fit"),
    ):
        with pytest.raises(TroupeError, match=message):
            call()
    with pytest.raises(ValueError):
        place(motion, BODY, 64, 64, "somewhere")
