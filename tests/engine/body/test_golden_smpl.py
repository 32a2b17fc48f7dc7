"""SMPL, its camera and its palette against the reference's tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from troupe.engine.body.camera import Camera, full_translation
from troupe.engine.body.rotations import matrices_from_vectors
from troupe.engine.body.shade import palette
from troupe.engine.body.smpl import Smpl, pose_feature, rodrigues, skin_transforms, world_transforms

pytestmark = pytest.mark.golden
TOLERANCE = 1e-9
INPUTS = {
    "axis_angle", "betas", "transl", "camera.box_center", "camera.box_size", "camera.image_size", "camera.pred_cam",
    "transfer.reference_betas", "vertex_colors_rgb",
}  # fmt: skip


@pytest.fixture(scope="module")
def reference(golden_part):
    return load_file(golden_part("champ", "smpl", "smpl.safetensors"))


@pytest.fixture(scope="module")
def body(reference):
    parents = tuple(reference["model.parents"].tolist())
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "faces")
    return Smpl(*(reference["model." + n] for n in names), parents, name="golden")


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) <= TOLERANCE


def test_every_tensor_is_looked_at(reference):
    compared = {
        "rotations", "out.vertices", "out.joints", "out.world_transforms", "out.skin_transforms", "out.v_shaped",
        "out.rest_joints", "out.pose_feature", "out.v_posed", "transfer.vertices", "camera.translation",
        "camera.scaled_focal_length", "camera.projected", "palette_rgb", "vertex_labels", "model.kintree_table",
    }  # fmt: skip
    model = {k for k in reference if k.startswith("model.")}
    assert set(reference) == compared | INPUTS | model


def test_rotations(reference):
    assert near(rodrigues(reference["axis_angle"]), reference["rotations"])
    ours = matrices_from_vectors(reference["axis_angle"].numpy())
    assert np.abs(ours - reference["rotations"].numpy()).max() <= TOLERANCE


def test_stages(reference, body):
    shaped, rest = body.shaped(reference["betas"])
    assert near(shaped, reference["out.v_shaped"]) and near(rest, reference["out.rest_joints"])
    feature = pose_feature(reference["rotations"])
    assert near(feature, reference["out.pose_feature"])
    bent = shaped + torch.einsum("nk,vdk->nvd", feature, body.posedirs)
    assert near(bent, reference["out.v_posed"])
    world = world_transforms(reference["rotations"], rest, body.parents)
    assert near(world, reference["out.world_transforms"])
    assert near(skin_transforms(world, rest), reference["out.skin_transforms"])


def test_whole(reference, body):
    posed = body.pose(reference["rotations"], reference["betas"], reference["transl"])
    assert near(posed.vertices, reference["out.vertices"]) and near(posed.joints, reference["out.joints"])
    assert near(posed.transforms, reference["out.world_transforms"])


def test_shape_of_the_reference_on_the_driving_poses(reference, body):
    posed = body.pose(reference["rotations"], reference["transfer.reference_betas"][None])
    assert near(posed.vertices, reference["transfer.vertices"])


def test_model(reference, body):
    table = reference["model.kintree_table"][0].tolist()
    assert table[0] == 4294967295 and tuple(table[1:]) == body.parents[1:]
    assert torch.equal(body.labels, reference["vertex_labels"])
    assert np.array_equal(palette(), reference["palette_rgb"].numpy())


def test_camera(reference):
    width, height = (int(s) for s in reference["camera.image_size"])
    camera = Camera.far(width, height)
    assert camera.focal == float(reference["camera.scaled_focal_length"])
    boxes = (reference[f"camera.{n}"].numpy() for n in ("pred_cam", "box_center", "box_size"))
    pred_cam, centre, size = boxes
    place = full_translation(pred_cam, centre, size[0], camera)
    assert np.abs(place - reference["camera.translation"].numpy()).max() <= TOLERANCE
    seen = camera.project(reference["transfer.vertices"] + reference["camera.translation"])
    assert near(seen, reference["camera.projected"])
