"""What the speech network is told besides the sound: emotion and persona, as one vector, and what it must do with them.

``condition [..., 12]`` is the emotion mix times its intensity (8, in the order of ``EMOTIONS``; calm is zero) and the
persona (4: articulation - 1, range - 1, smile, 0). ``conditioned`` is the rule that the network learned to follow.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..motion.presets import preset_pose
from .channels import INDEX, JAW_OPEN, MOUTH_CLOSE, gather

EMOTIONS: tuple[str, ...] = (
    "neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous",
)  # fmt: skip
PERSONA: tuple[str, ...] = ("articulation", "range", "smile", "reserved")
CONDITION = len(EMOTIONS) + len(PERSONA)

# Lips that close do so whoever speaks: articulation leaves these as they are.
_CLOSING = [INDEX[name] for name in ("mouthPress", "mouthRollLower", "mouthRollUpper")]
_PRESS = INDEX["mouthPress"]
YIELD = 0.6  # how much of an emotion gives way where the lips must close


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    def pose(name: str) -> np.ndarray:
        row = gather(preset_pose(name)[0][None])[0]
        row[[JAW_OPEN, MOUTH_CLOSE]] = 0.0  # speech alone says how far the mouth is open
        return row

    # Contempt shows on one corner of the mouth (FACS 14 and 12, Ekman & Friesen 1978). The network moves both sides
    # alike, so it learned the mean of the two; the difference is added to what it makes (``animate``).
    return np.stack([pose(name) for name in EMOTIONS]).astype(np.float32), pose("smile").astype(np.float32)


def emotion_table() -> np.ndarray:
    """float32 ``[8, 18]``: what every emotion adds to the channels at intensity 1; never to the opening."""
    return _tables()[0].copy()


def smile_pose() -> np.ndarray:
    """float32 ``[18]``: what a persona's smile of 1 adds."""
    return _tables()[1].copy()


def closure(speech: np.ndarray) -> np.ndarray:
    """How much the lips must be closed in frames of plain speech ``[..., 18]``: float32 ``[...]`` in 0..1."""
    opening = speech[..., JAW_OPEN] - speech[..., MOUTH_CLOSE]
    shut = np.minimum(np.maximum(1.0 - opening / 0.1, 0), 1)
    return (np.minimum(speech[..., _PRESS] / 0.25, 1) * shut).astype(np.float32)


def conditioned(speech: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Plain speech under emotion and persona.

    ``articulation * speech`` (but for what closes the lips), plus ``range * emotion + smile``, of which
    ``YIELD`` gives way where lips close; in 0..1.

    Args:
        speech: float ``[..., 18]`` channels of calm speech.
        condition: float ``[..., 12]``.

    Returns:
        float32 ``[..., 18]``.
    """
    table, smile = _tables()
    emotion, persona = condition[..., : len(EMOTIONS)], condition[..., len(EMOTIONS) :]
    gained = speech * (1.0 + persona[..., :1])
    gained[..., _CLOSING] = speech[..., _CLOSING]
    added = (emotion @ table) * (1.0 + persona[..., 1:2]) + persona[..., 2:3] * smile
    given_way = 1.0 - YIELD * closure(speech)[..., None]
    return np.clip(gained + added * given_way, 0.0, 1.0).astype(np.float32)
