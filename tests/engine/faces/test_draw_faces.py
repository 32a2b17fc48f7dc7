"""Drawn faces: marked where they are, one colour each, readable."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.faces import draw_faces, find_faces
from troupe.engine.faces.draw import COLOURS


@pytest.fixture(scope="module")
def pair(scenes, copy_of):
    copies = [copy_of("astronaut", 120, 130, 90), copy_of("hopper", 350, 130, 110)]
    picture = scenes.compose(scenes.background(260, 480), *copies)
    return picture, find_faces(picture)


def test_nothing_asked_for_is_the_picture_itself(pair):
    picture, faces = pair
    assert np.array_equal(draw_faces(picture, faces, landmarks=False, boxes=False, numbers=False), picture)


@pytest.mark.parametrize("what", ["landmarks", "boxes", "numbers"])
def test_each_thing_is_drawn_in_each_persons_colour_near_them(pair, what):
    picture, faces = pair
    before = picture.copy()
    out = draw_faces(picture, faces, **{k: k == what for k in ("landmarks", "boxes", "numbers")})
    assert np.array_equal(picture, before) and out.dtype == np.uint8
    assert (out != picture).any()
    for track in faces:
        x0, y0, x1, y1 = (int(v) for v in track.first.box)
        near = out[max(0, y0 - 50) : y1 + 3, x0 - 3 : x1 + 3]
        assert (near == COLOURS[track.person - 1]).all(-1).sum() > 20


def test_sixteen_persons_have_sixteen_colours_that_are_far_apart():
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = rgb2lab(np.array(COLOURS, np.float64)[None] / 255)[0]
    apart = deltaE_ciede2000(lab[:, None], lab[None]) + 99 * np.eye(len(COLOURS))
    assert len(COLOURS) == 16
    assert apart.min() > 19


def test_gaps_and_tiny_pictures_are_fine(pair):
    from troupe.engine.faces.types import Faces, FaceTrack

    picture, faces = pair
    clip = Faces((FaceTrack(1, (faces.tracks[0].first, None)),), 260, 480, 2, 25.0)
    assert np.array_equal(draw_faces(picture, clip, 1), picture)
    assert draw_faces(picture[:20, :20], faces).shape == (20, 20, 3)
