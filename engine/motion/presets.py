"""Expressions by name, as poses and as motions that rise, hold and let go."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from .beats import BEATS
from .curves import check_curve, pulse
from .face_motion import INDEX, FaceMotion, frame_count
from .idle import idle_layer
from .names import CHANNELS, channel_pose, find_name

# Channel values at intensity 1; pairs are (left, right): a slight difference between the sides is human.
# Head angles in degrees. No preset parts the lips unless the emotion needs it: invented teeth look like a grimace.
EXPRESSIONS: dict[str, dict[str, float | tuple[float, float]]] = {
    "neutral": {},
    "happy": {
        "mouthSmile": (0.78, 0.72), "cheekSquint": (0.6, 0.56), "eyeSquint": (0.26, 0.24),
        "mouthDimple": (0.22, 0.18), "browOuterUp": (0.1, 0.08), "browInnerUp": 0.06,
        "pitch": -2.0, "roll": 3.0,
    },
    "sad": {
        "browInnerUp": 0.85, "browDown": (0.16, 0.13), "mouthFrown": (0.9, 0.94), "mouthShrugLower": 0.35,
        "mouthPress": (0.15, 0.14), "eyeSquint": (0.15, 0.15), "eyeLookDown": (0.35, 0.35), "eyeBlink": (0.18, 0.18),
        "pitch": 6.0, "roll": -3.0,
    },
    "angry": {
        "browDown": (1.0, 0.95), "eyeSquint": (0.35, 0.34), "eyeWide": (0.24, 0.24), "noseSneer": (0.52, 0.58),
        "mouthPress": (0.5, 0.48), "mouthFrown": (0.54, 0.6), "mouthRollLower": 0.15, "mouthShrugLower": 0.25,
        "jawForward": 0.3, "pitch": 5.0,
    },
    "surprised": {
        "browInnerUp": 0.9, "browOuterUp": (0.92, 0.88), "eyeWide": (0.85, 0.85), "jawOpen": 0.45,
        "mouthFunnel": 0.3, "pitch": -4.0,
    },
    "fearful": {
        "browInnerUp": 1.0, "browOuterUp": (0.36, 0.33), "browDown": (0.33, 0.36), "eyeWide": (0.85, 0.85),
        "mouthStretch": (0.62, 0.68), "mouthLowerDown": (0.25, 0.24), "mouthFrown": (0.3, 0.34), "jawOpen": 0.16,
        "pitch": -3.0, "yaw": 4.0,
    },
    "disgusted": {
        "noseSneer": (1.0, 0.92), "mouthUpperUp": (0.34, 0.24), "browDown": (0.56, 0.52), "cheekSquint": (0.5, 0.46),
        "eyeSquint": (0.5, 0.47), "mouthFrown": (0.62, 0.56), "mouthShrugLower": 0.42, "mouthPress": (0.1, 0.12),
        "pitch": -3.0, "yaw": -5.0, "roll": 3.0,
    },
    # One corner of the mouth: FACS 14 and 12 on one side (Ekman and Friesen 1986, doi 10.1007/BF00992253).
    "contemptuous": {
        "mouthDimple": (0.12, 0.68), "mouthSmile": (0.02, 0.34), "mouthPress": (0.08, 0.16), "mouthRight": 0.12,
        "cheekSquint": (0.0, 0.18), "eyeSquint": (0.16, 0.26), "eyeBlink": (0.1, 0.1), "browOuterUp": (0.22, 0.0),
        "noseSneer": (0.0, 0.08), "pitch": -3.0, "yaw": 3.0, "roll": 2.5,
    },
    "smile": {
        "mouthSmile": (0.46, 0.42), "cheekSquint": (0.24, 0.22), "mouthDimple": (0.14, 0.11),
        "eyeSquint": (0.1, 0.09), "roll": 1.0,
    },
    "frown": {
        "mouthFrown": (0.84, 0.88), "browDown": (0.58, 0.54), "mouthShrugLower": 0.28, "mouthPress": (0.12, 0.12),
        "pitch": 2.0,
    },
    "doubtful": {
        "browOuterUp": (0.75, 0.0), "browInnerUp": 0.15, "browDown": (0.0, 0.5), "eyeSquint": (0.05, 0.3),
        "mouthPress": (0.25, 0.3), "mouthLeft": 0.22, "mouthFrown": (0.1, 0.22), "roll": -4.0, "yaw": 3.0,
    },
    "thoughtful": {
        "eyeLookUpLeft": 0.35, "eyeLookUpRight": 0.35, "eyeLookOutLeft": 0.3, "eyeLookInRight": 0.3,
        "browInnerUp": 0.25, "browDown": (0.2, 0.24), "mouthPress": (0.3, 0.34), "mouthRollLower": 0.2,
        "mouthRight": 0.12, "pitch": -3.0, "roll": 4.0,
    },
    "sleepy": {
        "eyeBlink": (0.55, 0.58), "browInnerUp": 0.2, "browOuterUp": (0.12, 0.1), "eyeLookDown": (0.2, 0.2),
        "jawOpen": 0.05, "pitch": 5.0, "roll": 3.0,
    },
}  # fmt: skip

EMOTIONS = ("happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous", "neutral")
PRESETS: tuple[str, ...] = (*EMOTIONS, *(n for n in EXPRESSIONS if n not in EMOTIONS), *BEATS)

ALIASES = {
    "happiness": "happy", "joy": "happy", "sadness": "sad", "anger": "angry", "mad": "angry",
    "surprise": "surprised", "fear": "fearful", "afraid": "fearful", "scared": "fearful", "disgust": "disgusted",
    "contempt": "contemptuous", "scornful": "contemptuous", "calm": "neutral", "rest": "neutral",
    "wink_left": "wink", "pout": "kiss", "sceptical": "doubtful",
    "skeptical": "doubtful", "tired": "sleepy", "headshake": "shake", "blinking": "blink", "nodding": "nod",
}  # fmt: skip

ATTACK = RELEASE = 0.35


def resolve_name(name: str, *, channels: bool = False) -> str:
    """The preset that ``name`` means; case, blanks, ``_`` and ``-`` do not matter.

    Args:
        name: What the user wrote.
        channels: Also accept blendshapes, paired blendshapes without their side, and head channels.

    Raises:
        TroupeError: listing near matches if there is no such name.
    """
    known = (*PRESETS, *CHANNELS) if channels else PRESETS
    return find_name(name, known, "preset or channel" if channels else "preset", ALIASES)


def check_intensity(intensity: float, name: str) -> float:
    """``intensity`` if it lies in 0..1.

    Raises:
        TroupeError: if it does not.
    """
    if not 0 <= intensity <= 1:
        raise TroupeError(
            f"The intensity {intensity} of '{name}' is out of range",
            "it must lie in 0 to 1",
            "Use 1 for full",
        )
    return float(intensity)


def preset_pose(name: str, intensity: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """One expression, or a beat at its peak.

    Args:
        name: One of ``PRESETS``.
        intensity: 0 (rest) to 1, linear.

    Returns:
        float32 ``[52]`` blendshapes in 0..1 and ``[6]`` head (degrees, eye distances).

    Raises:
        TroupeError: on an unknown name or an intensity out of range.
    """
    name = resolve_name(name)
    check_intensity(intensity, name)
    shapes, head = BEATS[name].peak if name in BEATS else channel_pose(EXPRESSIONS[name])
    return shapes * np.float32(intensity), head * np.float32(intensity)


def overlay(
    shapes: np.ndarray, head: np.ndarray, over_shapes: np.ndarray, over_head: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two layers on one face: blendshapes ``1 - (1 - a)(1 - b)``, so that they saturate at 1; head added.

    A lid that shuts is not wide: each layer's blink takes away from the other's eyeWide. Which layer is which does
    not matter, a layer of zeros changes nothing, and (eyeWide under blinks aside) neither does grouping.

    Args:
        shapes, over_shapes: float ``[T, 52]`` in 0..1.
        head, over_head: float ``[T, 6]``.
    """
    under, over = shapes.copy(), over_shapes.copy()
    for side in ("Left", "Right"):
        blink, wide = INDEX["eyeBlink" + side], INDEX["eyeWide" + side]
        under[:, wide] *= 1 - over_shapes[:, blink]
        over[:, wide] *= 1 - shapes[:, blink]
    return under + over - under * over, head + over_head


def preset_motion(
    name: str,
    intensity: float = 1.0,
    *,
    seconds: float,
    fps: float,
    curve: str = "ease_in_out",
    attack: float = ATTACK,
    release: float = RELEASE,
    idle: bool | float = True,
    seed: int = 0,
) -> FaceMotion:
    """An expression that rises from rest, holds and lets go; or a beat played over ``seconds``.

    A beat keeps its natural course: blink, wink and kiss hold at their peak to fill the time, nod, shake and
    laugh repeat, yawn is stretched (at most to twice its length; then the face rests).

    Args:
        name: One of ``PRESETS``.
        intensity: 0..1.
        seconds: Length of the motion.
        fps: Frames per second.
        curve: How the expression rises, one of ``CURVES``; it always lets go smoothly.
        attack, release: Seconds of rise and fall; both shrink if ``seconds`` is short.
        idle: Blinks, gaze and breathing underneath: an amount from 0 to 2, ``True`` is 1.
        seed: Of the idle layer.

    Raises:
        TroupeError: on an unknown name or curve, or a value out of range.
    """
    name = resolve_name(name)
    check_intensity(intensity, name)
    check_curve(curve)
    for value, what in ((attack, "attack"), (release, "release")):
        if not 0 <= value <= 60:
            raise TroupeError(
                f"The {what} of {value} seconds is out of range", "it must lie in 0 to 60", f"Use {ATTACK}"
            )
    frames = frame_count(seconds, fps)
    times = np.arange(frames) / fps
    if name in BEATS:
        shapes, head = (intensity * v for v in sample_beat(name, times, seconds))
    else:
        envelope = pulse(times, 0.0, seconds, attack, release, curve).astype(np.float32)[:, None]
        shapes, head = (envelope * v for v in preset_pose(name, intensity))
    shapes, head = overlay(shapes, head, *idle_layer(times, idle, seed))
    return FaceMotion(shapes, head, fps)


def sample_beat(name: str, times: np.ndarray, seconds: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A beat at ``times`` from its begin, filling ``seconds``: blendshapes ``[T, 52]`` and head ``[T, 6]``."""
    beat = BEATS[name]
    if seconds is not None and beat.span == "stretch":
        seconds = min(seconds, 2 * beat.seconds)
    return beat.sample(times, seconds)
