"""Sizes and lengths that a Wan model can make: sides in multiples of 16, 4k + 1 frames."""

from __future__ import annotations

import math

from ..errors import TroupeError

STEP = 16  # pixels of a token


def fit_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size of at most ``pixels`` pixels whose shape is nearest to ``width`` x ``height``.

    Of the sizes that lose at most a tenth of the pixels, the one that needs least cutting is taken.

    Raises:
        TroupeError: if even the smallest size has more pixels, or the picture is more than 16 times as long as wide.
    """
    if pixels < STEP * STEP:
        raise TroupeError(
            f"{pixels} pixels are too few for a video",
            f"sides are multiples of {STEP}, so {STEP * STEP} is the least",
            "Ask for a larger width and height",
        )
    aspect = width / height
    if not 1 / 16 <= aspect <= 16:
        raise TroupeError(
            f"A picture of {width} x {height} cannot become a video",
            "it is more than 16 times as long as wide",
            "Crop it first",
        )
    budget = pixels // (STEP * STEP)
    candidates = []
    for rows in range(1, budget + 1):
        for columns in {math.floor(rows * aspect), math.ceil(rows * aspect)}:
            if columns >= 1 and rows * columns <= budget:
                candidates.append((columns, rows))
    most = max(c * r for c, r in candidates)
    large = [(c, r) for c, r in candidates if c * r >= 0.9 * most]
    columns, rows = min(large, key=lambda s: (abs(math.log(s[0] / s[1] / aspect)), -s[0] * s[1]))
    return columns * STEP, rows * STEP


def fit_length(frames: int, most: int) -> int:
    """The largest 4k + 1 that is at most ``frames`` and ``most``, at least 1."""
    return max(1, (min(frames, most) - 1) // 4 * 4 + 1)
