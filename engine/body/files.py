"""Body motions as files: 4D-Humans (HMR2) in Champ's layout, AMASS, AIST++, plain NPZ and our own.

* A folder of 4D-Humans' frames, one pickled NPY each (``smpls``, ``cam_t``, ``render_res``,
  ``scaled_focal_length``), or one such file.
* ``smpls_group.npz``, in which Champ's scripts collect a clip.
* NPZ (or pickle) with ``poses`` ``[T, 72]`` (SMPL), ``[T, 156]`` (SMPL-H, as AMASS has it) or ``[T, 165]`` (SMPL-X), or
  ``global_orient`` and ``body_pose``; ``trans``, ``betas`` and a frame rate under their usual names.
* Our own NPZ: ``rotations``, ``position``, ``betas``, ``fps`` and ``camera`` (focal length, width, height).

Pickles are read as data and never run. What has no camera is turned so that the body stands upright and faces us.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TroupeError
from .hmr import load_frames, load_group, no_such_person
from .motion import MOST_FRAMES, BodyMotion, is_rotation
from .pickles import read_pickle
from .rotations import matrices_from_vectors, nearest_rotations
from .values import as_array, read_file, read_npz

MOST_BYTES = 1_000_000_000
_FORMAT = "troupe-body-motion"
_POSES = ("poses", "pose", "smpl_poses")
_ROOTS = ("global_orient", "root_orient")
_BODIES = ("body_pose", "pose_body")
_PLACES = ("trans", "transl", "translation", "smpl_trans")
_BETAS = ("betas", "beta", "shape")
_RATES = ("fps", "mocap_framerate", "mocap_frame_rate", "frame_rate")
_OURS = ("format", "rotations", "position", "camera")
_SCALE = "smpl_scaling"  # AIST++: its bodies move in this many units to the metre
_NAMES = {*_POSES, *_ROOTS, *_BODIES, *_PLACES, *_BETAS, *_RATES, *_OURS, _SCALE, "smpl"}
_BODY_JOINTS = 22  # which SMPL, SMPL-H and SMPL-X share; then SMPL's two hands, or fingers and jaw


def load_body_motion(path: str | Path, *, fps: float = 30.0, person: int = 1) -> BodyMotion:
    """Read a body motion.

    Args:
        path: A file or folder, see above.
        fps: Frame rate of files that do not say theirs (4D-Humans).
        person: Which of several persons of 4D-Humans' frames, from 1 on: in the order of the first frame, then as they
            appear. They are followed by where they stand; frames without the person are filled from those around them.
            In other files there is one.

    Raises:
        TroupeError: if it does not show that person, cannot be read, is too large, has a pickle that asks for more than arrays, lacks something or
            has values out of range.
    """
    path = Path(path)
    label = f"The body motion {path.name!r}"
    if person < 1:
        raise TroupeError(f"Person {person} does not exist", "persons are counted from 1", "Choose 1")
    if path.is_dir() or path.suffix.lower() == ".npy":
        return load_frames(path, fps, person, label)
    if path.suffix.lower() == ".npz":
        content: Any = read_npz(path, MOST_BYTES, label, _NAMES)
        if "smpl" in content:
            return load_group(path, content["smpl"], content.get("camera"), fps, person, label)
    elif path.suffix.lower() in (".pkl", ".pickle"):
        content = read_pickle(read_file(path, MOST_BYTES, label), label)
    else:
        raise TroupeError(
            f"{label} cannot be read",
            f"it ends in '{path.suffix}', known are folders, .npy, .npz and .pkl",
            "Choose a file of one of these kinds",
        )
    if not isinstance(content, Mapping):
        raise _unknown(label, f"it holds a {type(content).__name__}, not named arrays")
    if person > 1:
        raise no_such_person(label, person, 1)
    return _ours(content, label) if "rotations" in content else _plain(content, fps, label)


def save_body_motion(motion: BodyMotion, path: str | Path) -> Path:
    """Write a motion as NPZ; ``load_body_motion`` gives the same back, bit for bit. The file appears whole or not at
    all.

    Raises:
        TroupeError: if the name does not end in ``.npz``, or it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise TroupeError(
            f"'{path.name}' is no name for a body motion", f"it ends in '{path.suffix}'", "End it in .npz"
        )
    camera = motion.camera
    arrays = {
        "format": np.array(_FORMAT),
        "rotations": motion.rotations,
        "position": motion.position,
        "betas": motion.betas,
        "fps": np.float64(motion.fps),
    }
    if camera is not None:
        arrays["camera"] = np.array([camera.focal, camera.width, camera.height])
    part = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(6)}.npz")
    try:
        with open(part, "xb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(part, path)
    except OSError as error:
        raise TroupeError(
            f"Cannot write '{path.name}'", error.strerror or str(error), f"Check the folder '{path.parent}'"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _ours(content: Mapping[str, Any], label: str) -> BodyMotion:
    from .camera import Camera

    named = str(content["format"]) if "format" in content else ""
    arrays = {k: as_array(content.get(k)) for k in ("rotations", "position", "betas", "fps")}
    lacking = [k for k, v in arrays.items() if v is None]
    if named != _FORMAT or lacking or arrays["fps"].size != 1:
        raise _unknown(label, f"its format is {named!r:.40}, and it lacks {', '.join(lacking) or 'nothing'}")
    camera = as_array(content.get("camera"))
    if camera is not None and camera.shape != (3,):
        raise _unknown(label, f"camera is {list(camera.shape)}, expected focal length, width and height")
    motion = (arrays["rotations"], arrays["position"], arrays["betas"], float(arrays["fps"].ravel()[0]))
    return BodyMotion(*motion, None if camera is None else Camera(*camera.tolist()))


def _plain(content: Mapping[str, Any], fps: float, label: str) -> BodyMotion:
    rotations = _poses(content, label)
    frames = len(rotations)
    place = _first(content, _PLACES, label)
    place = np.zeros((frames, 3)) if place is None else place
    scale = _first(content, (_SCALE,), label)
    if scale is not None and scale.size == 1 and float(scale.ravel()[0]) > 0:
        place = place / float(scale.ravel()[0])
    betas = _first(content, _BETAS, label)
    betas = np.zeros((1, 10)) if betas is None else np.atleast_2d(betas)
    if place.shape != (frames, 3) or betas.ndim != 2 or len(betas) not in (1, frames):
        raise _unknown(label, f"{frames} poses, but places {list(place.shape)} and betas {list(betas.shape)}")
    rate = _first(content, _RATES, label)
    if rate is not None and rate.size == 1:
        fps = float(rate.ravel()[0])
    turn = upright(rotations[:, 0])
    rotations[:, 0] = turn @ rotations[:, 0]
    betas = np.broadcast_to(betas, (frames, betas.shape[1]))
    return BodyMotion(rotations, (place - place[:1]) @ turn.T, betas, fps)


def _poses(content: Mapping[str, Any], label: str) -> np.ndarray:
    """float64 ``[T, 24, 3, 3]`` of whatever names and layout."""
    poses = _first(content, _POSES, label)
    if poses is None:
        root, body = _first(content, _ROOTS, label), _first(content, _BODIES, label)
        if root is None or body is None:
            has = ", ".join(sorted(str(k) for k in content)[:12]) or "nothing known"
            raise _unknown(
                label, f"it lacks 'poses' (or 'global_orient' and 'body_pose') and has {has}"[:300]
            )
        matrices = root.shape[-2:] == (3, 3) and body.shape[-2:] == (3, 3)
        width = (3, 3) if matrices else (3,)
        if root.size % np.prod(width) or body.size % np.prod(width) or len(root) != len(body):
            raise _unknown(label, f"global_orient is {list(root.shape)}, body_pose {list(body.shape)}")
        poses = np.concatenate([root.reshape(len(root), -1, *width), body.reshape(len(body), -1, *width)], 1)
    elif poses.ndim == 2 and poses.shape[1] % 3 == 0:
        poses = poses.reshape(len(poses), -1, 3)
    if (
        poses.ndim not in (3, 4)
        or poses.shape[2:] not in ((3,), (3, 3))
        or not 1 <= len(poses) <= MOST_FRAMES
    ):
        raise _unknown(
            label, f"poses are {list(poses.shape)}, expected [T, 72] or [T, 156], at most {MOST_FRAMES}"
        )
    if poses.shape[1] < _BODY_JOINTS:
        raise _unknown(label, f"poses have {poses.shape[1]} joints, at least {_BODY_JOINTS} are needed")
    kept = 24 if poses.shape[1] == 24 else _BODY_JOINTS
    poses = poses[:, :kept].astype(np.float64)
    if not (np.abs(poses) < 1e4).all():
        raise _unknown(label, "poses have values that are no numbers or far out of range")
    rotations = matrices_from_vectors(poses) if poses.ndim == 3 else rotations_near(poses, label)
    rest = np.broadcast_to(np.eye(3), (len(poses), 24 - kept, 3, 3))
    return np.concatenate([rotations, rest], 1)


def rotations_near(matrices: np.ndarray, label: str) -> np.ndarray:
    """The rotations that measured matrices nearly are."""
    if not is_rotation(matrices, 0.1):
        raise _unknown(label, "its matrices are no rotations")
    return nearest_rotations(matrices)


def upright(bodies: np.ndarray) -> np.ndarray:
    """The turn ``[3, 3]`` that brings a room into camera axes: bodies ``[T, 3, 3]`` upright, the first facing us.

    Rooms differ in which way is up (AMASS: z). It is taken to be the axis that the body's own up follows most; a body
    whose up is -y is in camera axes already and is left alone.
    """
    mean = bodies[:, :, 1].mean(0)
    axis = int(np.abs(mean).argmax())
    up = np.zeros(3)
    up[axis] = 1 if mean[axis] > 0 else -1
    if up[1] < 0:
        return np.eye(3)
    # The way the body looks along the ground; lying on its back or face, the way its head points.
    for look in (bodies[0, :, 2], bodies[0, :, 1]):
        ahead = look - up * (look @ up)
        if np.linalg.norm(ahead) > 0.3:
            break
    ahead = ahead / np.linalg.norm(ahead)
    return np.stack([np.cross(up, ahead), -up, -ahead])


def _first(content: Mapping[str, Any], names: tuple[str, ...], label: str) -> np.ndarray | None:
    """The first of several names that is there, as floats."""
    for name in names:
        if name in content:
            values = as_array(content[name])
            if values is None:
                raise _unknown(label, f"'{name}' does not hold numbers")
            return values.astype(np.float64)
    return None


def _unknown(label: str, why: str) -> TroupeError:
    return TroupeError(
        f"{label} is none", why, "Use 4D-Humans' results, an AMASS file, or a motion saved by this pack"
    )
