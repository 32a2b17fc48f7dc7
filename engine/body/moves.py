"""A few movements by formula, to try bodies and guidance maps without anybody's recording."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from ..motion.face_motion import frame_count
from .motion import MOST_FRAMES, BodyMotion
from .rotations import matrices_from_vectors
from .smpl import JOINTS

MOVES = ("sway", "wave", "walk", "turn")
BETAS = 10
_FACING = np.diag([1.0, -1, -1])  # the body's axes (y up) in the camera's, facing us
# Arms hang: rotation vectors in radians of the joints that do not keep still at (0, 0, 0).
_HANG = {"left_shoulder": (0, -0.15, -1.25), "right_shoulder": (0, 0.15, 1.25)}
_HANG |= {"left_elbow": (0, -0.25, 0), "right_elbow": (0, 0.25, 0)}


def body_move(move: str, seconds: float, fps: float = 25.0) -> BodyMotion:
    """A movement of ``MOVES``: facing us, in place, without a camera.

    Raises:
        TroupeError: if there is no such movement, or it would have no frames or too many.
    """
    if move not in MOVES:
        raise TroupeError(
            f"The movement {move!r} does not exist", f"known are {', '.join(MOVES)}", "Choose one of these"
        )
    frames = frame_count(seconds, fps)
    if frames > MOST_FRAMES:
        raise TroupeError(
            f"A movement of {seconds:g} s is too long",
            f"{frames} frames, at most {MOST_FRAMES}",
            "Ask for less",
        )
    t = np.arange(frames) / fps
    vectors = np.zeros((frames, len(JOINTS), 3))
    position = np.zeros((frames, 3))
    for joint, value in _HANG.items():
        _add(vectors, joint, *value)
    _breathe(vectors, t)
    if move == "wave":
        _wave(vectors, t)
    elif move == "walk":
        _walk(vectors, position, t)
    else:
        _sway(vectors, position, t)
    rotations = matrices_from_vectors(vectors)
    heading = np.zeros((frames, 3))
    if move == "turn":
        heading[:, 1] = 2 * np.pi * t / max(seconds, 1 / fps)
    rotations[:, 0] = _FACING @ matrices_from_vectors(heading) @ rotations[:, 0]
    return BodyMotion(rotations, position, np.zeros((frames, BETAS)), fps)


def _add(vectors: np.ndarray, joint: str, x=0.0, y=0.0, z=0.0) -> None:
    vectors[:, JOINTS.index(joint)] += np.stack(np.broadcast_arrays(x, y, z, vectors[:, 0, 0])[:3], -1)


def _breathe(vectors: np.ndarray, t: np.ndarray) -> None:
    chest = np.sin(2 * np.pi * t / 3.6)
    _add(vectors, "spine3", x=-0.015 * chest)
    _add(vectors, "neck", x=0.015 * chest, y=0.06 * np.sin(2 * np.pi * t / 5.3))


def _sway(vectors: np.ndarray, position: np.ndarray, t: np.ndarray) -> None:
    """The weight from one leg to the other, the arms a little behind."""
    side, late = np.sin(2 * np.pi * t / 1.6), np.sin(2 * np.pi * t / 1.6 - 0.6)
    position[:, 0] = 0.04 * side
    for name in ("left_hip", "right_hip"):
        _add(vectors, name, z=0.05 * side)
    _add(vectors, "pelvis", z=-0.03 * side)
    _add(vectors, "spine2", y=0.12 * late, z=0.05 * side)
    for name, sign in (("left", 1), ("right", -1)):
        _add(vectors, f"{name}_shoulder", x=0.1 * late, z=0.06 * sign * late)
        _add(vectors, f"{name}_elbow", y=-0.3 * sign * (1 + late * sign) / 2)
    _add(vectors, "head", z=-0.05 * late)


def _wave(vectors: np.ndarray, t: np.ndarray) -> None:
    """The right hand up and waving, from half a second on."""
    up = np.clip((t - 0.2) / 0.6, 0, 1)
    up = up * up * (3 - 2 * up)
    hand = np.sin(2 * np.pi * 1.7 * t) * up
    _add(vectors, "right_shoulder", y=-0.15 * up, z=(-1.45 - 0.05 * hand) * up)
    _add(vectors, "right_elbow", y=-0.25 * up, z=(-1.5 + 0.35 * hand) * up)
    _add(vectors, "right_wrist", z=0.15 * hand)
    _add(vectors, "head", z=0.06 * up)
    _add(vectors, "spine2", z=0.04 * up)


def _walk(vectors: np.ndarray, position: np.ndarray, t: np.ndarray) -> None:
    """On the spot: legs and arms swing against each other, two steps a second."""
    phase = 2 * np.pi * t
    position[:, 1] = -0.02 * np.abs(np.sin(phase))
    for name, shift, sign in (("left", 0.0, 1), ("right", np.pi, -1)):
        swing = np.sin(phase + shift)
        lift = np.clip(np.cos(phase + shift), 0, None)
        _add(vectors, f"{name}_hip", x=-0.42 * swing - 0.1)
        _add(vectors, f"{name}_knee", x=0.15 + 0.85 * lift)
        _add(vectors, f"{name}_ankle", x=0.15 * swing)
        _add(vectors, f"{name}_shoulder", x=0.0, y=0.45 * sign * swing)
        _add(vectors, f"{name}_elbow", y=-sign * (0.2 - 0.15 * swing))
    _add(vectors, "spine2", y=-0.1 * np.sin(phase))
    _add(vectors, "spine1", x=0.05)
