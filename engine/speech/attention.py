"""Where in a text the sound is: forward attention over the text's phones, frame by frame, from nothing but the past.

After Zhang et al. 2018 (arXiv 1807.06736), in its plain form: the forward pass of a hidden Markov model whose states
are the K phones of the text and K + 1 optional pauses around them, fed with the phones that the network hears. Training
and streaming do the same in two ways: ``attend`` for whole recordings side by side, ``Follower`` for one stream.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .phones import SIL

# Per frame of 20 ms: a sound stays, moves on, skips one, or a pause comes; a pause stays or ends.
STAY, MOVE, SKIP, PAUSE = 0.72, 0.24, 0.02, 0.02
PAUSE_STAY, PAUSE_MOVE = 0.92, 0.08
# A stream forgets states at the edge of the likely stretch under this. Little enough: one frame can make a state a
# million times likelier.
NEGLIGIBLE = 1e-30
UNHEARD = 1e-6  # what a state weighs that the sound speaks against: nothing is ever ruled out
_ROUND = 16  # phones


def advance(
    at: np.ndarray, pause: np.ndarray, emit: np.ndarray, emit_pause: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One frame on: probabilities of phones ``[..., K]`` and pauses ``[..., K + 1]`` (pause j stands before phone j),
    given how well each phone ``[..., K]`` and a pause ``[..., 1]`` fit the sound."""
    moved = STAY * at
    moved[..., 1:] += MOVE * at[..., :-1]
    moved[..., 2:] += SKIP * at[..., :-2]
    moved += PAUSE_MOVE * pause[..., :-1]
    moved *= emit
    rest = PAUSE_STAY * pause
    rest[..., 1:] += PAUSE * at
    rest *= emit_pause
    scale = 1.0 / (moved.sum(-1, keepdims=True) + rest.sum(-1, keepdims=True))
    moved *= scale
    rest *= scale
    return moved, rest


def first_state(batch: int, count: int, start: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities before the first frame: by the weights ``start [B, K]``; rows of zeros, and None, mean the pause
    before the first phone."""
    pause = np.zeros((batch, count + 1), np.float32)
    if start is None:
        pause[:, 0] = 1.0
        return np.zeros((batch, count), np.float32), pause
    total = start.sum(1, keepdims=True)
    pause[:, 0] = total[:, 0] == 0
    return (start / np.where(total > 0, total, 1.0)).astype(np.float32), pause


def _follow(
    at: np.ndarray,
    pause: np.ndarray,
    likely: np.ndarray,
    inside: np.ndarray,
    silent: np.ndarray,
    sharpness: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames ``[B, M]`` one after the other: attention ``[B, M, K]``, agreement ``[B, M]``, and the state after them."""
    emit = likely**sharpness + UNHEARD * inside
    emit_pause = silent**sharpness + UNHEARD
    attention, paused = np.empty(likely.shape, np.float32), np.empty(likely.shape[:2], np.float32)
    for t in range(likely.shape[1]):
        at, pause = advance(at, pause, emit[:, t], emit_pause[:, t])
        attention[:, t], paused[:, t] = at, pause.sum(-1)
    return attention, (attention * likely).sum(-1) + paused * silent[..., 0], at, pause


def attend(
    phones: np.ndarray,
    tokens: np.ndarray,
    lengths: np.ndarray,
    sharpness: float,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Attention of whole recordings side by side.

    Args:
        phones: Probabilities ``[B, M, phones]`` that the network hears.
        tokens: Integers ``[B, K]``, of which ``lengths [B]`` (1..K) count.
        sharpness: Exponent on the probabilities: neighbouring frames are not independent.
        start: float ``[B, K]``, see ``first_state``.

    Returns:
        float32 ``[B, M, K]`` (what is missing to a sum of 1 is in pauses), and ``[B, M]`` the probability that the
        heard phones give to the text there.
    """
    batch, frames, _ = phones.shape
    inside = (np.arange(tokens.shape[1]) < lengths[:, None]).astype(np.float32)[:, None]
    likely = np.take_along_axis(phones, np.repeat(tokens[:, None], frames, 1), 2) * inside
    at, pause = first_state(batch, tokens.shape[1], start)
    return _follow(at, pause, likely, inside, phones[..., SIL : SIL + 1], sharpness)[:2]


@cache
def _steps(count: int) -> np.ndarray:
    """``advance`` as a product, before anything is heard: float32 ``[2 count + 1, 2 count + 1]`` over pauses and phones
    in turn (state 2 j is the pause before phone j, state 2 j + 1 the phone)."""
    steps = np.zeros((2 * count + 1, 2 * count + 1), np.float32)
    phones, pauses = np.arange(1, 2 * count, 2), np.arange(0, 2 * count + 1, 2)
    steps[phones, phones], steps[pauses, pauses] = STAY, PAUSE_STAY
    steps[phones, phones - 1], steps[pauses[1:], phones] = PAUSE_MOVE, PAUSE
    steps[phones[1:], phones[:-1]], steps[phones[2:], phones[:-2]] = MOVE, SKIP
    return steps


class Follower:
    """The same for one stream. It keeps to the stretch of the text that is likely, so that long texts cost no more.

    Args:
        tokens: Integers ``[K]``, K at least 1.
        sharpness: See ``attend``.
    """

    def __init__(self, tokens: np.ndarray, sharpness: float) -> None:
        self._tokens, self._sharpness = np.asarray(tokens, np.int64), sharpness
        self._first = 0  # phone of the text that the state below begins with
        self._state = np.ones(1, np.float32)  # pauses and phones in turn

    def follow(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, slice]:
        """Attention ``[n, w]`` over a stretch of the text, agreement ``[n]``, and which stretch.

        Args:
            phones: Probabilities ``[n, phones]`` of the next few frames; w grows with their number.
        """
        known = len(self._state)
        reach = min(known // 2 + 2 * len(phones), len(self._tokens) - self._first)
        where = slice(self._first, self._first + reach)
        likely, silent = phones[:, self._tokens[where]], phones[:, SIL : SIL + 1]
        emit = np.empty((len(phones), 2 * reach + 1), np.float32)
        emit[:, 1::2], emit[:, ::2] = likely**self._sharpness, silent**self._sharpness
        emit += UNHEARD
        whole = -(-reach // _ROUND) * _ROUND  # few sizes of steps
        steps = _steps(whole)[: 2 * reach + 1, : 2 * reach + 1]
        state = np.zeros(2 * reach + 1, np.float32)
        state[:known] = self._state
        states = np.empty_like(emit)
        for heard, row in zip(emit, states):
            np.dot(steps, state, row)
            row *= heard
            row *= 1.0 / row.sum()
            state = row
        attention = states[:, 1::2]
        agreement = (attention * likely).sum(1) + states[:, ::2].sum(1) * silent[:, 0]
        kept = np.flatnonzero(state > NEGLIGIBLE)
        low, high = kept[0] // 2, (kept[-1] + 1) // 2
        self._first += int(low)
        self._state = state[2 * low : 2 * high + 1].copy()
        return attention, agreement, where
