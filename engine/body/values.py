"""Files of arrays: their bytes, NPY and NPZ with pickled objects in them, and the numbers of what a pickle described."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TroupeError
from .pickles import Record, read_pickle

MOST_NUMBERS = 20_000_000  # in a matrix that is unfolded, or in arrays that are put together


def read_npy(data: bytes, label: str) -> np.ndarray:
    """An NPY file, whether it holds numbers or pickled objects (then an array of dtype object).

    Raises:
        TroupeError: if it is damaged, or holds a pickle that ``read_pickle`` refuses.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = reader(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise TroupeError(
            f"{label} cannot be read", f"it is not a whole NPY ({error})"[:200], "Export it again"
        ) from None
    value = read_pickle(data[file.tell() :], label)
    if not isinstance(value, np.ndarray) or value.shape != shape:
        raise TroupeError(
            f"{label} cannot be read", "its content is not the array it announces", "Export it again"
        )
    return value


def as_array(value: Any) -> np.ndarray | None:
    """The numbers of a value that ``read_pickle`` gave: an array, a chumpy array, a SciPy matrix (made dense), a
    number, a list of numbers or of arrays of one shape. ``None`` if it is none of these."""
    if isinstance(value, Record):
        value = _sparse(value.state) if value.kind.startswith("scipy.sparse.") else _chumpy(value, 8)
    elif isinstance(value, (int, float, np.number)):
        value = np.array(value)
    elif isinstance(value, (list, tuple)) and 0 < len(value):
        # Lists in lists are left alone: a few of them that hold each other say more numbers than fit the machine.
        flat = all(type(v) in (int, float) or isinstance(v, np.number) for v in value)
        same = all(isinstance(v, np.ndarray) and v.shape == value[0].shape for v in value)
        small = flat or (same and value[0].size * len(value) <= MOST_NUMBERS)
        value = np.array(value) if small else None
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else None


def read_file_size(path: Path, most: int, label: str) -> None:
    """Raise a ``TroupeError`` unless there is a file of 1 to ``most`` bytes."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TroupeError(f"{label} cannot be read", error.strerror or str(error), "Check the path") from None
    if not path.is_file() or not 0 < size <= most:
        why = f"it has {size:,} bytes, possible are 1 to {most:,}" if path.is_file() else "it is no file"
        raise TroupeError(f"{label} cannot be read", why, "Choose another file")


def read_file(path: Path, most: int, label: str) -> bytes:
    """A file's bytes, if it has at most ``most``."""
    read_file_size(path, most, label)
    try:
        return path.read_bytes()
    except OSError as error:
        raise TroupeError(f"{label} cannot be read", error.strerror or str(error), "Check the path") from None


def _chumpy(record: Record, depth: int) -> np.ndarray | None:
    """What a chumpy node holds: its array, or a selection of another node's."""
    state = record.state
    if isinstance(state.get("x"), np.ndarray):
        return state["x"]
    inner, chosen = state.get("a"), state.get("idxs")
    if isinstance(inner, Record) and depth:
        inner = _chumpy(inner, depth - 1)
    if not (isinstance(inner, np.ndarray) and isinstance(chosen, np.ndarray) and chosen.dtype.kind in "iu"):
        return None
    try:
        return inner.ravel()[chosen.ravel()].reshape(state.get("preferred_shape", chosen.shape))
    except (IndexError, ValueError, TypeError):
        return None


def _sparse(state: dict[str, Any]) -> np.ndarray | None:
    """SciPy's compressed columns (csc) as a dense array, in at most as many entries as a body's joints need."""
    shape = state.get("_shape", state.get("shape"))
    parts = [state.get(k) for k in ("data", "indices", "indptr")]
    if not (isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(p, np.ndarray) for p in parts)):
        return None
    data, rows, starts = parts
    if state.get("format") not in ("csc", b"csc", None) or not 0 < shape[0] * shape[1] <= MOST_NUMBERS:
        return None
    ordered = len(starts) == shape[1] + 1 and (np.diff(starts) >= 0).all() and starts[0] == 0
    if not (
        ordered and starts[-1] == len(rows) == len(data) and (rows < shape[0]).all() and (rows >= 0).all()
    ):
        return None
    dense = np.zeros(shape, data.dtype)
    np.add.at(dense, (rows, np.repeat(np.arange(shape[1]), np.diff(starts))), data)
    return dense


def read_npz(path: Path, most: int, label: str, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an NPZ by name (``only`` those named), those of pickled objects as ``read_npy`` gives them.

    Raises:
        TroupeError: if it is none, damaged, unpacks to more than ``most`` bytes, or holds a refused pickle.
    """
    read_file_size(path, most, label)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {e.filename[:-4]: e for e in archive.infolist() if e.filename.endswith(".npy")}
            chosen = {name: e for name, e in entries.items() if only is None or name in only}
            size = sum(e.file_size for e in chosen.values())
            if size > most:
                raise TroupeError(
                    f"{label} is too large", f"it unpacks to {size:,} bytes, at most {most:,}", "Split it"
                )
            # Reading stops at the size announced, whatever the packed stream would give.
            return {
                name: read_npy(
                    archive.open(e).read(e.file_size), f"'{name}' of {label[:1].lower() + label[1:]}"
                )
                for name, e in chosen.items()
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise TroupeError(
            f"{label} cannot be read", f"it is not a whole NPZ ({error})"[:200], "Export it again"
        ) from None
