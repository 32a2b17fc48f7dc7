"""ComfyUI's folders: what a workflow may read and write, and where models lie.

A workflow is a file from a stranger: none of its strings may reach outside the input, output and model
folders. ComfyUI 0.8.0 joins paths unchecked, so every path is checked here, with symbolic links resolved.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..engine.errors import TroupeError

MODEL_FOLDER = "mediapipe"
FACE_ENCODERS = "face_encoders"
MOTION_FOLDER = "motion"
BODY_FOLDER = "smpl"


def inside(folder: str | os.PathLike, path: str | os.PathLike) -> bool:
    """Whether ``path``, links resolved, lies in ``folder`` (or is it)."""
    try:
        folder, path = os.path.realpath(folder), os.path.realpath(path)
        return os.path.commonpath((folder, path)) == folder
    except ValueError:  # a null byte, or another drive on Windows
        return False


def resolve(folder: str | os.PathLike, name: str) -> Path:
    """The path of ``name`` in ``folder``.

    Raises:
        TroupeError: if it would lie elsewhere.
    """
    path = os.path.join(folder, name)
    if not inside(folder, path):
        raise TroupeError(
            f"The path {name!r} is not allowed",
            "it leads out of ComfyUI's folders",
            "Use a file or sub-folder within them, without '..' or a leading '/'",
        )
    return Path(path)


def input_file(name: str, suffixes: Collection[str]) -> Path:
    """An existing file of the input folder (or, annotated ``[output]`` or ``[temp]``, of these).

    Raises:
        TroupeError: if it leaves its folder, is of another kind, or does not exist.
    """
    import folder_paths

    bare, folder = folder_paths.annotated_filepath(name)
    bare, folder = bare.rstrip(), folder or folder_paths.get_input_directory()
    path = resolve(folder, bare)
    if path.suffix.lower() not in suffixes:
        raise TroupeError(
            f"The file {bare!r} cannot be read here",
            f"it ends in '{path.suffix}', known are {', '.join(sorted(suffixes))}",
            "Choose a file of one of these kinds",
        )
    if not path.is_file():
        raise TroupeError(
            f"The file {bare!r} was not found",
            f"it is not in the {os.path.basename(os.path.normpath(folder))} folder",
            "Put it there and press R to refresh the lists",
        )
    return path


def motion_files(suffixes: Collection[str]) -> list[str]:
    """Names for a list widget: files of the input folder, then those that Save Motion wrote."""
    import folder_paths

    def listing(folder: str) -> list[str]:
        if not os.path.isdir(folder):
            return []
        return sorted(
            f.name for f in os.scandir(folder) if f.is_file() and Path(f.name).suffix.lower() in suffixes
        )

    saved = os.path.join(folder_paths.get_output_directory(), MOTION_FOLDER)
    return [
        *listing(folder_paths.get_input_directory()),
        *(f"{MOTION_FOLDER}/{name} [output]" for name in listing(saved)),
    ]


def check_prefix(prefix: str) -> None:
    """Raise a ``TroupeError`` if files named ``prefix`` would leave the output folder."""
    import folder_paths

    if not os.path.basename(prefix.replace("\\", "/")):
        raise TroupeError(
            "The file name is empty", f"the prefix is {prefix!r}", "Write a name such as motion/Troupe"
        )
    resolve(folder_paths.get_output_directory(), prefix)


def output_file(prefix: str, suffix: str) -> tuple[Path, str]:
    """A new numbered file in the output folder, its folder made.

    Args:
        prefix: As in ComfyUI's save nodes, may name sub-folders and hold ``%year%`` and the like.
        suffix: With the dot.

    Returns:
        The path, and the sub-folder relative to the output folder.
    """
    import folder_paths

    check_prefix(prefix)
    root = folder_paths.get_output_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, root)
    return resolve(root, os.path.join(folder, f"{name}_{counter:05}_{suffix}")), subfolder


def register_models() -> None:
    """Make ``models/mediapipe``, ``models/face_encoders`` and ``models/smpl`` known, so that ``extra_model_paths.yaml`` and
    model managers reach them. Face encoders may also lie in ``models/insightface``, where other packs put theirs.

    Dictionary entries, nothing is read. It must happen when the nodes are listed: ComfyUI answers for a
    folder's files only once it is known.
    """
    import folder_paths

    for key, folder in (
        (MODEL_FOLDER, MODEL_FOLDER),
        (FACE_ENCODERS, FACE_ENCODERS),
        (FACE_ENCODERS, "insightface"),
        (BODY_FOLDER, BODY_FOLDER),
    ):
        folder_paths.add_model_folder_path(key, os.path.join(folder_paths.models_dir, folder))


def model_folders() -> list[str]:
    """Where ``face_landmarker.task`` may lie: ``models/mediapipe`` and core's ``models/detection``, wherever the
    user has put them."""
    import folder_paths

    known = folder_paths.folder_names_and_paths
    return [path for name in (MODEL_FOLDER, "detection") if name in known for path in known[name][0]]


# Where adapters and encoders may lie: ComfyUI's folder for model patches, and where wrapper packs put them.
PATCH_FOLDERS = ("model_patches", "diffusion_models")


def model_files(*folders: str) -> list[str]:
    """Names for a list widget: the models in these folders, each name once."""
    import folder_paths

    known = [f for f in folders if f in folder_paths.folder_names_and_paths]
    return list(dict.fromkeys(name for f in known for name in folder_paths.get_filename_list(f)))


def model_file(name: str, *folders: str) -> Path:
    """The model ``name`` in the first of these folders that has it.

    Raises:
        TroupeError: if none has.
    """
    import folder_paths

    for folder in folders:
        # Only names that ComfyUI itself lists: 0.8.0 joins paths unchecked.
        if folder in folder_paths.folder_names_and_paths and name in folder_paths.get_filename_list(folder):
            return Path(folder_paths.get_full_path_or_raise(folder, name))
    raise TroupeError(
        f"The model {name!r} was not found",
        f"it is not in ComfyUI's models folders {', '.join(folders)}",
        "Put it there and press R to refresh the lists",
    )
