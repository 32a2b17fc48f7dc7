"""Where a moving body stands in a picture, so that guidance maps and picture lie over each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TroupeError
from ..faces.types import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, Face
from .camera import Camera
from .motion import BodyMotion

if TYPE_CHECKING:
    from torch import Tensor

    from .smpl import Smpl

FILLS = 0.9  # of the picture's width or height, by a body that is shown whole
_LOOKS = 64  # frames looked at to show a whole motion
_TOGETHER = 8  # posed at a time, which bounds the memory
_NOSE, _RIGHT_EYE, _LEFT_EYE = range(3)  # in ``Smpl.face_points``


def place(
    motion: BodyMotion,
    body: Smpl,
    width: int,
    height: int,
    at: BodyMotion | Face | str = "whole",
    *,
    travel: float = 1.0,
) -> BodyMotion:
    """A motion seen by the camera of a picture.

    Args:
        motion: What moves.
        body: Who moves. Both keep their shape: to play it with the reference's figure give it the reference's betas
            first (``motion.with_shape(reference.betas[0])``).
        width, height: The picture's, pixels.
        at: Where the first frame's body stands:

            * a ``BodyMotion`` with a camera, of which the first frame is the picture's body (4D-Humans on the
              reference): at the same place, seen by the same camera;
            * a ``Face`` of the picture: its eyes at the face's eyes, as far apart, seen by a camera like 4D-Humans';
            * ``"clip"``: where it stood in the clip it was measured in;
            * ``"whole"``: such that all of it is seen through all of the motion.
        travel: How much the body moves about from there: 1 as measured, 0 not at all, as Champ's scripts do.

    Raises:
        TroupeError: if the reference or the motion has no camera where one is needed, the face cannot be measured, the
            body's face is unknown, or the travel is not in 0 to 1.
    """
    if not 0 <= travel <= 1:
        raise TroupeError(f"The travel {travel:g} is out of range", "it must lie in 0 to 1", "Use 1 or 0")
    if isinstance(at, str) and at == "clip":
        camera = _camera_of(motion, "The body motion").resized(width, height)
        return replace(motion, position=travelled(motion, motion.position[0], travel), camera=camera)
    if isinstance(at, BodyMotion):
        camera = _camera_of(at, "The reference body").resized(width, height)
        start = at.position[0]
    else:
        camera = Camera.far(width, height)
        if isinstance(at, Face):
            start = _meet_face(motion, body, camera, at)
        elif at == "whole":
            start = _show_whole(motion, body, camera, travel)
        else:
            raise ValueError(f"at must be a BodyMotion, a Face, 'clip' or 'whole', got {at!r}")
    return replace(motion, position=travelled(motion, start, travel), camera=camera)


def travelled(motion: BodyMotion, start: np.ndarray, travel: float) -> np.ndarray:
    """The motion's way ``[T, 3]`` from another start.

    To the sides it is metres. The depth of a motion that a camera measured is a matter of how large the body looked,
    for the focal length was assumed: it is taken as a ratio. Without a camera it is metres, too.
    """
    way = motion.position.astype(np.float64)
    out = np.asarray(start, np.float64) + travel * (way - way[0])
    if motion.camera is not None:
        if not (way[:, 2] > 0).all():
            raise TroupeError(
                "The body motion is behind its camera",
                f"its depth is {way[:, 2].min():g} m",
                "Check what made it",
            )
        out[:, 2] = start[2] * (way[:, 2] / way[0, 2]) ** travel
    return out


def _camera_of(motion: BodyMotion, what: str) -> Camera:
    if motion.camera is None:
        raise TroupeError(
            f"{what} has no camera",
            "its file does not say how the body was seen",
            "Use 4D-Humans' result of the picture, place it by a face, or show it whole",
        )
    return motion.camera


def _pose(motion: BodyMotion, body: Smpl, frames: np.ndarray) -> Tensor:
    """Vertices ``[n, V, 3]`` of some frames, on the CPU, without the motion's place."""
    import torch

    if motion.rotations.shape[1] != body.joints:
        raise TroupeError(
            f"The motion does not fit {body.name}",
            f"it moves {motion.rotations.shape[1]} joints, the body has {body.joints}",
            "Use a motion and a body of SMPL",
        )
    with torch.inference_mode():
        here = body.to("cpu", torch.float32)
        return here.pose(
            torch.from_numpy(motion.rotations[frames]), torch.from_numpy(motion.betas[frames])
        ).vertices


def _meet_face(motion: BodyMotion, body: Smpl, camera: Camera, face: Face) -> np.ndarray:
    """The place where the first frame's eyes lie over the face's, as far apart in space."""
    if body.face_points is None:
        raise TroupeError(
            f"{body.name} cannot be placed by a face",
            "where its eyes are is unknown",
            "Use SMPL or the stand-in figure, or place it otherwise",
        )
    eyes = [face.landmarks[list(c)].mean(0).astype(np.float64) for c in (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS)]
    apart = float(np.linalg.norm(eyes[0] - eyes[1]))
    if not 1 <= apart <= 4 * max(camera.width, camera.height):
        raise TroupeError(
            "The face cannot be measured", f"its eyes are {apart:g} pixels apart", "Choose another face"
        )
    vertices = _pose(motion, body, np.array([0]))[0].double().numpy()
    right, left = (vertices[body.face_points[k]] for k in (_RIGHT_EYE, _LEFT_EYE))
    depth = camera.focal * float(np.linalg.norm(right - left)) / apart
    middle = (eyes[0] + eyes[1]) / 2
    return camera.lift(middle[0], middle[1], depth) - (right + left) / 2


def _show_whole(motion: BodyMotion, body: Smpl, camera: Camera, travel: float) -> np.ndarray:
    """The place from which the whole motion fills the picture, but for a margin."""
    frames = np.unique(np.linspace(0, len(motion) - 1, _LOOKS).round().astype(int))
    parts = (frames[i : i + _TOGETHER] for i in range(0, len(frames), _TOGETHER))
    poses = np.concatenate([_pose(motion, body, part).numpy() for part in parts])
    depth = camera.focal  # about where a body is as many pixels tall as it measures metres
    for _ in range(3):  # nearly without perspective the first guess is nearly right
        way = travelled(motion, np.array([0, 0, depth]), travel)[frames]
        points = poses + way[:, None]
        seen = points[..., :2] / np.maximum(points[..., 2:], 0.1) * depth
        low, high = seen.min((0, 1)), seen.max((0, 1))
        depth = camera.focal * float(((high - low) / [camera.width, camera.height]).max()) / FILLS
    middle = (low + high) / 2
    return np.array([-middle[0], -middle[1], depth])
