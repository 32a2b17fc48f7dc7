"""Clips put one after the other: crossfaded, or joined where they overlap with the drift between them removed.

Long videos come from diffusion models in windows, each begun from the last frames of the one before. Colour and place
drift a little in every window; where the same moments were made twice, the drift can be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .match import Tint, statistics, tints
from .resample import as_float, as_type

CURVES = ("smooth", "linear")
_PAIRS = 9  # overlapping frames that are looked at
_LOOK = 384  # pixels of the longer side at which places are compared
_UNMOVED = 0.05, 0.0003, 0.02  # pixels, zoom and degrees that are none
_FARTHEST = (
    0.1,
    0.1,
    10.0,
)  # shift in picture widths, zoom, degrees: beyond this it is another picture, no drift
_BETTER = 0.98  # what must remain of the difference for a move to be believed


@dataclass(frozen=True, eq=False)
class Drift:
    """How the second clip differs from the first where they show the same, and what was done about it.

    Attributes:
        tint: Brings the second's colours to the first's.
        matrix: float64 ``[2, 3]``, pixels of the first to pixels of the second; ``None`` if places agree.
        shift: Pixels (x right, y down) that the second's middle lies off.
        zoom: Its size relative to the first's, 1 is the same.
        turn: Degrees it is turned clockwise.
        before, after: Mean difference of both clips in the overlap, in levels of 255, as they came and corrected.
        frames: Pairs of frames that were compared.
    """

    tint: Tint
    matrix: np.ndarray | None
    shift: tuple[float, float]
    zoom: float
    turn: float
    before: float
    after: float
    frames: int

    def report(self) -> str:
        """The figures in words, three lines."""
        spread = 100 * (np.exp(np.abs(np.log(self.tint.gain)).max()) - 1)
        moved = "removed" if self.matrix is not None else "left as it is"
        return "\n".join(
            (
                f"colour drift: {self.tint.size:.2f} Lab units (lightness {-self.tint.shift[0]:+.2f}), "
                f"contrast up to {spread:.1f} %; {'none to remove' if self.tint.is_nothing else 'removed'}",
                f"position drift: {self.shift[0]:+.2f}, {self.shift[1]:+.2f} pixels, zoom {100 * (self.zoom - 1):+.2f} %, "
                f"turn {self.turn:+.2f} degrees; {moved}",
                f"difference at the seam: {self.before:.2f} of 255 before, {self.after:.2f} after, "
                f"over {self.frames} frame(s)",
            )
        )

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """A frame of the second clip, corrected; of its own type. Itself if there is nothing to correct."""
        if self.matrix is None and self.tint.is_nothing:
            return frame
        return as_type(self.tint(_moved(as_float(frame), self.matrix)), frame.dtype)


def crossfade(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    frames: int,
    curve: str = "smooth",
    *,
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """The first clip, melting into the second.

    Args:
        first, second: ``[H, W, 3]`` each, uint8 or float32, of one size and frame rate.
        frames: Frames of both that overlap, 0 for a plain cut; the result is that much shorter than both together.
        curve: ``smooth`` (eases in and out) or ``linear``.

    Yields:
        ``[H, W, 3]`` of the first's type.

    Raises:
        TroupeError: if sizes differ, or a clip is shorter than the fade.
    """
    check_sizes(first, second)
    _check_overlap(first, second, frames)
    if curve not in CURVES:
        raise TroupeError(f"Unknown curve '{curve}'", f"known are {', '.join(CURVES)}", "Choose one")
    yield from _mixed(first, second, frames, curve, lambda frame: frame, progress)


def join_windows(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    overlap: int,
    drift: Drift,
    *,
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """The first clip, gone on with by the second as ``drift`` corrects it, mixed where both show the same moments.

    Args:
        overlap: Last frames of the first that are the first frames of the second; 0 if it just goes on.
        drift: From ``measure_drift`` of both.

    Yields:
        ``[H, W, 3]`` of the first's type.

    Raises:
        TroupeError: if sizes differ, or a clip is shorter than the overlap.
    """
    check_sizes(first, second)
    _check_overlap(first, second, overlap)
    yield from _mixed(first, second, overlap, "smooth", drift, progress)


def measure_drift(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    overlap: int,
    *,
    colour: bool = True,
    position: bool = True,
) -> Drift:
    """Compare two windows where they overlap (or the last frame with the first, if they do not).

    Args:
        colour, position: What to correct; what is not to be corrected is measured all the same.

    Raises:
        TroupeError: as ``join_windows``.
    """
    check_sizes(first, second)
    _check_overlap(first, second, overlap)
    picked = np.unique(np.linspace(0, max(overlap - 1, 0), min(_PAIRS, max(overlap, 1))).round().astype(int))
    begin = len(first) - max(overlap, 1)
    pairs = [(as_float(first[begin + k]), as_float(second[k])) for k in picked]
    before = _difference(pairs)
    matrix, (x, y, zoom, turn) = _placed(pairs)
    if matrix is not None:
        aligned = [(a, _moved(b, matrix)) for a, b in pairs]
        if _difference(_levelled(aligned)) > _BETTER * _difference(_levelled(pairs)):
            matrix = None  # it does not match any better: what moved was the content
    pairs = aligned if matrix is not None and position else pairs
    tint = _tint(pairs)
    nothing = tints([None], 0)[0]
    done = Drift(tint, matrix if position else None, (x, y), zoom, turn, before, 0.0, len(pairs))
    after = _difference([(a, tint(b) if colour else b) for a, b in pairs])
    return Drift(
        done.tint if colour else nothing, done.matrix, done.shift, zoom, turn, before, after, len(pairs)
    )


def _mixed(first, second, overlap, curve, correct, progress) -> Iterator[np.ndarray]:
    total = len(first) + len(second) - overlap
    dtype = first[0].dtype
    begin = len(first) - overlap
    for t in range(total):
        if t < begin:
            frame = first[t]
        else:
            frame = correct(second[t - begin])
            if t < len(first):
                share = (t - begin + 1) / (overlap + 1)
                share = share * share * (3 - 2 * share) if curve == "smooth" else share
                before = as_float(first[t])
                frame = before + np.float32(share) * (as_float(frame) - before)
            frame = frame if frame.dtype == dtype else as_type(as_float(frame), dtype)
        yield frame
        report(progress, t + 1, total)


def _placed(pairs) -> tuple[np.ndarray | None, tuple[float, float, float, float]]:
    """The similarity that lays the second over the first, from the median over the pairs, with shift of the middle,
    zoom and turn; no matrix if there is none to speak of."""
    found = [m for a, b in pairs if (m := _similarity(a, b)) is not None]
    height, width = pairs[0][0].shape[:2]
    if not found:
        return None, (0.0, 0.0, 1.0, 0.0)
    x, y, zoom, turn = (float(v) for v in np.median(found, axis=0))
    shift, grown, turned = np.hypot(x, y), abs(zoom - 1), abs(turn)
    if shift < _UNMOVED[0] and grown < _UNMOVED[1] and turned < _UNMOVED[2]:
        return None, (x, y, zoom, turn)
    if shift > _FARTHEST[0] * width or grown > _FARTHEST[1] or turned > _FARTHEST[2]:
        return None, (x, y, zoom, turn)
    cos, sin = zoom * np.cos(np.radians(turn)), zoom * np.sin(np.radians(turn))
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    turning = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turning, middle + (x, y) - turning @ middle]), (x, y, zoom, turn)


def _similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float] | None:
    """Shift of the middle in pixels, zoom, and turn in degrees from ``a`` to ``b``; None if nothing is found.

    By the enhanced correlation coefficient (Evangelidis and Psarakis, PAMI 2008), which light does not disturb.
    """
    import cv2

    shrink = max(1.0, max(a.shape[:2]) / _LOOK)
    size = max(8, round(a.shape[1] / shrink)), max(8, round(a.shape[0] / shrink))
    grey = [
        cv2.resize(cv2.cvtColor(np.clip(p, 0, 1), cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for p in (a, b)
    ]
    if min(g.std() for g in grey) < 1e-3:
        return None
    start = np.eye(2, 3, dtype=np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    try:
        _, found = cv2.findTransformECC(*grey, start, cv2.MOTION_AFFINE, until, None, 5)
    except cv2.error:  # it did not converge: too little in common
        return None
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    x, y = (found[:, :2] @ middle + found[:, 2] - middle) * (a.shape[1] / size[0], a.shape[0] / size[1])
    zoom = float(np.sqrt(abs(np.linalg.det(found[:, :2]))))
    turn = float(np.degrees(np.arctan2(found[1, 0] - found[0, 1], found[0, 0] + found[1, 1])))
    return float(x), float(y), zoom, turn


def _moved(frame: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    import cv2

    if matrix is None:
        return frame
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    size = frame.shape[1::-1]
    return np.clip(cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), 0, 1)


def _tint(pairs) -> Tint:
    """One correction for the whole overlap."""
    weight = np.ones(pairs[0][0].shape[:2], np.float32)
    seen = [(statistics(b, weight), statistics(a, weight)) for a, b in pairs]
    return tints([tuple(np.mean([s[k] for s in seen], 0) for k in (0, 1))], 0)[0]


def _levelled(pairs) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs with the second's mean colour brought to the first's."""
    return [(a, b + (a.mean((0, 1)) - b.mean((0, 1)))) for a, b in pairs]


def _difference(pairs) -> float:
    return float(np.mean([np.abs(a - b).mean() for a, b in pairs]) * 255)


def check_sizes(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> None:
    """Raise a ``TroupeError`` unless both are clips of one size."""
    for name, clip in (("first", first), ("second", second)):
        if len(clip) == 0:
            raise TroupeError(f"The {name} clip is empty", "it has no frames", "Check what made it")
    one, other = (np.shape(clip[0]) for clip in (first, second))
    if one != other:
        raise TroupeError(
            "The two clips have different sizes",
            f"the first is {one[1]} x {one[0]}, the second {other[1]} x {other[0]}",
            "Scale one of them to the size of the other",
        )


def _check_overlap(first: Sequence[np.ndarray], second: Sequence[np.ndarray], overlap: int) -> None:
    least = min(len(first), len(second))
    if not 0 <= overlap <= least:
        raise TroupeError(
            f"The clips cannot overlap by {overlap} frames",
            f"the first has {len(first)}, the second {len(second)}",
            f"Use at most {least}",
        )
