"""What 4D-Humans (HMR2) measures of a clip, in the files that Champ's scripts write.

Each frame is an NPY with a pickled dictionary: ``smpls`` (``global_orient [P, 1, 3, 3]``, ``body_pose [P, 23, 3, 3]``,
``betas [P, 10]``), ``cam_t`` (P times ``[3]``), ``render_res`` (width, height) and ``scaled_focal_length``;
``smpls_group.npz`` collects ``smpl`` of all frames and, as ``camera``, the first person's ``cam_t``.

P persons stand in a frame as its detector was sure of them, so that they change places from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TroupeError
from .camera import Camera
from .follow import follow
from .motion import MOST_FRAMES, BodyMotion, is_rotation
from .rotations import nearest_rotations
from .values import as_array, read_file, read_npy

MOST_BYTES = 50_000_000  # of one frame; it holds the vertices of everybody
_UNKNOWN_SIDE = 256  # of a picture nobody told the size of


@dataclass(frozen=True, eq=False)
class _People:
    """Everybody in a frame: ``rotations [P, 24, 3, 3]`` as they were read, ``betas [P, B]``, ``places [P, 3]``."""

    rotations: np.ndarray
    betas: np.ndarray
    places: np.ndarray
    label: str

    def __len__(self) -> int:
        return len(self.betas)


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
    frames, camera = [], None
    for file in files:
        name = f"The frame {file.name!r}"
        people, here = _frame(read_npy(read_file(file, MOST_BYTES, name), name), name)
        if camera is not None and len(people) and here != camera:
            raise TroupeError(
                f"{label} changes its camera",
                f"{file.name} is {here.width} x {here.height} at {here.focal:g} px, before it was "
                f"{camera.width} x {camera.height} at {camera.focal:g} px",
                "Use frames of one clip",
            )
        camera = here if len(people) else camera
        frames.append(people)
    return _assemble(list(numbers), frames, _who(list(numbers), frames), camera, fps, person, label)


def _who(numbers: list[int], frames: list[_People]) -> list[np.ndarray]:
    """Who is who in each frame, from 0 on. Where nobody is ever with another it is one person."""
    if max(map(len, frames)) <= 1:
        return [np.zeros(len(people), int) for people in frames]
    for people in frames:
        if not (np.abs(people.places) < 1e6).all() or not (people.places[:, 2] > 0).all():
            raise _broken(people.label, "its cam_t is not in front of the camera")
    return follow([people.places for people in frames], numbers)


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
        people, here = _frame(read_npy(read_file(beside, MOST_BYTES, name), name), name)
        if len(people):
            camera = here
            # Champ's smoothing turns y upside down and leaves it so.
            if abs(places[0, 1] + people.places[0, 1]) < abs(places[0, 1] - people.places[0, 1]):
                places = places * [1, -1, 1]
    frames = []
    for number, content in enumerate(dicts):
        rotations, betas = _bodies(content, name := f"Frame {number + 1} of {label[:1].lower() + label[1:]}")
        frames.append(_People(rotations[:1], betas[:1], places[number : number + 1][: len(betas)], name))
        if person > 1 and len(betas) > 1:
            raise TroupeError(
                f"{label} does not tell where person {person} stands",
                f"it shows {len(betas)} persons in frame {number + 1}, but has the place of the first alone",
                "Load the folder of the frames that it was collected from",
            )
    who = [np.zeros(len(people), int) for people in frames]
    return _assemble(list(range(len(frames))), frames, who, camera, fps, person, label)


def _assemble(
    numbers: list[int],
    frames: list[_People],
    who: list[np.ndarray],
    camera: Camera | None,
    fps: float,
    person: int,
    label: str,
) -> BodyMotion:
    """One person's frames as a motion, missing numbers filled from those around them."""
    there = max((int(w.max()) + 1 for w in who if len(w)), default=0)
    if person > there or camera is None:
        raise no_such_person(label, person, there)
    found = [
        (number, people, int(at))
        for number, people, w in zip(numbers, frames, who, strict=True)
        for at in np.flatnonzero(w == person - 1)
    ]
    sizes = {people.betas.shape[1] for _, people, _ in found}
    if len(sizes) > 1:
        raise _broken(label, f"its frames have {sorted(sizes)} betas")
    rotations = np.stack([_rotations(people.rotations[at], people.label) for _, people, at in found])
    places, betas = (np.stack([getattr(p, k)[at] for _, p, at in found]) for k in ("places", "betas"))
    motion = BodyMotion(rotations, places, betas, fps, camera)
    shown = [number for number, _, _ in found]
    if shown[-1] - shown[0] == len(shown) - 1:
        return motion
    every = np.arange(shown[0], shown[-1] + 1)
    return motion.at(np.interp(every, shown, np.arange(len(shown))), fps)


def no_such_person(label: str, person: int, there: int) -> TroupeError:
    """What to say of a person beyond those ``there``."""
    few = "nobody" if not there else f"{there} person{'s' if there > 1 else ''}"
    choose = (
        "Choose person 1" if there == 1 else f"Choose person 1 to {there}" if there else "Choose another file"
    )
    return TroupeError(f"{label} does not show person {person}", f"it shows {few}", choose)


def _frame(value: np.ndarray, label: str) -> tuple[_People, Camera]:
    """Everybody in a frame, and its camera."""
    content = value.item() if value.dtype == object and value.size == 1 else None
    if not isinstance(content, dict):
        raise _broken(label, "it holds no dictionary")
    missing = [k for k in ("smpls", "cam_t", "render_res", "scaled_focal_length") if k not in content]
    if missing:
        raise _broken(label, f"it lacks {', '.join(missing)}")
    rotations, betas = _bodies(content["smpls"], label)
    # Where nobody is, cam_t is an empty list.
    places = as_array(content["cam_t"]) if len(betas) else np.zeros((0, 3))
    size, focal = as_array(content["render_res"]), as_array(content["scaled_focal_length"])
    if (
        places is None
        or places.size != 3 * len(betas)
        or size is None
        or size.size != 2
        or focal is None
        or focal.size != 1
    ):
        raise _broken(label, "cam_t, render_res or scaled_focal_length is not of its shape")
    camera = Camera(float(focal.ravel()[0]), *(int(s) for s in size.ravel()))
    return _People(rotations, betas, places.reshape(-1, 3).astype(np.float64), label), camera


def _bodies(content: Any, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's matrices ``[P, 24, 3, 3]`` and betas ``[P, B]``."""
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
    matrices = np.concatenate([root.reshape(persons, 1, 3, 3), body.reshape(persons, 23, 3, 3)], 1)
    return matrices.astype(np.float64), betas.astype(np.float64)


def _rotations(matrices: np.ndarray, label: str) -> np.ndarray:
    """The rotations ``[24, 3, 3]`` that a person's measured matrices nearly are."""
    if not (np.isfinite(matrices).all() and is_rotation(matrices, 0.1)):
        raise _broken(label, "its matrices are no rotations")
    return nearest_rotations(matrices)


def _broken(label: str, why: str) -> TroupeError:
    return TroupeError(
        f"{label} is not a result of 4D-Humans", why, "Run 4D-Humans again, or choose another file"
    )
