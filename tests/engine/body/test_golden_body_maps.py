"""Mask, depth, normal and semantic map against Blender's pictures of the same body."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from troupe.engine.body.camera import Camera
from troupe.engine.body.shade import (
    depth_map,
    normal_map,
    palette,
    part_light,
    semantic_map,
    vertex_normals,
)
from troupe.kernels.rasterize import rasterize

pytestmark = pytest.mark.golden
# Of 255. Blender dithers by one, so black may be 1; a handful of pixels on folds and edges may differ.
TOLERANCE = {"mask": 0, "depth": 1, "normal": 2, "semantic_map": 2}
HANDFUL = 5


@pytest.fixture(scope="module")
def reference(golden_part):
    return load_file(golden_part("champ", "smpl", "render.safetensors"))


@pytest.fixture(scope="module")
def rendered(reference):
    """The maps of all frames, by name."""
    width, height = reference["render_res"].tolist()
    camera = Camera(float(reference["scaled_focal_length"]), width, height)
    faces = reference["faces"]
    colours = torch.from_numpy(palette().copy()).int()
    labels = (reference["vertex_colors_rgb"].int()[:, None] - colours).abs().sum(-1).argmin(1)
    assert torch.equal(colours[labels].byte(), reference["vertex_colors_rgb"])
    frames = {name: [] for name in TOLERANCE}
    for vertices in reference["vertices"]:
        seen = rasterize(camera.project(vertices + reference["cam_t"])[None], faces, height, width)
        blended = seen.blend(torch.cat([vertex_normals(vertices, faces), part_light(labels)]), faces)
        values = {
            "mask": torch.full_like(seen.face, 255).byte(),
            "depth": depth_map(seen),
            "normal": normal_map(seen, blended[:3]),
            "semantic_map": semantic_map(blended[3:]),
        }
        for name, value in values.items():
            whole = torch.zeros(height * width, *value.shape[1:], dtype=torch.uint8)
            whole[seen.pixel] = value
            frames[name].append(whole.view(height, width, *value.shape[1:]))
    return {name: torch.stack(maps) for name, maps in frames.items()}


def test_every_tensor_is_looked_at(reference):
    inputs = {"vertices", "faces", "cam_t", "render_res", "scaled_focal_length", "vertex_colors_rgb"}
    assert set(reference) == inputs | set(TOLERANCE)


@pytest.mark.parametrize("name", TOLERANCE)
def test_map(reference, rendered, name):
    assert rendered[name].shape == reference[name].shape
    off = (rendered[name].int() - reference[name].int()).abs() > TOLERANCE[name]
    pixels = off.reshape(*off.shape[:3], -1).any(-1).sum()
    assert pixels <= (0 if name == "mask" else HANDFUL * len(off))
