"""The speech network frame by frame in plain numpy, with carried state: what runs live, and where PyTorch is missing.

Gives what ``network`` gives on whole recordings, whatever pieces the sound comes in, but for rounding.
"""

from __future__ import annotations

import numpy as np

from .attention import Follower
from .layout import HALVING, TAPS
from .phones import SIL
from .weights import SpeechWeights

_ROOM, _FOLLOWED = 32, 8  # frames that a past is kept beside, and that a text is followed at once
LONGEST = 256  # frames of 20 ms at once: whole recordings go through in pieces of this


class _Taps:
    """A causal convolution ``[..., out, count * in]`` as one product per call; remembers the past it looks at."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, dilation: int, count: int) -> None:
        self._weight, self._bias = np.ascontiguousarray(weight.swapaxes(-1, -2)), bias
        self._reach = (count - 1) * dilation
        self._steps = [i * dilation for i in range(count)]
        # The past lies before ``at``; new frames are written behind it, so that it seldom has to be moved.
        self._line = np.zeros((self._reach + _ROOM, weight.shape[-1] // count), np.float32)
        self._at = self._reach

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rows, line, at = len(x), self._line, self._at
        if at + rows > len(line):
            past = line[at - self._reach : at].copy()
            if self._reach + rows > len(line):
                line = self._line = np.empty((self._reach + rows, line.shape[1]), np.float32)
            at = self._reach
            line[:at] = past
        line[at : at + rows] = x
        self._at = at + rows
        first = at - self._reach
        seen = np.concatenate([line[first + i : first + i + rows] for i in self._steps], 1)
        out = np.matmul(seen, self._weight)
        out += self._bias
        return out


class _Block:
    """A gated convolution. With sigmoid(z) = (1 + tanh(z / 2)) / 2 the gate is tanh(v / 2) (1 + tanh(o / 2)) / 4: the
    halves and the quarter are in the weights. Values and openings are made apart, which keeps both in one piece."""

    def __init__(self, tensors: dict[str, np.ndarray], name: str, dilation: int) -> None:
        self._bias = tensors[name + ".out.bias"]
        width = len(self._bias)
        taps, bias = tensors[name + ".taps.weight"] / 2, tensors[name + ".taps.bias"] / 2
        self._taps = _Taps(taps.reshape(2, width, -1), bias.reshape(2, 1, width), dilation, TAPS)
        self._out = np.ascontiguousarray(tensors[name + ".out.weight"].T / 4)

    def __call__(self, x: np.ndarray, film: np.ndarray | None = None) -> np.ndarray:
        gate = self._taps(x)
        if film is not None:
            gate *= film[0]
            gate += film[1]
        np.tanh(gate, gate)
        value, opening = gate
        opening *= value
        opening += value
        out = np.dot(opening, self._out)
        out += self._bias
        out += x
        return out


def _sigmoid(x: np.ndarray) -> np.ndarray:
    x = np.tanh(x * np.float32(0.5))  # cannot overflow
    x += 1.0
    x *= 0.5
    return x


def log_probabilities(scores: np.ndarray) -> np.ndarray:
    """Of scores of phones ``[..., phones]``."""
    scores = scores - scores.max(-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def _near(tokens: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Embeddings of each phone of a text, the next and the last one: ``[K, 3 * token_width]``."""
    here, edge = table[tokens], table[SIL : SIL + 1]
    return np.concatenate([here, np.concatenate([here[1:], edge]), np.concatenate([edge, here[:-1]])], 1)


class NumpyNetwork:
    """A stream through the network.

    Args:
        weights: Trained weights.
        tokens: Phones of the text that will be said, integers ``[K]`` without silences; None or empty without text.
    """

    def __init__(self, weights: SpeechWeights, tokens: np.ndarray | None = None) -> None:
        config, tensors = weights.config, dict(weights.tensors)
        self.config = config

        def linear(name: str) -> tuple[np.ndarray, np.ndarray]:
            return np.ascontiguousarray(tensors[name + ".weight"].T), tensors[name + ".bias"]

        self._stem = _Taps(tensors["stem.weight"], tensors["stem.bias"], 1, TAPS)
        self._halve = _Taps(tensors["halve.weight"], tensors["halve.bias"], 1, HALVING)
        self._trunk = [_Block(tensors, f"trunk.{i}", d) for i, d in enumerate(config.dilations)]
        self._decoder = [_Block(tensors, f"decoder.{i}", d) for i, d in enumerate(config.decoder_dilations)]
        self._phones, self._condition, self._heads = (
            linear("phone_head"),
            linear("condition"),
            linear("heads"),
        )
        self._film = self._film_weights(*linear("film"))
        join, bias = linear("join")
        self._join, self._join_text, self._join_bias = join[: config.width], join[config.width :], bias
        self._no_text = tensors["no_text"] @ self._join_text + bias
        self._last_condition: tuple[bytes, np.ndarray] | None = None
        given = tokens is not None and len(tokens) > 0
        self._follower = Follower(tokens, config.sharpness) if given else None
        self._near = _near(np.asarray(tokens, np.int64), tensors["token.weight"]) if given else None

    def _film_weights(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """FiLM with its ``1 +`` in the bias, and its shift halved as the blocks' weights are."""
        shape = (len(self.config.decoder_dilations), 2, 2 * self.config.decoder_width)
        weight, bias = weight.reshape(-1, *shape).copy(), bias.reshape(shape).copy()
        bias[:, 0] += 1.0
        weight[:, :, 1] *= 0.5
        bias[:, 1] *= 0.5
        return weight.reshape(len(weight), -1), bias.reshape(-1)

    def step(self, features: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next frames.

        Args:
            features: float32 ``[2n, bands]``.
            condition: float32 ``[n, 12]``, or ``[1, 12]`` for all; row t is that of frame t - phone_delay.

        Returns:
            Channels float32 ``[n, lookaheads, channels]`` in 0..1, and scores of phones ``[n, phones]``, which
            ``log_probabilities`` makes comparable.
        """
        rows = len(features) // 2
        if rows <= LONGEST:
            return self._step(features, condition)
        parts = []
        for start in range(0, rows, LONGEST):
            part = slice(start, min(rows, start + LONGEST))
            some = condition if len(condition) == 1 else condition[part]
            parts.append(self._step(features[2 * part.start : 2 * part.stop], some))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _step(self, features: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        config = self.config
        x = self._stem(features)
        x *= _sigmoid(x)
        x = self._halve(x.reshape(len(x) // 2, 2 * config.width))
        x *= _sigmoid(x)
        for block in self._trunk:
            x = block(x)
        scores = x @ self._phones[0]
        scores += self._phones[1]
        x = x @ self._join
        x += self._context(scores)
        film = self._film_of(condition)
        for i, block in enumerate(self._decoder):
            x = block(x, film[i])
        out = _sigmoid(x @ self._heads[0] + self._heads[1])
        return out.reshape(len(x), len(config.lookaheads), config.channels), scores

    def _film_of(self, condition: np.ndarray) -> np.ndarray:
        """``[blocks, 2, 2, n or 1, decoder_width]``; made anew only if the condition changes."""
        condition = np.ascontiguousarray(condition, np.float32)
        key = condition.tobytes()
        if self._last_condition is None or self._last_condition[0] != key:
            hidden = np.tanh(condition @ self._condition[0] + self._condition[1])
            film = hidden @ self._film[0] + self._film[1]
            film = film.reshape(len(condition), len(self._decoder), 2, 2, self.config.decoder_width)
            self._last_condition = key, np.ascontiguousarray(film.transpose(1, 2, 3, 0, 4))
        return self._last_condition[1]

    def _context(self, scores: np.ndarray) -> np.ndarray:
        if self._follower is None:
            return self._no_text
        likely = np.exp(scores - scores.max(-1, keepdims=True))
        likely /= likely.sum(-1, keepdims=True)
        parts = []
        for start in range(0, len(likely), _FOLLOWED):
            attention, agreement, where = self._follower.follow(likely[start : start + _FOLLOWED])
            parts.append(np.concatenate([attention @ self._near[where], agreement[:, None]], 1))
        text = (parts[0] if len(parts) == 1 else np.concatenate(parts)) @ self._join_text
        text += self._join_bias
        return text
