"""The best path of a text through the sounds that a network heard (Viterbi), which may leave words out.

States are the tokens of the text, word after word, and a gap before, between and after the words. A gap lasts while it is
quiet, or while something is heard that is not in the text, which costs a little; a word that is not heard is passed
over, which costs more. So a text that does not fit its sound is not forced onto it.

The network's log-probabilities are cut off at ``FLOOR``: one frame that it mishears weighs no more than that. Costs are
in nepers.
"""

from __future__ import annotations

import numpy as np

from ..progress import Progress, report

FLOOR = -6.0
PAUSE = 1.0  # for a gap between words
FOREIGN = 1.75  # a frame, for sound that is not in the text, less what the network is sure of
UNSAID = 4.0  # for a word that is passed over
BLOCK = 256  # frames whose steps are kept at once: memory grows with the text alone
STAY, NEXT, HOP, ENTER = range(4)


class Trellis:
    """A text as states.

    Args:
        tokens: int ``[N]``, at least one: classes of the network, word after word.
        owners: int ``[N]``: the word of each token, 0 to W - 1, ascending, every word at least once.
        optional: bool ``[N]``: tokens that may be passed over (the blanks between letters); never first or last of a
            word.
        quiet: Classes that mean silence.
    """

    def __init__(self, tokens: np.ndarray, owners: np.ndarray, optional: np.ndarray, quiet: tuple[int, ...]):
        self.tokens, self.owners, self.quiet = tokens, owners, list(quiet)
        words = int(owners[-1]) + 1
        self.first = np.searchsorted(owners, np.arange(words))
        self.last = np.searchsorted(owners, np.arange(words), side="right") - 1
        self._hops = np.zeros(
            len(tokens), bool
        )  # over an optional token; the same letter twice needs its blank
        self._hops[2:] = optional[1:-1] & (tokens[2:] != tokens[:-2]) & (owners[2:] == owners[:-2])
        self._passed = UNSAID * np.arange(words + 1)

    def gap_scores(self, log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of frames ``[M, C]``: what a gap scores ``[M]``, and whether something is heard in it ``[M]``."""
        silent = log_probs[:, self.quiet].max(1)
        sounds = log_probs.copy()
        sounds[:, self.quiet] = -np.inf
        sounding = sounds.max(1) - FOREIGN
        return np.maximum(silent, sounding), sounding > silent

    def best_path(self, log_probs: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """int64 ``[M]`` of frames ``[M, C]``: the token of each frame, or ``-1 - g`` for the gap before word g."""
        frames = np.maximum(log_probs, FLOOR).astype(np.float64)
        gap = self.gap_scores(frames)[0]
        state = np.full(len(self.tokens), -np.inf), -self._passed
        starts = range(0, len(frames), BLOCK)
        kept = []
        for n, begin in enumerate(starts):
            kept.append(state)
            for t in range(begin, min(begin + BLOCK, len(frames))):
                state = self._step(*state, frames[t], gap[t])[:2]
            report(progress, n + 1, 2 * len(starts))
        path = np.empty(len(frames), np.int64)
        scores, sources, came = self._into_gaps(*state)
        at = self._before_gap(len(self.last), sources, came)
        for n, begin in enumerate(reversed(starts)):
            state, steps = kept.pop(), []
            for t in range(begin, min(begin + BLOCK, len(frames))):
                *state, how, sources, came = self._step(*state, frames[t], gap[t])
                steps.append((how, sources, came))
            for t in range(begin + len(steps) - 1, begin - 1, -1):
                path[t] = at
                how, sources, came = steps[t - begin]
                if at < 0:
                    at = self._before_gap(-1 - at, sources, came)
                elif how[at] == ENTER:
                    at = -1 - int(self.owners[at])
                else:
                    at -= int(how[at])
            report(progress, len(starts) + n + 1, 2 * len(starts))
        return path

    def _before_gap(self, gap: int, sources: np.ndarray, came: np.ndarray) -> int:
        """The state a frame before a gap: the last token of a word, or a gap (words between are passed over)."""
        source = int(sources[gap])
        return int(self.last[source - 1]) if came[source] else -1 - source

    def _into_gaps(self, at: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Best scores of being in each gap next, from which gap's place, and whether a word came before that one."""
        left = at[self.last] - PAUSE
        came = np.concatenate([[False], left > gaps[1:]])
        best = gaps.copy()
        best[1:] = np.maximum(left, gaps[1:])
        ahead = best + self._passed
        highest = np.maximum.accumulate(ahead)
        sources = np.maximum.accumulate(np.where(ahead >= highest, np.arange(len(gaps)), 0))
        return highest - self._passed, sources, came

    def _step(
        self, at: np.ndarray, gaps: np.ndarray, frame: np.ndarray, gap: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One frame on: scores of tokens and gaps, how each token was reached, and where each gap came from."""
        best, how = at.copy(), np.zeros(len(at), np.uint8)

        def offer(where, scores: np.ndarray, way: int) -> None:
            better = scores > best[where]
            best[where] = np.where(better, scores, best[where])
            how[where] = np.where(better, way, how[where])

        offer(slice(1, None), at[:-1], NEXT)
        hops = np.flatnonzero(self._hops)
        if len(hops):
            offer(hops, at[hops - 2], HOP)
        offer(self.first, gaps[:-1], ENTER)
        scores, sources, came = self._into_gaps(at, gaps)
        return best + frame[self.tokens], scores + gap, how, sources, came
