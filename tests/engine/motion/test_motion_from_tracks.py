"""Motion estimated from landmarks: what went in comes out."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, FaceTrack
from troupe.engine.motion import BLENDSHAPES, FaceMotion
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.from_video import fit_track, motion_from_track
from troupe.engine.motion.mesh import SHRINK, HeadPose, mean_mesh, neck_pivot, rotation_matrix
from troupe.engine.motion.rig import build_rig

FPS, SCALE = 25.0, 110.0


@pytest.fixture(scope="module")
def rig():
    return build_rig(mean_mesh().vertices)


def filmed(rig, weights: np.ndarray, head: np.ndarray, noise: float = 0.0, seed: int = 0) -> FaceTrack:
    """A track of the rig acting before a camera (pixels)."""
    rng = np.random.default_rng(seed)
    pivot = neck_pivot(rig.rest)
    faces = []
    for w, h in zip(weights, head, strict=True):
        turn = rotation_matrix(*h[:3])
        scale = SCALE / (1 + SHRINK * h[5])
        where = np.array([300 + SCALE * h[3], 250 + SCALE * h[4], 0])
        points = HeadPose(turn, scale, where).to_picture(rig.pose(w) - pivot)
        faces.append(Face((points + noise * SCALE * rng.normal(size=points.shape)).astype(np.float32)))
    return FaceTrack(1, tuple(faces))


def scene(frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Rest, a blink, an open jaw, a smile and raised brows in turn; the head turns slowly."""
    t = np.arange(frames) / frames
    weights = np.zeros((frames, 52))
    for k, names in enumerate(
        (
            ("eyeBlinkLeft", "eyeBlinkRight"),
            ("jawOpen",),
            ("mouthSmileLeft", "mouthSmileRight"),
            ("browInnerUp",),
        )
    ):
        bump = np.clip(1 - np.abs(t - 0.25 - 0.18 * k) / 0.08, 0, 1)
        for name in names:
            weights[:, INDEX[name]] = 0.8 * bump
    head = np.stack(
        [
            6 * np.sin(6 * t),
            9 * np.sin(5 * t),
            4 * np.sin(4 * t),
            0.1 * np.sin(3 * t),
            0.05 * t,
            0.3 * np.sin(2 * t),
        ],
        1,
    )
    head[: frames // 8] = 0
    return weights, head


def test_shapes_and_head_are_found_again(rig):
    weights, head = scene()
    fit = fit_track(filmed(rig, weights, head), FPS, neutral=mean_mesh().vertices.astype(float))
    found = fit.motion
    for name in (
        "jawOpen",
        "mouthSmileLeft",
        "mouthSmileRight",
        "browInnerUp",
    ):
        error = np.abs(found.column(name) - weights[:, INDEX[name]])
        assert error.max() < 0.25 and error.mean() < 0.05, name
    # A landmarker sees shut lids as a third open, so lids that really shut in the landmarks count as shut early.
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        truth, seen = weights[:, INDEX[name]], found.column(name)
        assert seen.max() > 0.75 and np.corrcoef(seen, truth)[0, 1] > 0.9 and seen[truth == 0].max() < 0.2
    still = [i for i, n in enumerate(BLENDSHAPES) if weights[:, i].max() == 0]
    assert np.abs(found.blendshapes[:, still]).mean() < 0.02
    relative = found.head - found.head[0]
    assert np.abs(relative[:, :3] - head[:, :3]).max() < 1.5
    assert np.abs(relative[:, 3:5] - head[:, 3:5]).max() < 0.05
    assert fit.residual.max() < 0.02


def test_the_clip_s_own_neutral_is_found(rig):
    weights, head = scene()
    motion = motion_from_track(filmed(rig, weights, head), FPS)
    assert motion.blendshapes[:5].max() < 0.2  # at rest
    assert motion.column("jawOpen").argmax() == pytest.approx(weights[:, INDEX["jawOpen"]].argmax(), abs=1)


def test_noise_does_not_become_acting(rig):
    weights, head = np.zeros((50, 52)), np.zeros((50, 6))
    motion = motion_from_track(filmed(rig, weights, head, noise=0.004), FPS)
    assert motion.blendshapes.mean() < 0.03
    assert np.abs(motion.head[:, :3]).max() < 2.0


def test_gaps_are_filled_in_time(rig):
    weights, head = scene()
    track = filmed(rig, weights, head)
    faces = list(track.faces)
    faces[20:26] = [None] * 6
    motion = motion_from_track(FaceTrack(1, tuple(faces)), FPS)
    whole = motion_from_track(track, FPS)
    assert len(motion) == 60
    away = np.abs(motion.head - whole.head)[:, :3].max(1)
    assert away[:18].max() < 0.7 and away[28:].max() < 0.7


def test_measured_blendshapes_are_taken_as_they_are(rig):
    weights, head = scene(20)
    measured = np.random.default_rng(1).random((20, 52)).astype(np.float32)
    track = filmed(rig, weights, head)
    faces = tuple(Face(f.landmarks, 1.0, m) for f, m in zip(track.faces, measured, strict=True))
    assert np.allclose(motion_from_track(FaceTrack(1, faces), FPS).blendshapes, measured, atol=1e-6)


def test_long_tracks_are_fitted_in_pieces_without_seams(rig, monkeypatch):
    weights, head = scene(90)
    track = filmed(rig, weights, head, noise=0.001)
    whole = motion_from_track(track, FPS)
    monkeypatch.setattr("troupe.engine.motion.from_video.CHUNK", 13)
    seen = []
    pieces = motion_from_track(track, FPS, progress=lambda done, total: seen.append((done, total)))
    assert np.abs(pieces.blendshapes - whole.blendshapes).max() < 1e-5
    assert seen[-1] == (90, 90)


def test_one_frame_is_enough(rig):
    motion = motion_from_track(filmed(rig, np.zeros((1, 52)), np.zeros((1, 6))), FPS)
    assert isinstance(motion, FaceMotion) and len(motion) == 1


def test_nobody_there_is_an_error():
    with pytest.raises(TroupeError, match="in no frame"):
        motion_from_track(FaceTrack(2, (None, None)), FPS)
