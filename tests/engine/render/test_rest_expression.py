"""How a drive meets the picture's own expression."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.faces import Face, FaceTrack
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.from_video import motion_from_track
from troupe.engine.motion.mesh import SHRINK, HeadPose, angles, mean_mesh, neck_pivot, rotation_matrix
from troupe.engine.motion.rig import build_rig
from troupe.engine.render.face_warp import FaceWarp
from troupe.engine.render.rest import SMILES, meet, mouth_ownership, picture_gap, picture_smile


def rig_of(scene):
    face = scene[1].person(1).first
    return build_rig(HeadPose.fit(face.landmarks).to_head(face.landmarks))


def held(frames: int = 60, fps: float = 25, **weights: float) -> FaceMotion:
    shapes = np.zeros((frames, 52), np.float32)
    for name, value in weights.items():
        for full in [name] if name in INDEX else [name + "Left", name + "Right"]:
            shapes[:, INDEX[full]] = value
    return FaceMotion(shapes, np.zeros((frames, 6)), fps)


def test_a_grin_is_seen_and_a_straight_face_is_not(collins, hopper):
    assert picture_smile(rig_of(collins)) > 0.5 and picture_gap(rig_of(collins)) > 0.1
    assert picture_smile(rig_of(hopper)) < 0.15 and picture_gap(rig_of(hopper)) < 0.03
    assert picture_smile(build_rig(mean_mesh().vertices)) == 0


def test_sadness_takes_the_grin_away_and_happiness_keeps_it(collins):
    rig = rig_of(collins)
    weights, _, closing = meet(held(mouthFrown=0.7, mouthPress=0.3), rig, "auto")
    assert weights[30, SMILES].max() < -0.4 and closing[30] > 0.9
    weights, _, closing = meet(held(mouthSmile=1.0), rig, "auto")
    assert weights[30, SMILES].min() >= 0 and closing[30] < 0.1


def test_the_first_frame_is_the_picture(collins):
    rig = rig_of(collins)
    for mode in ("auto", "relative"):
        motion = (
            held(mouthFrown=0.7)
            if mode == "relative"
            else FaceMotion(
                held(mouthFrown=0.7).blendshapes * np.linspace(0, 1, 60)[:, None], np.zeros((60, 6)), 25
            )
        )
        weights, head, closing = meet(motion, rig, mode)
        assert not weights[0].any() and not head[0].any() and closing[0] == 0


def test_short_pauses_do_not_bring_the_grin_back(collins):
    shapes = np.zeros((100, 52), np.float32)
    shapes[10:40, INDEX["jawOpen"]] = 0.4
    shapes[50:80, INDEX["jawOpen"]] = 0.4
    owned = mouth_ownership(FaceMotion(shapes, np.zeros((100, 6)), 25))
    assert owned[45] > 0.95 and owned[0] == 0
    assert np.abs(np.diff(owned)).max() < 0.2


def test_keep_adds_to_the_picture(collins):
    motion = held(jawOpen=0.5)
    weights, _, closing = meet(motion, rig_of(collins), "keep")
    assert (weights == motion.blendshapes).all() and not closing.any()


def test_relative_starts_from_the_first_frame(hopper):
    shapes = np.zeros((3, 52), np.float32)
    shapes[:, INDEX["eyeBlinkLeft"]] = [0.5, 1.0, 0.5]
    shapes[:, INDEX["jawOpen"]] = [0.3, 0.1, 0.3]
    head = np.array([[5, 10, 3, 0.2, 0, 0], [5, 16, 3, 0.3, 0, 0], [5, 10, 3, 0.2, 0, 0]], np.float32)
    weights, turned, _ = meet(FaceMotion(shapes, head, 25), rig_of(hopper), "relative")
    assert weights[1, INDEX["eyeBlinkLeft"]] == pytest.approx(1.0)  # shuts what is left of the opening
    assert weights[1, INDEX["jawOpen"]] == pytest.approx(-0.2, abs=1e-6)
    expected = angles(rotation_matrix(5, 10, 3).T @ rotation_matrix(5, 16, 3))
    assert turned[1, :3] == pytest.approx(expected, abs=1e-3) and turned[1, 3] == pytest.approx(0.1, abs=1e-6)


def test_a_wandering_driver_stays_in_the_picture(hopper):
    t = np.arange(500) / 25
    head = np.zeros((500, 6), np.float32)
    head[:, 3] = 1.5 * t / 20 + 0.05 * np.sin(2 * np.pi * t)
    _, settled, _ = meet(FaceMotion(np.zeros((500, 52)), head, 25), rig_of(hopper), "auto")
    assert np.abs(settled[:, 3]).max() < 0.25
    assert np.ptp(settled[200:300, 3]) == pytest.approx(0.1, abs=0.03)


def test_a_tilted_first_frame_is_followed_to_where_the_head_goes():
    """Relative drive from a first frame that is tilted, shifted and smaller than the clip's rest: the warp's landmarks
    land on the clip's own."""
    mean = mean_mesh().vertices.astype(float)
    heads = np.zeros((40, 6))
    heads[0] = [2, 4, 22, -0.3, 0.1, 0.8]
    heads[1] = [4, 9, 16, -0.15, 0.2, 0.5]
    pivot, scale = neck_pivot(mean), 90.0
    faces = []
    for pitch, yaw, roll, x, y, z in heads:
        where = np.array([300 + scale * x, 320 + scale * y, 0.0])
        pose = HeadPose(rotation_matrix(pitch, yaw, roll), scale / (1 + SHRINK * z), where)
        faces.append(Face(pose.to_picture(mean - pivot).astype(np.float32)))
    motion = motion_from_track(FaceTrack(1, tuple(faces)), 25)
    weights, head, closing = meet(motion, build_rig(mean), "relative")
    warp = FaceWarp(faces[0], np.zeros((700, 600, 3), np.uint8))
    frame = warp.pose_frame(warp.coefficients(weights[1], closing[1]), head[1])
    away = warp.moved(frame, tuple(range(468))) + 0.5 - faces[1].landmarks[:468, :2]
    assert np.linalg.norm(away, axis=1).mean() < 0.03 * faces[1].eye_distance
    still = np.linalg.norm(faces[0].landmarks[:468, :2] - faces[1].landmarks[:468, :2], axis=1).mean()
    assert still > 0.12 * faces[1].eye_distance, "the sample should move"
