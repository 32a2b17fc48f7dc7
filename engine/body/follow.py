"""Who is who in a clip whose frames list several persons in any order, as 4D-Humans does."""

from __future__ import annotations

import numpy as np

STRIDE = 1.0  # metres that a person may move from a frame to the next and still be taken for the same
_MOST_STRIDES = 3  # that somebody unseen for long may have moved


def follow(places: list[np.ndarray], numbers: list[int]) -> list[np.ndarray]:
    """Follow persons by where they stand.

    Args:
        places: For each frame float ``[P, 3]``, where everybody stands in camera axes, at depths above 0.
        numbers: The frames' numbers, ascending; those between are missing.

    Returns:
        For each frame int ``[P]``, who each one is: numbers from 0 on in the order in which they appear, those of one
        frame in its own order. In each frame everybody is given to whom together they are nearest; who is near nobody is
        somebody new.
    """
    from scipy.optimize import linear_sum_assignment

    last, seen, out = np.zeros((0, 3)), np.zeros(0, int), []
    for here, number in zip(places, numbers, strict=True):
        reach = STRIDE * np.minimum(number - seen, _MOST_STRIDES)[:, None]
        far = distances(last, here)
        # Whoever is out of reach costs more than all others together, so that as many as possible are within.
        cost = np.where(far <= reach, far, 1e3 * STRIDE * (1 + max(len(last), len(here))))
        who = np.full(len(here), -1)
        for old, new in zip(*linear_sum_assignment(cost), strict=True):
            if far[old, new] <= reach[old, 0]:
                who[new] = old
        new = np.flatnonzero(who < 0)
        who[new] = len(last) + np.arange(len(new))
        last = np.concatenate([last, np.zeros((len(new), 3))])
        seen = np.concatenate([seen, np.zeros(len(new), int)])
        last[who], seen[who] = here, number
        out.append(who)
    return out


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far apart places ``[A, 3]`` and ``[B, 3]`` look, about metres: ``[A, B]``.

    A measured depth says how large a body looked through an assumed lens: to the sides it is what makes pixels metres,
    and of itself only its ratio counts.
    """
    a, b = one[:, None], other[None]
    middle = (a[..., 2] + b[..., 2]) / 2
    aside = (a[..., :2] / a[..., 2:] - b[..., :2] / b[..., 2:]) * middle[..., None]
    return np.hypot(np.hypot(aside[..., 0], aside[..., 1]), np.log(a[..., 2] / b[..., 2]))
