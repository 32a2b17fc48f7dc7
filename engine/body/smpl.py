"""The SMPL body (Loper et al. 2015, "SMPL: A Skinned Multi-Person Linear Model") in torch.

A shape (betas) and a pose (one rotation per joint) become vertices: the template plus shape and pose offsets, each
vertex carried by the joints it hangs on. Lengths are metres; at rest the body stands with its arms out, y up, facing
+z, its left at +x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

# The 24 joints in the model's order; left and right are the person's own.
JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
SMPL_VERTICES = 6890
# Vertices of the published mesh: nose, right eye, left eye, right ear, left ear (``smplx/vertex_ids.py`` of
# vchoutas/smplx, the "smplh" mesh, which is SMPL's).
SMPL_FACE_POINTS = (332, 6260, 2800, 4071, 583)


@dataclass(frozen=True, eq=False)
class Smpl:
    """A body model.

    Attributes:
        template: Floats ``[V, 3]``, metres.
        shapedirs: ``[V, 3, B]``, offsets per unit of each beta.
        posedirs: ``[V, 3, 9 * (J - 1)]``, offsets per entry of the joints' rotations less identity (row by row).
        regressor: ``[J, V]``, joints as means of vertices.
        weights: ``[V, J]``, how much of each joint a vertex follows; rows sum to 1.
        faces: int64 ``[F, 3]``, anticlockwise seen from outside.
        parents: The joint each joint hangs on; -1 for the first. A parent comes before its children.
        face_points: Vertices at the nose, right eye, left eye, right ear and left ear, if known.
        name: What to call it in errors.
    """

    template: Tensor
    shapedirs: Tensor
    posedirs: Tensor
    regressor: Tensor
    weights: Tensor
    faces: Tensor
    parents: tuple[int, ...] = PARENTS
    face_points: tuple[int, ...] | None = None
    name: str = "body"

    @property
    def joints(self) -> int:
        """J."""
        return len(self.parents)

    @property
    def betas(self) -> int:
        """B, how many shape coefficients it knows."""
        return self.shapedirs.shape[-1]

    @cached_property
    def labels(self) -> Tensor:
        """int64 ``[V]``: the joint each vertex follows most, its part of the semantic map."""
        return self.weights.argmax(1)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Smpl:
        """The same body elsewhere, or in another float type."""
        floats = ("template", "shapedirs", "posedirs", "regressor", "weights")
        moved = {name: getattr(self, name).to(device=device, dtype=dtype) for name in floats}
        return replace(self, **moved, faces=self.faces.to(device))

    def shaped(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices ``[N, V, 3]`` and joints ``[N, J, 3]`` at rest, of ``betas [N, b]`` (missing ones are 0, more
        than the model knows are left out)."""
        used = min(betas.shape[-1], self.betas)
        vertices = self.template + torch.einsum("nb,vdb->nvd", betas[:, :used], self.shapedirs[..., :used])
        return vertices, self.regressor @ vertices

    def pose(self, rotations: Tensor, betas: Tensor, translation: Tensor | None = None) -> Posed:
        """The body in poses.

        Args:
            rotations: ``[N, J, 3, 3]``, each joint's relative to its parent's; the first is the body's own.
            betas: ``[N, b]`` or ``[1, b]``, the same in all poses.
            translation: ``[N, 3]`` added at the end; ``None`` for none.

        Raises:
            ValueError: if the rotations are not of J joints.
        """
        if rotations.shape[1:] != (self.joints, 3, 3):
            raise ValueError(f"{self.name} has {self.joints} joints, got {list(rotations.shape)}")
        shaped, rest = self.shaped(betas)
        rest = rest.expand(len(rotations), -1, -1)
        feature = pose_feature(rotations)
        offsets = feature @ self.posedirs.flatten(0, 1).T
        bent = shaped + offsets.view(len(rotations), -1, 3)
        world = world_transforms(rotations, rest, self.parents)
        skin = skin_transforms(world, rest)
        blended = torch.einsum("vj,njab->nvab", self.weights, skin[:, :, :3])
        vertices = (blended[..., :3] @ bent.unsqueeze(-1))[..., 0] + blended[..., 3]
        joints = world[..., :3, 3]
        if translation is not None:
            vertices, joints = vertices + translation[:, None], joints + translation[:, None]
        return Posed(vertices, joints, world)


@dataclass(frozen=True, eq=False)
class Posed:
    """A body in N poses: ``vertices [N, V, 3]``, ``joints [N, J, 3]``, and where each joint's own frame went,
    ``transforms [N, J, 4, 4]`` (without the translation)."""

    vertices: Tensor
    joints: Tensor
    transforms: Tensor


def rodrigues(axis_angle: Tensor) -> Tensor:
    """Rotation vectors ``[..., 3]`` (axis times radians) as matrices ``[..., 3, 3]``."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    x, y, z = (axis_angle / angle.clamp(min=torch.finfo(axis_angle.dtype).tiny)).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle.unsqueeze(-1)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


def pose_feature(rotations: Tensor) -> Tensor:
    """What the pose offsets are multiplied by: ``[N, 9 * (J - 1)]``, the rotations but the first, less identity."""
    eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations[:, 1:] - eye).flatten(1)


def world_transforms(rotations: Tensor, rest: Tensor, parents: tuple[int, ...]) -> Tensor:
    """Each joint's frame in the body's: ``[N, J, 4, 4]`` from local rotations and joints at rest ``[N, J, 3]``."""
    rows = rotations.new_tensor([0, 0, 0, 1]).expand(len(rotations), 1, 4)
    world: list[Tensor] = []
    for joint, parent in enumerate(parents):
        offset = rest[:, joint] - rest[:, parent] if parent >= 0 else rest[:, joint]
        local = torch.cat([torch.cat([rotations[:, joint], offset.unsqueeze(-1)], -1), rows], 1)
        world.append(world[parent] @ local if parent >= 0 else local)
    return torch.stack(world, 1)


def skin_transforms(world: Tensor, rest: Tensor) -> Tensor:
    """What carries vertices from rest: ``[N, J, 4, 4]``, the frames with their joints' rest places taken off."""
    moved = (world[..., :3, :3] @ rest.unsqueeze(-1))[..., 0]
    skin = world.clone()
    skin[..., :3, 3] -= moved
    return skin
