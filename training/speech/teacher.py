"""The teacher: a face by rule, from phones and their times to 18 channels at 50 Hz.

Nothing here was measured on faces. The table below was written for this project after what phonetics says about each
sound (place and manner of articulation, lip rounding, height of the tongue and so of the jaw; any textbook, for
instance Ladefoged and Johnson, "A Course in Phonetics") and what Apple says its blendshapes do (ARKit,
``ARFaceAnchor.BlendShapeLocation``). Sounds are blended by dominance, after Cohen and Massaro, "Modeling coarticulation
in synthetic visual speech" (1993): each sound pulls each group of channels with a weight that rises before and falls
after it, at rates of its own for each group: rounding begins about 100 ms early, the jaw is slow, lips are quick.

What must be exact is not blended: lips that touch (p, b, m), the lower lip on the teeth (f, v), and rest in pauses are
laid over the blend with a course of their own, so that a closure is shut from its first to its last moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from troupe.engine.speech.channels import CHANNELS, INDEX
from troupe.engine.speech.phones import INDEX as PHONE
from troupe.engine.speech.phones import PHONES, SIL, VOWELS

FPS = 50
_GRID = 100  # frames a second while computing; every second one is given out

# Groups of channels that move together, with seconds of attack (before a sound) and release (after it).
_GROUPS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "jaw": (("jawOpen",), 0.060, 0.075),
    "open": (("mouthLowerDown", "mouthUpperUp"), 0.050, 0.060),
    "round": (("mouthFunnel", "mouthPucker", "jawForward"), 0.095, 0.070),
    "spread": (("mouthSmile", "mouthStretch", "mouthDimple"), 0.070, 0.075),
    "lips": (
        ("mouthClose", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPress",
         "cheekPuff", "mouthFrown"), 0.045, 0.045),
    "tongue": (("tongueOut",), 0.045, 0.040),
}  # fmt: skip
_SHORT = {
    "jaw": "jawOpen", "fwd": "jawForward", "close": "mouthClose", "fun": "mouthFunnel", "puck": "mouthPucker",
    "smile": "mouthSmile", "stretch": "mouthStretch", "dimple": "mouthDimple", "rollL": "mouthRollLower",
    "rollU": "mouthRollUpper", "shrugL": "mouthShrugLower", "shrugU": "mouthShrugUpper", "press": "mouthPress",
    "down": "mouthLowerDown", "up": "mouthUpperUp", "puff": "cheekPuff", "tongue": "tongueOut",
}  # fmt: skip

# Sound: (targets, weight of each group where it is not 1). "close" is the share of the jaw's opening that the lips
# take back, so that rounded lips are less open than their jaw.
_VISEMES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    # Lips touch; what else the mouth does comes through from the neighbours. The jaw need not shut.
    "p": ({"jaw": 0.07}, {"jaw": 1.6, "open": 0.5, "round": 0.15, "spread": 0.2, "lips": 0.5, "tongue": 0.5}),
    "b": ({"jaw": 0.07}, {"jaw": 1.6, "open": 0.5, "round": 0.15, "spread": 0.2, "lips": 0.5, "tongue": 0.5}),
    "m": ({"jaw": 0.08}, {"jaw": 1.4, "open": 0.5, "round": 0.15, "spread": 0.2, "lips": 0.5, "tongue": 0.5}),
    "bv": ({"jaw": 0.09, "close": 0.7, "press": 0.03}, {"lips": 3.0, "round": 0.3, "spread": 0.3}),
    "f": ({"jaw": 0.08, "up": 0.12}, {"jaw": 3.0, "open": 3.0, "round": 0.3, "spread": 0.3}),
    "v": ({"jaw": 0.09, "up": 0.11}, {"jaw": 2.6, "open": 2.6, "round": 0.3, "spread": 0.3}),
    "w": ({"jaw": 0.11, "close": 0.45, "fun": 0.24, "puck": 0.66, "fwd": 0.04}, {"jaw": 2.0, "round": 5.0, "lips": 3.0, "spread": 2.0}),
    # The tongue does the work behind open lips.
    "t": ({"jaw": 0.09, "down": 0.14, "up": 0.06, "stretch": 0.08}, {"jaw": 1.5, "open": 0.6, "round": 0.2, "spread": 0.4, "lips": 0.6}),
    "d": ({"jaw": 0.10, "down": 0.14, "up": 0.06, "stretch": 0.07}, {"jaw": 1.3, "open": 0.6, "round": 0.2, "spread": 0.4, "lips": 0.6}),
    "n": ({"jaw": 0.11, "down": 0.13, "up": 0.06, "stretch": 0.06}, {"jaw": 1.1, "open": 0.5, "round": 0.2, "spread": 0.3, "lips": 0.5}),
    "l": ({"jaw": 0.17, "down": 0.15, "up": 0.07, "tongue": 0.07}, {"jaw": 0.9, "open": 0.5, "round": 0.25, "spread": 0.3, "lips": 0.5, "tongue": 3.0}),
    "rr": ({"jaw": 0.13, "down": 0.12, "up": 0.06}, {"jaw": 0.9, "open": 0.4, "round": 0.2, "spread": 0.2, "lips": 0.5}),
    "th": ({"jaw": 0.12, "down": 0.15, "up": 0.09, "tongue": 0.26}, {"jaw": 2.5, "open": 1.5, "round": 0.4, "spread": 0.4, "tongue": 10.0}),
    "dh": ({"jaw": 0.12, "down": 0.14, "up": 0.08, "tongue": 0.22}, {"jaw": 2.0, "open": 1.2, "round": 0.4, "spread": 0.4, "tongue": 10.0}),
    # Sibilants need the teeth together.
    "s": ({"jaw": 0.045, "down": 0.24, "up": 0.11, "stretch": 0.2, "smile": 0.1, "dimple": 0.05}, {"jaw": 6.0, "open": 2.0, "round": 0.5, "spread": 1.2}),
    "z": ({"jaw": 0.05, "down": 0.23, "up": 0.10, "stretch": 0.18, "smile": 0.09, "dimple": 0.04}, {"jaw": 5.5, "open": 2.0, "round": 0.5, "spread": 1.1}),
    "sh": ({"jaw": 0.055, "down": 0.22, "up": 0.19, "fun": 0.42, "puck": 0.16, "fwd": 0.14}, {"jaw": 6.0, "open": 2.5, "round": 4.0, "spread": 2.0}),
    "zh": ({"jaw": 0.06, "down": 0.21, "up": 0.18, "fun": 0.40, "puck": 0.16, "fwd": 0.13}, {"jaw": 5.5, "open": 2.5, "round": 3.5, "spread": 2.0}),
    "ch": ({"jaw": 0.055, "down": 0.20, "up": 0.18, "fun": 0.42, "puck": 0.16, "fwd": 0.15}, {"jaw": 6.0, "open": 2.5, "round": 4.0, "spread": 2.0}),
    "jh": ({"jaw": 0.06, "down": 0.20, "up": 0.17, "fun": 0.40, "puck": 0.15, "fwd": 0.14}, {"jaw": 5.5, "open": 2.5, "round": 3.5, "spread": 2.0}),
    "r": ({"jaw": 0.13, "close": 0.12, "down": 0.14, "up": 0.10, "fun": 0.28, "puck": 0.22, "fwd": 0.03}, {"jaw": 1.4, "round": 1.8, "spread": 0.8}),
    # Made at the back: lips and jaw are the neighbours'.
    "rh": ({"jaw": 0.19, "down": 0.13, "up": 0.07}, {"jaw": 0.5, "open": 0.2, "round": 0.15, "spread": 0.15, "lips": 0.3}),
    "k": ({"jaw": 0.16, "down": 0.13, "up": 0.07}, {"jaw": 0.6, "open": 0.25, "round": 0.15, "spread": 0.15, "lips": 0.3}),
    "g": ({"jaw": 0.16, "down": 0.13, "up": 0.07}, {"jaw": 0.6, "open": 0.25, "round": 0.15, "spread": 0.15, "lips": 0.3}),
    "ng": ({"jaw": 0.15, "down": 0.11, "up": 0.06}, {"jaw": 0.6, "open": 0.25, "round": 0.15, "spread": 0.15, "lips": 0.3}),
    "x": ({"jaw": 0.14, "down": 0.14, "up": 0.08, "stretch": 0.06}, {"jaw": 0.8, "open": 0.4, "round": 0.15, "spread": 0.2, "lips": 0.3}),
    "h": ({"jaw": 0.18, "down": 0.10, "up": 0.05}, {"jaw": 0.2, "open": 0.1, "round": 0.1, "spread": 0.1, "lips": 0.2, "tongue": 0.3}),
    "q": ({"jaw": 0.14, "down": 0.10, "up": 0.05}, {"jaw": 0.3, "open": 0.1, "round": 0.1, "spread": 0.1, "lips": 0.2, "tongue": 0.3}),
    "j": ({"jaw": 0.11, "down": 0.16, "up": 0.09, "stretch": 0.2, "smile": 0.24, "dimple": 0.08}, {"jaw": 1.6, "open": 0.7, "round": 0.5, "spread": 1.2, "lips": 0.6}),
    # Vowels: the lower the tongue the wider the jaw; front ones spread, rounded ones pucker (close) or funnel (open).
    "i": ({"jaw": 0.13, "down": 0.19, "up": 0.11, "stretch": 0.26, "smile": 0.34, "dimple": 0.13}, {}),
    "ih": ({"jaw": 0.20, "down": 0.18, "up": 0.10, "stretch": 0.19, "smile": 0.20, "dimple": 0.08}, {"jaw": 0.9, "spread": 0.9}),
    "e": ({"jaw": 0.26, "down": 0.22, "up": 0.12, "stretch": 0.23, "smile": 0.25, "dimple": 0.10}, {}),
    "eh": ({"jaw": 0.36, "down": 0.25, "up": 0.14, "stretch": 0.19, "smile": 0.16, "dimple": 0.06}, {}),
    "ae": ({"jaw": 0.47, "down": 0.30, "up": 0.19, "stretch": 0.22, "smile": 0.14, "dimple": 0.06}, {}),
    "a": ({"jaw": 0.55, "down": 0.27, "up": 0.15, "stretch": 0.09, "smile": 0.05, "dimple": 0.02}, {}),
    "aa": ({"jaw": 0.56, "down": 0.24, "up": 0.13, "fun": 0.05}, {}),
    "ah": ({"jaw": 0.38, "down": 0.20, "up": 0.11, "stretch": 0.05, "smile": 0.03}, {"jaw": 0.9}),
    "ax": ({"jaw": 0.22, "down": 0.13, "up": 0.07, "stretch": 0.03}, {"jaw": 0.6, "open": 0.5, "round": 0.5, "spread": 0.5}),
    "er": ({"jaw": 0.21, "close": 0.08, "down": 0.14, "up": 0.10, "fun": 0.22, "puck": 0.12}, {"round": 1.3}),
    "ao": ({"jaw": 0.42, "close": 0.10, "down": 0.16, "up": 0.10, "fun": 0.36, "puck": 0.12}, {"round": 2.0}),
    "o": ({"jaw": 0.28, "close": 0.18, "down": 0.10, "up": 0.08, "fun": 0.40, "puck": 0.32, "fwd": 0.03}, {"round": 2.2}),
    "uh": ({"jaw": 0.19, "close": 0.18, "down": 0.10, "up": 0.07, "fun": 0.27, "puck": 0.30}, {"round": 1.6}),
    "u": ({"jaw": 0.13, "close": 0.30, "down": 0.06, "up": 0.05, "fun": 0.26, "puck": 0.62, "fwd": 0.04}, {"round": 3.0}),
    "y": ({"jaw": 0.12, "close": 0.28, "down": 0.09, "up": 0.08, "fun": 0.24, "puck": 0.56, "fwd": 0.04}, {"round": 3.0}),
    "oe": ({"jaw": 0.25, "close": 0.18, "down": 0.12, "up": 0.10, "fun": 0.38, "puck": 0.32, "fwd": 0.03}, {"round": 2.4}),
    "ix": ({"jaw": 0.15, "down": 0.16, "up": 0.09, "stretch": 0.17, "smile": 0.10, "dimple": 0.03}, {}),
}  # fmt: skip


@dataclass(frozen=True)
class Contact:
    """Lips or teeth that touch: how much of the jaw's opening it takes back, its look, and how it begins and ends."""

    degree: float
    look: dict[str, float]
    attack: float = 0.060
    release: float = 0.046


_CONTACTS = {
    "p": Contact(1.0, {"press": 0.40, "rollL": 0.16, "rollU": 0.14, "shrugL": 0.10, "shrugU": 0.05, "puff": 0.09}),
    "b": Contact(1.0, {"press": 0.34, "rollL": 0.15, "rollU": 0.13, "shrugL": 0.09, "shrugU": 0.05, "puff": 0.06}),
    "m": Contact(1.0, {"press": 0.28, "rollL": 0.17, "rollU": 0.15, "shrugL": 0.08, "shrugU": 0.04}),
    "f": Contact(0.62, {"press": 0.05, "rollL": 0.46, "shrugL": 0.14}, 0.060, 0.052),
    "v": Contact(0.56, {"press": 0.04, "rollL": 0.40, "shrugL": 0.12}, 0.060, 0.052),
}  # fmt: skip

# A mouth at rest: lips together without effort over a jaw that hangs a little.
REST = np.zeros(len(CHANNELS), np.float32)
for _name, _value in {"jaw": 0.025, "close": 0.02, "press": 0.03, "rollL": 0.01}.items():
    REST[INDEX[_SHORT[_name]]] = _value
_SHUT_AFTER, _OPEN_BEFORE = 0.115, 0.075  # seconds to shut in a pause, and to open before the sound
_SHORTEST_PAUSE = 0.06  # what is shorter is no pause to the mouth


@dataclass(frozen=True)
class Segment:
    """One sound in time.

    Attributes:
        phone: Index into ``PHONES``.
        start, end: Seconds.
        shut, release: First and last moment of contact where there is one (stops may shut before they are heard and
            let go before they end); else as start and end.
    """

    phone: int
    start: float
    end: float
    shut: float
    release: float


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Targets ``[phones, channels]`` and weights ``[phones, groups]``."""
    targets, weights = np.zeros((len(PHONES), len(CHANNELS))), np.ones((len(PHONES), len(_GROUPS)))
    for name, (values, pull) in _VISEMES.items():
        for short, value in values.items():
            targets[PHONE[name], INDEX[_SHORT[short]]] = value
        for group, value in pull.items():
            weights[PHONE[name], list(_GROUPS).index(group)] = value
    # Vowels win a little over consonants in what the ear cannot do without: how far, how wide.
    for phone in VOWELS:
        for group, gain in (("jaw", 1.35), ("open", 1.25), ("spread", 1.3)):
            weights[phone, list(_GROUPS).index(group)] *= gain
    return targets, weights


_TARGETS, _WEIGHTS = _tables()
assert set(_VISEMES) == set(PHONES) - {"sil"}


def _ramp(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, a half cosine between."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0.0, 1.0))


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over time (axis 0); ``sigma`` in seconds."""
    reach = int(np.ceil(3 * sigma * _GRID))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma * _GRID)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return sum(k * padded[i : i + len(values)] for i, k in enumerate(kernel))


def _blend(segments: Sequence[Segment], times: np.ndarray) -> np.ndarray:
    """Sounds blended by dominance: ``[T, channels]``."""
    phone = np.array([s.phone for s in segments])
    middle = np.array([(s.start + s.end) / 2 for s in segments])
    length = np.array([min(s.end - s.start, 0.5) for s in segments])
    away = times[:, None] - middle
    out = np.zeros((len(times), len(CHANNELS)))
    for g, (names, attack, release) in enumerate(_GROUPS.values()):
        width = np.where(away < 0, attack, release) + 0.27 * length
        pull = np.exp(-(np.abs(away / width) ** 1.7)) * _WEIGHTS[phone, g] + 1e-9
        columns = [INDEX[n] for n in names]
        out[:, columns] = pull @ _TARGETS[phone][:, columns] / pull.sum(1, keepdims=True)
    return out


def _speaking(pauses: Sequence[tuple[float, float]], times: np.ndarray) -> np.ndarray:
    """1 where the mouth speaks, 0 where it rests: ``[T]``."""
    level = np.ones(len(times))
    for start, end in pauses:
        down = 1.0 - _ramp((times - start + 0.01) / _SHUT_AFTER) if start > 0 else np.zeros(len(times))
        up = _ramp((times - end + _OPEN_BEFORE) / _OPEN_BEFORE)
        level *= np.maximum(down, up)
    return level


def _contact(segment: Segment, contact: Contact, times: np.ndarray) -> np.ndarray:
    """Course of one contact, 1 while it lasts: ``[T]``."""
    shut, release = segment.shut, max(segment.release, segment.shut + 0.02)
    rise = _ramp((times - shut + contact.attack) / contact.attack)
    return rise * (1.0 - _ramp((times - release) / contact.release))


def pauses_of(segments: Sequence[Segment], seconds: float) -> list[tuple[float, float]]:
    """Stretches without sound, neighbours joined, as (start, end)."""
    found: list[tuple[float, float]] = []
    at = 0.0
    for segment in [s for s in segments if s.phone != SIL]:
        if segment.start - at >= _SHORTEST_PAUSE or (at == 0.0 and segment.start > 0):
            found.append((at, segment.start))
        at = max(at, segment.end)
    if seconds - at > 0:
        found.append((at, seconds + 1.0))
    return found


def teach(segments: Sequence[Segment], frames: int, effort: np.ndarray | None = None) -> np.ndarray:
    """How a face says this.

    Args:
        segments: Sounds in order; what lies between them is silence.
        frames: M, how many frames at 50 Hz to make; frame m is the face at m / 50 s.
        effort: float ``[M]``, how much the mouth moves, 1 as usual: louder speech moves more.

    Returns:
        float32 ``[M, 18]`` in 0..1.
    """
    times = np.arange(2 * frames) / _GRID
    spoken = [s for s in segments if s.phone != SIL]
    if not spoken:
        return np.repeat(REST[None], frames, 0)
    values = _blend(spoken, times)
    if effort is not None:
        moves = [INDEX[n] for n in ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthStretch")]
        values[:, moves] *= np.interp(times, np.arange(frames) / FPS, effort)[:, None]
    speaking = _speaking(pauses_of(spoken, frames / FPS), times)
    share = values[:, INDEX["mouthClose"]] * speaking + 0.8 * (1 - speaking)
    values = _smooth(values * speaking[:, None] + REST * (1 - speaking[:, None]), 0.013)
    share = _smooth(share[:, None], 0.013)[:, 0]
    look = np.zeros_like(values)
    for segment in spoken:
        contact = _CONTACTS.get(PHONES[segment.phone])
        if contact:
            course = _contact(segment, contact, times)
            share = 1.0 - (1.0 - share) * (1.0 - contact.degree * course)
            for short, value in contact.look.items():
                column = INDEX[_SHORT[short]]
                look[:, column] = np.maximum(look[:, column], value * course)
    open_lips = [INDEX["mouthLowerDown"], INDEX["mouthUpperUp"]]
    values[:, open_lips] *= 1.0 - share[:, None] ** 2
    values = np.maximum(values, look)
    values[:, INDEX["mouthClose"]] = values[:, INDEX["jawOpen"]] * share
    return np.clip(values[::2], 0.0, 1.0).astype(np.float32)


def labels(segments: Sequence[Segment], frames: int) -> np.ndarray:
    """Phone class of each frame at 50 Hz: uint8 ``[M]``, 0 in silence; a gap that is no pause belongs to what follows."""
    out, at = np.zeros(frames, np.uint8), 0.0
    for segment in segments:
        start = at if 0 < at and segment.start - at < _SHORTEST_PAUSE else segment.start
        first, last = (int(np.ceil(t * FPS - 1e-9)) for t in (start, segment.end))
        out[max(first, 0) : last] = segment.phone
        at = segment.end
    return out
