"""The mean mesh and the rig of 52 shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.motion import BLENDSHAPES
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.mesh import (
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LOWER_LID,
    UPPER_LID,
    HeadPose,
    angles,
    mean_mesh,
    mirrored,
    rotation_matrix,
)
from troupe.engine.motion.rig import build_rig


@pytest.fixture(scope="module")
def rig():
    return build_rig(mean_mesh().vertices)


def test_the_mirror_is_an_involution_of_the_mesh():
    mesh = mean_mesh()
    assert (mesh.mirror[mesh.mirror] == np.arange(478)).all()
    assert np.abs(mesh.vertices[mesh.mirror] - mesh.vertices * [-1, 1, 1]).max() < 1e-5
    assert mesh.triangles.shape == (854, 3) and mesh.triangles.max() == 467
    assert mirrored((33, 133, 61)) == (263, 362, 291)


def test_the_mesh_has_a_human_shape():
    """Single points against the canonical face model that MediaPipe documents (eye distances, within a tenth or so)."""
    v = mean_mesh().vertices
    assert v[152, 1] == pytest.approx(1.9, abs=0.2)  # chin
    assert v[4, 2] == pytest.approx(-0.64, abs=0.12)  # nose tip
    assert v[291, 0] == pytest.approx(0.40, abs=0.05)  # mouth corner
    assert v[454, 0] == pytest.approx(1.16, abs=0.1)  # ear


def test_every_shape_but_the_tongue_moves_the_mesh(rig):
    moved = np.linalg.norm(rig.basis, axis=-1).max(1)
    for name, size in zip(BLENDSHAPES, moved, strict=True):
        assert (size == 0) if name == "tongueOut" else (0.03 < size < 0.6), name


def test_left_shapes_mirror_right_ones(rig):
    mirror = mean_mesh().mirror
    for name, index in INDEX.items():
        if not name.endswith("Left"):
            continue
        other = INDEX[name[:-4] + "Right"]
        expected = rig.basis[other][mirror] * [-1, 1, 1]
        assert np.abs(rig.basis[index] - expected).max() < 8e-3, (
            name
        )  # the mesh itself differs by a few edges


def test_a_side_shape_leaves_the_other_eye_and_brow_alone(rig):
    for name in ("eyeBlinkLeft", "browDownLeft", "cheekSquintLeft", "eyeSquintLeft"):
        right = np.linalg.norm(rig.basis[INDEX[name]][list(UPPER_LID)], axis=-1).max()
        left = np.linalg.norm(rig.basis[INDEX[name]], axis=-1).max()
        assert right < 0.1 * left, name


def test_a_blink_lands_on_the_lower_lid(rig):
    shut = rig.pose(np.eye(52)[INDEX["eyeBlinkRight"]])
    open_gap = (rig.rest[list(LOWER_LID)] - rig.rest[list(UPPER_LID)])[1:-1, 1]
    gap = (shut[list(LOWER_LID)] - shut[list(UPPER_LID)])[1:-1, 1]
    assert np.abs(gap).max() < 0.03 * open_gap.max()


def test_jaw_and_lips_do_what_they_say(rig):
    def posed(**weights):
        w = np.zeros(52)
        for name, value in weights.items():
            for full in [name] if name in INDEX else [name + "Left", name + "Right"]:
                w[INDEX[full]] = value
        return rig.pose(w)

    def gap(mesh):
        return (mesh[list(INNER_LOWER_LIP)] - mesh[list(INNER_UPPER_LIP)])[:, 1].max()

    rest = rig.rest
    opened = posed(jawOpen=1)
    assert gap(opened) > gap(rest) + 0.25 and opened[152, 1] > rest[152, 1] + 0.2
    assert gap(posed(jawOpen=1, mouthClose=1)) < 0.25 * gap(opened)
    assert posed(mouthSmile=1)[61, 1] < rest[61, 1] - 0.1 and posed(mouthSmile=1)[291, 0] > rest[291, 0] + 0.1
    assert posed(mouthFrown=1)[61, 1] > rest[61, 1] + 0.08
    pursed = posed(mouthPucker=1)
    assert (
        pursed[291, 0] - pursed[61, 0] < 0.7 * (rest[291, 0] - rest[61, 0])
        and pursed[13, 2] < rest[13, 2] - 0.05
    )
    assert posed(browInnerUp=1)[55, 1] < rest[55, 1] - 0.1 and posed(browDown=1)[55, 1] > rest[55, 1] + 0.05
    assert posed(eyeLookOutLeft=1)[473, 0] > rest[473, 0] + 0.08  # the person's left is picture right
    assert posed(jawLeft=1)[152, 0] > rest[152, 0] + 0.1


def test_a_small_mouth_gets_smaller_shapes():
    small = mean_mesh().vertices.copy()
    lips = [*INNER_LOWER_LIP, *INNER_UPPER_LIP, 61, 291]
    small[lips, 0] *= 0.6
    rig = build_rig(small)
    assert rig.mouth_scale == pytest.approx(0.35 + 0.65 * 0.6, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(-60, 60))
def test_angles_undo_rotation(pitch, yaw, roll):
    assert np.allclose(angles(rotation_matrix(pitch, yaw, roll)), (pitch, yaw, roll), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(-180, 180), st.floats(5, 500))
def test_head_pose_is_found_again(pitch, yaw, roll, scale):
    truth = HeadPose(rotation_matrix(pitch, yaw, roll), scale, np.array([300.0, 200.0, 5.0]))
    found = HeadPose.fit(truth.to_picture(mean_mesh().vertices))
    assert np.allclose(found.rotation, truth.rotation, atol=1e-4)
    assert found.scale == pytest.approx(scale, rel=1e-4)
    assert np.allclose(found.to_head(truth.to_picture(mean_mesh().vertices)), mean_mesh().vertices, atol=1e-4)
