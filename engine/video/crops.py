"""Where a square crop of each face lies over a clip: moving with the head without trembling, or fixed.

What a window follows must not answer to speech: the box of a face grows whenever the jaw opens. So place and size
come from landmarks that sit on the skull, in three dimensions (a turned head is not a small one), and only how far
the window reaches around them from the boxes. What is recorded is smoothed to both sides in time, which leaves no lag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from ..faces.types import Faces, FaceTrack

MIN_SIZE, MAX_SIZE = 64, 4096  # pixels a side of what a model gets
MAX_MARGIN, MAX_SMOOTHING = 4.0, 5.0
BORDERS = ("replicate", "reflect", "black")

# Temples, ears, eye corners, bridge of the nose and middle of the forehead: what speech and smiles leave alone.
SKULL = (10, 6, 168, 197, 33, 133, 263, 362, 127, 356, 234, 454)
_SPIKE = 5  # frames over which a single wrong detection is voted down
_SLOWER = 2.0  # sizes are smoothed over so many times the seconds of places
_CUT = 0.75  # face sizes that nobody moves from one frame to the next: the picture was cut
_WIDEST = 1.6  # most that a window is widened for a head that outruns its smoothed path
_SHORT_GAP = 0.5  # seconds without the face through which results are still placed
_FADE = 0.16  # seconds in which results come and go around longer gaps
_MIN_SIDE = 8.0  # pixels of the picture


@dataclass(frozen=True, eq=False)
class Window:
    """One person's square window over the frames.

    Attributes:
        track: Whom it follows.
        left, top, side: float64 ``[T]`` pixels of the picture, which may reach beyond it; the picture's left edge is 0.
        weight: float32 ``[T]``, 1 where the person is seen, 0 in long gaps: how much of a result is placed.
    """

    track: FaceTrack
    left: np.ndarray
    top: np.ndarray
    side: np.ndarray
    weight: np.ndarray

    def at(self, frame: int) -> tuple[float, float, float]:
        """Left, top and side in a frame."""
        return float(self.left[frame]), float(self.top[frame]), float(self.side[frame])


@dataclass(frozen=True, eq=False)
class Crops:
    """Which squares were cut from a picture or clip, so that results find their way back.

    Crops are ordered by person and then by frame: all of the first window's frames, then the second's.

    Attributes:
        windows: One for each person.
        size: Side of each crop in pixels.
        height, width, frames: Of the picture or clip that was cut.
        fps: Frames per second, ``None`` for a picture.
        border: What lies beyond the picture's edge: one of ``BORDERS``.
    """

    windows: tuple[Window, ...]
    size: int
    height: int
    width: int
    frames: int = 1
    fps: float | None = None
    border: str = "reflect"

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.windows) * self.frames


def plan_crops(
    faces: Faces,
    *,
    person: int = 0,
    size: int = 512,
    margin: float = 0.5,
    moving: bool = True,
    smoothing: float = 0.2,
    border: str = "reflect",
) -> Crops:
    """Square windows around faces.

    Args:
        faces: As found in the picture or clip.
        person: Whose, 1 is the leftmost; 0 is everybody.
        size: Side of each crop in pixels.
        margin: Room on each side of the face, in sizes of the face (the longer side of its box).
        moving: Follow the head; otherwise one window in whole pixels holds the face in every frame.
        smoothing: Seconds (standard deviation of a Gaussian) over which the path is smoothed; 0 follows each frame.
        border: What a crop shows beyond the picture's edge, one of ``BORDERS``.

    Raises:
        TroupeError: if nobody was found, there is no such person, or a value is out of range.
    """
    _check(size, margin, smoothing, border)
    tracks = [faces.person(person)] if person else list(faces)
    tracks = [t for t in tracks if len(t.seen)]
    if not tracks:
        raise TroupeError(
            "There is no face to crop", "none was found in the picture", "Use a picture that shows one"
        )
    fps = faces.fps or 25.0
    windows = []
    for track in tracks:
        path = _path(track, fps, smoothing, 1 + 2 * margin)
        path = path if moving else _fixed(path)
        left, top, side = _within(path, faces.height, faces.width)
        windows.append(Window(track, left, top, side, _weight(track.present, fps)))
    return Crops(tuple(windows), int(size), faces.height, faces.width, faces.frames, faces.fps, border)


def _check(size: int, margin: float, smoothing: float, border: str) -> None:
    ranges = (
        ("size", size, MIN_SIZE, MAX_SIZE, "512 pixels"),
        ("margin", margin, 0, MAX_MARGIN, "0.5 face sizes"),
        ("smoothing", smoothing, 0, MAX_SMOOTHING, "0.2 seconds"),
    )
    for name, value, low, high, usual in ranges:
        if not low <= value <= high:  # also catches NaN
            raise TroupeError(
                f"The {name} {value} is out of range", f"it must lie in {low} to {high}", f"Use {usual}"
            )
    if border not in BORDERS:
        raise TroupeError(f"Unknown border '{border}'", f"known are {', '.join(BORDERS)}", "Choose one")


def _path(track: FaceTrack, fps: float, smoothing: float, room: float) -> np.ndarray:
    """float64 ``[T, 3]``: centre x, y and side of the window in each frame, ``room`` face sizes wide or a little more."""
    seen = track.seen
    points = np.stack([track.faces[t].landmarks[list(SKULL)] for t in seen]).astype(np.float64)
    boxes = np.array([track.faces[t].box for t in seen], np.float64)
    anchor = points.mean(1)
    scale = np.maximum(np.sqrt(((points - anchor[:, None]) ** 2).sum(2).mean(1)), 1e-3)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    longer = (boxes[:, 2:] - boxes[:, :2]).max(1)
    offset = np.median((centre - anchor[:, :2]) / scale[:, None], axis=0)
    ratio = float(np.median(longer / scale))
    raw = np.column_stack([anchor[:, :2] + offset * scale[:, None], np.log(scale * ratio)])
    every = np.arange(len(track.faces))
    path = np.column_stack([np.interp(every, seen, column) for column in raw.T])
    for start, end in _scenes(path):
        path[start:end] = smooth_path(path[start:end], fps, smoothing)
    path[:, 2] = np.exp(path[:, 2])
    path[:, 2] *= _room_needed(path[seen], boxes, room)
    return path


def _room_needed(path: np.ndarray, boxes: np.ndarray, room: float) -> float:
    """``room``, or as much more as keeps each box inside its window."""
    reach = np.maximum(path[:, :2] - boxes[:, :2], boxes[:, 2:] - path[:, :2]).max(1)
    return max(room, min(float((2 * reach / path[:, 2]).max()), room * _WIDEST))


def _scenes(path: np.ndarray) -> list[tuple[int, int]]:
    """Stretches without a cut: smoothing must not drag a window from one scene into the next."""
    step = np.abs(np.diff(path, axis=0))
    leaps = np.hypot(step[:, 0], step[:, 1]) > _CUT * np.exp(np.minimum(path[1:, 2], path[:-1, 2]))
    leaps |= step[:, 2] > _CUT
    # a spike leaps there and back: that is a mistake, and left to the vote among neighbours
    back = np.zeros_like(leaps)
    for width in (1, 2):
        apart = np.abs(path[width + 1 :] - path[: -width - 1])
        near = np.hypot(apart[:, 0], apart[:, 1]) < _CUT * np.exp(path[: -width - 1, 2])
        pair = leaps[: len(near)] & leaps[width : width + len(near)] & near & (apart[:, 2] < _CUT)
        back[: len(near)] |= pair
        back[width : width + len(near)] |= pair
    edges = [0, *(np.flatnonzero(leaps & ~back) + 1).tolist(), len(path)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def smooth_path(path: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """Places and log sizes ``[T, 3]`` smoothed to both sides: a vote among neighbours, then a Gaussian."""
    if len(path) < 3 or seconds <= 0:
        return path
    from scipy.ndimage import median_filter

    path = median_filter(path, size=(min(_SPIKE, len(path) | 1), 1), mode="nearest")
    place, size = (
        smooth_in_time(path[:, :2], fps * seconds),
        smooth_in_time(path[:, 2:], fps * seconds * _SLOWER),
    )
    return np.column_stack([place, size])


def smooth_in_time(values: np.ndarray, sigma: float, ends: str = "odd") -> np.ndarray:
    """``[T, K]`` through a Gaussian of ``sigma`` frames.

    Args:
        ends: What is assumed beyond both ends: ``odd`` goes on as it came, so that straight movement stays as it is,
            ``even`` mirrors.
    """
    reach = int(np.ceil(3 * sigma))
    if len(values) < 2 or sigma < 0.1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    near = min(reach, len(values) - 1)  # mirrored more than once a movement would run away: there it is held
    padded = np.pad(values, ((near, near), (0, 0)), mode="reflect", reflect_type=ends)
    padded = np.pad(padded, ((reach - near, reach - near), (0, 0)), mode="edge")
    return np.column_stack([np.convolve(column, kernel, mode="valid") for column in padded.T])


def _fixed(path: np.ndarray) -> np.ndarray:
    """One window, in whole pixels, that holds those of all frames; ``[T, 3]``."""
    half = path[:, 2:] / 2
    low, high = (path[:, :2] - half).min(0), (path[:, :2] + half).max(0)
    side = np.ceil((high - low).max()) + 1  # rounding the corner costs half a pixel on either side
    corner = np.round((low + high - side) / 2)
    return np.broadcast_to(np.append(corner + side / 2, side), path.shape)


def _within(path: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left, top and side; no window is much larger than the picture nor wholly beside it."""
    side = np.clip(path[:, 2], _MIN_SIDE, 2.0 * max(height, width))
    left, top = path[:, 0] - side / 2, path[:, 1] - side / 2
    return np.clip(left, 2 - side, width - 2.0), np.clip(top, 2 - side, height - 2.0), side


def _weight(present: np.ndarray, fps: float) -> np.ndarray:
    """1 in frames with the face and in short gaps, falling to 0 inside long ones."""
    seen = np.flatnonzero(present)
    every = np.arange(len(present))
    after = np.searchsorted(seen, every)
    before = np.searchsorted(seen, every, side="right") - 1
    since = np.where(before >= 0, every - seen[np.maximum(before, 0)], np.inf)
    until = np.where(after < len(seen), seen[np.minimum(after, len(seen) - 1)] - every, np.inf)
    away = np.minimum(since, until)
    fade = max(1.0, _FADE * fps)
    ramp = np.clip(1 - away / fade, 0, 1)
    return np.where(since + until <= _SHORT_GAP * fps + 1, 1.0, ramp).astype(np.float32)
