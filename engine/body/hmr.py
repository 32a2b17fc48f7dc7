"""What 4D-Humans (HMR2) measures of a clip, in the files that Champ's scripts write.

Each frame is an NPY with a pickled dictionary: ``smpls`` (``global_orient [P, 1, 3, 3]``, ``body_pose [P, 23, 3, 3]``,
``betas [P, 10]``), ``cam_t`` (P times ``[3]``), ``render_res`` (width, height) and ``scaled_focal_length``;
``smpls_group.npz`` collects ``smpl`` and ``camera`` of all frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TroupeError
from .camera import Camera
from .motion import MOST_FRAMES, BodyMotion, is_rotation
from .rotations import nearest_rotations
from .values import as_array, read_file, read_npy

MOST_BYTES = 50_000_000  # of one frame; it holds the vertices of everybody
_UNKNOWN_SIDE = 256  # of a picture nobody told the size of


def load_frames(path: Path, fps: float, person: int, label: str) -> BodyMotion:
    """A folder of frames (or the folder above ``smpl_results``) or a single one; see ``load_body_motion``."""
    files = [path]
    if path.is_dir():
        folder = path / "smpl_results" if (path / "smpl_results").is_dir() else path
        files = sorted(folder.glob("*.npy"))
    if not files:
        raise TroupeError(
            f"{label} is empty", "the folder holds no .npy files", "Choose a folder of 4D-Humans' results"
        )
    # Files are numbered as the clip's frames; those in which nobody was found are missing.
    numbers = [int(p.stem) if p.stem.isdecimal() and len(p.stem) < 10 else None for p in files]
    if None in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(len(files)))
    numbers, files = zip(*sorted(zip(numbers, files, strict=True)), strict=True)
    if numbers[-1] - numbers[0] >= MOST_FRAMES:
        raise TroupeError(
            f"{label} is too long",
            f"its frames run from {numbers[0]} to {numbers[-1]}",
            f"Use at most {MOST_FRAMES}",
        )
    found, camera = [], None
    for number, file in zip(numbers, files, strict=True):
        name = f"The frame {file.name!r}"
        frame = _frame(read_npy(read_file(file, MOST_BYTES, name), name), person, name)
        if frame is None:
            continue
        here = frame[-1]
        if camera is not None and here != camera:
            raise TroupeError(
                f"{label} changes its camera",
                f"{file.name} is {here.width} x {here.height} at {here.focal:g} px, before it was "
                f"{camera.width} x {camera.height} at {camera.focal:g} px",
                "Use frames of one clip",
            )
        camera = here
        found.append((number, *frame[:3]))
    return _assemble(found, camera, fps, person, label)


def load_group(path: Path, smpl: Any, places: Any, fps: float, person: int, label: str) -> BodyMotion:
    """``smpls_group.npz``. It does not tell the camera, which is taken from a frame beside it if there is one."""
    dicts = smpl.ravel().tolist() if isinstance(smpl, np.ndarray) and smpl.dtype == object else []
    if isinstance(places, np.ndarray) and places.dtype == object:
        places = as_array(places.ravel().tolist())
    if not dicts or places is None or places.dtype.kind not in "fiu" or places.size != 3 * len(dicts):
        raise _broken(label, f"{len(dicts)} bodies and {getattr(places, 'shape', 'no')} camera places")
    if len(dicts) > MOST_FRAMES:
        raise _broken(label, f"it has {len(dicts)} frames, at most {MOST_FRAMES}")
    places = places.reshape(-1, 3).astype(np.float64)
    camera = Camera.far(_UNKNOWN_SIDE, _UNKNOWN_SIDE)
    beside = next(iter(sorted(path.parent.glob("*.npy"))), None)
    if beside is not None:
        name = f"The frame {beside.name!r}"
        first = _frame(read_npy(read_file(beside, MOST_BYTES, name), name), person, name)
        if first is not None:
            camera = first[-1]
            # Champ's smoothing turns y upside down and leaves it so.
            if abs(places[0, 1] + first[1][1]) < abs(places[0, 1] - first[1][1]):
                places = places * [1, -1, 1]
    found = []
    for number, content in enumerate(dicts):
        pose = _pose(content, person, f"Frame {number + 1} of {label[:1].lower() + label[1:]}")
        if pose is not None:
            found.append((number, pose[0], places[number], pose[1]))
    return _assemble(found, camera, fps, person, label)


def _assemble(found: list[tuple], camera: Camera | None, fps: float, person: int, label: str) -> BodyMotion:
    """Frames (number, rotations, place, betas) as a motion, missing numbers filled from those around them."""
    if not found or camera is None:
        raise TroupeError(
            f"{label} does not show person {person}", "no frame has that many persons", "Choose person 1"
        )
    numbers, rotations, places, betas = zip(*found, strict=True)
    sizes = {len(b) for b in betas}
    if len(sizes) > 1:
        raise _broken(label, f"its frames have {sorted(sizes)} betas")
    motion = BodyMotion(np.stack(rotations), np.stack(places), np.stack(betas), fps, camera)
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return motion
    every = np.arange(numbers[0], numbers[-1] + 1)
    return motion.at(np.interp(every, numbers, np.arange(len(numbers))), fps)


def _frame(value: np.ndarray, person: int, label: str) -> tuple | None:
    """A frame's rotations, place and betas, and its camera; ``None`` if the person is not in it."""
    content = value.item() if value.dtype == object and value.size == 1 else None
    if not isinstance(content, dict):
        raise _broken(label, "it holds no dictionary")
    missing = [k for k in ("smpls", "cam_t", "render_res", "scaled_focal_length") if k not in content]
    if missing:
        raise _broken(label, f"it lacks {', '.join(missing)}")
    places, size = as_array(content["cam_t"]), as_array(content["render_res"])
    focal = as_array(content["scaled_focal_length"])
    if (
        places is None
        or places.size % 3
        or size is None
        or size.size != 2
        or focal is None
        or focal.size != 1
    ):
        raise _broken(label, "cam_t, render_res or scaled_focal_length is not of its shape")
    pose = _pose(content["smpls"], person, label)
    places = places.reshape(-1, 3)
    if pose is None or person > len(places):
        return None
    camera = Camera(float(focal.ravel()[0]), *(int(s) for s in size.ravel()))
    return pose[0], places[person - 1].astype(np.float64), pose[1], camera


def _pose(content: Any, person: int, label: str) -> tuple[np.ndarray, np.ndarray] | None:
    """A person's rotations ``[24, 3, 3]`` and betas ``[B]``; ``None`` if there are fewer persons."""
    if person < 1:
        raise TroupeError(f"Person {person} does not exist", "persons are counted from 1", "Choose 1")
    if not isinstance(content, dict):
        raise _broken(label, "it holds no dictionary of a body")
    arrays = [as_array(content.get(k)) for k in ("global_orient", "body_pose", "betas")]
    if any(a is None for a in arrays):
        raise _broken(label, "it lacks global_orient, body_pose or betas")
    root, body, betas = arrays
    persons = len(betas) if betas.ndim == 2 else 0
    if root.size != persons * 9 or body.size != persons * 23 * 9:
        shapes = ", ".join(str(list(a.shape)) for a in arrays)
        raise _broken(label, f"global_orient, body_pose and betas are {shapes}")
    if person > persons:
        return None
    matrices = np.concatenate([root.reshape(persons, 1, 3, 3), body.reshape(persons, 23, 3, 3)], 1)
    matrices = matrices[person - 1].astype(np.float64)
    if not (np.isfinite(matrices).all() and is_rotation(matrices, 0.1)):
        raise _broken(label, "its matrices are no rotations")
    return nearest_rotations(matrices), betas[person - 1].astype(np.float64)


def _broken(label: str, why: str) -> TroupeError:
    return TroupeError(
        f"{label} is not a result of 4D-Humans", why, "Run 4D-Humans again, or choose another file"
    )
