"""What must hold of a posed body, for a random one and for the stand-in figure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from troupe.engine.body.figure import stand_in
from troupe.engine.body.smpl import JOINTS, PARENTS, Smpl, rodrigues

seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def body(files):
    a = files.smpl_arrays()
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
    return Smpl(*(torch.from_numpy(a[n]) for n in names), torch.from_numpy(a["f"].astype(np.int64)))


def pose(seed: int, count: int = 2, size: float = 0.5) -> torch.Tensor:
    return rodrigues(torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 24, 3)) * size))


def test_at_rest_it_is_its_shape(body):
    betas = torch.randn(2, 10, dtype=torch.float64)
    posed = body.pose(torch.eye(3, dtype=torch.float64).expand(2, 24, 3, 3), betas)
    shaped, rest = body.shaped(betas)
    assert torch.allclose(posed.vertices, shaped) and torch.allclose(posed.joints, rest)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_turning_the_root_turns_the_whole(body, seed):
    rotations, betas = pose(seed), torch.zeros(1, 10, dtype=torch.float64)
    turn = torch.from_numpy(Rotation.random(random_state=seed).as_matrix())
    before = body.pose(rotations, betas)
    turned = rotations.clone()
    turned[:, 0] = turn @ rotations[:, 0]
    after = body.pose(turned, betas, torch.tensor([[1.0, 2, 3]], dtype=torch.float64))
    pelvis = before.joints[:, :1]
    wanted = (before.vertices - pelvis) @ turn.T + pelvis + torch.tensor([1.0, 2, 3])
    assert (after.vertices - wanted).abs().max() < 1e-9


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_bones_keep_their_length(body, seed):
    betas = torch.randn(1, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rest = body.shaped(betas)[1]
    posed = body.pose(pose(seed), betas).joints
    for joint, parent in enumerate(PARENTS[1:], 1):
        length = (posed[:, joint] - posed[:, parent]).norm(dim=-1)
        assert torch.allclose(length, (rest[:, joint] - rest[:, parent]).norm(dim=-1).expand(2))


def test_betas_of_any_number(body):
    rotations = pose(0)
    few = torch.randn(1, 4, dtype=torch.float64)
    many = torch.cat([few, torch.zeros(1, 12, dtype=torch.float64)], 1)
    assert torch.allclose(body.pose(rotations, few).vertices, body.pose(rotations, many).vertices)


def test_other_joints_are_refused(body):
    with pytest.raises(ValueError, match="24 joints"):
        body.pose(pose(0)[:, :22], torch.zeros(1, 10, dtype=torch.float64))


def test_float32_is_near(body):
    single = body.to("cpu", torch.float32)
    one = body.pose(pose(1), torch.zeros(1, 10, dtype=torch.float64))
    other = single.pose(pose(1).float(), torch.zeros(1, 10))
    assert other.vertices.dtype == torch.float32
    assert (one.vertices - other.vertices).abs().max() < 1e-4


def edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def test_figure_is_closed_and_faces_outwards():
    figure = stand_in()
    faces = figure.faces.numpy()
    directed = {tuple(e) for e in edges(faces).tolist()}
    assert len(directed) == 3 * len(faces) and all((b, a) in directed for a, b in directed)
    corners = figure.template.double()[figure.faces]
    volume = (corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum(1) / 6
    labels = figure.labels[figure.faces]
    assert (labels == labels[:, :1]).all()  # each part for itself
    for part in range(24):
        assert volume[labels[:, 0] == part].sum() > 1e-5, JOINTS[part]


def test_figure_is_a_body():
    figure = stand_in()
    assert figure.joints == 24 and figure.labels.unique().tolist() == list(range(24))
    assert torch.allclose(figure.weights.sum(1), torch.ones(len(figure.template)))
    assert torch.allclose(figure.regressor.sum(1), torch.ones(24))
    low, high = figure.template.min(0).values, figure.template.max(0).values
    assert 1.6 < float(high[1] - low[1]) < 1.85
    shaped, rest = figure.shaped(torch.zeros(1, 10))
    at = dict(zip(JOINTS, rest[0], strict=True))
    for name in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist", "hand"):
        left, right = at[f"left_{name}"], at[f"right_{name}"]
        assert left[0] > 0.05  # its left is at +x
        assert torch.allclose(left * torch.tensor([-1, 1, 1]), right, atol=1e-4)
    heights = [
        float(at[n][1])
        for n in ("head", "neck", "spine3", "spine2", "spine1", "pelvis", "left_knee", "left_ankle")
    ]
    assert heights == sorted(heights, reverse=True)
    nose, right_eye, left_eye, right_ear, left_ear = shaped[0, list(figure.face_points)]
    assert nose[2] > right_eye[2] > right_ear[2] and right_eye[0] < 0 < left_eye[0] < left_ear[0]
    assert 0.055 < float((left_eye - right_eye).norm()) < 0.08


def test_figures_first_betas_change_height_and_girth():
    figure = stand_in()

    def extent(*betas: float) -> torch.Tensor:
        vertices = figure.shaped(torch.tensor([[*betas]]))[0][0]
        waist = vertices[(figure.labels == 3)]
        return torch.stack(
            [vertices[:, 1].max() - vertices[:, 1].min(), waist[:, 0].max() - waist[:, 0].min()]
        )

    rest, tall, slim = extent(0.0, 0), extent(2.0, 0), extent(0.0, 3)
    assert tall[0] > 1.05 * rest[0] and slim[1] < 0.95 * rest[1] and abs(slim[0] / rest[0] - 1) < 0.02
