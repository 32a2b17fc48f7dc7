"""Several drives of one face are one motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.cli.roles import layered
from troupe.engine.cast import Role
from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, FaceMotion


def motion(level: float, yaw: float) -> FaceMotion:
    head = np.zeros((5, 6), np.float32)
    head[:, 1] = yaw
    return FaceMotion(np.full((5, len(BLENDSHAPES)), level, np.float32), head, 25.0)


@settings(max_examples=50)
@given(a=st.floats(0, 2), b=st.floats(0, 2))
def test_drives_of_a_face_add_up_at_their_strengths(a, b):
    (role,) = layered([Role(2, motion(0.2, 10), strength=a), Role(2, motion(0.1, -4), strength=b)])
    np.testing.assert_allclose(role.drive.blendshapes, 0.2 * a + 0.1 * b, atol=1e-6)
    np.testing.assert_allclose(role.drive.head[:, 1], 10 * a - 4 * b, atol=1e-4)
    assert (role.face, role.strength) == (2, 1.0)


def test_one_drive_stays_as_it_is():
    role = Role(1, motion(0.4, 0), "lips", 3.0, "keep")
    assert list(layered([role])) == [role]


def test_faces_are_kept_apart_and_in_order():
    cast = layered([Role(3, motion(0.1, 1)), Role(1, motion(0.2, 2)), Role(3, motion(0.3, 3))])
    assert [(r.face, round(float(r.drive.head[0, 1]))) for r in cast] == [(1, 2), (3, 4)]


def test_drives_that_are_not_read_yet_stand_for_themselves():
    assert [r.drive for r in layered([Role(1, "a.wav"), Role(1, "nod"), Role(2, "sad")])] == ["a.wav", "sad"]


def test_a_face_has_one_region():
    with pytest.raises(TroupeError, match="face 1 differ.*'full'.*'lips'"):
        layered([Role(1, "a"), Role(1, "b", "lips")])
