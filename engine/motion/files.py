"""Motions as files: Live Link Face CSV, JSON and NPZ, each without loss.

JSON: ``{"format": "troupe-motion", "version": 1, "fps": 25.0, "start": 0.0, "channels": [58 names],
"frames": [[58 values], ...]}``. NPZ: arrays ``blendshapes`` float32 ``[T, 52]``, ``head`` float32 ``[T, 6]``,
``fps``, ``start`` and ``channels`` (the 58 names in that order). CSV: see ``live_link``.
"""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import TroupeError
from .face_motion import BLENDSHAPES, HEAD, MAX_FRAMES, FaceMotion
from .live_link import even, read_csv, write_csv
from .names import match_columns

FORMATS = (".csv", ".json", ".npz")
_FORMAT = "troupe-motion"
_CHANNELS = (*BLENDSHAPES, *HEAD)
_MAX_BYTES = {".csv": 1_000_000_000, ".json": 400_000_000, ".npz": 400_000_000}
# Trackers pass 1 by a few percent; what goes further is not a weight.
_LOWEST, _HIGHEST, _FARTHEST = -0.5, 1.5, 1000.0


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise TroupeError(
            f"'{path.name}' is not a motion file",
            f"its name ends in '{path.suffix}', known are {', '.join(FORMATS)}",
            "Give it one of these endings",
        )
    return suffix


def load_motion(path: str | Path) -> FaceMotion:
    """Read a motion by the ending of its name: ``.csv`` (Live Link Face), ``.json`` or ``.npz``.

    Weights a little outside 0..1 are clipped, as trackers write them.

    Raises:
        TroupeError: if the file cannot be read, is too large, has missing, unknown or misspelt columns, times that
            run backwards, or values that are no numbers or far out of range.
    """
    path = Path(path)
    suffix = _suffix(path)
    label = f"'{path.name}'"
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES[suffix]:
            limit = _MAX_BYTES[suffix] // 1_000_000
            raise TroupeError(
                f"{label} is too large", f"{size // 1_000_000} MB, at most {limit} MB", "Split it"
            )
        if size == 0:
            raise TroupeError(f"{label} is empty", "it has no content", "Export it again")
        if suffix == ".npz":
            return _motion(*_read_npz(path, label), label)
        with open(path, encoding="utf-8-sig", newline="") as file:
            if suffix == ".json":
                return _motion(*_read_json(file, label), label)
            recording = read_csv(file, label)
    except OSError as e:
        raise TroupeError(f"Cannot read {label}", e.strerror or str(e), "Check the path") from None
    check_values(recording.shapes, recording.head, recording.fps or 1.0, recording.start, label)
    return even(recording)


def check_values(shapes: np.ndarray, head: np.ndarray, fps: float, start: float, label: str) -> None:
    """Refuse what cannot be a face motion.

    Raises:
        TroupeError: naming frame and channel of the first value that is no number or far out of range, or a
            frame rate or start that is not possible.
    """
    both = np.concatenate([shapes, head], 1)
    low = np.array([_LOWEST] * len(BLENDSHAPES) + [-_FARTHEST] * len(HEAD))
    high = np.array([_HIGHEST] * len(BLENDSHAPES) + [_FARTHEST] * len(HEAD))
    bad = np.argwhere(~((both >= low) & (both <= high)))
    if bad.size:
        frame, i = bad[0]
        value = both[frame, i]
        why = f"it must lie in 0 to {1 if i < len(BLENDSHAPES) else _FARTHEST:g}"
        remedy = (
            "Divide by 100 if these are percents" if value > 1.5 else "Correct it, or export the file again"
        )
        raise TroupeError(
            f"{_CHANNELS[i]} is {value:g} in frame {frame + 1} of {label}",
            why if np.isfinite(value) else "that is not a number",
            remedy,
        )
    try:
        FaceMotion.neutral(1, fps)
        FaceMotion(shapes[:1], head[:1], fps, start)
    except TroupeError as e:
        raise TroupeError(f"{label}: {e.what[0].lower()}{e.what[1:]}", e.why, e.remedy) from None


def _motion(shapes: np.ndarray, head: np.ndarray, fps: float, start: float, label: str) -> FaceMotion:
    check_values(shapes, head, fps, start, label)
    return FaceMotion(shapes, head, fps, start)


def _by_channel(names: list[str], values: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Blendshapes ``[T, 52]`` and head ``[T, 6]`` of columns in any order."""
    at = match_columns(names, _CHANNELS, (), label)
    values = values[:, [at[n] for n in _CHANNELS]]
    return values[:, : len(BLENDSHAPES)], values[:, len(BLENDSHAPES) :]


def _write_json(motion: FaceMotion, file: IO) -> None:
    head = {"format": _FORMAT, "version": 1, "fps": motion.fps, "start": motion.start, "channels": _CHANNELS}
    file.write(json.dumps(head)[:-1] + ', "frames": [')
    form = "[" + ", ".join(["%.9g"] * len(_CHANNELS)) + "]"
    for i, (shapes, head) in enumerate(zip(motion.blendshapes, motion.head, strict=True)):
        file.write((",\n" if i else "\n") + form % (*shapes.tolist(), *head.tolist()))
    file.write("\n]}\n")


def _read_json(file: IO, label: str) -> tuple[np.ndarray, np.ndarray, float, float]:
    try:
        data = json.load(file, parse_int=float)  # -0 is a float, too
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as e:
        raise TroupeError(f"{label} is not valid JSON", str(e), "Export it again") from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT or data.get("version") != 1:
        timeline = isinstance(data, dict) and bool(data.keys() & {"items", "tracks"})
        said = data.get("format", "nothing") if isinstance(data, dict) else "nothing"
        raise TroupeError(
            f"{label} is not a motion file",
            "it is a timeline" if timeline else f"its format is {said!r:.40}, not '{_FORMAT}' version 1",
            "Load it as a timeline" if timeline else "Export the motion again",
        )
    names, frames = data.get("channels"), data.get("frames")
    if not (isinstance(names, list) and all(isinstance(n, str) for n in names) and isinstance(frames, list)):
        raise TroupeError(
            f"{label} is incomplete", "it needs lists 'channels' and 'frames'", "Export it again"
        )
    if not 0 < len(frames) <= MAX_FRAMES:
        raise TroupeError(
            f"{label} has {len(frames)} frames", f"it needs 1 to {MAX_FRAMES}", "Export it again"
        )
    for i, frame in enumerate(frames):
        if not (isinstance(frame, list) and len(frame) == len(names)):
            raise TroupeError(
                f"Frame {i + 1} of {label} is incomplete", f"it needs {len(names)} values", "Export it again"
            )
    shapes, head = _by_channel(names, _numbers(frames, label), label)
    return shapes, head, _number(data, "fps", label), _number(data, "start", label, 0.0)


def _numbers(frames: list[list], label: str) -> np.ndarray:
    for i, frame in enumerate(frames):
        for value in frame:
            if type(value) not in (int, float):
                raise TroupeError(
                    f"Frame {i + 1} of {label} cannot be read", f"{value!r:.40} is not a number", "Correct it"
                )
    try:
        return np.array(frames, np.float64)
    except OverflowError:
        raise TroupeError(
            f"{label} cannot be read", "it has a number that is too large", "Correct it"
        ) from None


def _number(data: dict, key: str, label: str, default: float | None = None) -> float:
    value = data.get(key, default)
    if type(value) not in (int, float) or abs(value) > 1e12:
        raise TroupeError(f"{label} has no valid '{key}'", f"it is {value!r:.40}, not a number", "Correct it")
    return float(value)


def _read_npz(path: Path, label: str) -> tuple[np.ndarray, np.ndarray, float, float]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        limit = (MAX_FRAMES + 1000) * len(_CHANNELS) * 8
        if size > limit:
            raise TroupeError(
                f"{label} is too large",
                f"it unpacks to {size // 1_000_000} MB, at most {limit // 1_000_000}",
                "Split it",
            )
        with np.load(path, allow_pickle=False) as data:
            names = set(data.files)
            missing = {"blendshapes", "head", "fps"} - names
            if missing:
                raise TroupeError(
                    f"{label} is not a motion file",
                    f"it lacks {', '.join(sorted(missing))} and has {', '.join(sorted(names)) or 'nothing'}"[
                        :300
                    ],
                    "Save the motion again",
                )
            arrays = {k: data[k] for k in ("blendshapes", "head", "fps", "start", "channels") if k in names}
    except (
        zipfile.BadZipFile,
        ValueError,
        EOFError,
        KeyError,
        NotImplementedError,
        MemoryError,
        zlib.error,
    ) as e:
        pickled = "pickle" in str(e) or "Object arrays" in str(e)
        raise TroupeError(
            f"{label} is not a motion file",
            "it holds Python objects, which are never loaded"
            if pickled
            else f"it is not a whole NPZ ({e})"[:200],
            "Save the motion again",
        ) from None
    return _npz_arrays(arrays, label)


def _npz_arrays(arrays: dict[str, np.ndarray], label: str) -> tuple[np.ndarray, np.ndarray, float, float]:
    shapes, head = arrays["blendshapes"], arrays["head"]
    frames = len(shapes) if shapes.ndim else 0
    right = shapes.shape == (frames, len(BLENDSHAPES)) and head.shape == (frames, len(HEAD)) and frames > 0
    if not right or any(a.dtype.kind not in "fiu" for a in (shapes, head)):
        raise TroupeError(
            f"{label} is not a motion file",
            f"blendshapes are {shapes.dtype} {list(shapes.shape)} and head {head.dtype} {list(head.shape)}",
            "They must be numbers of shape [T, 52] and [T, 6]",
        )
    scalars = {}
    for key, default in (("fps", None), ("start", 0.0)):
        value = arrays.get(key, default)
        scalars[key] = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if "channels" in arrays:
        names = [str(n) for n in arrays["channels"].ravel()]
        shapes, head = _by_channel(names, np.concatenate([shapes, head], 1), label)
    return shapes, head, _number(scalars, "fps", label), _number(scalars, "start", label)


def save_motion(motion: FaceMotion, path: str | Path, *, plain: bool = False) -> Path:
    """Write a motion by the ending of the name: ``.csv`` (Live Link Face), ``.json`` or ``.npz``.

    The file appears whole or not at all. ``load_motion`` gives the same motion back, bit for bit.

    Args:
        motion: What to write.
        path: Where; its folder must exist.
        plain: CSV only: just the app's own 63 columns, see ``live_link.write_csv``.

    Returns:
        The path.

    Raises:
        TroupeError: on an unknown ending, or if it cannot be written.
    """
    path = Path(path)
    suffix = _suffix(path)
    try:
        with _atomic(path, binary=suffix == ".npz") as file:
            if suffix == ".csv":
                write_csv(motion, file, plain)
            elif suffix == ".json":
                _write_json(motion, file)
            else:
                np.savez_compressed(
                    file,
                    blendshapes=motion.blendshapes,
                    head=motion.head,
                    fps=np.float64(motion.fps),
                    start=np.float64(motion.start),
                    channels=np.array(_CHANNELS),
                )
    except OSError as e:
        raise TroupeError(
            f"Cannot write '{path.name}'", e.strerror or str(e), f"Check the folder '{path.parent}'"
        ) from None
    return path


@contextmanager
def _atomic(path: Path, binary: bool) -> Iterator[IO]:
    """A new file beside ``path`` that takes its place once all is written."""
    part = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(6)}{path.suffix}")
    try:
        with open(part, "xb") if binary else open(part, "x", encoding="utf-8", newline="") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
