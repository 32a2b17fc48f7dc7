"""SMPL models from files: NPZ releases, and the official pickles, which are read without running them.

Both hold ``v_template``, ``shapedirs``, ``posedirs``, ``J_regressor``, ``weights``, ``kintree_table`` and ``f``, in the
pickles as chumpy arrays and SciPy matrices. The files are licensed by the Max Planck Society to each user
(smpl.is.tue.mpg.de); ``stand_in`` of ``figure.py`` is a body without a licence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TroupeError
from .pickles import read_pickle
from .smpl import JOINTS, SMPL_FACE_POINTS, SMPL_VERTICES, Smpl
from .values import as_array, read_file, read_npz

MOST_BYTES = 1_000_000_000
MOST_VERTICES, MOST_FACES, MOST_BETAS = 100_000, 200_000, 300
_KEYS = {
    "v_template": "[V, 3]",
    "shapedirs": "[V, 3, B]",
    "posedirs": "[V, 3, 207]",
    "J_regressor": "[24, V]",
    "weights": "[V, 24]",
    "kintree_table": "[2, 24]",
    "f": "[F, 3]",
}


def load_body(path: str | Path) -> Smpl:
    """Read a body model with SMPL's 24 joints, in float32.

    Args:
        path: ``.npz``, or the official ``.pkl``.

    Raises:
        TroupeError: if the file cannot be read, is a pickle that asks for anything that could run, or is not SMPL:
            names what is missing, of another shape, or out of range.
    """
    path = Path(path)
    label = f"The body model {path.name!r}"
    kind = path.suffix.lower()
    if kind == ".npz":
        content: Any = read_npz(path, MOST_BYTES, label)
    elif kind == ".pkl":
        content = read_pickle(read_file(path, MOST_BYTES, label), label)
    else:
        raise TroupeError(
            f"{label} cannot be read",
            f"it ends in '{path.suffix}', known are .npz and .pkl",
            "Choose an SMPL file, such as SMPL_NEUTRAL.npz or basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
        )
    if not isinstance(content, dict):
        raise _not_smpl(label, f"it holds a {type(content).__name__}, not named arrays")
    return _body(content, label, path.stem)


def _body(content: dict[str, Any], label: str, name: str) -> Smpl:
    import torch

    missing = sorted(key for key in _KEYS if key not in content)
    if missing:
        has = ", ".join(sorted(str(k) for k in content)[:12]) or "nothing"
        raise _not_smpl(label, f"it lacks {', '.join(missing)} and has {has}"[:300])
    arrays = {}
    for key in _KEYS:
        values = as_array(content[key])
        if values is None:
            raise _not_smpl(label, f"{key} does not hold numbers")
        arrays[key] = values
    _check_shapes(arrays, label)
    parents = _parents(arrays["kintree_table"], label)
    floats = {k: _floats(arrays[k], k, label) for k in ("v_template", "shapedirs", "posedirs")}
    for key, axis in (("J_regressor", 1), ("weights", 1)):
        floats[key] = _floats(arrays[key], key, label)
        if np.abs(floats[key].sum(axis) - 1).max() > 0.05:
            raise _not_smpl(label, f"the rows of {key} do not sum to 1")
    faces = arrays["f"]
    if faces.min() < 0 or faces.max() >= len(floats["v_template"]):
        raise _not_smpl(label, f"its faces name vertices {faces.min()} to {faces.max()}")
    return Smpl(
        *(
            torch.from_numpy(floats[k])
            for k in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
        ),
        torch.from_numpy(faces.astype(np.int64)),
        parents,
        SMPL_FACE_POINTS if len(floats["v_template"]) == SMPL_VERTICES else None,
        name,
    )


def _check_shapes(arrays: dict[str, np.ndarray], label: str) -> None:
    """Every array of its shape, and sizes that a body has."""
    vertices, joints = len(np.atleast_1d(arrays["v_template"])), len(JOINTS)
    betas = arrays["shapedirs"].shape[-1] if arrays["shapedirs"].ndim == 3 else 0
    faces = len(np.atleast_1d(arrays["f"]))
    wanted = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, betas),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "J_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
        "f": (faces, 3),
    }
    for key, shape in wanted.items():
        if arrays[key].shape != shape:
            found = arrays["kintree_table"].shape[-1:]
            other = {(52,): " (SMPL-H)", (55,): " (SMPL-X)", (16,): " (MANO, a hand)"}.get(found, "")
            raise _not_smpl(label, f"{key} is {list(arrays[key].shape)}{other}, expected {_KEYS[key]}")
    for what, count, most in (
        ("vertices", vertices, MOST_VERTICES), ("betas", betas, MOST_BETAS), ("faces", faces, MOST_FACES),
    ):  # fmt: skip
        if not 1 <= count <= most:
            raise _not_smpl(label, f"it has {count} {what}, possible are 1 to {most}")
    for key in ("kintree_table", "f"):
        if arrays[key].dtype.kind not in "iu":
            raise _not_smpl(label, f"{key} is {arrays[key].dtype}, expected whole numbers")


def _parents(table: np.ndarray, label: str) -> tuple[int, ...]:
    """Each joint's parent; the root's is written as -1 or as its 32 bits."""
    parents = [-1, *(int(p) for p in table[0, 1:])]
    if not all(0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise _not_smpl(label, f"its kintree_table {parents} is no tree with parents before children")
    return tuple(parents)


def _floats(values: np.ndarray, key: str, label: str) -> np.ndarray:
    out = np.ascontiguousarray(values, np.float32)
    if not (np.abs(out) < 1e4).all():
        raise _not_smpl(label, f"{key} has values that are no numbers or far out of range")
    return out


def _not_smpl(label: str, why: str) -> TroupeError:
    return TroupeError(
        f"{label} is not an SMPL body",
        why,
        "Use an SMPL file with 24 joints from smpl.is.tue.mpg.de, or the stand-in figure",
    )
