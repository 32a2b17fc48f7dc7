"""``SpeechEmbeds``: sound as a speech encoder hears it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SpeechEmbeds:
    """Hidden states of a speech encoder over one recording.

    Attributes:
        hidden: float32 ``[layers, N, D]``, at least one layer; the last is the encoder's output.
        seconds: Length of the sound that went in (tokens cover it evenly).
        encoder: Which network made them, such as ``wav2vec2-base``; renderers check it.
        notes: What a user should know, one sentence each.
        fps: Set where each row belongs to a video frame of this rate (Hallo); None where rows are the encoder's own.
    """

    hidden: np.ndarray
    seconds: float
    encoder: str
    notes: tuple[str, ...] = ()
    fps: float | None = None

    def __post_init__(self):
        if self.hidden.ndim != 3 or min(self.hidden.shape) == 0:
            raise ValueError(f"hidden must be [layers, N, D] and not empty, got {list(self.hidden.shape)}")
        if not np.isfinite(self.hidden).all():
            raise ValueError("hidden states hold NaN or infinite values")
        if not (np.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds must be positive, got {self.seconds}")

    @property
    def last(self) -> np.ndarray:
        """float32 ``[N, D]``, the encoder's output."""
        return self.hidden[-1]

    @property
    def width(self) -> int:
        """D, 768 for wav2vec2 base."""
        return self.hidden.shape[2]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.seconds
