"""``ExpressionEmbeds``: a face over time as the PD-FGC encoder sees it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import TroupeError

# Order and width of the parts in a feature vector (FantasyPortrait's).
PARTS = {"head": 6, "eyes": 6, "emotion": 30, "mouth": 512}
FEATURES = sum(PARTS.values())


@dataclass(frozen=True, eq=False)
class ExpressionEmbeds:
    """One person's expression over a clip.

    Attributes:
        features: float32 ``[T, 554]``: head pose 6, eyes 6, emotion 30, mouth 512 (see ``PARTS``).
        fps: Frames per second.
        boxes: float32 ``[T, 4]``, the driving face ``(x0, y0, x1, y1)`` in pixels of its clip: how far the head
            travels decides how much of the picture belongs to the driven face.
        scales: What the adapter's tokens of each part are multiplied by; head, eyes, emotion, mouth.
        notes: What a user should know (frames filled in), one sentence each.
    """

    features: np.ndarray
    fps: float
    boxes: np.ndarray
    scales: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self):
        count = len(self.features)
        if self.features.ndim != 2 or self.features.shape[1] != FEATURES or count == 0:
            raise ValueError(
                f"features must be [T, {FEATURES}], T at least 1, got {list(self.features.shape)}"
            )
        if self.boxes.shape != (count, 4):
            raise ValueError(f"boxes must be [{count}, 4], got {list(self.boxes.shape)}")
        if not np.isfinite(self.features).all():
            raise ValueError("features hold NaN or infinite values")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps must be positive, got {self.fps}")
        if len(self.scales) != len(PARTS) or not all(0 <= s <= 10 for s in self.scales):
            raise TroupeError(
                f"The part scales {tuple(self.scales)} are out of range",
                "head, eyes, emotion and mouth each take 0 to 10",
                "Use 1 for a part as it is",
            )

    def __len__(self) -> int:
        return len(self.features)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.features) / self.fps

    def resample(self, fps: float, frames: int) -> ExpressionEmbeds:
        """``frames`` frames at ``fps``, by time: linear between neighbours, the last frame held."""
        at = np.minimum(np.arange(frames) * (self.fps / fps), len(self) - 1)
        low = np.floor(at + 1e-6).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        mix = np.clip(at - low, 0, 1).astype(np.float32)[:, None]

        def between(a: np.ndarray) -> np.ndarray:
            return (a[low] * (1 - mix) + a[high] * mix).astype(np.float32)

        return replace(self, features=between(self.features), boxes=between(self.boxes), fps=float(fps))

    def scaled(
        self, head: float = 1, eyes: float = 1, emotion: float = 1, mouth: float = 1
    ) -> ExpressionEmbeds:
        """With the parts' scales multiplied by these."""
        return replace(self, scales=tuple(a * b for a, b in zip(self.scales, (head, eyes, emotion, mouth))))
