"""``Face``, ``FaceTrack`` and ``Faces``."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, Faces, FaceTrack


def face(value: float) -> Face:
    return Face(np.full((478, 3), value, np.float32))


def test_gaps_are_filled_linearly_and_the_ends_held():
    track = FaceTrack(1, (None, face(2), None, None, face(8), None))
    assert track.present.tolist() == [False, True, False, False, True, False]
    assert track.filled()[:, 0, 0].tolist() == pytest.approx([2, 2, 4, 6, 8, 8])
    assert np.isnan(track.landmarks[0]).all() and track.first is track.faces[1]


def test_an_empty_track_has_nothing_to_fill():
    with pytest.raises(ValueError, match="nothing to fill"):
        _ = FaceTrack(1, (None, None)).filled()


def test_landmarks_of_another_topology_are_refused():
    with pytest.raises(ValueError, match="468"):
        Face(np.zeros((468, 3), np.float32))


def test_a_number_nobody_has_is_named():
    faces = Faces((FaceTrack(1, (face(1),)), FaceTrack(2, (face(5),))), 10, 10)
    assert faces.person(2).person == 2 and [f.box[0] for f in faces.at(0)] == [1, 5]
    with pytest.raises(TroupeError, match="Face 3 does not exist: 2 faces were found"):
        faces.person(3)
    with pytest.raises(TroupeError, match="no face was found"):
        Faces((), 10, 10).person(1)
