"""Guidance maps of a moving body: what Champ reads beside the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...kernels.rasterize import Fragments, rasterize
from ..errors import TroupeError
from ..progress import Progress, report
from .camera import Camera
from .motion import BodyMotion
from .shade import depth_map, normal_map, part_light, semantic_map, vertex_normals
from .skeleton import draw_skeleton, openpose_points
from .smpl import JOINTS, Smpl

MAPS = ("depth", "normal", "semantic_map", "dwpose")  # Champ's names
TOGETHER = 8  # frames posed and seen at a time
BEHIND = 0.04  # metres a point of the face may lie behind what is seen there and still count as seen


@dataclass(frozen=True, eq=False)
class BodyMaps:
    """The maps of one frame, uint8, black where there is no body.

    Attributes:
        depth: ``[H, W]``, 255 at the frame's nearest pixel of any body, 0 at the farthest: each frame for itself, as
            Champ was trained.
        normal: ``[H, W, 3]``, x right, y up, z towards the viewer, -1..1 as 0..255.
        semantic_map: ``[H, W, 3]``, a colour for each of 24 parts.
        dwpose: ``[H, W, 3]``, the skeleton as DWPose draws it: the body without hands and face.
        mask: ``[H, W]``, 255 where the body is.
    """

    depth: np.ndarray
    normal: np.ndarray
    semantic_map: np.ndarray
    dwpose: np.ndarray
    mask: np.ndarray


def body_maps(
    motion: BodyMotion | Sequence[BodyMotion],
    body: Smpl,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Iterator[BodyMaps]:
    """The guidance maps of a motion, frame by frame.

    Args:
        motion: With a camera, whose size the maps have (``place`` gives it one for a picture). Of several as many frames
            each, seen by the same camera: the nearer body hides what is behind it.
        body: Who moves; its 24 joints are SMPL's.
        device: Where to compute; on CUDA with Triton.

    Raises:
        TroupeError: if a motion has no camera, or another number of joints than the body, or several do not belong
            together.
    """
    motions = [motion] if isinstance(motion, BodyMotion) else list(motion)
    cameras, frames = [check(m, body) for m in motions], len(motions[0])
    if any(camera != cameras[0] for camera in cameras) or any(len(m) != frames for m in motions):
        raise TroupeError(
            "The body motions do not belong together",
            ", ".join(
                f"{len(m)} frames of {c.width} x {c.height} at {c.focal:g} px"
                for m, c in zip(motions, cameras, strict=True)
            ),
            "Place them on the same picture, as long as each other",
        )
    body = body.to(device, torch.float32)
    for start in range(0, frames, TOGETHER):
        for maps in _maps([m[start : start + TOGETHER] for m in motions], body, cameras[0]):
            yield maps
            start += 1
            report(progress, start, frames)


def check(motion: BodyMotion, body: Smpl) -> Camera:
    """The motion's camera.

    Raises:
        TroupeError: if it has none, or body and motion differ in their joints.
    """
    joints = motion.rotations.shape[1]
    if joints != body.joints or joints != len(JOINTS):
        raise TroupeError(
            f"The motion does not fit {body.name}",
            f"it moves {joints} joints, the body has {body.joints}, SMPL {len(JOINTS)}",
            "Use a motion and a body of SMPL",
        )
    if motion.camera is None:
        raise TroupeError(
            "The body motion has no place in a picture", "it has no camera", "Place it on the picture first"
        )
    return motion.camera


@torch.inference_mode()
def _maps(motions: list[BodyMotion], body: Smpl, camera: Camera) -> list[BodyMaps]:
    device = body.template.device
    shapes, points, joints = [], [], []
    for motion in motions:
        rotations, position, betas = (
            torch.tensor(x, device=device) for x in (motion.rotations, motion.position, motion.betas)
        )
        posed = body.pose(rotations, betas)
        shapes.append(posed.vertices)
        points.append(camera.project(posed.vertices + position[:, None]))
        joints.append(camera.project(posed.joints + position[:, None]))
    # All bodies are one mesh, of which the rasteriser sees what is nearest.
    count = len(motions)
    faces = torch.cat([body.faces + k * len(body.template) for k in range(count)])
    shape, mesh, skeletons = torch.cat(shapes, 1), torch.cat(points, 1), torch.stack(joints, 1)
    light = part_light(body.labels).repeat(1, count)
    out = []
    for n in range(len(mesh)):
        seen = rasterize(mesh[n : n + 1], faces, camera.height, camera.width)
        # Normals from vertices about the origin: far away float32 has fewer digits for edges.
        looks = torch.cat([vertex_normals(shape[n], faces), light])
        own = [_openpose(seen, p[n], j, body, camera) for p, j in zip(points, skeletons[n], strict=True)]
        out.append(_frame(seen, seen.blend(looks, faces), np.stack(own), camera))
    return out


def _frame(seen: Fragments, looks: Tensor, skeletons: np.ndarray, camera: Camera) -> BodyMaps:
    """The maps of one frame; ``looks [6, P]`` are normals and the light of parts at the pixels seen."""
    size = camera.height * camera.width

    def spread(values: Tensor) -> np.ndarray:
        whole = torch.zeros(size, *values.shape[1:], dtype=torch.uint8, device=values.device)
        whole[seen.pixel] = values
        return whole.view(camera.height, camera.width, *values.shape[1:]).cpu().numpy()

    return BodyMaps(
        spread(depth_map(seen)),
        spread(normal_map(seen, looks[:3])),
        spread(semantic_map(looks[3:])),
        draw_skeleton(skeletons, camera.height, camera.width),
        spread(torch.full_like(seen.face, 255, dtype=torch.uint8)),
    )


def _openpose(seen: Fragments, points: Tensor, joints: Tensor, body: Smpl, camera: Camera) -> np.ndarray:
    """A body's 18 points in pixels, those of its face only where they are seen."""
    joints = joints.double().cpu().numpy()
    return openpose_points(
        np.where(joints[:, 2:] > 0, joints[:, :2], np.nan), _face(seen, points, body, camera)
    )


def _face(seen: Fragments, points: Tensor, body: Smpl, camera: Camera) -> np.ndarray | None:
    """Nose, eyes and ears in pixels ``[5, 2]``, NaN for those that the body hides."""
    if body.face_points is None:
        return None
    places = points[list(body.face_points)].double()
    x, y = places[:, 0].floor().long(), places[:, 1].floor().long()
    inside = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    wanted = torch.where(inside, y * camera.width + x, -1)
    index = torch.searchsorted(seen.pixel, wanted).clamp(max=max(len(seen.pixel) - 1, 0))
    hidden = torch.zeros_like(inside)
    if len(seen.pixel):
        hit = seen.pixel[index] == wanted
        hidden = hit & (places[:, 2] > seen.depth[index] + BEHIND)
    out = places[:, :2].cpu().numpy()
    out[(hidden | (places[:, 2] <= 0)).cpu().numpy()] = np.nan
    return out
