"""Contact sheets: a clip at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .picture import save_picture
from .read import VideoReader

__all__ = ["contact_sheet", "pick", "save_picture"]

_GAP = 4  # pixels between the pictures
_GROUND = 24


def pick(total: int, count: int) -> list[int]:
    """``count`` frame numbers spread evenly over ``total`` frames, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, total - 1, min(count, total))}) if total else []


def contact_sheet(
    frames: Sequence[np.ndarray] | np.ndarray | str | Path,
    *,
    columns: int = 4,
    count: int = 8,
    width: int = 1600,
    fps: float | None = None,
    times: Sequence[float] | None = None,
) -> np.ndarray:
    """A few frames of a clip in rows, each with its time.

    Args:
        frames: uint8 ``[T, H, W, 3]``, a sequence of such pictures of one size, or a clip file (which is read
            through once, holding only what is shown).
        columns: Pictures per row.
        count: Pictures in all, spread evenly over the clip.
        width: Width of the sheet in pixels.
        fps: Frames per second, for the labels; a file has its own.
        times: Seconds of every frame, instead of ``fps``. Without either there are no labels.

    Returns:
        uint8 ``[H, width, 3]``.

    Raises:
        TroupeError: if there is no frame, or the file cannot be read.
    """
    if isinstance(frames, (str, Path)):
        shown, seconds = _from_file(frames, count)
    else:
        numbers = pick(len(frames), count)
        shown = [frames[i] for i in numbers]
        seconds = (
            [times[i] if times is not None else i / fps for i in numbers] if times is not None or fps else []
        )
    if not shown:
        raise TroupeError("Cannot make a contact sheet", "there are no frames", "Use a longer clip")
    columns = max(1, min(columns, len(shown)))
    cell_width = max(16, (width - _GAP * (columns + 1)) // columns)
    cell_height = max(1, round(cell_width * shown[0].shape[0] / shown[0].shape[1]))
    rows = -(-len(shown) // columns)
    sheet = np.full((rows * (cell_height + _GAP) + _GAP, width, 3), _GROUND, np.uint8)
    for i, picture in enumerate(shown):
        y = _GAP + i // columns * (cell_height + _GAP)
        x = _GAP + i % columns * (cell_width + _GAP)
        label = f"{seconds[i]:.2f} s" if seconds else ""
        sheet[y : y + cell_height, x : x + cell_width] = _cell(picture, cell_width, cell_height, label)
    return sheet


def _from_file(path: str | Path, count: int) -> tuple[list[np.ndarray], list[float]]:
    """Frames and times spread over a clip, whose length is known only at its end."""
    kept: dict[int, np.ndarray] = {}
    with VideoReader(path) as clip:
        step = 1
        for i, frame in enumerate(clip):
            if i % step == 0:
                kept[i] = frame
            if len(kept) > 4 * count:  # thin out, so that a long clip needs no more memory than a short one
                step *= 2
                kept = {k: v for k, v in kept.items() if k % step == 0}
        numbers = sorted(kept)
        chosen = [numbers[k] for k in pick(len(numbers), count)]
        return [kept[i] for i in chosen], [i / clip.fps for i in chosen]


def _cell(picture: np.ndarray, width: int, height: int, label: str) -> np.ndarray:
    import cv2

    shrinks = width < picture.shape[1]
    cell = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if label:
        scale = max(0.35, min(0.8, width / 600))
        for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                cell, label, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick, cv2.LINE_AA
            )
    return cell
