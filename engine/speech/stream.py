"""Sound in pieces of any length to rows of channels with their times: features, gain control and network in one.

Whole recordings go the same way, so that live and offline give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .channels import CHANNEL_FPS, CHANNELS, shut
from .conditions import CONDITION
from .features import RATE, GainControl, MelStream, Resampler
from .network_numpy import NumpyNetwork, log_probabilities
from .phones import PHONES
from .weights import SpeechWeights, load_weights

STEP = int(RATE / CHANNEL_FPS)

# Condition rows [n, 12] at these times [n] in seconds.
Conditions = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Setting:
    """How long the network waits before it shows a frame.

    Attributes:
        lookahead: Frames of 20 ms.
        chunk: Seconds of sound that a live source should hand over at once.
    """

    lookahead: int
    chunk: float


SETTINGS = {"default": Setting(2, 0.040), "quality": Setting(3, 0.020)}


@dataclass(frozen=True, eq=False)
class SpeechRows:
    """What the network makes of some sound, at 50 frames a second.

    Attributes:
        times: float64 ``[n]``: moment of the sound that each row shows, seconds since its beginning.
        channels: float32 ``[n, 18]`` in 0..1.
        scores: float32 ``[n, phones]``: how much what is said at that moment sounds like each phone.
    """

    times: np.ndarray
    channels: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def phones(self) -> np.ndarray:
        """float32 ``[n, phones]``: log-probabilities of what is said."""
        return log_probabilities(self.scores)


class SpeechStream:
    """One stream of sound through the network.

    A row for time ``t`` comes out with the piece of sound that ends at or after ``t + (lookahead + 1) / 50`` seconds.

    Args:
        rate: Of the sound, 4000 to 192000.
        setting: One of ``SETTINGS``.
        condition: Emotion and persona by time; plain if None. Asked once for every row, in order.
        tokens: Phones ``[K]`` of the text that will be said, without silences.
        weights: The pack's own if None.
    """

    def __init__(
        self,
        rate: int = RATE,
        setting: str = "default",
        condition: Conditions | None = None,
        tokens: np.ndarray | None = None,
        weights: SpeechWeights | None = None,
    ) -> None:
        weights = weights or load_weights()
        self.setting = SETTINGS[setting]
        self._head = weights.config.lookaheads.index(self.setting.lookahead)
        self._delay = weights.config.phone_delay
        self._resampler, self._mel, self._gain = Resampler(rate), MelStream(), GainControl()
        self._network = NumpyNetwork(weights, tokens)
        self._condition = condition
        self._plain = np.zeros((1, CONDITION), np.float32)
        self._waiting = np.zeros((0, weights.config.bands), np.float32)  # half a pair of frames
        # Phones are named earlier than channels are shown.
        self._named = np.zeros((0, len(PHONES)), np.float32)
        self._rows = 0  # that the network has made
        self._heard = 0  # samples at 16 kHz

    def push(self, samples: np.ndarray) -> SpeechRows:
        """Rows that are ready with these samples.

        Args:
            samples: Finite ``[S]``, full scale 1; any length.
        """
        return self._hear(self._resampler.push(samples))

    def flush(self) -> SpeechRows:
        """The last rows, when the sound has ended: one for every moment ``m / 50`` within it. The stream is over."""
        last = self._hear(self._resampler.flush())
        frames = -(-self._heard // STEP)
        silence = (frames + self.setting.lookahead) * STEP - self._heard
        rest = self._hear(np.zeros(silence, np.float32))
        return SpeechRows(*(np.concatenate(pair) for pair in zip(_parts(last), _parts(rest))))

    def _hear(self, sound: np.ndarray) -> SpeechRows:
        self._heard += len(sound)
        features = np.concatenate([self._waiting, self._gain.push(self._mel.push(sound))])
        whole = len(features) // 2
        self._waiting = features[2 * whole :]
        if not whole:
            return SpeechRows(
                np.zeros(0), np.zeros((0, len(CHANNELS)), np.float32), np.zeros((0, len(PHONES)), np.float32)
            )
        first, self._rows = self._rows, self._rows + whole
        condition = self._plain
        if self._condition is not None:
            times = np.maximum(np.arange(first, self._rows) - self._delay, 0) / CHANNEL_FPS
            condition = self._condition(times)
        channels, scores = self._network.step(features[: 2 * whole], condition)
        # The first rows show what was before the sound.
        channels = shut(channels[max(0, self.setting.lookahead - first) :, self._head])
        scores = np.concatenate([self._named, scores[max(0, self._delay - first) :]])
        count = len(channels)
        self._named = scores[count:]
        times = (np.arange(self._rows - count, self._rows) - self.setting.lookahead) / CHANNEL_FPS
        return SpeechRows(times, channels, scores[:count])


def _parts(rows: SpeechRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows.times, rows.channels, rows.scores


def hear(
    samples: np.ndarray,
    rate: int = RATE,
    setting: str = "quality",
    condition: Conditions | None = None,
    tokens: np.ndarray | None = None,
    weights: SpeechWeights | None = None,
) -> SpeechRows:
    """A whole recording ``[S]``: one row for every moment ``m / 50`` seconds within it. See ``SpeechStream``."""
    stream = SpeechStream(rate, setting, condition, tokens, weights)
    rows = stream.push(samples), stream.flush()
    return SpeechRows(*(np.concatenate(pair) for pair in zip(*map(_parts, rows))))
