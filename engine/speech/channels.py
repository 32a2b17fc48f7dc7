"""The channels that speech drives: jaw, lips, cheeks and tongue, the same on both sides of the face.

The network hears ``CHANNELS`` in 0..1 at ``CHANNEL_FPS``; ``spread`` makes blendshapes of them, ``gather`` goes back.
How far the mouth is open is ``aperture``: ARKit's mouthClose shuts the lips over an open jaw.
"""

from __future__ import annotations

import numpy as np

from ..motion.face_motion import BLENDSHAPES
from ..motion.face_motion import INDEX as SHAPE

CHANNELS: tuple[str, ...] = (
    "jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthFrown", "mouthStretch",
    "mouthDimple", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPress",
    "mouthLowerDown", "mouthUpperUp", "cheekPuff", "tongueOut",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(CHANNELS)}
JAW_OPEN, MOUTH_CLOSE = INDEX["jawOpen"], INDEX["mouthClose"]
CHANNEL_FPS = 50.0

# Every jaw and mouth shape of ARKit: what lip metrics look at.
MOUTH_SHAPES: tuple[str, ...] = tuple(n for n in BLENDSHAPES if n.startswith(("jaw", "mouth")))

# Blendshape columns of each channel: one, or left and right.
_COLUMNS = tuple(
    (SHAPE[name],) if name in SHAPE else (SHAPE[name + "Left"], SHAPE[name + "Right"]) for name in CHANNELS
)
_TARGETS = np.array([column for columns in _COLUMNS for column in columns])
_SOURCES = np.array([i for i, columns in enumerate(_COLUMNS) for _ in columns])


def _check(values: np.ndarray, width: int, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{name} must be [T, {width}], got {list(values.shape)}")
    return values


def spread(channels: np.ndarray) -> np.ndarray:
    """Blendshapes of channels, left as right; shapes that speech does not drive are 0.

    Args:
        channels: float ``[T, 18]`` in the order of ``CHANNELS``.

    Returns:
        float32 ``[T, 52]`` in the order of ``BLENDSHAPES``.
    """
    channels = _check(channels, len(CHANNELS), "channels")
    shapes = np.zeros((len(channels), len(BLENDSHAPES)), np.float32)
    shapes[:, _TARGETS] = channels[:, _SOURCES]
    return shapes


def gather(blendshapes: np.ndarray) -> np.ndarray:
    """Channels of blendshapes: the mean of left and right; the inverse of ``spread`` on what it makes.

    Args:
        blendshapes: float ``[T, 52]``.

    Returns:
        float32 ``[T, 18]``.
    """
    blendshapes = _check(blendshapes, len(BLENDSHAPES), "blendshapes")
    return np.stack([blendshapes[:, columns].mean(1) for columns in _COLUMNS], 1).astype(np.float32)


def aperture(values: np.ndarray) -> np.ndarray:
    """How far the lips are parted: jawOpen less mouthClose, of channels ``[T, 18]`` or blendshapes ``[T, 52]``.

    Returns:
        float ``[T]``, about 0 (shut) to 1; a little below 0 where lips are pressed.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == len(CHANNELS):
        return values[:, JAW_OPEN] - values[:, MOUTH_CLOSE]
    values = _check(values, len(BLENDSHAPES), "values")
    return values[:, SHAPE["jawOpen"]] - values[:, SHAPE["mouthClose"]]


# In voices it never heard the network leaves lips ajar that should touch: openings under NARROW are made smaller, by AJAR
# where there is next to none. Set on the recorded voices held out from training (slt, ph), where a third of the closures
# were missed without it and a quarter are with it; the squared error stays as it is.
AJAR, NARROW = 0.03, 0.2


def shut(channels: np.ndarray) -> np.ndarray:
    """Channels ``[..., 18]`` as the network makes them, with lips that are nearly shut a little further shut."""
    channels = channels.copy()
    opening = channels[..., JAW_OPEN] - channels[..., MOUTH_CLOSE]
    less = np.minimum(np.float32(AJAR) - np.float32(AJAR / NARROW) * opening, opening)
    channels[..., JAW_OPEN] -= np.maximum(less, 0)
    return channels
