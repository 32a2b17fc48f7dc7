"""The CSV of Epic's Live Link Face app, as it is and with what it cannot hold.

The app writes ``Timecode``, ``BlendShapeCount``, the 52 shapes in Apple's order by region, then nine angles in
radians. Measured on its recordings: the last part of a timecode counts sixtieths of a second with three decimals,
whatever the frame rate; weights pass 1 by up to 8 %; a row without a face is a timecode and a 0; frames are
dropped now and then; yaw is positive to the person's right and pitch down (the eyes' angles beside their weights
show it), roll follows from the same rotation: positive to the person's left shoulder. So of our angles only yaw
changes its sign.

We write five more columns at the end, which Unreal's importer and others take as further properties: head
translation in eye distances, and frame rate and start, so that nothing is lost.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from ..errors import TroupeError
from .face_motion import BLENDSHAPES, HEAD, INDEX, MAX_FRAMES, FaceMotion, frame_count
from .names import match_columns

SHAPES = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft",
    "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight",
    "EyeSquintRight", "EyeWideRight", "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel",
    "MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft",
    "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight",
    "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight",
    "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft",
    "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft",
    "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
)  # fmt: skip
TURNS = ("HeadYaw", "HeadPitch", "HeadRoll")
EYES = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
EXTRAS = ("TroupeHeadX", "TroupeHeadY", "TroupeHeadZ", "TroupeFps", "TroupeStart")
HEADER = ("Timecode", "BlendShapeCount", *SHAPES, *TURNS, *EYES)

_BASE = 60  # parts of a second in the app's timecode
_DAY = 86400.0
_RATES = (15, 24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 90, 100, 120)
_ORDER = np.array([INDEX[n[0].lower() + n[1:]] for n in SHAPES])
# Eye angles in radians per weight, from the app's recordings: left or right, down, up.
_EYE_YAW, _EYE_DOWN, _EYE_UP = 0.7, 0.61, 0.45


def write_csv(motion: FaceMotion, file: TextIO, plain: bool = False) -> None:
    """Write ``motion`` in the app's format.

    Args:
        motion: What to write.
        file: Open text file.
        plain: Leave out our five columns, for readers that want exactly the app's 63; head translation is lost,
            and the frame rate is guessed from the timecodes when read again.
    """
    extras = () if plain else EXTRAS
    file.write(",".join((*HEADER, *extras)) + "\n")
    values = [motion.blendshapes[:, _ORDER], head_turns(motion.head), eye_angles(motion.blendshapes)]
    form = ",".join(["%.9g"] * len(SHAPES) + ["%.17g"] * len(TURNS) + ["%.6g"] * len(EYES))
    if extras:
        values.append(motion.head[:, 3:])
        form += ",%.9g,%.9g,%.9g" + f",{motion.fps!r},{motion.start!r}"
    for begin in range(0, len(motion), 4096):
        part = np.concatenate([v[begin : begin + 4096].astype(np.float64) for v in values], 1).tolist()
        lines = (
            f"{timecode(motion.start + (begin + i) / motion.fps)},61,{form % tuple(row)}\n"
            for i, row in enumerate(part)
        )
        file.writelines(lines)


def head_turns(head: np.ndarray) -> np.ndarray:
    """Head ``[T, 6]`` as the app's yaw, pitch and roll: float64 ``[T, 3]`` radians."""
    return np.radians(head[:, [1, 0, 2]].astype(np.float64)) * (-1, 1, 1)


def eye_angles(shapes: np.ndarray) -> np.ndarray:
    """The eyes' yaw, pitch and roll (left, then right) as the app would write them beside these weights ``[T, 52]``."""

    def of(name: str) -> np.ndarray:
        return shapes[:, INDEX[name]]

    out = np.zeros((len(shapes), 6), np.float32)
    out[:, 0] = _EYE_YAW * (of("eyeLookInLeft") - of("eyeLookOutLeft"))
    out[:, 3] = _EYE_YAW * (of("eyeLookOutRight") - of("eyeLookInRight"))
    for column, side in ((1, "Left"), (4, "Right")):
        out[:, column] = _EYE_DOWN * of("eyeLookDown" + side) - _EYE_UP * of("eyeLookUp" + side)
    return out


def timecode(seconds: float) -> str:
    """Seconds of the day as the app writes them: ``HH:MM:SS:FF.mmm`` in sixtieths."""
    parts = round((seconds % _DAY) * _BASE * 1000) % int(_DAY * _BASE * 1000)
    whole, parts = divmod(parts, _BASE * 1000)
    frame, milli = divmod(parts, 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{frame:02d}.{milli:03d}"


@dataclass(frozen=True, eq=False)
class Recording:
    """The rows of a CSV that hold a face, not yet evenly spaced.

    Attributes:
        shapes: float64 ``[T, 52]`` as ``BLENDSHAPES``.
        head: float64 ``[T, 6]`` as ``HEAD``.
        times: float64 ``[T]`` seconds of the day, ascending (past midnight they go on).
        fps: Frame rate if the file says it.
        start: Seconds of the day of the first row.
    """

    shapes: np.ndarray
    head: np.ndarray
    times: np.ndarray
    fps: float | None
    start: float


def read_csv(file: Iterable[str], label: str) -> Recording:
    """Read a recording of the app or a file of ours.

    Args:
        file: Its lines.
        label: How to call the file in messages.

    Raises:
        TroupeError: naming columns, lines and values that are wrong.
    """
    reader = csv.reader(file)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise TroupeError(f"{label} is empty", "it has no header line", "Export it again")
        needed = ("Timecode", *SHAPES, *TURNS)
        at = match_columns(header, needed, ("BlendShapeCount", *EYES, *EXTRAS), label)
        codes, column = _read_rows(reader, header, at, label)
    except (csv.Error, UnicodeDecodeError) as e:
        raise TroupeError(f"{label} is not a CSV file", str(e), "Export it again as text") from None
    if not codes:
        raise TroupeError(f"{label} has no frames", "no line holds a face", "Record or export it again")
    shapes = np.empty((len(codes), len(BLENDSHAPES)))
    for name, index in zip(SHAPES, _ORDER, strict=True):
        shapes[:, index] = column[name]
    head = np.zeros((len(codes), len(HEAD)))
    for i, (name, sign) in enumerate((("HeadPitch", 1), ("HeadYaw", -1), ("HeadRoll", 1))):
        head[:, i] = sign * np.degrees(column[name])
    for i, name in enumerate(EXTRAS[:3], 3):
        head[:, i] = column.get(name, 0.0)
    fps = float(column["TroupeFps"][0]) if "TroupeFps" in column else None
    times = _times(codes, fps is not None, label)
    start = float(column["TroupeStart"][0]) if "TroupeStart" in column else times[0] % _DAY
    return Recording(shapes, head, times, fps, start)


def _read_rows(
    reader, header: list[str], at: dict[str, int], label: str
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Timecodes and the float64 columns ``[T]`` by name of all rows with a face."""
    code_at, count_at = at["Timecode"], at.get("BlendShapeCount", -1)
    names = [n for n in at if n not in ("Timecode", "BlendShapeCount")]
    kept = [at[n] for n in names]
    codes, flat = [], array("d")
    for row in reader:
        if not row or (count_at >= 0 and len(row) > count_at and row[count_at].strip() == "0"):
            continue
        if len(row) != len(header):
            raise TroupeError(
                f"Line {reader.line_num} of {label} is incomplete",
                f"it has {len(row)} values, the header names {len(header)}",
                "Remove the line, or export the file again",
            )
        if len(codes) == MAX_FRAMES:
            raise TroupeError(f"{label} is too long", f"it has over {MAX_FRAMES} frames", "Split it")
        codes.append(row[code_at])
        try:
            flat.extend([float(row[i]) for i in kept])
        except ValueError:
            bad = next(i for i in kept if not _is_number(row[i]))
            raise TroupeError(
                f"Line {reader.line_num} of {label} cannot be read",
                f"'{row[bad][:40]}' in column {header[bad]} is not a number",
                "Correct it or remove the line",
            ) from None
    values = np.frombuffer(flat, np.float64) if codes else np.zeros(0)
    return codes, dict(zip(names, values.reshape(len(codes), len(names)).T, strict=True))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_CODE = re.compile(r"\s*(\d{1,2}):(\d{1,2}):(\d{1,2})([:;])(\d{1,3}(?:\.\d+)?)\s*")


def _times(codes: list[str], ours: bool, label: str) -> np.ndarray:
    """float64 ``[T]`` seconds of the day of each row, going on past midnight."""
    parts = np.empty((len(codes), 4))
    for i, code in enumerate(codes):
        match = _CODE.fullmatch(code)
        if not match:
            raise TroupeError(
                f"Frame {i + 1} of {label} has no valid timecode",
                f"'{code[:40]}' is not HH:MM:SS:FF.mmm",
                "Export the file again",
            )
        parts[i] = [float(match[k]) for k in (1, 2, 3, 5)]
    whole = parts[:, 0] * 3600 + parts[:, 1] * 60 + parts[:, 2]
    base = _BASE if ours else _base(parts[:, 3], whole)
    if ";" in codes[0] and base in (30, 60):  # drop-frame: labels are left out to keep up with the clock
        minutes = whole // 60
        labels = whole * base + parts[:, 3] - base / 15 * (minutes - minutes // 10)
        times = labels * 1001 / (base * 1000)
    else:
        times = whole + parts[:, 3] / base
    step = np.diff(times)
    times[1:] += _DAY * np.cumsum(step < -0.9 * _DAY)
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        i = int(back[0])
        raise TroupeError(
            f"The times of {label} run backwards",
            f"frame {i + 2} is at {codes[i + 1].strip()}, the one before at {codes[i].strip()}",
            "Sort or remove these lines",
        )
    return times


def _base(frames: np.ndarray, whole: np.ndarray) -> int:
    """Parts of a second the timecode counts: the app's 60, unless the file shows all labels of another rate."""
    top = int(frames.max()) + 1
    if top > _BASE:
        return next((b for b in (90, 100, 120, 240) if b >= top), 1000)
    return top if top in (24, 25, 30, 48, 50) and whole[-1] - whole[0] >= 2 else _BASE


def even(recording: Recording) -> FaceMotion:
    """The rows as they are if they come evenly (ours then are what was written, bit for bit).

    Where frames were dropped or the face was lost, the motion is resampled by time. A frame rate that the file
    does not say is found from the timecodes, 29.97 and 59.94 too.
    """
    r = recording
    if len(r.times) == 1:
        return FaceMotion(r.shapes, r.head, r.fps or 30.0, r.start)
    fps = r.fps
    if fps is None:
        step = np.diff(r.times)
        usual = np.median(step)
        fps = _nearest_rate(1 / step[(step > 0.5 * usual) & (step < 1.5 * usual)].mean())
    offset = r.times - r.times[0]
    if np.abs(offset - np.arange(len(offset)) / fps).max() <= 0.5 / fps + 1e-3 / _BASE:
        return FaceMotion(r.shapes, r.head, fps, r.start)
    at = np.arange(frame_count(offset[-1] + 1 / fps, fps)) / fps
    shapes, head = (np.stack([np.interp(at, offset, c) for c in v.T], 1) for v in (r.shapes, r.head))
    return FaceMotion(shapes, head, fps, r.start)


def _nearest_rate(rate: float) -> float:
    """A usual rate within 0.05 %, a whole number within 2 %, else the rate itself to three digits."""
    near = min(_RATES, key=lambda r: abs(r - rate))
    if abs(near - rate) <= 5e-4 * near:
        return float(near)
    whole = round(rate)
    return float(whole) if whole and abs(whole - rate) <= 0.02 * whole else round(rate, 3)
