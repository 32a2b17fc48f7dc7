"""Body motions in time: rotations, resampling, shapes, smoothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from troupe.engine.body.camera import Camera
from troupe.engine.body.motion import MOST_FRAMES, BodyMotion, is_rotation
from troupe.engine.body.rotations import (
    aligned,
    matrices_from_quaternions,
    matrices_from_vectors,
    nearest_rotations,
    quaternions_from_matrices,
    vectors_from_matrices,
)
from troupe.engine.body.smooth import smooth_curves, smooth_motion
from troupe.engine.errors import TroupeError

seeds = st.integers(0, 10_000)


@settings(max_examples=50, deadline=None)
@given(seeds, st.sampled_from([1e-12, 1e-6, 0.1, 1, np.pi - 1e-7, np.pi]))
def test_rotations_agree_with_scipy(seed, angle):
    axis = np.random.default_rng(seed).normal(size=(5, 3))
    vectors = axis / np.linalg.norm(axis, axis=1, keepdims=True) * angle
    matrices = Rotation.from_rotvec(vectors).as_matrix()
    assert np.abs(matrices_from_vectors(vectors) - matrices).max() < 1e-12
    assert np.abs(matrices_from_vectors(vectors_from_matrices(matrices)) - matrices).max() < 1e-7
    assert np.abs(matrices_from_quaternions(quaternions_from_matrices(matrices)) - matrices).max() < 1e-12
    noisy = matrices + np.random.default_rng(seed).normal(size=matrices.shape) * 1e-3
    assert is_rotation(nearest_rotations(noisy), 1e-9)
    assert np.abs(nearest_rotations(noisy) - matrices).max() < 5e-3


def test_a_mirror_is_no_rotation():
    assert not is_rotation(np.diag([1.0, 1, -1])) and is_rotation(np.eye(3))
    assert is_rotation(nearest_rotations(np.diag([1.0, 1, -1])))


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(5, 60), st.floats(5, 60), st.integers(1, 12))
def test_resampling_is_slerp_in_real_time(seed, fps, wanted, frames):
    rng = np.random.default_rng(seed)
    turns = Rotation.random(frames, random_state=seed)
    motion = BodyMotion(
        turns.as_matrix()[:, None], rng.normal(size=(frames, 3)), rng.normal(size=(frames, 4)), fps
    )
    out = motion.resample(wanted)
    assert out.fps == wanted and abs(out.duration - motion.duration) <= 0.5 / wanted + 1 / wanted
    times = np.minimum(np.arange(len(out)) / wanted, (frames - 1) / fps)
    if frames > 1:
        ours = Slerp(np.arange(frames) / fps, turns)(times).as_matrix()
        assert np.abs(out.rotations[:, 0] - ours).max() < 1e-4
        line = np.stack([np.interp(times, np.arange(frames) / fps, c) for c in motion.position.T], 1)
        assert np.abs(out.position - line).max() < 1e-4
    assert np.abs(out.rotations[0] - motion.rotations[0]).max() < 1e-5
    assert is_rotation(out.rotations, 1e-4)
    same = motion.resample(fps)
    assert same is motion


def test_length_can_be_asked_for(make_motion):
    motion = make_motion(10, fps=25)
    assert len(motion.resample(25, 4)) == 4 and len(motion.resample(50, 90)) == 90
    held = motion.resample(25, 13)
    assert np.allclose(held.rotations[9:], motion.rotations[-1], atol=1e-6)
    with pytest.raises(TroupeError, match="too many"):
        motion.resample(25, MOST_FRAMES + 1)
    with pytest.raises(TroupeError):
        motion.resample(0)


def test_shape_of_another_body(make_motion):
    motion = replace(make_motion(4), betas=np.arange(8).reshape(4, 2))
    assert motion.with_shape().betas.tolist() == [[3, 4]] * 4
    other = motion.with_shape(np.array([1.0, 2, 3]))
    assert other.betas.tolist() == [[1, 2, 3]] * 4 and other.rotations is not None
    with pytest.raises(TroupeError, match="shape does not fit"):
        motion.with_shape(np.zeros((2, 3)))


def test_slices_keep_what_belongs_together(make_motion):
    motion = make_motion(9, camera=Camera.far(64, 64))
    part = motion[2:5]
    assert len(part) == 3 and part.camera == motion.camera and part.fps == motion.fps
    assert np.array_equal(part.position, motion.position[2:5])
    assert not part.rotations.flags.writeable


@pytest.mark.parametrize(
    "change",
    [
        {"rotations": np.zeros((0, 24, 3, 3)), "position": np.zeros((0, 3)), "betas": np.zeros((0, 10))},
        {"rotations": np.zeros((5, 24, 3))},
        {"rotations": np.zeros((5, 24, 3, 3))},
        {"rotations": np.tile(np.diag([1.0, 1, -1]), (5, 24, 1, 1))},
        {"rotations": np.full((5, 24, 3, 3), np.nan)},
        {"position": np.zeros((4, 3))},
        {"position": np.full((5, 3), np.inf)},
        {"position": np.full((5, 3), 1e6)},
        {"betas": np.zeros((5, 0))},
        {"betas": np.zeros((5, 301))},
        {"betas": np.zeros(10)},
        {"fps": 0},
        {"fps": float("nan")},
        {"fps": 5000},
    ],
)
def test_what_is_no_motion(make_motion, change):
    with pytest.raises(TroupeError):
        replace(make_motion(5), **change)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(0, 30))
def test_smoothing_keeps_ends_lines_and_means(seed, frames):
    curves = np.random.default_rng(seed).normal(size=(frames, 2))
    out = smooth_curves(curves)
    assert out.shape == curves.shape
    if frames:
        assert np.array_equal(out[[0, -1]], curves[[0, -1]])
        assert out.min() >= curves.min() and out.max() <= curves.max()
    line = np.linspace(0, 1, frames)
    inner = slice(3, -2)  # nearer to the ends a neighbour is missing
    assert np.allclose(smooth_curves(line)[inner], line[inner])


def test_smoothing_takes_the_tremble_and_leaves_the_movement():
    frames = 60
    slow = np.sin(np.arange(frames) / 15)
    noise = np.random.default_rng(0).normal(size=frames) * 0.05
    vectors = np.zeros((frames, 24, 3))
    vectors[:, 3, 1] = slow + noise
    # Turning through half a circle, where quaternions jump from one sign to the other.
    vectors[:, 0, 1] = np.linspace(0, 2 * np.pi - 0.1, frames)
    motion = BodyMotion(matrices_from_vectors(vectors), np.zeros((frames, 3)), np.zeros((frames, 10)), 30)
    out = smooth_motion(motion)
    found = vectors_from_matrices(out.rotations[:, 3].astype(np.float64))[:, 1]
    assert np.abs(found - slow)[3:-3].mean() < 0.6 * np.abs(noise)[3:-3].mean()
    assert is_rotation(out.rotations, 1e-5)
    steps = np.einsum("tab,tcb->tac", out.rotations[1:, 0], out.rotations[:-1, 0])
    angles = np.degrees(np.arccos(np.clip((np.trace(steps, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angles.max() < 12  # 6 degrees a frame, more at the ends
    assert smooth_motion(motion, 0) is motion
    again = smooth_motion(smooth_motion(motion))
    assert np.abs(smooth_motion(motion, 2).rotations - again.rotations).max() < 1e-5
    for passes in (-1, 101):
        with pytest.raises(TroupeError, match="passes"):
            smooth_motion(motion, passes)


def test_quaternions_are_brought_to_one_side():
    q = Rotation.random(20, random_state=1).as_quat()[:, [3, 0, 1, 2]]
    q[::3] *= -1
    out = aligned(q)
    assert ((out[1:] * out[:-1]).sum(-1) >= 0).all()
    assert np.array_equal(np.abs(out), np.abs(q)) and np.array_equal(out[0], q[0])
