"""Bodies in ComfyUI: where their files lie, and guidance maps as IMAGE batches."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..engine.body.camera import MOST_SIDE
from ..engine.body.motion import BodyMotion
from ..engine.cast import Cast
from ..engine.errors import TroupeError
from .folders import BODY_FOLDER, resolve
from .tensors import MEMORY_SHARE

if TYPE_CHECKING:
    import torch

    from ..engine.body.maps import BodyMaps
    from ..engine.body.smpl import Smpl
    from ..engine.faces.types import Face, Faces

STAND_IN = "stand-in figure"
MODEL_SUFFIXES = (".npz", ".pkl")
MOTION_SUFFIXES = (".npz", ".npy", ".pkl", ".pickle")
OUTPUTS = {"depth": "depth", "normal": "normal", "semantic": "semantic_map", "skeleton": "dwpose"}
ALIGNS = ("auto", "reference", "face", "clip", "whole")
EDGE = 8  # sides are multiples of it, as latents want them
_BYTES = (4 * 3 + 1) * 4  # of a pixel in four pictures and a mask
T = TypeVar("T")
_BODY, _PICTURE = 0.65, 0.35  # in the preview, where the body is


def body_models() -> list[str]:
    """Names for a list widget: the figure that is built in, then the files of ``models/smpl``."""
    import folder_paths

    names = folder_paths.get_filename_list(BODY_FOLDER)
    return [STAND_IN, *(n for n in names if Path(n).suffix.lower() in MODEL_SUFFIXES)]


def load_body_model(name: str) -> Smpl:
    """Raises ``TroupeError`` if the file is not SMPL."""
    from ..engine.body.figure import stand_in
    from ..engine.body.smpl_files import load_body
    from .folders import model_file

    return stand_in() if name == STAND_IN else load_body(model_file(name, BODY_FOLDER))


def body_motions() -> list[str]:
    """Names for a list widget: files of the input folder, and folders in it with 4D-Humans' frames."""
    import folder_paths

    root = folder_paths.get_input_directory()
    if not os.path.isdir(root):
        return []
    entries = sorted(os.scandir(root), key=lambda e: e.name)
    files = [e.name for e in entries if e.is_file() and Path(e.name).suffix.lower() in MOTION_SUFFIXES]
    return files + [e.name for e in entries if e.is_dir() and _has_frames(e.path)]


def motion_path(name: str) -> Path:
    """A file, or a folder of frames, in the input folder (or, annotated ``[output]`` or ``[temp]``, of these).

    Raises:
        TroupeError: if it leaves its folder, is of another kind, or does not exist.
    """
    import folder_paths

    from .folders import input_file

    bare, folder = folder_paths.annotated_filepath(name)
    path = resolve(folder or folder_paths.get_input_directory(), bare.rstrip())
    return path if bare.strip() and path.is_dir() else input_file(name, MOTION_SUFFIXES)


def fingerprint(path: Path) -> str:
    """Another one when the file, or any of a folder's frames, has changed."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(f.name, f.stat()) for f in found if f.suffix.lower() in MOTION_SUFFIXES]
    return str(hash(tuple((name, s.st_mtime_ns, s.st_size) for name, s in stats)))


def load_motion(path: Path, fps: float, person: int, first: int, frames: int) -> BodyMotion:
    """A motion, or some frames of it: from ``first`` (counted from 1) on, 0 ``frames`` for all.

    Raises:
        TroupeError: if the file is no body motion, or ends before the first frame.
    """
    from ..engine.body.files import load_body_motion

    motion = load_body_motion(path, fps=fps, person=person)
    if first > len(motion):
        raise TroupeError(
            f"The body motion {path.name!r} has no frame {first}",
            f"it has {len(motion)}",
            "Set 'first' to a frame that is there",
        )
    return motion[first - 1 : first - 1 + frames if frames else None]


def _has_frames(folder: str) -> bool:
    return any(e.name.lower().endswith(".npy") for e in os.scandir(folder))


@dataclass(frozen=True)
class Setting:
    """How a motion is rendered; 0 is each input's own.

    Attributes:
        align: Where the body stands, one of ``ALIGNS``.
        travel: How much it moves about, 0..1.
        smooth: How often it is smoothed.
        fps, length, width, height: Of the maps.
    """

    align: str = "auto"
    travel: float = 1.0
    smooth: int = 1
    fps: float = 0.0
    length: int = 0
    width: int = 0
    height: int = 0


def bodies_of(drive: BodyMotion | Cast, face: int) -> list[tuple[BodyMotion, int]]:
    """The body motions of a cast, each with the face of who plays it; or one by itself, of the face given.

    Raises:
        TroupeError: if nobody's body moves.
    """
    if isinstance(drive, BodyMotion):
        return [(drive, face)]
    found = [
        (role.drive, role.face) for role in drive if isinstance(role.drive, BodyMotion) and role.strength > 0
    ]
    if not found:
        raise TroupeError(
            "Nobody's body moves",
            "no role is driven by a body motion",
            "Connect Load Body Motion to a role's drive, or to 'motion'",
        )
    return found


def placed(
    players: list[tuple[BodyMotion, int]],
    body: Smpl,
    setting: Setting,
    picture: tuple[int, int] | None,
    faces: Faces | None,
    reference: BodyMotion | None,
) -> tuple[list[BodyMotion], str]:
    """The motions on the picture, at the size and rate that are wanted, and how they were placed.

    All last as long as the longest; who is done earlier stays so.

    Args:
        players: Motions, each with the face that is placed by it.
        picture: Its width and height.
        faces: Of the picture.
        reference: The picture's body, of which shape and place are taken (parametric shape alignment).
    """
    from ..engine.body.place import place
    from ..engine.body.smooth import smooth_motion

    first = players[0][0]
    width, height = _size(first, setting, picture, reference)
    shape = None if reference is None else reference.betas[0]
    fps = setting.fps or first.fps
    motions = [smooth_motion(m, setting.smooth).with_shape(shape).resample(fps) for m, _ in players]
    longest = max(map(len, motions))
    motions = [m.resample(fps, longest)[: setting.length or None] for m in motions]
    align = setting.align if setting.align != "auto" else _align(first, body, faces, reference, picture)
    if len(players) > 1:
        align = _align_several(align, setting.align, len(players))
    spots: list[BodyMotion | Face | str] = [align] * len(players)
    if align == "reference":
        spots = [_there(reference, "reference", "the picture's body from Load Body Motion")]
    elif align == "face":
        faces = _there(faces, "faces", "Detect Faces on the picture")
        spots = [_face(faces, number, width, height) for _, number in players]
    numbers = ", ".join(str(number) for _, number in players)
    how = {
        "reference": "where the picture's body stands",
        "face": f"eyes at those of face {numbers}",
        "clip": "as in the clip",
        "whole": "seen whole through all of the motion",
    }
    return [
        place(motion, body, width, height, at, travel=setting.travel)
        for motion, at in zip(motions, spots, strict=True)
    ], how[align]


def _align_several(align: str, wanted: str, count: int) -> str:
    """How several bodies can be placed: each by its own face, or as the clip shows them together."""
    if wanted == "auto" and align == "whole":
        return "clip"
    if align not in ("face", "clip"):
        raise TroupeError(
            f"{count} bodies cannot be placed by '{align}'",
            "it is a place for one",
            "Connect 'faces' and set 'align' to face, or to clip if all are of one clip",
        )
    return align


@dataclass(eq=False)
class MapRoom:
    """Memory for the maps of a clip: IMAGE batches by the names of ``OUTPUTS``, and a MASK.

    Raises:
        TroupeError: if there is not enough.
    """

    frames: int
    height: int
    width: int
    images: dict[str, torch.Tensor] = field(init=False)
    mask: torch.Tensor = field(init=False)

    def __post_init__(self):
        import psutil
        import torch

        need = self.frames * self.height * self.width * _BYTES
        free = psutil.virtual_memory().available
        if need > free * MEMORY_SHARE:
            raise TroupeError(
                f"The maps of {self.frames} frames of {self.width} x {self.height} do not fit",
                f"they need {need / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB are free",
                "Ask for fewer frames with 'length', a lower 'fps' or a smaller size",
            )
        size = self.frames, self.height, self.width
        self.images = {name: torch.empty(*size, 3) for name in OUTPUTS}
        self.mask = torch.empty(size)

    def put(self, index: int, maps: BodyMaps) -> None:
        import torch

        for name, kind in OUTPUTS.items():
            frame = torch.from_numpy(getattr(maps, kind)).float().div_(255)
            self.images[name][index] = frame if frame.ndim == 3 else frame[..., None]
        self.mask[index] = torch.from_numpy(maps.mask).float().div_(255)


def overlay(maps: BodyMaps, picture: np.ndarray | None) -> np.ndarray:
    """Maps over the picture they are for, uint8 ``[H, W, 3]``: normals and skeleton."""
    normal = maps.normal.astype(np.float32)
    if picture is None:
        out = normal
    else:
        inside = maps.mask[..., None] > 0
        out = np.where(inside, _BODY * normal + _PICTURE * picture, picture)
    return np.maximum(out.astype(np.uint8), maps.dwpose)


def compute_device() -> torch.device:
    """Where to render: the GPU if there is one that has our kernels."""
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    return device if device.type == "cuda" else torch.device("cpu")


def render(
    motions: list[BodyMotion], body: Smpl, room: MapRoom, each: Callable[[int, BodyMaps], None]
) -> None:
    """Fill the room; ``each`` sees the maps of every frame.

    Raises:
        TroupeError: if the GPU's memory runs out.
    """
    from ..engine.body.maps import body_maps
    from .memory import enough_memory

    with enough_memory(f"maps of {room.width} x {room.height} were to be made", "Choose a smaller size"):
        for t, maps in enumerate(body_maps(motions, body, device=compute_device())):
            room.put(t, maps)
            each(t, maps)


def _size(
    motion: BodyMotion, setting: Setting, picture: tuple[int, int] | None, reference: BodyMotion | None
) -> tuple[int, int]:
    """Width and height of the maps, multiples of 8."""
    own = picture
    for source in (reference, motion):
        if own is None and source is not None and source.camera is not None:
            own = source.camera.width, source.camera.height
    if own is None and not (setting.width and setting.height):
        raise TroupeError(
            "The size of the maps is not known",
            "there is no picture, and the motion has no camera",
            "Connect 'image', or set 'width' and 'height'",
        )
    own = own or (0, 0)
    size = tuple(
        (wanted or given) // EDGE * EDGE for wanted, given in zip((setting.width, setting.height), own)
    )
    if not all(64 <= side <= MOST_SIDE for side in size):
        raise TroupeError(
            f"The maps' size {size[0]} x {size[1]} is out of range",
            f"both sides have to be 64 to {MOST_SIDE} pixels",
            "Set 'width' and 'height', such as 512 and 768",
        )
    return size


def _align(
    motion: BodyMotion,
    body: Smpl,
    faces: Faces | None,
    reference: BodyMotion | None,
    picture: tuple[int, int] | None,
) -> str:
    """The best place that can be known."""
    if reference is not None:
        return "reference"
    if faces is not None and len(faces) and body.face_points is not None:
        return "face"
    return "clip" if motion.camera is not None and picture is None else "whole"


def _there(given: T | None, name: str, what: str) -> T:
    if given is None:
        raise TroupeError(
            "The body cannot be placed",
            f"'align' asks for '{name}', which is not connected",
            f"Connect {what}, or choose another 'align'",
        )
    return given


def _face(faces: Faces, number: int, width: int, height: int) -> Face:
    """A face of the picture, in pixels of the maps."""
    face = faces.person(number).faces[0]
    if face is None:
        raise TroupeError(
            f"The body cannot be placed by face {number}",
            "it is not in the first picture",
            "Detect the faces of the picture itself",
        )
    scale = max(width / faces.width, height / faces.height)  # the larger picture cut about its middle
    shift = np.array([width - faces.width * scale, height - faces.height * scale]) / 2
    landmarks = face.landmarks.astype(np.float32) * np.float32(scale)
    landmarks[:, :2] += shift.astype(np.float32)
    return replace(face, landmarks=landmarks)
