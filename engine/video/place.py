"""Results of a face model back into the picture they were cut from: over a still or a clip, any number of faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .blend import blended, check_edge, covering, edge_mask, laid_change, window_box
from .crops import Crops
from .match import MATCHES, Tint, statistics, tints
from .resample import as_float, as_type, cut_window
from .timing import Joined, join_by_time

_SMALL = 64  # pixels a side on which colours are compared
_LOOKED = 0.1  # seconds between frames whose colours are compared
_STEADY = 0.4  # seconds over which a colour correction is smoothed


class Frames(Protocol):
    """Pictures uint8 or float32 ``[H, W, 3]`` that can be counted, and gone through more than once."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class Blend:
    """How results meet the picture.

    Attributes:
        edge: Shape that is placed: ``oval`` or ``box`` within the crop, or the ``face`` or ``head`` by its landmarks.
        feather: Width of the soft edge in sides of the crop, 0 to 0.5.
        colour: ``off``; ``ring``: what lies around the face shall look as it did; ``face``: the face itself shall.
        blend: ``feather``, or ``poisson`` (the result's light bent to meet the picture's).

    Raises:
        TroupeError: on unknown words or a feather out of range.
    """

    edge: str = "oval"
    feather: float = 0.15
    colour: str = "off"
    blend: str = "feather"

    def __post_init__(self):
        check_edge(self.edge, self.feather, self.blend)
        if self.colour not in MATCHES:
            raise TroupeError(
                f"Unknown colour match '{self.colour}'", f"known are {', '.join(MATCHES)}", "Choose one"
            )


def cut_faces(frames: Iterable[np.ndarray], crops: Crops) -> Iterator[list[np.ndarray]]:
    """The crops of each frame, one ``[size, size, 3]`` for each person in the order of ``crops.windows``.

    Raises:
        TroupeError: if the frames are not of the size or number that the crops were planned for.
    """
    count = 0
    for t, frame in enumerate(frames):
        _check_frame(frame, t, crops)
        yield [cut_window(frame, w.at(t), crops.size, crops.border) for w in crops.windows]
        count += 1
    if count != crops.frames:
        raise _other_clip(f"it has {count} frames, the faces were found in {crops.frames}")


def place_faces(
    base: Frames,
    results: Sequence[np.ndarray],
    crops: Crops,
    how: Blend | None = None,
    *,
    fps: float | None = None,
    mask: Sequence[np.ndarray] | None = None,
    notes: list[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Put what a model made of crops back where they were.

    Only what the model changed is placed (see ``blend.blended``): untouched crops give the very frames. Pixels outside
    the mask are never changed. Of overlapping faces the larger one lies in front.

    Args:
        base: The clip that was cut, or one picture, which is repeated for as many frames as there are results.
        results: ``[S, S, 3]`` each, of any size, ordered as the crops: all frames of one person, then the next's.
        crops: Where they belong.
        how: Default ``Blend()``.
        fps: Of the results, if not the clip's: they are joined by time.
        mask: float32 ``[H, W]``, one for all or one for each frame: where anything may be placed at all.
        notes: Receives remarks for the user.
        progress: Called after each frame.

    Yields:
        The frame, of the base's type (the base's own array where nothing was placed), and float32 ``[H, W]``, how much of
        each pixel comes from results.

    Raises:
        TroupeError: if base, results or mask do not fit the crops, or results are not finite. Lengths are checked
            before anything is computed, as soon as the first frame is asked for.
    """
    _check_base(base, crops)
    per_person = _results_per_person(results, crops)
    frames = max(len(base), per_person) if len(base) == 1 else len(base)
    joined = join_by_time(per_person, frames, crops.fps, fps, "results")
    source = _Results(results, crops, joined, per_person)
    yield from _composite(base, source, crops, joined, how or Blend(), frames, mask, notes, progress)


def replace_faces(
    base: Frames,
    edited: Sequence[np.ndarray],
    crops: Crops,
    how: Blend | None = None,
    *,
    fps: float | None = None,
    mask: Sequence[np.ndarray] | None = None,
    notes: list[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of an edited clip only the faces, over the clip it was made from.

    Args:
        edited: ``[H', W', 3]`` each, the whole picture, of any size in the same proportions.

    The rest, what is yielded and what is raised are as in ``place_faces``.
    """
    _check_base(base, crops)
    if not len(edited):
        raise TroupeError("There is no edited clip", "it has no frames", "Check what made it")
    tall, wide = np.shape(edited[0])[:2]
    if abs(wide * crops.height - tall * crops.width) > 0.02 * wide * crops.height:
        raise TroupeError(
            "The edited clip has other proportions than the picture",
            f"it is {wide} x {tall}, the picture {crops.width} x {crops.height}",
            "Bring it to the same proportions, or crop the picture as the edited one was",
        )
    frames = max(len(base), len(edited)) if len(base) == 1 else len(base)
    joined = join_by_time(len(edited), frames, crops.fps, fps, "edited frames")
    source = _Edited(edited, crops, joined)
    yield from _composite(base, source, crops, joined, how or Blend(), frames, mask, notes, progress)


class _Results:
    """Results and what was given, by person and frame."""

    def __init__(self, results: Sequence[np.ndarray], crops: Crops, joined: Joined, per_person: int):
        self.results, self.crops, self.joined, self.per_person = results, crops, joined, per_person

    def result(self, t: int, person: int) -> np.ndarray:
        number = person * self.per_person + int(self.joined.index[t])
        return _checked(self.results[number], number, "result")

    def added(self, frame: np.ndarray, under: np.ndarray, t: int, person: int, box, tint) -> np.ndarray:
        """What the result adds to the picture in ``box``, whose pixels so far are ``under``."""
        import cv2

        window = self.crops.windows[person].at(min(t, self.crops.frames - 1))
        given = as_float(cut_window(frame, window, self.crops.size, self.crops.border))
        result = as_float(self.result(t, person))
        if tint is None and result.shape == given.shape and np.array_equal(result, given):
            return np.zeros_like(under)
        if result.shape != given.shape:
            smaller = len(result) < len(given)
            size = result.shape[1::-1]
            given = cv2.resize(given, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        return laid_change(given, tint(result) if tint else result, under, window, box)

    def small(self, t: int, person: int) -> np.ndarray:
        return _small(as_float(self.result(t, person)))


class _Edited:
    """An edited clip in the size of the picture."""

    def __init__(self, edited: Sequence[np.ndarray], crops: Crops, joined: Joined):
        self.edited, self.crops, self.joined = edited, crops, joined
        self._number, self._picture = -1, np.empty(0)

    def picture(self, t: int) -> np.ndarray:
        import cv2

        number = int(self.joined.index[t])
        if number != self._number:
            picture = as_float(_checked(self.edited[number], number, "edited frame", square=False))
            size = self.crops.width, self.crops.height
            if picture.shape[1::-1] != size:
                smaller = picture.shape[0] > self.crops.height
                picture = cv2.resize(
                    picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
                )
            self._number, self._picture = number, picture
        return self._picture

    def added(self, frame: np.ndarray, under: np.ndarray, t: int, person: int, box, tint) -> np.ndarray:
        x0, y0, x1, y1 = box
        result = self.picture(t)[y0:y1, x0:x1]
        return (tint(result) if tint else result) - under

    def small(self, t: int, person: int) -> np.ndarray:
        window = self.crops.windows[person].at(min(t, self.crops.frames - 1))
        return _small(cut_window(self.picture(t), window, self.crops.size, self.crops.border))


def _composite(base, source, crops, joined, how, frames, mask, notes, progress):
    """Both ways in meet here."""
    masks = _checked_masks(mask, frames, crops)
    if notes is not None:
        notes.extend(joined.notes)
    passes = 1 if how.colour == "off" else 2
    corrections = None
    if passes == 2:
        corrections = _corrections(
            base, source, crops, joined, how, frames, lambda n: report(progress, n, 2 * frames)
        )
    for t, frame in enumerate(_repeated(base, frames, crops)):
        weights = [float(joined.weight[t] * w.weight[min(t, crops.frames - 1)]) for w in crops.windows]
        yield _placed(frame, t, source, crops, how, weights, corrections, masks(t))
        report(progress, (passes - 1) * frames + t + 1, passes * frames)


def _placed(
    frame: np.ndarray,
    t: int,
    source: _Results | _Edited,
    crops: Crops,
    how: Blend,
    weights: list[float],
    corrections: list[list[Tint]] | None,
    allowed: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """One frame with everybody's result, and its mask."""
    import cv2

    cover = np.zeros(frame.shape[:2], np.float32)
    out = frame
    order = sorted(range(len(crops.windows)), key=lambda p: crops.windows[p].at(min(t, crops.frames - 1))[2])
    for person in order:
        window = crops.windows[person].at(min(t, crops.frames - 1))
        x0, y0, x1, y1 = box = window_box(window, crops.height, crops.width)
        if weights[person] <= 0 or x1 <= x0 or y1 <= y0:
            continue
        mask = edge_mask(how.edge, how.feather, window, box, _landmarks(crops, person, t, how.edge))
        mask *= weights[person]
        if allowed is not None:
            mask *= allowed[y0:y1, x0:x1]
        np.maximum(cover[y0:y1, x0:x1], mask, out=cover[y0:y1, x0:x1])
        before = as_float(frame[y0:y1, x0:x1])
        tint = corrections[person][t] if corrections is not None else None
        added = source.added(frame, before, t, person, box, tint)
        under = before if out is frame else as_float(out[y0:y1, x0:x1])
        if under is not before:
            added += covering(added) * (before - under)
        new = as_type(blended(under, added, mask, how.blend), frame.dtype)
        if frame.dtype != np.uint8:  # the picture may overshoot 0..1; outside the mask it stays as it is
            new = cv2.copyTo(under, (mask == 0).astype(np.uint8), new)
        out = out.copy() if out is frame else out
        out[y0:y1, x0:x1] = new
    return out, cover


def _corrections(base, source, crops, joined, how, frames, progress) -> list[list[Tint]]:
    """For each person the colour correction of every frame, from small copies."""
    pairs: list[list] = [[None] * frames for _ in crops.windows]
    fps = crops.fps or 25.0
    every = max(1, round(_LOOKED * fps))
    for t, frame in enumerate(_repeated(base, frames, crops)):
        for person, window in enumerate(crops.windows):
            at = min(t, crops.frames - 1)
            if t % every or window.weight[at] * joined.weight[t] == 0:
                continue
            weight = _compared(crops, person, at, how)
            before = _small(as_float(cut_window(frame, window.at(at), crops.size, crops.border)))
            stats = statistics(source.small(t, person), weight), statistics(before, weight)
            pairs[person][t] = stats if stats[0] is not None else None
        progress(t + 1)
    return [tints(own, _STEADY * fps) for own in pairs]


def _small(crop: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(crop, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)


def _compared(crops: Crops, person: int, at: int, how: Blend) -> np.ndarray:
    """float32 ``[64, 64]``: which pixels of a small crop tell its colours; those beyond the picture do not."""
    left, top, side = crops.windows[person].at(at)
    whole, box = (0.0, 0.0, float(_SMALL)), (0, 0, _SMALL, _SMALL)
    edge = "face" if how.colour == "face" else how.edge
    points = _landmarks(crops, person, at, edge)
    if points is not None:
        points = (points[:, :2] - (left, top)) * (_SMALL / side)
    mask = edge_mask(edge, how.feather, whole, box, points)
    weight = mask if how.colour == "face" else 1 - mask
    grid = (np.arange(_SMALL) + 0.5) * (side / _SMALL)
    inside = np.outer(
        (top + grid >= 0) & (top + grid < crops.height), (left + grid >= 0) & (left + grid < crops.width)
    )
    return weight * inside


def _landmarks(crops: Crops, person: int, t: int, edge: str) -> np.ndarray | None:
    if edge not in ("face", "head"):
        return None
    at = min(t, crops.frames - 1)
    return crops.windows[person].track.filled(at, at + 1)[0]


def _repeated(base: Frames, frames: int, crops: Crops) -> Iterator[np.ndarray]:
    """The base's frames, each checked; a still as often as needed."""
    count = 0
    for frame in base:
        _check_frame(frame, count, crops)
        for _ in range(frames if len(base) == 1 else 1):
            yield frame
        count += 1
    if count != len(base):
        raise _other_clip(f"it has {count} frames, {len(base)} were announced")


def _checked(picture: np.ndarray, number: int, name: str, square: bool = True) -> np.ndarray:
    picture = np.asarray(picture)
    shape = picture.shape
    if len(shape) != 3 or shape[2] != 3 or min(shape) == 0 or (square and shape[0] != shape[1]):
        wanted = "a square [S, S, 3]" if square else "[H, W, 3]"
        raise TroupeError(
            f"The {name} {number + 1} does not fit",
            f"its shape is {list(shape)}, expected {wanted}",
            "Use a model that keeps the crop's shape, or crop its results",
        )
    if picture.dtype != np.uint8 and not np.isfinite(picture.sum()):  # a sum tells, and is quickly made
        raise TroupeError(
            f"The {name} {number + 1} is not usable",
            "it holds NaN or infinite pixels",
            "Check the model that made it (half precision?)",
        )
    return picture


def _results_per_person(results: Sequence[np.ndarray], crops: Crops) -> int:
    count, persons = len(results), len(crops.windows)
    if count == 0:
        raise TroupeError("There are no results to place", "the batch is empty", "Check what made it")
    if count % persons or (persons > 1 and count == crops.frames > 1):
        raise TroupeError(
            f"{count} results do not fit the crops",
            f"there are crops of {persons} persons with {crops.frames} frame(s) each, {len(crops)} in all, "
            "ordered by person",
            "Place the results of all persons together, or crop one person at a time",
        )
    return count // persons


def _checked_masks(mask: Sequence[np.ndarray] | None, frames: int, crops: Crops):
    """The mask of a frame, by its number."""
    if mask is None:
        return lambda t: None
    if len(mask) not in (1, frames) or np.shape(mask[0]) != (crops.height, crops.width):
        raise TroupeError(
            "The mask does not fit",
            f"it is {len(mask)} of {' x '.join(map(str, np.shape(mask[0])[::-1])) if len(mask) else 'nothing'}, "
            f"the picture is {frames} of {crops.width} x {crops.height}",
            "Use one mask, or one for each frame, in the size of the picture",
        )
    return lambda t: np.clip(np.nan_to_num(np.asarray(mask[t if len(mask) > 1 else 0], np.float32)), 0, 1)


def _check_base(base: Frames, crops: Crops) -> None:
    if len(base) == 0:
        raise TroupeError("There is no picture to place onto", "the batch is empty", "Check what made it")
    if crops.frames > 1 and len(base) != crops.frames:
        raise _other_clip(f"it has {len(base)} frame(s), the crops are of {crops.frames}")


def _check_frame(frame: np.ndarray, t: int, crops: Crops) -> None:
    if frame.shape != (crops.height, crops.width, 3):
        size = "x".join(str(n) for n in frame.shape[1::-1])
        raise _other_clip(f"frame {t + 1} is {size}, the crops are of {crops.width}x{crops.height}")


def _other_clip(why: str) -> TroupeError:
    return TroupeError(
        "The crops belong to another picture", why, "Use the picture or clip that the faces were found in"
    )
